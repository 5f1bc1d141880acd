//! What a repository holds since an earlier sync and upstream may have dropped: candidates for retention.

use std::collections::{HashMap, HashSet};

use chantal_catalog::{HeldPackage, Member, RecordReader, Revision};
use chantal_formats::{Format, Rule};
use chantal_model::{Fields, ItemKind, Sha256};
use chantal_select::Filters;

use crate::Engine;
use crate::content::PARTS;
use crate::error::{Doing, EngineError};
use crate::listing::Listing;
use crate::packed::Packed;

/// Members read at a time.
const PAGE: u32 = 1000;

/// What the current revision holds; empty where retention does not look back.
#[derive(Default)]
pub(crate) struct Held {
    /// Packages that upstream does not list any more, in path order.
    pub(crate) packages: Vec<Dropped>,
    /// Whole items that upstream does not list any more.
    pub(crate) items: Vec<DroppedItem>,
    /// Listed packages that the revision holds too.
    pub(crate) listed: HashSet<u32>,
    /// Keys of listed whole items that the revision holds too.
    pub(crate) keys: HashSet<String>,
}

/// A package that upstream dropped.
pub(crate) struct Dropped {
    pub(crate) row: HeldPackage,
    /// Digests of its records.
    pub(crate) digests: [Option<Sha256>; PARTS],
    pub(crate) fields: Fields,
}

/// A whole item that upstream dropped.
pub(crate) struct DroppedItem {
    pub(crate) member: Member,
    pub(crate) digest: Option<Sha256>,
    pub(crate) series: Box<str>,
    pub(crate) rank: u64,
    /// Its packages: indices of listed ones, and after these of [`Held::packages`].
    pub(crate) members: Vec<u32>,
}

/// Where the whole items of the revision name a label.
#[derive(Default)]
struct Named {
    /// Places in the dropped items.
    dropped: Vec<usize>,
    /// Whether an item names it that upstream still lists.
    in_listed: bool,
}

impl Engine {
    /// Reads what retention may keep.
    pub(crate) async fn held(
        &self,
        format: &'static dyn Format,
        listing: &Listing,
        current: Option<&Revision>,
        filters: &Filters,
    ) -> Result<Held, EngineError> {
        let mut held = Held::default();
        let Some(current) = current.filter(|_| filters.retention.looks_back()) else {
            return Ok(held);
        };
        let named = self.held_items(format, listing, current, &mut held).await?;
        let listed = self.listed_blobs(&listing.packages).await?;
        let mut after = String::new();
        loop {
            let page = self
                .catalog
                .held_packages(current.line, current.number, &after, PAGE)
                .await
                .doing("read the current revision")?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.path);
            for row in page {
                sort(row, &listed, listing.packages.len(), &named, &mut held);
            }
        }
        self.complete(format, filters, &mut held).await?;
        Ok(held)
    }

    /// Listed packages by their bytes, as far as these are known.
    async fn listed_blobs(&self, packages: &Packed) -> Result<HashMap<Sha256, u32>, EngineError> {
        let mut blobs = HashMap::with_capacity(packages.len());
        let mut weak = Vec::new();
        for (index, package) in packages.iter() {
            match package.promise.sha256() {
                Some(sha256) => {
                    blobs.insert(sha256, index);
                }
                None => weak.extend(package.promise.digests.into_iter().map(|digest| (digest, index))),
            }
        }
        for chunk in weak.chunks(PAGE as usize) {
            let digests: Vec<_> = chunk.iter().map(|(digest, _)| digest.clone()).collect();
            let known = self.catalog.blobs_by_digest(&digests).await.doing("look up digests")?;
            let found = chunk
                .iter()
                .filter_map(|(digest, index)| Some((known.get(digest)?.0, *index)));
            blobs.extend(found);
        }
        Ok(blobs)
    }

    /// Finds the whole items of the revision; gives where labels are named.
    async fn held_items(
        &self,
        format: &'static dyn Format,
        listing: &Listing,
        current: &Revision,
        held: &mut Held,
    ) -> Result<HashMap<Box<str>, Named>, EngineError> {
        let wholes = listing.items.iter().filter(|item| item.rule == Rule::Whole);
        let listed: HashSet<&str> = wholes.map(|item| &*item.key).collect();
        let mut reader = RecordReader::new(&self.catalog);
        let mut named: HashMap<Box<str>, Named> = HashMap::new();
        let mut after = None;
        loop {
            let page = self
                .catalog
                .members(current.line, current.number, ItemKind::Module, after.as_deref(), PAGE)
                .await
                .doing("read the current revision")?;
            let Some(last) = page.last() else { return Ok(named) };
            after = Some(last.path.clone());
            for member in page {
                let Some(id) = member.records[0] else { continue };
                let record = reader.read(&[id]).await.doing("read records")?;
                let item = record.first().and_then(|record| format.item(ItemKind::Module, record));
                let Some(item) = item.filter(|item| item.rule == Rule::Whole) else {
                    continue;
                };
                let (series, rank) = item.series.unwrap_or_else(|| (member.path.as_str().into(), 0));
                let is_listed = listed.contains(member.path.as_str());
                for label in &item.refers {
                    let named = named.entry(label.clone()).or_default();
                    if is_listed {
                        named.in_listed = true;
                    } else {
                        named.dropped.push(held.items.len());
                    }
                }
                if is_listed {
                    held.keys.insert(member.path);
                } else {
                    held.items.push(DroppedItem {
                        member,
                        digest: None,
                        series,
                        rank,
                        members: Vec::new(),
                    });
                }
            }
        }
    }

    /// Looks up what only retained members need.
    async fn complete(
        &self,
        format: &'static dyn Format,
        filters: &Filters,
        held: &mut Held,
    ) -> Result<(), EngineError> {
        let ids: Vec<i64> = held
            .packages
            .iter()
            .flat_map(|one| one.row.records)
            .chain(held.items.iter().map(|item| item.member.records[0]))
            .flatten()
            .collect();
        let digests = self.catalog.record_digests(&ids).await.doing("look up records")?;
        let digest = |id: Option<i64>| id.and_then(|id| digests.get(&id).copied());
        for item in &mut held.items {
            item.digest = digest(item.member.records[0]);
        }
        let mut reader = RecordReader::new(&self.catalog);
        for one in &mut held.packages {
            one.digests = one.row.records.map(digest);
            if let (false, Some(id)) = (filters.fields.is_empty(), one.row.records[0]) {
                let record = reader.read(&[id]).await.doing("read records")?;
                one.fields = record.first().map(|record| format.fields(record)).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Puts a package of the revision where it belongs: upstream lists its bytes, or it may be retained.
fn sort(
    row: HeldPackage,
    listed: &HashMap<Sha256, u32>,
    count: usize,
    named: &HashMap<Box<str>, Named>,
    held: &mut Held,
) {
    let named = named.get(&*row.label);
    let index = match listed.get(&row.sha256) {
        Some(index) => {
            held.listed.insert(*index);
            *index
        }
        // Its item is there in another composition: alone it would look like a package outside items.
        None if named.is_some_and(|named| named.in_listed && named.dropped.is_empty()) => return,
        None => {
            held.packages.push(Dropped {
                row,
                digests: [None; PARTS],
                fields: Fields::default(),
            });
            (count + held.packages.len() - 1) as u32
        }
    };
    for &item in named.into_iter().flat_map(|named| &named.dropped) {
        held.items[item].members.push(index);
    }
}
