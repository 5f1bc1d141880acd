//! Takes what a format lists; keeps facts in memory and raw records of items in a spool file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use chantal_formats::{Bad, Flow, Item, Rule, Sink, Stop};
use chantal_model::{ItemKind, Package, Sha256};

/// All that a feed lists, before anything is chosen.
pub(crate) struct Listing {
    pub(crate) packages: Vec<Package>,
    pub(crate) items: Vec<ListedItem>,
    pub(crate) bad: Vec<Bad>,
    spool: BufWriter<File>,
    spooled: u64,
    failure: Option<io::Error>,
}

/// An item whose raw record lies in the spool.
pub(crate) struct ListedItem {
    pub(crate) kind: ItemKind,
    pub(crate) key: String,
    pub(crate) attributes: serde_json::Value,
    pub(crate) rule: Rule,
    pub(crate) series: Option<(Box<str>, u64)>,
    /// Indices of the packages that it refers to and that the feed lists; filled by [`Listing::resolve`].
    pub(crate) members: Vec<u32>,
    /// Whether it named any package at all.
    pub(crate) refers_to_packages: bool,
    pub(crate) digest: Sha256,
    labels: Vec<Box<str>>,
    at: u64,
    len: usize,
}

impl Listing {
    /// Makes an empty listing whose spool is an unnamed file in `work`.
    pub(crate) fn new(work: &Path) -> io::Result<Self> {
        Ok(Self {
            packages: Vec::new(),
            items: Vec::new(),
            bad: Vec::new(),
            spool: BufWriter::new(tempfile::tempfile_in(work)?),
            spooled: 0,
            failure: None,
        })
    }

    /// Why the listing asked the format to stop.
    pub(crate) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Turns labels into indices of packages. Call once, after the listing is complete.
    pub(crate) fn resolve(&mut self) -> io::Result<()> {
        self.spool.flush()?;
        let mut by_label: HashMap<&str, Vec<u32>> = HashMap::with_capacity(self.packages.len());
        for (index, package) in self.packages.iter().enumerate() {
            by_label.entry(&package.label).or_default().push(index as u32);
        }
        for item in &mut self.items {
            item.refers_to_packages = !item.labels.is_empty();
            item.members = item
                .labels
                .iter()
                .filter_map(|label| by_label.get(&**label))
                .flatten()
                .copied()
                .collect();
            item.members.sort_unstable();
            item.members.dedup();
            item.labels = Vec::new();
        }
        Ok(())
    }

    /// Reads an item's raw record back.
    pub(crate) fn record(&self, item: &ListedItem) -> io::Result<Vec<u8>> {
        let mut record = vec![0; item.len];
        self.spool.get_ref().read_exact_at(&mut record, item.at)?;
        Ok(record)
    }
}

impl Sink for Listing {
    fn package(&mut self, package: Package, _record: &[u8]) -> Flow {
        self.packages.push(package);
        Ok(())
    }

    fn item(&mut self, item: Item) -> Flow {
        let at = self.spooled;
        if let Err(error) = self.spool.write_all(&item.record) {
            self.failure = Some(error);
            return Err(Stop);
        }
        self.spooled += item.record.len() as u64;
        self.items.push(ListedItem {
            kind: item.kind,
            key: item.key,
            attributes: item.attributes,
            rule: item.rule,
            series: item.series,
            members: Vec::new(),
            refers_to_packages: false,
            digest: Sha256::of(&item.record),
            labels: item.refers,
            at,
            len: item.record.len(),
        });
        Ok(())
    }

    fn bad(&mut self, bad: Bad) -> Flow {
        self.bad.push(bad);
        Ok(())
    }
}
