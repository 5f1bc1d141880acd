//! What a `<package>` of primary says about other packages.
//!
//! The elements `rpm:provides`, `rpm:requires` and so on, each with `rpm:entry` children, as createrepo_c writes them,
//! and the few `<file>`s that primary names.

use chantal_model::Comparison;

use super::xml::{Doctype, Node, Xml};
use super::{record, rich, version};
use crate::error::FormatError;
use crate::relations::{Capability, Need, Relation, RelationKind, Relations};

/// What the package manager itself provides.
const BUILT_IN: [&str; 2] = ["rpmlib(", "rpm-config-tested("];

/// Reads a record of part 0.
pub(super) fn read(record: &[u8]) -> Result<Relations, FormatError> {
    let mut xml = Xml::new(record::description(record), "primary", Doctype::Refused);
    let mut found = Relations::default();
    let mut list = String::new();
    loop {
        match xml.next()? {
            Node::Start if xml.depth() == 3 => xml.local_name().clone_into(&mut list),
            Node::Start if xml.depth() == 4 && xml.local_name() == "entry" => {
                if let Some(capability) = capability(&xml) {
                    keep(&mut found, &list, capability);
                }
            }
            Node::End if xml.depth() == 3 && xml.name() == "file" => found.files.push(xml.text().into()),
            Node::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn capability(xml: &Xml<&[u8]>) -> Option<Capability> {
    let name = xml.attribute("name").filter(|name| !name.is_empty())?;
    let comparison = match xml.attribute("flags").as_deref() {
        Some("LT") => Some(Comparison::Less),
        Some("LE") => Some(Comparison::LessOrEqual),
        Some("EQ") => Some(Comparison::Equal),
        Some("GE") => Some(Comparison::GreaterOrEqual),
        Some("GT") => Some(Comparison::Greater),
        _ => None,
    };
    let ver = xml.attribute("ver").filter(|ver| !ver.is_empty());
    let version = comparison.zip(ver).map(|(comparison, ver)| {
        let epoch = xml.attribute("epoch").unwrap_or_default();
        let release = xml.attribute("rel").unwrap_or_default();
        (comparison, version::range(&epoch, &ver, &release).into())
    });
    Some(Capability {
        name: name.into(),
        version,
    })
}

fn keep(found: &mut Relations, list: &str, capability: Capability) {
    let kind = match list {
        "provides" => {
            found.provides.push(capability);
            return;
        }
        "requires" => RelationKind::Requires,
        "recommends" => RelationKind::Recommends,
        "suggests" => RelationKind::Suggests,
        "supplements" => RelationKind::Supplements,
        "enhances" => RelationKind::Enhances,
        "conflicts" => RelationKind::Conflicts,
        "obsoletes" => RelationKind::Obsoletes,
        _ => return,
    };
    let need = rich::read(&capability.name);
    found.relations.push(Relation {
        kind,
        text: capability.to_string().into(),
        is_built_in: BUILT_IN.iter().any(|word| capability.name.starts_with(word)),
        need: need.unwrap_or(Need::One(capability)),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(format: &str) -> Relations {
        let fragment = format!("<package type=\"rpm\"><name>a</name><format>{format}</format></package>");
        let record = [&0_u32.to_le_bytes()[..], fragment.as_bytes()].concat();
        read(&record).unwrap()
    }

    fn texts(relations: &Relations) -> Vec<String> {
        let told = |relation: &Relation| format!("{:?} {}", relation.kind, relation.text);
        relations.relations.iter().map(told).collect()
    }

    #[test]
    fn entries_are_read_with_their_ranges() {
        let found = of(
            "<rpm:provides><rpm:entry name=\"a\" flags=\"EQ\" epoch=\"1\" ver=\"2\" rel=\"3\"/>\
             <rpm:entry name=\"b &amp; c\"/></rpm:provides>\
             <rpm:requires><rpm:entry name=\"d\" flags=\"GE\" epoch=\"0\" ver=\"4\" pre=\"1\"/>\
             <rpm:entry name=\"rpmlib(X)\" flags=\"LE\" epoch=\"0\" ver=\"4\" rel=\"1\"/></rpm:requires>\
             <rpm:weird><rpm:entry name=\"x\"/></rpm:weird>\
             <rpm:obsoletes><rpm:entry name=\"e\" flags=\"LT\" epoch=\"0\" ver=\"1\"/></rpm:obsoletes>\
             <file>/usr/bin/a</file><file type=\"dir\">/etc/a</file>",
        );
        let provides: Vec<_> = found.provides.iter().map(ToString::to_string).collect();
        assert_eq!(provides, ["a = 1:2-3", "b & c"]);
        assert_eq!(
            texts(&found),
            ["Requires d >= 4", "Requires rpmlib(X) <= 4-1", "Obsoletes e < 1"]
        );
        assert_eq!(
            found.relations.iter().map(|one| one.is_built_in).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(found.files, ["/usr/bin/a".into(), "/etc/a".into()]);
    }

    #[test]
    fn a_record_that_is_no_xml_is_an_error() {
        assert!(read(b"\0\0\0\0<package><format>").is_err());
    }
}
