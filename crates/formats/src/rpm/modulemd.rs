//! `modules.yaml`: a stream of YAML documents about modules (libmodulemd's `modulemd`, `-defaults`, `-obsoletes`,
//! `-translations`).
//!
//! Documents are split by their markers, which YAML 1.2 (9.1.2) reserves at the beginning of a line, and kept as text.
//! Only a few scalars are read. Aliases are counted as if they were expanded, so that what we hand on is no bomb.

use std::io::{BufRead, Read};

use chantal_model::ItemKind;
use serde_json::json;

use super::item::Keys;
use super::updateinfo::without_nulls;
use super::xml::cut;
use super::yaml::{self, Wrong};
use crate::compress::read_error;
use crate::error::{Bad, FormatError};
use crate::read::{Item, Rule};

const MAX_DOCUMENT_BYTES: usize = 16 << 20;
const MAX_ARTIFACTS: usize = 100_000;

/// Hands out every document, and what cannot be one.
///
/// A record begins with `---` and ends with a line feed.
///
/// # Errors
/// [`FormatError::Limit`] for a document that is too large, too deep or a bomb of aliases.
pub(super) fn read(
    mut input: impl BufRead,
    file: &str,
    take: &mut dyn FnMut(Result<Item, Bad>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut keys = Keys::default();
    let mut index = 0;
    let mut text = Vec::new();
    let mut next = Vec::new();
    loop {
        let more = document(&mut input, file, &mut text, &mut next)?;
        if has_content(&text) {
            let item = std::str::from_utf8(&text)
                .map_err(|_| Wrong::Malformed("it is not valid UTF-8".to_owned()))
                .and_then(|text| item(text, &mut keys));
            let bad = |reason| Bad {
                kind: ItemKind::Module,
                file: file.to_owned(),
                index,
                name: String::new(),
                reason,
            };
            match item {
                Ok(item) => take(Ok(item))?,
                Err(Wrong::Malformed(reason)) => take(Err(bad(reason)))?,
                Err(Wrong::Limit(what, limit)) => {
                    return Err(FormatError::Limit {
                        file: file.to_owned(),
                        what: what.to_owned(),
                        limit,
                    });
                }
            }
            index += 1;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Reads one document into `text`; `next` carries the marker line of the one after it. Tells whether one comes.
fn document(input: &mut impl BufRead, file: &str, text: &mut Vec<u8>, next: &mut Vec<u8>) -> Result<bool, FormatError> {
    text.clear();
    text.append(next);
    loop {
        let start = text.len();
        let room = (MAX_DOCUMENT_BYTES + 1).saturating_sub(start) as u64;
        let count = input
            .by_ref()
            .take(room)
            .read_until(b'\n', text)
            .map_err(|error| read_error(file, error))?;
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(FormatError::Limit {
                file: file.to_owned(),
                what: "a document".to_owned(),
                limit: format!("{} MiB", MAX_DOCUMENT_BYTES >> 20),
            });
        }
        if count == 0 {
            return Ok(false);
        }
        if start == 0 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        let line = &text[start.min(text.len())..];
        if is_marker(line, b"---") {
            if has_content(&text[..start]) || text[..start].starts_with(b"---") {
                next.extend_from_slice(line);
                text.truncate(start);
                return Ok(true);
            }
            // Comments and directives before a marker are no document.
            text.drain(..start);
        } else if is_marker(line, b"...") {
            text.truncate(start);
            return Ok(true);
        }
    }
}

fn is_marker(line: &[u8], marker: &[u8]) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| {
        rest.first()
            .is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    })
}

/// Whether anything but a marker, comments, directives and blank lines is there.
fn has_content(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let line = line.strip_prefix(b"---").unwrap_or(line).trim_ascii();
        !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"%")
    })
}

#[derive(Default)]
struct Fields {
    document: String,
    dialect: String,
    name: String,
    stream: String,
    version: String,
    context: String,
    arch: String,
    artifacts: Vec<Box<str>>,
}

fn item(text: &str, keys: &mut Keys) -> Result<Item, Wrong> {
    let fields: Fields = yaml::gather(text)?;
    if fields.artifacts.len() > MAX_ARTIFACTS {
        return Err(Wrong::Limit("artifacts of a module", MAX_ARTIFACTS.to_string()));
    }
    if fields.document.is_empty() {
        return Err(Wrong::Malformed("it does not say what document it is".to_owned()));
    }
    // Only version 2 states its stream and artifacts; earlier and packagers' documents are handed on.
    let is_stream = fields.document == "modulemd" && fields.dialect == "2";
    if is_stream && (fields.name.is_empty() || fields.stream.is_empty()) {
        return Err(Wrong::Malformed("a module stream has no name or no stream".to_owned()));
    }
    let Some(key) = keys.unique(&fields.key()) else {
        return Err(Wrong::Malformed(format!(
            "the name {:?} is too long",
            cut(&fields.name)
        )));
    };
    let mut record = Vec::with_capacity(text.len() + 5);
    if !text.starts_with("---") {
        record.extend_from_slice(b"---\n");
    }
    record.extend_from_slice(text.as_bytes());
    if !text.ends_with('\n') {
        record.push(b'\n');
    }
    Ok(Item {
        kind: ItemKind::Module,
        key,
        attributes: fields.attributes(),
        needs: Vec::new(),
        rule: if is_stream { Rule::Whole } else { Rule::Always },
        series: is_stream.then(|| fields.series()),
        refers: if is_stream { fields.artifacts } else { Vec::new() },
        record,
    })
}

impl yaml::Gather for Fields {
    fn take(&mut self, path: &[yaml::Step], value: &str) {
        let field = match path {
            [yaml::Step::Key(key)] => match key.as_str() {
                "document" => &mut self.document,
                "version" => &mut self.dialect,
                _ => return,
            },
            [yaml::Step::Key(data), yaml::Step::Key(key)] if data == "data" => match key.as_str() {
                "name" | "module" => &mut self.name,
                "stream" => &mut self.stream,
                "version" => &mut self.version,
                "context" => &mut self.context,
                "arch" => &mut self.arch,
                _ => return,
            },
            [
                yaml::Step::Key(data),
                yaml::Step::Key(artifacts),
                yaml::Step::Key(rpms),
                yaml::Step::Entry,
            ] if data == "data" && artifacts == "artifacts" && rpms == "rpms" => {
                self.artifacts.push(with_epoch(value).into());
                return;
            }
            _ => return,
        };
        value.clone_into(field);
    }
}

impl Fields {
    fn key(&self) -> String {
        let Self {
            document,
            name,
            stream,
            version,
            context,
            arch,
            ..
        } = self;
        match document.as_str() {
            "modulemd" => format!("{document}/{name}:{stream}:{version}:{context}:{arch}"),
            "modulemd-defaults" => format!("{document}/{name}"),
            "modulemd-obsoletes" => format!("{document}/{name}:{stream}:{context}"),
            _ => format!("{document}/{name}:{stream}"),
        }
    }

    fn series(&self) -> (Box<str>, u64) {
        let series = format!("{}:{}:{}", self.name, self.stream, self.arch);
        (series.into(), self.version.parse().unwrap_or(0))
    }

    fn attributes(&self) -> serde_json::Value {
        let stated = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        without_nulls(json!({
            "document": self.document,
            "name": stated(&self.name),
            "stream": stated(&self.stream),
            "version": stated(&self.version),
            "context": stated(&self.context),
            "arch": stated(&self.arch),
        }))
    }
}

/// `name-epoch:version-release.arch`, whatever the packager left out.
pub(super) fn with_epoch(artifact: &str) -> String {
    let Some((name_version, release)) = artifact.rsplit_once('-') else {
        return artifact.to_owned();
    };
    match name_version.rsplit_once('-') {
        Some((name, version)) if !version.contains(':') => format!("{name}-0:{version}-{release}"),
        _ => artifact.to_owned(),
    }
}
