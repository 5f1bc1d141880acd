//! Generated metadata of an RPM repository.
//!
//! Every record is upstream's own; only what names an unpublished package is taken out of it. Locations are written as
//! plain paths: clients (librepo, libzypp) escape them when they make a URL, so an escape written here would be escaped
//! once more.

mod cut;
mod document;
mod parts;
mod repomd;

pub(super) use cut::{Cuts, Visit, walk};
pub(super) use document::{Entry, Lazy};

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::thread;

use super::primary::is_source;
use super::{render_comps, render_modules, render_updateinfo};
use crate::error::FormatError;
use crate::render::{Content, RenderSettings, RenderedPackage, Tree};
use parts::Roots;

/// The packages of the content, as other metadata names them.
#[derive(Default)]
pub(super) struct Published {
    labels: HashSet<Box<str>>,
    /// Names of what can be installed. A source package has the name of one that is built of it.
    names: BTreeSet<Box<str>>,
}

impl Published {
    fn add(&mut self, package: &RenderedPackage<'_>) {
        self.labels.insert(package.label.into());
        if !is_source(package.arch) && !self.names.contains(package.name) {
            self.names.insert(package.name.into());
        }
    }

    /// Whether a package with this label is published.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.labels.contains(label)
    }

    /// Whether a package of this name is published that can be installed.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether such a package is published whose name begins and ends so, with at least one byte in between.
    pub(super) fn has_name_like(&self, start: &str, end: &str) -> bool {
        self.names
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|name| name.starts_with(start))
            .any(|name| name[start.len()..].len() > end.len() && name.ends_with(end))
    }
}

/// See [`crate::Format::render`].
pub(super) fn render(content: &dyn Content, settings: &RenderSettings, out: &dyn Tree) -> Result<(), FormatError> {
    let roots = Roots::of(content)?;
    let more = |part| parts::more(part, content, &roots, settings, out);
    let (first, filelists, other) = thread::scope(|scope| {
        let filelists = scope.spawn(|| more(1));
        let other = scope.spawn(|| more(2));
        let first = || {
            let mut published = Published::default();
            let primary = parts::primary(content, &roots, settings, out, &mut |package| published.add(package))?;
            let items = items(content, &published, settings, out)?;
            Ok::<_, FormatError>((primary, items))
        };
        (first(), join(filelists), join(other))
    });
    let (primary, items) = first?;
    let mut entries = vec![primary, filelists?, other?];
    entries.extend(items);
    repomd::render(&entries, content, settings, out)
}

fn items(
    content: &dyn Content,
    published: &Published,
    settings: &RenderSettings,
    out: &dyn Tree,
) -> Result<Vec<Entry>, FormatError> {
    let entries = [
        render_comps::render(content, published, settings, out)?,
        render_updateinfo::render(content, published, settings, out)?,
        render_modules::render(content, published, settings, out)?,
    ];
    Ok(entries.into_iter().flatten().collect())
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_needs_something_in_its_middle() {
        let published = Published {
            names: ["a-de", "a-", "b--x", "c"].map(Into::into).into(),
            ..Published::default()
        };
        for (start, end, found) in [
            ("a-", "", true),
            ("b-", "-x", false),
            ("b", "x", true),
            ("", "c", false),
            ("d", "", false),
        ] {
            assert_eq!(published.has_name_like(start, end), found, "{start}%s{end}");
        }
    }
}
