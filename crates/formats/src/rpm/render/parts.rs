//! primary, filelists and other: one record per package.

use chantal_model::ItemKind;

use super::super::{list, record};
use super::document::{Document, Entry};
use crate::error::FormatError;
use crate::render::{Content, Part, PartRecord, RenderSettings, RenderedPackage, Tree};

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

/// Writes primary; `seen` is told every package.
pub(super) fn primary(
    content: &dyn Content,
    roots: &Roots,
    settings: &RenderSettings,
    tree: &dyn Tree,
    seen: &mut dyn FnMut(&RenderedPackage<'_>),
) -> Result<Entry, FormatError> {
    let mut part = Open::create(0, content, roots, settings, tree)?;
    content.packages(0, &mut |package| {
        seen(&package);
        let Some(record) = package.record else {
            let reason = "its record in primary is not stored";
            return Err(FormatError::malformed(package.path, reason));
        };
        part.write(&record::insert_location(record, package.path)?)
    })?;
    part.finish()
}

/// Writes filelists or other.
pub(super) fn more(
    part: Part,
    content: &dyn Content,
    roots: &Roots,
    settings: &RenderSettings,
    tree: &dyn Tree,
) -> Result<Entry, FormatError> {
    let mut open = Open::create(part, content, roots, settings, tree)?;
    content.records(part, &mut |record| match record {
        PartRecord::Recorded(record) => open.write(record),
        PartRecord::Missing(package) => open.write(&nothing_about(&package)),
    })?;
    open.finish()
}

/// A part that is being written.
struct Open<'a> {
    document: Document<'a>,
    name: &'static str,
    end: String,
    announced: u64,
    written: u64,
}

impl<'a> Open<'a> {
    fn create(
        part: Part,
        content: &dyn Content,
        roots: &Roots,
        settings: &'a RenderSettings,
        tree: &'a dyn Tree,
    ) -> Result<Self, FormatError> {
        let root = &roots.0[part];
        let announced = content.package_count();
        let mut document = Document::create(list::PARTS[part], NAMES[part], settings, tree)?;
        let open = root.strip_suffix('>').unwrap_or(root);
        document.write(format!("{DECLARATION}{open} packages=\"{announced}\">\n").as_bytes())?;
        let name = open.trim_start_matches('<').split_ascii_whitespace().next();
        Ok(Self {
            document,
            name: NAMES[part],
            end: format!("</{}>\n", name.unwrap_or_default()),
            announced,
            written: 0,
        })
    }

    fn write(&mut self, record: &[u8]) -> Result<(), FormatError> {
        self.written += 1;
        self.document.write(record)?;
        self.document.write(b"\n")
    }

    fn finish(mut self) -> Result<Entry, FormatError> {
        let (announced, written) = (self.announced, self.written);
        if written != announced {
            let reason = format!("{announced} packages were announced, {written} came");
            return Err(FormatError::malformed(self.name, reason));
        }
        self.document.write(self.end.as_bytes())?;
        self.document.finish()
    }
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
