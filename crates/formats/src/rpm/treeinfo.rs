//! `.treeinfo`: what an installation tree holds beside its packages.
//!
//! Read as productmd, lorax and anaconda write and read it: an INI file whose keys keep their case, since keys of
//! `[checksums]` are paths. Files of the tree are every value of every `[images-…]` section and of `[stage2]`, and
//! every other path of `[checksums]` that belongs to no repository.
//!
//! Departures: interpolation with `%` is not done, as productmd switches it off; of two equal keys the last one counts,
//! unless they promise two digests for one path.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use chantal_model::{Algorithm, Digest, RelPath};

use super::href;
use super::pathname::ENTRY_DIR;
use super::xml::cut;
use crate::compress::read_error;
use crate::error::FormatError;
use crate::read::{Fetched, Got};

/// Where a tree describes itself, best first. Servers that hide dot files have the second.
pub(super) const PATHS: [&str; 2] = [".treeinfo", "treeinfo"];
/// The most bytes of the document.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// The most files of one tree.
const MAX_FILES: usize = 10_000;
/// Sections of which at least one is there; what has none of them is something else.
const HEADS: [&str; 4] = ["general", "header", "release", "tree"];

/// An installation tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// Its files in the order of their paths, each once.
    pub(super) files: Vec<TreeFile>,
    /// Repositories that it names beside its own, as name and location, both as upstream writes them.
    pub(super) repositories: Vec<(String, String)>,
}

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeFile {
    /// Its path as upstream writes it.
    pub(super) text: String,
    /// Where it is.
    pub(super) path: RelPath,
    /// What `[checksums]` promises about it.
    pub(super) digest: Option<Digest>,
}

/// What was fetched as a tree's description.
#[derive(Debug)]
pub(super) enum Described {
    /// There is none, or it was not asked for yet.
    Nothing,
    /// The server answered with a page for people: it has none either.
    Page(&'static str),
    /// This one, by the name of its file.
    Tree(&'static str, Tree),
}

/// Reads the description out of what was fetched.
///
/// # Errors
/// As [`read`].
pub(super) fn fetched(have: &dyn Fetched) -> Result<Described, FormatError> {
    for path in PATHS {
        if let Got::Here(mut input) = have.get(path) {
            let head = input.fill_buf().map_err(|error| read_error(path, error))?;
            if head.trim_ascii_start().starts_with(b"<") {
                return Ok(Described::Page(path));
            }
            return read(input, path).map(|tree| Described::Tree(path, tree));
        }
    }
    Ok(Described::Nothing)
}

/// Reads a description.
///
/// # Errors
/// [`FormatError::Malformed`] for what is no such document, and for paths that leave the tree.
pub(super) fn read(mut input: impl BufRead, file: &str) -> Result<Tree, FormatError> {
    let mut bytes = Vec::new();
    input
        .by_ref()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(file, error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(limit(file, "its size", format!("{MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::Malformed {
        file: file.to_owned(),
        reason: "not UTF-8".to_owned(),
        at: Some(error.valid_up_to() as u64),
    })?;
    let sections = sections(text.strip_prefix('\u{feff}').unwrap_or(text), file)?;
    if !HEADS.iter().any(|head| sections.contains_key(head)) {
        return Err(FormatError::malformed(file, "it has neither [general] nor [header]"));
    }
    let files = files(&sections, file)?;
    Ok(Tree {
        files,
        repositories: repositories(&sections),
    })
}

fn limit(file: &str, what: &str, limit: String) -> FormatError {
    FormatError::Limit {
        file: file.to_owned(),
        what: what.to_owned(),
        limit,
    }
}

/// Keys and values of each section, in upstream's order.
type Sections<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str)>>;

fn sections<'a>(text: &'a str, file: &str) -> Result<Sections<'a>, FormatError> {
    let mut sections = Sections::new();
    let mut current: Option<&mut Vec<(&str, &str)>> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |what: &str| FormatError::malformed(file, format!("line {}: {what}: {:?}", index + 1, cut(line)));
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if bare.chars().any(|c| c.is_control() && c != '\t') {
            return Err(wrong("it holds a control character"));
        }
        // A line that is indented goes on with the value before; no value that is read here has two lines.
        if line.starts_with([' ', '\t']) && current.as_ref().is_some_and(|entries| !entries.is_empty()) {
            continue;
        }
        if let Some(rest) = bare.strip_prefix('[') {
            let name = rest.split(']').next().filter(|name| name.len() < rest.len());
            let name = name.ok_or_else(|| wrong("a section without an end"))?;
            current = Some(sections.entry(name.trim()).or_default());
            continue;
        }
        let (key, value) = bare.split_once(['=', ':']).unwrap_or((bare, ""));
        let entries = current.as_mut().ok_or_else(|| wrong("not in any section"))?;
        entries.push((key.trim_end(), value.trim_start()));
    }
    Ok(sections)
}

fn files(sections: &Sections<'_>, file: &str) -> Result<Vec<TreeFile>, FormatError> {
    let checksums = checksums(sections, file)?;
    let mut found: BTreeMap<RelPath, TreeFile> = BTreeMap::new();
    let images = sections
        .iter()
        .filter(|(name, _)| name.starts_with("images-") || **name == "stage2")
        .flat_map(|(_, entries)| entries)
        .map(|(_, value)| *value)
        .filter(|value| !value.is_empty());
    for text in images {
        let path = path(text, file)?;
        if path.top() == ENTRY_DIR || PATHS.contains(&path.as_str()) {
            let reason = format!("unsafe path {:?}: it is among the metadata", cut(text));
            return Err(FormatError::malformed(file, reason));
        }
        let digest = checksums.get(&path).map(|(_, digest)| digest.clone());
        found.entry(path.clone()).or_insert_with(|| TreeFile {
            text: text.to_owned(),
            path,
            digest,
        });
    }
    for (path, (text, digest)) in checksums {
        if belongs_to_a_repository(&path) || found.contains_key(&path) {
            continue;
        }
        let digest = Some(digest);
        found.insert(path.clone(), TreeFile { text, path, digest });
    }
    if found.len() > MAX_FILES {
        return Err(limit(file, "the number of its files", MAX_FILES.to_string()));
    }
    Ok(found.into_values().collect())
}

/// Whether `[checksums]` promises a file that comes with a repository: its metadata, its packages, this document.
fn belongs_to_a_repository(path: &RelPath) -> bool {
    let is_metadata = path.as_str().split('/').any(|segment| segment == ENTRY_DIR);
    let is_package = path.file_name().rsplit_once('.').is_some_and(|(_, end)| end == "rpm");
    is_metadata || is_package || PATHS.contains(&path.as_str())
}

fn checksums(sections: &Sections<'_>, file: &str) -> Result<BTreeMap<RelPath, (String, Digest)>, FormatError> {
    let mut checksums = BTreeMap::new();
    for (key, value) in sections.get("checksums").into_iter().flatten() {
        let at = path(key, file)?;
        let digest = digest(value)
            .map_err(|reason| FormatError::malformed(file, format!("the checksum of {:?}: {reason}", cut(key))))?;
        match checksums.insert(at, ((*key).to_owned(), digest.clone())) {
            Some((_, before)) if before != digest => {
                return Err(FormatError::malformed(file, format!("two digests for {:?}", cut(key))));
            }
            _ => {}
        }
    }
    Ok(checksums)
}

fn digest(text: &str) -> Result<Digest, String> {
    let (algorithm, digits) = text
        .split_once(':')
        .ok_or_else(|| format!("{:?} names no algorithm", cut(text)))?;
    let algorithm: Algorithm = algorithm.trim().parse().map_err(|error| format!("{error}"))?;
    Digest::parse(algorithm, digits.trim()).map_err(|error| error.to_string())
}

/// A path as it stands there: it is no URL, so nothing in it is an escape.
fn path(text: &str, file: &str) -> Result<RelPath, FormatError> {
    let text = text.strip_prefix("./").unwrap_or(text);
    href::path(&href::reference(text)).map_err(|error| FormatError::malformed(file, error.to_string()))
}

/// What `[variant-…]`, `[addon-…]` and `[tree]` name as repositories, but for the tree's own.
fn repositories(sections: &Sections<'_>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (section, entries) in sections {
        let kind = ["variant-", "addon-"]
            .iter()
            .find_map(|kind| section.strip_prefix(kind));
        let Some(name) = kind else { continue };
        let last = |wanted: &str| {
            entries
                .iter()
                .rev()
                .find(|(key, _)| *key == wanted)
                .map(|(_, value)| *value)
        };
        let Some(location) = last("repository") else { continue };
        let is_own = matches!(location.trim_end_matches('/'), "" | ".");
        let name = last("name").filter(|name| !name.is_empty()).unwrap_or(name);
        let one = (cut(name), cut(location));
        if !is_own && !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests;
