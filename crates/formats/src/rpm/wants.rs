//! Which metadata files a repository needs.

use std::collections::HashSet;
use std::io::BufRead;

use chantal_model::{Algorithm, Digest, Mode, Promise, RelPath};

use super::href;
use super::repomd::{self, Data, ENTRY, ENTRY_BYTES, ENTRY_PATH, Repomd};
use super::tree;
use super::xml::{Doctype, Node, Xml, cut};
use crate::error::FormatError;
use crate::read::{Fetched, Got, ReadRequest, Role, Wanted};

const SIGNATURE_BYTES: u64 = 1 << 20;
/// Types that [`crate::Format::list`] reads when metadata is generated, groups aside.
const SOURCES: [&str; 5] = ["primary", "filelists", "other", "updateinfo", "modules"];

/// See [`crate::Format::wants`].
pub(super) fn wants(have: &dyn Fetched, request: &ReadRequest) -> Result<Vec<Wanted>, FormatError> {
    let mirror = request.mode == Mode::Mirror;
    if matches!(have.get(ENTRY), Got::NotAsked) {
        return Ok(vec![unpromised(ENTRY, ENTRY_PATH, Role::Entry, ENTRY_BYTES, mirror)?]);
    }
    let repomd = repomd::fetched(have)?;
    let mut wanted = Vec::new();
    if mirror {
        // Generated metadata have a signature of their own, or none.
        let asc = format!("{ENTRY_PATH}.asc");
        wanted.push(unpromised("repomd.asc", &asc, Role::Signature, SIGNATURE_BYTES, true)?);
        let key = format!("{ENTRY_PATH}.key");
        wanted.push(unpromised("repomd.key", &key, Role::Metadata, SIGNATURE_BYTES, true)?);
    }
    let needed: Vec<&Data> = repomd
        .data
        .iter()
        .filter(|data| mirror || is_needed(&repomd, data))
        .collect();
    for data in &needed {
        wanted.push(promised(data, request, mirror || !is_source(&repomd, data))?);
    }
    if !request.without_trees {
        wanted.extend(tree::wants(have, request)?);
    }
    if mirror {
        for data in needed.iter().filter(|data| is_delta(&data.kind)) {
            deltas(have, data, request, &mut wanted)?;
        }
    }
    keep_missing(&mut wanted, have);
    Ok(wanted)
}

/// Leaves out what was asked for before, and what is wanted twice. A file that metadata names again, under whatever
/// promise, is the one that is named first.
fn keep_missing(wanted: &mut Vec<Wanted>, have: &dyn Fetched) {
    let mut seen = HashSet::new();
    wanted.retain(|wanted| seen.insert(wanted.path.clone()));
    wanted.retain(|wanted| matches!(have.get(&wanted.id), Got::NotAsked));
}

fn is_delta(kind: &str) -> bool {
    matches!(kind, "prestodelta" | "deltainfo")
}

/// What generated metadata needs: its sources, and what it hands on as it is.
fn is_needed(repomd: &Repomd, data: &Data) -> bool {
    !is_other_index(&data.kind) && (is_source(repomd, data) || !(is_read(&data.kind)))
}

/// Whether a type lists packages for other tools. It describes the unfiltered content, and nothing here writes it.
fn is_other_index(kind: &str) -> bool {
    // Translations are types of their own, such as `susedata.de`.
    let per_package = matches!(
        kind.split('.').next(),
        Some("filelists-ext" | "filelists_ext" | "susedata")
    );
    per_package || kind.ends_with("_db") || kind.ends_with("_zck") || is_delta(kind)
}

/// Whether this very file is read for generated metadata.
fn is_source(repomd: &Repomd, data: &Data) -> bool {
    let read = if repomd::is_group(&data.kind) {
        repomd.groups()
    } else if is_read(&data.kind) {
        repomd.first(&data.kind)
    } else {
        None
    };
    read.is_some_and(|read| read.id == data.id)
}

fn is_read(kind: &str) -> bool {
    SOURCES.contains(&kind) || repomd::is_group(kind)
}

fn unpromised(id: &str, path: &str, role: Role, limit_bytes: u64, verbatim: bool) -> Result<Wanted, FormatError> {
    Ok(Wanted {
        id: id.to_owned(),
        href: path.to_owned(),
        path: RelPath::parse(path).map_err(|error| FormatError::malformed(path, error.to_string()))?,
        promise: None,
        limit_bytes,
        optional: role != Role::Entry,
        role,
        verbatim,
        record: Vec::new(),
    })
}

fn promised(data: &Data, request: &ReadRequest, verbatim: bool) -> Result<Wanted, FormatError> {
    refuse_weak(&data.href, &data.digest, request)?;
    refuse_large(&data.href, data.size, request)?;
    Ok(Wanted {
        id: data.id.clone(),
        href: data.href.clone(),
        path: data.path.clone(),
        promise: Some(Promise {
            size: data.size,
            digests: vec![data.digest.clone()],
        }),
        limit_bytes: request.max_metadata_bytes,
        optional: false,
        role: Role::Metadata,
        verbatim,
        record: if verbatim { data.raw.clone() } else { Vec::new() },
    })
}

pub(super) fn refuse_weak(file: &str, digest: &Digest, request: &ReadRequest) -> Result<(), FormatError> {
    let algorithm = digest.algorithm();
    if algorithm == Algorithm::Md5 || (algorithm.is_weak() && !request.allow_sha1) {
        return Err(FormatError::Weak {
            file: file.to_owned(),
            algorithm: Some(algorithm),
        });
    }
    Ok(())
}

fn refuse_large(file: &str, size: Option<u64>, request: &ReadRequest) -> Result<(), FormatError> {
    match size {
        Some(size) if size > request.max_metadata_bytes => Err(FormatError::Limit {
            file: file.to_owned(),
            what: format!("the promised size of {size} bytes"),
            limit: format!("{} bytes (`limits.metadata`)", request.max_metadata_bytes),
        }),
        _ => Ok(()),
    }
}

/// The delta packages that `prestodelta` names; they are published like any metadata file.
fn deltas(have: &dyn Fetched, data: &Data, request: &ReadRequest, wanted: &mut Vec<Wanted>) -> Result<(), FormatError> {
    if matches!(have.get(&data.id), Got::NotAsked) {
        return Ok(());
    }
    let Some(input) = repomd::open(have, data, request)? else {
        return Ok(());
    };
    for delta in read_deltas(input, &data.href)? {
        refuse_weak(&delta.href, &delta.digest, request)?;
        refuse_large(&delta.href, delta.size, request)?;
        wanted.push(Wanted {
            id: format!("file/{}", delta.path),
            href: delta.href,
            path: delta.path,
            promise: Some(Promise {
                size: delta.size,
                digests: vec![delta.digest],
            }),
            limit_bytes: request.max_metadata_bytes,
            optional: false,
            role: Role::Payload,
            verbatim: true,
            record: Vec::new(),
        });
    }
    Ok(())
}

#[derive(Debug)]
struct Delta {
    href: String,
    path: RelPath,
    digest: Digest,
    size: Option<u64>,
}

/// Reads each `<delta>` of a prestodelta document, a path twice only once.
fn read_deltas(input: impl BufRead, file: &str) -> Result<Vec<Delta>, FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Refused);
    xml.root("prestodelta").or_else(|error| match xml.local_name() {
        "deltainfo" => Ok(String::new()),
        _ => Err(error),
    })?;
    let mut deltas = Vec::new();
    let mut seen = HashSet::new();
    while xml.next_child()?.is_some() {
        loop {
            match xml.next()? {
                Node::Start if xml.local_name() == "delta" => {
                    let delta = delta(&mut xml)?;
                    if seen.insert(delta.path.clone()) {
                        deltas.push(delta);
                    }
                }
                Node::End if xml.depth() == 2 => break,
                _ => {}
            }
        }
    }
    Ok(deltas)
}

fn delta<R: BufRead>(xml: &mut Xml<R>) -> Result<Delta, FormatError> {
    let depth = xml.depth();
    let (mut href, mut size, mut algorithm, mut digest) = (None, None, None, None);
    loop {
        match xml.next()? {
            Node::Start => algorithm = xml.attribute("type"),
            Node::End if xml.depth() == depth => break,
            Node::End => match xml.local_name() {
                "filename" => href = Some(xml.text().to_owned()),
                "size" => size = xml.text().parse().ok(),
                "checksum" => {
                    let algorithm = algorithm.as_deref().unwrap_or_default().parse::<Algorithm>();
                    let parsed = algorithm.and_then(|algorithm| Digest::parse(algorithm, xml.text()));
                    digest = Some(parsed.map_err(|error| xml.malformed(error.to_string()))?);
                }
                _ => {}
            },
            Node::Eof => break,
        }
    }
    let (Some(href), Some(digest)) = (href, digest) else {
        return Err(xml.malformed("a delta has no file name or no checksum"));
    };
    let path = href::path(&href).map_err(|error| xml.malformed(error.to_string()))?;
    if path.top() == "repodata" {
        return Err(xml.malformed(format!("unsafe path {:?}: it is among the metadata", cut(&href))));
    }
    Ok(Delta {
        href,
        path,
        digest,
        size,
    })
}
