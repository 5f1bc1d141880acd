//! Generated `updateinfo.xml`: advisories with the published ones of their packages.

use std::ops::Range;

use chantal_model::ItemKind;

use super::render::{Cuts, Entry, Lazy, Published, Visit, walk};
use super::updateinfo;
use super::xml::Xml;
use crate::error::FormatError;
use crate::render::{Content, RenderSettings, Tree};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n";

/// Writes the advisories; nothing if there are none.
pub(super) fn render(
    content: &dyn Content,
    published: &Published,
    settings: &RenderSettings,
    tree: &dyn Tree,
) -> Result<Option<Entry>, FormatError> {
    let mut document = Lazy::new(("updateinfo", "updateinfo.xml"), HEAD, settings, tree);
    content.items(ItemKind::Advisory, &mut |item| match prune(item.record, published)? {
        Some(record) => document.write("  ", &record, "\n"),
        None => Ok(()),
    })?;
    document.finish("</updates>\n")
}

/// The advisory without packages that are not published; `None` if it listed packages and none is left.
fn prune(record: &[u8], published: &Published) -> Result<Option<Vec<u8>>, FormatError> {
    let mut packages = Packages {
        published,
        cuts: Cuts::default(),
        all: Count::default(),
        collection: Count::default(),
        keep: true,
    };
    walk(record, "updateinfo", &mut packages)?;
    Ok((!packages.all.is_emptied()).then(|| packages.cuts.apply(record)))
}

#[derive(Default)]
struct Count {
    listed: u64,
    kept: u64,
}

impl Count {
    fn add(&mut self, keep: bool) {
        self.listed += 1;
        self.kept += u64::from(keep);
    }

    fn is_emptied(&self) -> bool {
        self.listed > 0 && self.kept == 0
    }
}

struct Packages<'a> {
    published: &'a Published,
    cuts: Cuts,
    all: Count,
    /// The `<collection>` at hand.
    collection: Count,
    /// Whether the `<package>` at hand stays.
    keep: bool,
}

impl Visit for Packages<'_> {
    fn begin(&mut self, xml: &Xml<&[u8]>) {
        match (xml.depth(), xml.name()) {
            (3, _) => self.collection = Count::default(),
            (4, "package") => {
                self.keep = updateinfo::label(xml).is_some_and(|label| self.published.has_label(&label));
                self.all.add(self.keep);
                self.collection.add(self.keep);
            }
            _ => {}
        }
    }

    fn end(&mut self, xml: &Xml<&[u8]>, range: Range<usize>) {
        match (xml.depth(), xml.name()) {
            (4, "package") if !self.keep => self.cuts.push(range),
            (3, _) if self.collection.is_emptied() => self.cuts.push(range),
            _ => {}
        }
    }
}
