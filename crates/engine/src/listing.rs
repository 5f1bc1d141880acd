//! Takes what a format lists; keeps facts packed in memory and raw records in spool files.

mod beside;

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use chantal_formats::{Bad, Flow, Item, Rule, Sink, Stop};
use chantal_model::{ItemKind, Package, Sha256};

pub(crate) use self::beside::listed_beside;
use crate::packed::Packed;
use crate::spool::Spool;

/// All that a feed lists, before anything is chosen.
pub(crate) struct Listing {
    pub(crate) packages: Packed,
    /// The raw record of each package, in order.
    pub(crate) records: Spool,
    pub(crate) items: Vec<ListedItem>,
    pub(crate) bad: Vec<Bad>,
    /// The label of each package, as a tag.
    labels: Vec<Tag>,
    /// The labels that each item names.
    named: Vec<Box<[Tag]>>,
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

/// An item whose raw record and facts lie in the spool.
pub(crate) struct ListedItem {
    pub(crate) kind: ItemKind,
    pub(crate) rule: Rule,
    /// Whether it named any package at all.
    pub(crate) refers_to_packages: bool,
    pub(crate) key: Box<str>,
    pub(crate) series: Option<Box<(Box<str>, u64)>>,
    /// Indices of the packages that it refers to and that the feed lists; filled by [`Listing::resolve`].
    pub(crate) members: Box<[u32]>,
    /// Names of packages without which it is not whole.
    pub(crate) needs: Box<[Box<str>]>,
    pub(crate) digest: Sha256,
    at: u64,
    record_bytes: u32,
    attribute_bytes: u32,
}

impl Listing {
    /// Makes an empty listing whose spools are unnamed files in `work`.
    pub(crate) fn new(work: &Path) -> io::Result<Self> {
        Ok(Self {
            packages: Packed::default(),
            records: Spool::new(work),
            items: Vec::new(),
            bad: Vec::new(),
            labels: Vec::new(),
            named: Vec::new(),
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
        self.records.finish()?;
        let mut by_label: HashMap<Tag, u32> = HashMap::with_capacity(self.labels.len());
        // Further packages of one label.
        let mut others: HashMap<Tag, Vec<u32>> = HashMap::new();
        for (index, label) in std::mem::take(&mut self.labels).into_iter().enumerate() {
            let index = index as u32;
            if *by_label.entry(label).or_insert(index) != index {
                others.entry(label).or_default().push(index);
            }
        }
        for (item, labels) in self.items.iter_mut().zip(std::mem::take(&mut self.named)) {
            item.refers_to_packages = !labels.is_empty();
            let mut members: Vec<u32> = Vec::with_capacity(labels.len());
            for label in labels {
                members.extend(by_label.get(&label));
                members.extend(others.get(&label).into_iter().flatten());
            }
            members.sort_unstable();
            members.dedup();
            item.members = members.into();
        }
        Ok(())
    }

    /// Reads an item's raw record and its facts, as JSON, back.
    pub(crate) fn record(&self, item: &ListedItem) -> io::Result<(Vec<u8>, String)> {
        let mut record = vec![0; item.record_bytes as usize];
        let mut attributes = vec![0; item.attribute_bytes as usize];
        let spool = self.spool.get_ref();
        spool.read_exact_at(&mut record, item.at)?;
        spool.read_exact_at(&mut attributes, item.at + u64::from(item.record_bytes))?;
        let attributes = String::from_utf8(attributes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok((record, attributes))
    }
}

impl Sink for Listing {
    fn package(&mut self, package: Package, record: &[u8]) -> Flow {
        if let Err(error) = self.records.push(record) {
            self.failure = Some(error);
            return Err(Stop);
        }
        self.labels.push(self.tagger.tag(&package.label));
        self.packages.push(&package);
        Ok(())
    }

    fn item(&mut self, item: Item) -> Flow {
        let at = self.spooled;
        let attributes = item.attributes.to_string();
        for part in [&item.record[..], attributes.as_bytes()] {
            if let Err(error) = self.spool.write_all(part) {
                self.failure = Some(error);
                return Err(Stop);
            }
            self.spooled += part.len() as u64;
        }
        self.named
            .push(item.refers.iter().map(|label| self.tagger.tag(label)).collect());
        self.items.push(ListedItem {
            kind: item.kind,
            rule: item.rule,
            needs: item.needs.into(),
            refers_to_packages: false,
            key: item.key.into(),
            series: item.series.map(Box::new),
            members: Box::default(),
            digest: Sha256::of(&item.record),
            at,
            record_bytes: item.record.len() as u32,
            attribute_bytes: attributes.len() as u32,
        });
        Ok(())
    }

    fn bad(&mut self, bad: Bad) -> Flow {
        self.bad.push(bad);
        Ok(())
    }
}
