//! Takes what a format lists; keeps facts packed in memory and raw records of items in a spool file.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use chantal_formats::{Bad, Flow, Item, Rule, Sink, Stop};
use chantal_model::{ItemKind, Package, Sha256};

use crate::packed::Packed;

/// All that a feed lists, before anything is chosen.
pub(crate) struct Listing {
    pub(crate) packages: Packed,
    pub(crate) items: Vec<ListedItem>,
    pub(crate) bad: Vec<Bad>,
    /// The label of each package, as a tag.
    labels: Vec<Tag>,
    tagger: Tagger,
    spool: BufWriter<File>,
    spooled: u64,
    failure: Option<io::Error>,
}

/// Stands for a text in a table that must be small. Tags of different texts differ: 128 bits under random keys.
pub(crate) type Tag = u128;

/// Makes tags; those of one tagger can be compared with each other.
#[derive(Clone, Default)]
pub(crate) struct Tagger(RandomState, RandomState);

impl Tagger {
    pub(crate) fn tag(&self, text: &str) -> Tag {
        u128::from(self.0.hash_one(text)) << 64 | u128::from(self.1.hash_one(text))
    }
}

/// An item whose raw record lies in the spool.
pub(crate) struct ListedItem {
    pub(crate) kind: ItemKind,
    pub(crate) key: String,
    /// Facts as JSON.
    pub(crate) attributes: String,
    pub(crate) rule: Rule,
    pub(crate) series: Option<(Box<str>, u64)>,
    /// Indices of the packages that it refers to and that the feed lists; filled by [`Listing::resolve`].
    pub(crate) members: Vec<u32>,
    /// Whether it named any package at all.
    pub(crate) refers_to_packages: bool,
    pub(crate) digest: Sha256,
    labels: Vec<Tag>,
    at: u64,
    len: usize,
}

impl Listing {
    /// Makes an empty listing whose spool is an unnamed file in `work`.
    pub(crate) fn new(work: &Path) -> io::Result<Self> {
        Ok(Self {
            packages: Packed::default(),
            items: Vec::new(),
            bad: Vec::new(),
            labels: Vec::new(),
            tagger: Tagger::default(),
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
        let mut by_label: HashMap<Tag, u32> = HashMap::with_capacity(self.labels.len());
        // Further packages of one label.
        let mut others: HashMap<Tag, Vec<u32>> = HashMap::new();
        for (index, label) in std::mem::take(&mut self.labels).into_iter().enumerate() {
            let index = index as u32;
            if *by_label.entry(label).or_insert(index) != index {
                others.entry(label).or_default().push(index);
            }
        }
        for item in &mut self.items {
            item.refers_to_packages = !item.labels.is_empty();
            for label in std::mem::take(&mut item.labels) {
                item.members.extend(by_label.get(&label));
                item.members.extend(others.get(&label).into_iter().flatten());
            }
            item.members.sort_unstable();
            item.members.dedup();
            item.members.shrink_to_fit();
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
        self.labels.push(self.tagger.tag(&package.label));
        self.packages.push(&package);
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
            attributes: item.attributes.to_string(),
            rule: item.rule,
            series: item.series,
            members: Vec::new(),
            refers_to_packages: false,
            digest: Sha256::of(&item.record),
            labels: item.refers.iter().map(|label| self.tagger.tag(label)).collect(),
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
