//! Generated `comps.xml`: groups with the published ones of their packages, and what refers to those groups.
//!
//! A reference to a group that upstream does not define here stays: environments name groups of other repositories.

use std::collections::HashSet;
use std::ops::Range;

use chantal_model::ItemKind;

use super::render::{Cuts, Entry, Lazy, Published, Visit, walk};
use super::xml::Xml;
use crate::error::FormatError;
use crate::render::{Content, RenderSettings, RenderedItem, Tree};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<comps>\n";

/// The sections of the document in the order in which they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Groups,
    Categories,
    Environments,
    Rest,
}

impl Section {
    const ALL: [Self; 4] = [Self::Groups, Self::Categories, Self::Environments, Self::Rest];

    fn of(item: &RenderedItem<'_>) -> Self {
        match item.key.split_once('/') {
            Some(("group", _)) => Self::Groups,
            Some(("category", _)) => Self::Categories,
            Some(("environment", _)) => Self::Environments,
            _ => Self::Rest,
        }
    }
}

/// Writes the groups and all that comes with them; nothing if there is none.
pub(super) fn render(
    content: &dyn Content,
    published: &Published,
    settings: &RenderSettings,
    tree: &dyn Tree,
) -> Result<Option<Entry>, FormatError> {
    let mut document = Lazy::new(("group", "comps.xml"), HEAD, settings, tree);
    let gone = emptied_groups(content, published)?;
    for section in Section::ALL {
        content.items(ItemKind::Group, &mut |item| {
            if Section::of(&item) != section {
                return Ok(());
            }
            match look(item.record, published, &gone)?.pruned(item.record) {
                Some(record) => document.write("  ", &record, "\n"),
                None => Ok(()),
            }
        })?;
    }
    document.finish("</comps>\n")
}

/// Ids of the groups that had packages and have none left.
fn emptied_groups(content: &dyn Content, published: &Published) -> Result<HashSet<String>, FormatError> {
    let none = HashSet::new();
    let mut gone = HashSet::new();
    let mut stay = HashSet::new();
    content.items(ItemKind::Group, &mut |item| {
        if Section::of(&item) == Section::Groups {
            let group = look(item.record, published, &none)?;
            if group.is_emptied() {
                gone.insert(group.id);
            } else {
                stay.insert(group.id);
            }
        }
        Ok(())
    })?;
    // An id may be defined twice; clients merge the definitions.
    gone.retain(|id| !stay.contains(id));
    Ok(gone)
}

fn look<'a>(record: &[u8], published: &'a Published, gone: &'a HashSet<String>) -> Result<References<'a>, FormatError> {
    let mut references = References {
        published,
        gone,
        id: String::new(),
        cuts: Cuts::default(),
        kept: 0,
        listed: 0,
        install: None,
    };
    walk(record, "comps", &mut references)?;
    Ok(references)
}

/// What a record refers to.
struct References<'a> {
    published: &'a Published,
    gone: &'a HashSet<String>,
    id: String,
    cuts: Cuts,
    kept: usize,
    listed: usize,
    /// What the `<match>` of a language pack at hand installs.
    install: Option<String>,
}

impl References<'_> {
    /// Whether it referred to something and nothing of it is left.
    fn is_emptied(&self) -> bool {
        self.listed > 0 && self.kept == 0
    }

    fn pruned(&self, record: &[u8]) -> Option<Vec<u8>> {
        (!self.is_emptied()).then(|| self.cuts.apply(record))
    }

    fn refer(&mut self, keep: bool, range: Range<usize>) {
        self.listed += 1;
        if keep {
            self.kept += 1;
        } else {
            self.cuts.push(range);
        }
    }

    /// `%s` in a pattern stands for a language; a pattern without it is a name.
    fn is_installable(&self) -> bool {
        let Some(install) = &self.install else {
            return true;
        };
        match install.split_once("%s") {
            Some((start, end)) => self.published.has_name_like(start, end),
            None => self.published.has_name(install),
        }
    }
}

impl Visit for References<'_> {
    fn begin(&mut self, xml: &Xml<&[u8]>) {
        if xml.depth() == 2 && xml.name() == "match" {
            self.install = xml.attribute("install").filter(|install| !install.is_empty());
        }
    }

    fn end(&mut self, xml: &Xml<&[u8]>, range: Range<usize>) {
        match (xml.depth(), xml.name()) {
            (2, "id") => xml.text().clone_into(&mut self.id),
            (2, "match") => self.refer(self.is_installable(), range),
            (3, "packagereq") => self.refer(self.published.has_name(xml.text()), range),
            (3, "groupid") => self.refer(!self.gone.contains(xml.text()), range),
            _ => {}
        }
    }
}
