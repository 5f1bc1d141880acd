//! primary, filelists and other: one record per package.

use chantal_model::ItemKind;

use super::super::{list, record};
use super::document::{Document, Entry};
use crate::error::FormatError;
use crate::render::{Content, Part, RenderSettings, RenderedPackage, Tree};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMES: [&str; 3] = ["primary.xml", "filelists.xml", "other.xml"];
/// Root tags of documents whose upstream told none.
const ROOTS: [&str; 3] = [
    "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">",
    "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\">",
    "<otherdata xmlns=\"http://linux.duke.edu/metadata/other\">",
];

/// Root start tags of the parts, without their count of packages.
pub(super) struct Roots([String; 3]);

impl Roots {
    /// Upstream's own where it is recorded, since fragments may use prefixes that it declares.
    pub(super) fn of(content: &dyn Content) -> Result<Self, FormatError> {
        let mut roots = ROOTS.map(str::to_owned);
        content.items(ItemKind::Document, &mut |item| {
            let part = item
                .key
                .strip_prefix("root/")
                .and_then(|kind| list::PARTS.iter().position(|part| *part == kind));
            if let Some(part) = part {
                let tag = std::str::from_utf8(item.record).ok().filter(|tag| is_start_tag(tag));
                let tag = tag.ok_or_else(|| FormatError::malformed(item.key, "the stored root is damaged"))?;
                tag.clone_into(&mut roots[part]);
            }
            Ok(())
        })?;
        Ok(Self(roots))
    }
}

fn is_start_tag(tag: &str) -> bool {
    tag.strip_prefix('<')
        .and_then(|tag| tag.strip_suffix('>'))
        .is_some_and(|inside| {
            inside.starts_with(|c: char| !c.is_ascii_whitespace() && c != '/') && !inside.ends_with('/')
        })
}

/// Writes one part; `seen` is told every package.
pub(super) fn render(
    part: Part,
    content: &dyn Content,
    roots: &Roots,
    settings: &RenderSettings,
    tree: &dyn Tree,
    seen: &mut dyn FnMut(&RenderedPackage<'_>),
) -> Result<Entry, FormatError> {
    let root = &roots.0[part];
    let count = content.package_count();
    let mut document = Document::create(list::PARTS[part], NAMES[part], settings, tree)?;
    let open = root.strip_suffix('>').unwrap_or(root);
    document.write(format!("{DECLARATION}{open} packages=\"{count}\">\n").as_bytes())?;
    let mut written = 0_u64;
    content.packages(part, &mut |package| {
        seen(&package);
        written += 1;
        match (part, package.record) {
            (0, Some(record)) => document.write(&record::insert_location(record, package.path)?)?,
            (0, None) => {
                return Err(FormatError::malformed(
                    package.path,
                    "its record in primary is not stored",
                ));
            }
            (_, Some(record)) => document.write(record)?,
            (_, None) => document.write(&nothing_about(&package))?,
        }
        document.write(b"\n")
    })?;
    if written != count {
        let reason = format!("{count} packages were announced, {written} came");
        return Err(FormatError::malformed(NAMES[part], reason));
    }
    let name = open
        .trim_start_matches('<')
        .split_ascii_whitespace()
        .next()
        .unwrap_or_default();
    document.write(format!("</{name}>\n").as_bytes())?;
    document.finish()
}

/// The record of a package about which a part says nothing; clients expect one for every package.
fn nothing_about(package: &RenderedPackage<'_>) -> Vec<u8> {
    let (epoch, version) = package.version.split_once(':').unwrap_or(("0", package.version));
    let (version, release) = version.rsplit_once('-').unwrap_or((version, ""));
    let mut fragment = Vec::new();
    for (before, value) in [
        ("<package pkgid=\"", package.part_key),
        ("\" name=\"", package.name),
        ("\" arch=\"", package.arch),
        ("\">\n  <version epoch=\"", epoch),
        ("\" ver=\"", version),
        ("\" rel=\"", release),
    ] {
        fragment.extend_from_slice(before.as_bytes());
        record::escape_attribute(value, &mut fragment);
    }
    fragment.extend_from_slice(b"\"/>\n</package>");
    fragment
}
