//! `updateinfo.xml`: one `<update>` per advisory.

use std::io::BufRead;

use chantal_model::ItemKind;
use serde_json::{Value, json};

use super::item::Keys;
use super::version;
use super::xml::{Doctype, Node, Xml, cut, has_control};
use crate::error::{Bad, FormatError};
use crate::read::{Item, Rule};

/// Hands out every advisory, and what cannot be one.
///
/// # Errors
/// [`FormatError::Malformed`] for what is not XML or has another root than `updates`.
pub(super) fn read(
    input: impl BufRead,
    file: &str,
    take: &mut dyn FnMut(Result<Item, Bad>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Refused);
    xml.root("updates")?;
    let mut keys = Keys::default();
    let mut index = 0;
    while let Some(start) = xml.next_child()? {
        if xml.local_name() != "update" {
            xml.skip(2)?;
            continue;
        }
        let fields = fields(&mut xml)?;
        let bad = |reason: &str| Bad {
            kind: ItemKind::Advisory,
            file: file.to_owned(),
            index,
            name: cut(&fields.id),
            reason: reason.to_owned(),
        };
        let record = &xml.recorded()[start..];
        let item = if fields.id.is_empty() {
            Err(bad("it has no id"))
        } else if has_control(record) {
            Err(bad("it holds a control character"))
        } else if let Some(key) = keys.unique(&fields.id) {
            Ok(item(fields, key, record))
        } else {
            Err(bad("its id is too long"))
        };
        take(item)?;
        index += 1;
    }
    Ok(())
}

#[derive(Default)]
struct Fields {
    id: String,
    title: Option<String>,
    kind: Option<String>,
    severity: Option<String>,
    issued: Option<String>,
    updated: Option<String>,
    cves: Vec<String>,
    labels: Vec<Box<str>>,
}

fn fields<R: BufRead>(xml: &mut Xml<R>) -> Result<Fields, FormatError> {
    let mut fields = Fields {
        kind: xml.attribute("type"),
        ..Fields::default()
    };
    loop {
        match xml.next()? {
            Node::Start => begin(xml, &mut fields),
            Node::End if xml.depth() == 2 => break,
            Node::End if xml.depth() == 3 => match xml.name() {
                "id" => xml.text().clone_into(&mut fields.id),
                "title" => fields.title = Some(xml.text().to_owned()),
                "severity" => fields.severity = Some(xml.text().to_owned()),
                _ => {}
            },
            _ => {}
        }
    }
    fields.labels.sort_unstable();
    fields.labels.dedup();
    fields.cves.sort_unstable();
    fields.cves.dedup();
    Ok(fields)
}

fn begin<R: BufRead>(xml: &Xml<R>, fields: &mut Fields) {
    match (xml.depth(), xml.name()) {
        (3, "issued") => fields.issued = xml.attribute("date"),
        (3, "updated") => fields.updated = xml.attribute("date"),
        (4, "reference")
            if xml
                .attribute("type")
                .is_some_and(|kind| kind.eq_ignore_ascii_case("cve")) =>
        {
            fields
                .cves
                .extend(xml.attribute("id").or_else(|| xml.attribute("title")));
        }
        (5, "package") => fields.labels.extend(label(xml)),
        _ => {}
    }
}

/// The label of a listed package; `None` for one that lacks a part and so can match nothing.
pub(super) fn label<R: BufRead>(xml: &Xml<R>) -> Option<Box<str>> {
    let [name, version, release, arch] = ["name", "version", "release", "arch"].map(|part| xml.attribute(part));
    let epoch = xml.attribute("epoch").unwrap_or_default();
    Some(version::label(&name?, &epoch, &version?, &release?, &arch?).into())
}

fn item(fields: Fields, key: String, record: &[u8]) -> Item {
    let rule = if fields.labels.is_empty() {
        Rule::Always
    } else {
        Rule::AnyOf
    };
    let attributes = json!({
        "title": fields.title,
        "type": fields.kind,
        "severity": fields.severity,
        "issued": fields.issued,
        "updated": fields.updated,
        "cves": fields.cves,
    });
    Item {
        kind: ItemKind::Advisory,
        key,
        attributes: without_nulls(attributes),
        needs: Vec::new(),
        refers: fields.labels,
        rule,
        series: None,
        record: record.to_vec(),
    }
}

/// Facts that upstream does not state are left out rather than null.
pub(super) fn without_nulls(mut attributes: Value) -> Value {
    if let Some(object) = attributes.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    attributes
}
