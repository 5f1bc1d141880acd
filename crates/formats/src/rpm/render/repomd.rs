//! The entry point of generated metadata.

use std::fmt::Write as _;
use std::io::Write as _;

use chantal_model::ItemKind;

use super::super::record::escape_attribute;
use super::super::repomd::ENTRY_PATH;
use super::super::xml::{Doctype, Xml};
use super::document::Entry;
use crate::error::FormatError;
use crate::render::{Content, RenderSettings, Tree};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd \
                    xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n";

/// Writes the entry point: generated files in the order given, then those that are published as they came.
pub(super) fn render(
    entries: &[Entry],
    content: &dyn Content,
    settings: &RenderSettings,
    tree: &dyn Tree,
) -> Result<(), FormatError> {
    let mut text = HEAD.as_bytes().to_vec();
    text.extend_from_slice(b"  <revision>");
    escape_attribute(&settings.revision, &mut text);
    text.extend_from_slice(b"</revision>\n");
    for entry in entries {
        text.extend_from_slice(data(entry, settings.timestamp).as_bytes());
    }
    for (_, record) in verbatim(entries, content)? {
        text.extend_from_slice(b"  ");
        text.extend_from_slice(&record);
        text.push(b'\n');
    }
    text.extend_from_slice(b"</repomd>\n");
    let mut leaf = tree.create(&[])?;
    leaf.write_all(&text).map_err(|source| FormatError::Io {
        file: ENTRY_PATH.to_owned(),
        source,
    })?;
    leaf.place(ENTRY_PATH)
}

fn data(entry: &Entry, timestamp: i64) -> String {
    let Entry {
        kind,
        path,
        digest,
        size_bytes,
        open,
    } = entry;
    let algorithm = digest.algorithm();
    let mut text = format!(
        "  <data type=\"{kind}\">\n    <checksum type=\"{algorithm}\">{}</checksum>\n",
        digest.hex()
    );
    let fact = "writing to a string cannot fail";
    if let Some((open, _)) = open {
        writeln!(
            text,
            "    <open-checksum type=\"{algorithm}\">{}</open-checksum>",
            open.hex()
        )
        .expect(fact);
    }
    write!(
        text,
        "    <location href=\"{path}\"/>\n    <timestamp>{timestamp}</timestamp>\n    <size>{size_bytes}</size>\n"
    )
    .expect(fact);
    if let Some((_, open_bytes)) = open {
        writeln!(text, "    <open-size>{open_bytes}</open-size>").expect(fact);
    }
    text.push_str("  </data>\n");
    text
}

/// Upstream's own elements about files that are handed on, by type; a type that is generated is never there twice.
fn verbatim(entries: &[Entry], content: &dyn Content) -> Result<Vec<(String, Vec<u8>)>, FormatError> {
    let mut found = Vec::new();
    content.items(ItemKind::File, &mut |file| {
        if file.record.is_empty() {
            return Ok(());
        }
        let mut xml = Xml::new(file.record, file.key, Doctype::Refused);
        xml.root("data")?;
        let kind = xml.attribute("type").unwrap_or_default();
        if !entries.iter().any(|entry| entry.kind == kind) {
            found.push((kind, file.record.to_vec()));
        }
        Ok(())
    })?;
    // Stable, and items come by path: files of one type stay in that order.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
