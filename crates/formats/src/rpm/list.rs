//! Listing a fetched repository and passing over its parts.

use chantal_model::{Compression, ItemKind};
use serde_json::json;

use super::primary::Found;
use super::repomd::{self, Data, Repomd};
use super::{comps, filelists, modulemd, primary, tree, updateinfo};
use crate::compress::Decoder;
use crate::error::{Bad, FormatError};
use crate::read::{Fetched, Flow, Item, Overview, ReadRequest, Rule, Sink};

/// The parts of a package's metadata, by the type of their file.
pub(super) const PARTS: [&str; 3] = ["primary", "filelists", "other"];
/// Root elements of the parts after the first.
const ROOTS: [(&str, &str); 2] = [("filelists", "filelists"), ("other", "otherdata")];

/// See [`crate::Format::overview`].
pub(super) fn overview(have: &dyn Fetched, request: &ReadRequest) -> Result<Overview, FormatError> {
    let repomd = repomd::fetched(have)?;
    let mut weak: Vec<&str> = repomd
        .data
        .iter()
        .filter(|data| data.digest.algorithm().is_weak())
        .map(|data| data.digest.algorithm().name())
        .collect();
    weak.sort_unstable();
    weak.dedup();
    let mut overview = Overview {
        timestamp: repomd.data.iter().filter_map(|data| data.timestamp).max(),
        compression: repomd.first("primary").and_then(|data| by_suffix(&data.href)),
        warnings: weak
            .into_iter()
            .map(|algorithm| format!("metadata is promised by {algorithm} only, which is weak"))
            .collect(),
        revision: repomd.revision,
        left_out: Vec::new(),
        unverified: 0,
    };
    tree::report(have, request, &mut overview)?;
    Ok(overview)
}

/// How a file is compressed, as its name says; `None` for what nobody can read, such as zchunk.
fn by_suffix(href: &str) -> Option<Compression> {
    let suffix = href.rsplit('.').next().unwrap_or_default();
    match suffix {
        "gz" => Some(Compression::Gzip),
        "zst" => Some(Compression::Zstd),
        "xz" => Some(Compression::Xz),
        "bz2" => Some(Compression::Bzip2),
        "xml" => Some(Compression::None),
        _ => None,
    }
}

/// See [`crate::Format::list`].
pub(super) fn list(have: &dyn Fetched, request: &ReadRequest, found: &mut dyn Sink) -> Result<(), FormatError> {
    let repomd = repomd::fetched(have)?;
    packages(have, request, &repomd, found)?;
    for (kind, root) in ROOTS {
        if let Some((data, input)) = open(have, request, repomd.first(kind))? {
            let tag = filelists::root_tag(input, &data.href, root)?;
            flow(found.item(root_item(kind, &tag)))?;
        }
    }
    let mut take = |item: Result<Item, Bad>| {
        flow(match item {
            Ok(item) => found.item(item),
            Err(bad) => found.bad(bad),
        })
    };
    if let Some((data, input)) = open(have, request, repomd.first("updateinfo"))? {
        updateinfo::read(input, &data.href, &mut take)?;
    }
    if let Some((data, input)) = open(have, request, repomd.groups())? {
        comps::read(input, &data.href, &mut take)?;
    }
    if let Some((data, input)) = open(have, request, repomd.first("modules"))? {
        modulemd::read(input, &data.href, &mut take)?;
    }
    Ok(())
}

fn flow(flow: Flow) -> Result<(), FormatError> {
    flow.map_err(|_| FormatError::Stopped)
}

/// A metadata file and its open bytes.
type Opened<'a, 'd> = (&'d Data, Decoder<'a>);

fn open<'a, 'd>(
    have: &'a dyn Fetched,
    request: &ReadRequest,
    data: Option<&'d Data>,
) -> Result<Option<Opened<'a, 'd>>, FormatError> {
    let Some(data) = data else {
        return Ok(None);
    };
    Ok(repomd::open(have, data, request)?.map(|input| (data, input)))
}

fn open_primary<'a, 'd>(
    have: &'a dyn Fetched,
    request: &ReadRequest,
    repomd: &'d Repomd,
) -> Result<Opened<'a, 'd>, FormatError> {
    open(have, request, repomd.first(PARTS[0]))?.ok_or_else(|| FormatError::Missing {
        file: PARTS[0].to_owned(),
    })
}

fn packages(
    have: &dyn Fetched,
    request: &ReadRequest,
    repomd: &Repomd,
    found: &mut dyn Sink,
) -> Result<(), FormatError> {
    let (data, input) = open_primary(have, request, repomd)?;
    primary::read(input, &data.href, request, &mut |each| match each {
        Found::Root(tag) => found.item(root_item(PARTS[0], tag)),
        Found::Package(package, record) => found.package(*package, record),
        Found::Bad(bad) => found.bad(bad),
    })
}

/// Fragments may use prefixes that the root declares, so its start tag is kept; the count of packages is not.
fn root_item(kind: &str, tag: &str) -> Item {
    Item {
        kind: ItemKind::Document,
        key: format!("root/{kind}"),
        attributes: json!({}),
        needs: Vec::new(),
        refers: Vec::new(),
        rule: Rule::Always,
        series: None,
        record: without_count(tag).into_bytes(),
    }
}

/// The start tag of a root without its `packages` attribute, open even if the element was empty.
fn without_count(tag: &str) -> String {
    let tag = tag.strip_suffix('>').unwrap_or(tag);
    let tag = tag.strip_suffix('/').unwrap_or(tag).trim_end();
    let mut kept = String::with_capacity(tag.len());
    let mut rest = tag;
    // Walks over `white space name = "value"`; attributes were checked when the tag was read.
    while let Some(quote) = rest.find(['"', '\'']) {
        let mark = char::from(rest.as_bytes()[quote]);
        let end = rest[quote + 1..]
            .find(mark)
            .map_or(rest.len(), |length| quote + 1 + length + 1);
        let (attribute, after) = rest.split_at(end);
        let before_name = attribute[..quote].find(|c: char| c.is_ascii_whitespace()).unwrap_or(0);
        let name = attribute[before_name..quote].trim().trim_end_matches('=').trim_end();
        // The first attribute carries the name of the element in front of it.
        kept.push_str(if name == "packages" {
            &attribute[..before_name]
        } else {
            attribute
        });
        rest = after;
    }
    kept.push_str(rest);
    kept.push('>');
    kept
}

/// See [`crate::Format::part`].
pub(super) fn part(
    part: usize,
    have: &dyn Fetched,
    request: &ReadRequest,
    take: &mut dyn FnMut(&str, &[u8]) -> Flow,
) -> Result<(), FormatError> {
    let repomd = repomd::fetched(have)?;
    if part == 0 {
        let (data, input) = open_primary(have, request, &repomd)?;
        return primary::read(input, &data.href, request, &mut |each| match each {
            Found::Package(package, record) => take(&package.part_key, record),
            Found::Root(_) | Found::Bad(_) => Ok(()),
        });
    }
    let Some((kind, root)) = part.checked_sub(1).and_then(|index| ROOTS.get(index)) else {
        return Ok(());
    };
    match open(have, request, repomd.first(kind))? {
        Some((data, input)) => filelists::read(input, &data.href, root, request.max_files_per_package, take),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_keeps_everything_but_its_count() {
        for (tag, kept) in [
            ("<metadata>", "<metadata>"),
            ("<metadata packages=\"3\">", "<metadata>"),
            ("<metadata packages='3'/>", "<metadata>"),
            ("<metadata a='b'c='d e'>", "<metadata a='b'c='d e'>"),
            (
                "<metadata xmlns=\"c\" xmlns:rpm=\"r\" packages=\"0\">",
                "<metadata xmlns=\"c\" xmlns:rpm=\"r\">",
            ),
            (
                "<metadata packages = \"0\"\n xmlns='a\"b'>",
                "<metadata\n xmlns='a\"b'>",
            ),
            ("<metadata  x=\" packages='1' \" />", "<metadata  x=\" packages='1' \">"),
        ] {
            assert_eq!(without_count(tag), kept, "{tag}");
        }
    }
}
