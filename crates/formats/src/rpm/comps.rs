//! `comps.xml`: groups, categories, environments and language packs.
//!
//! The one document that may have a DOCTYPE: old ones carry `<!DOCTYPE comps PUBLIC …>`. Its DTD is never read.

use std::io::BufRead;

use chantal_model::ItemKind;
use serde_json::json;

use super::item::Keys;
use super::updateinfo::without_nulls;
use super::xml::{Doctype, Node, Xml, cut, has_control};
use crate::error::{Bad, FormatError};
use crate::read::{Item, Rule};

/// Hands out every child of the root, and what cannot be one.
///
/// Keys are `group/<id>`, `category/<id>`, `environment/<id>` and `langpacks`; an element that we do not know has its
/// name as key.
///
/// # Errors
/// [`FormatError::Malformed`] for what is not XML or has another root than `comps`.
pub(super) fn read(
    input: impl BufRead,
    file: &str,
    take: &mut dyn FnMut(Result<Item, Bad>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Plain);
    xml.root("comps")?;
    let mut keys = Keys::default();
    let mut index = 0;
    while let Some(start) = xml.next_child()? {
        let mut fields = fields(&mut xml)?;
        let record = &xml.recorded()[start..];
        let item = if has_control(record) {
            Err("it holds a control character")
        } else {
            match key(&fields).and_then(|key| keys.unique(&key)) {
                Some(key) => Ok(item(std::mem::take(&mut fields), key, record)),
                None => Err("it has no id, or one that is too long"),
            }
        };
        take(item.map_err(|reason| Bad {
            kind: ItemKind::Group,
            file: file.to_owned(),
            index,
            name: cut(&fields.id),
            reason: format!("{}: {reason}", cut(&fields.kind)),
        }))?;
        index += 1;
    }
    Ok(())
}

#[derive(Default)]
struct Fields {
    kind: String,
    id: String,
    name: Option<String>,
    packages: Vec<String>,
    mandatory: Vec<Box<str>>,
    is_mandatory: bool,
    groups: Vec<String>,
    translated: bool,
}

fn fields<R: BufRead>(xml: &mut Xml<R>) -> Result<Fields, FormatError> {
    let mut fields = Fields {
        kind: xml.local_name().to_owned(),
        ..Fields::default()
    };
    loop {
        match xml.next()? {
            Node::Start => {
                fields.translated = xml.attribute("xml:lang").is_some();
                fields.is_mandatory = xml.attribute("type").is_none_or(|kind| kind == "mandatory");
            }
            Node::End if xml.depth() == 2 => return Ok(fields),
            Node::End => match (xml.depth(), xml.name()) {
                (3, "id") => xml.text().clone_into(&mut fields.id),
                (3, "name") if !fields.translated => fields.name = Some(xml.text().to_owned()),
                (4, "packagereq") => fields.package(xml.text()),
                (4, "groupid") => fields.groups.push(xml.text().to_owned()),
                _ => {}
            },
            Node::Eof => return Ok(fields),
        }
    }
}

impl Fields {
    fn package(&mut self, name: &str) {
        self.packages.push(name.to_owned());
        if self.is_mandatory {
            self.mandatory.push(name.into());
        }
    }
}

fn key(fields: &Fields) -> Option<String> {
    match fields.kind.as_str() {
        "group" | "category" | "environment" if fields.id.is_empty() => None,
        "group" | "category" | "environment" => Some(format!("{}/{}", fields.kind, fields.id)),
        other => Some(other.to_owned()),
    }
}

fn item(fields: Fields, key: String, record: &[u8]) -> Item {
    let attributes = json!({
        "id": fields.id,
        "name": fields.name,
        "kind": fields.kind,
        "packages": fields.packages,
        "groups": fields.groups,
    });
    Item {
        kind: ItemKind::Group,
        key,
        attributes: without_nulls(attributes),
        refers: Vec::new(),
        needs: fields.mandatory,
        rule: Rule::Always,
        series: None,
        record: record.to_vec(),
    }
}
