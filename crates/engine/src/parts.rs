//! Brings upstream's raw records of the chosen packages into the catalog, part by part, in a stream.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroI64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chantal_catalog::{Catalog, Lease, Pack, RECORDS_PER_PACK, RecordRows, RecordWriter};
use chantal_config::Repository;
use chantal_formats::{Format, FormatError, ReadRequest, Stop};
use chantal_model::{RepoId, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::content::PARTS;
use crate::error::{Doing, EngineError, joined};
use crate::feed::request_of;
use crate::files::Files;
use crate::listing::{Tag, Tagger};
use crate::packed::Packed;
use crate::spool::Spool;

/// The most records that travel together from the parser to the catalog; batches are multiples of a pack.
const BATCH: usize = 8 * RECORDS_PER_PACK;
/// A batch travels once it has this many bytes.
const BATCH_BYTES: usize = 512 << 10;
/// Batches that may wait for the catalog.
const AHEAD: usize = 2;

/// Stands for a listed package that is not chosen.
pub(crate) const NOT_CHOSEN: u32 = u32::MAX;

/// Digests and rows of each chosen package's records, by place in the choice.
pub(crate) struct Records {
    all: Vec<Found>,
    /// For each part, records of packages that upstream does not list.
    pub(crate) unknown: [u64; PARTS],
}

/// What was found of one package: the digest of each part is nothing where the part has no row.
#[derive(Clone, Copy)]
struct Found {
    digests: [Sha256; PARTS],
    rows: [Option<NonZeroI64>; PARTS],
}

impl Records {
    fn of(chosen: usize) -> Self {
        let nothing = Found {
            digests: [Sha256([0; 32]); PARTS],
            rows: [None; PARTS],
        };
        Self {
            all: vec![nothing; chosen],
            unknown: [0; PARTS],
        }
    }

    fn set(&mut self, slot: u32, part: usize, digest: Sha256, row: i64) {
        let found = &mut self.all[slot as usize];
        found.digests[part] = digest;
        found.rows[part] = NonZeroI64::new(row);
    }

    /// Takes the rows of what waited for them: part, place in the choice and digest of each.
    fn settle(&mut self, waiting: &mut Vec<(usize, u32, Sha256)>, rows: &RecordRows) -> Result<(), EngineError> {
        for (part, slot, digest) in waiting.drain(..) {
            self.set(slot, part, digest, rows.of(&digest).doing("store records")?);
        }
        Ok(())
    }

    pub(crate) fn digests(&self, slot: usize) -> [Option<Sha256>; PARTS] {
        let found = &self.all[slot];
        std::array::from_fn(|part| found.rows[part].map(|_| found.digests[part]))
    }

    pub(crate) fn rows(&self, slot: usize) -> [Option<i64>; PARTS] {
        self.all[slot].rows.map(|row| row.map(NonZeroI64::get))
    }
}

/// What a pass over the parts needs to know about the listing.
pub(crate) struct Places {
    /// The place in the choice of each listed package, or [`NOT_CHOSEN`].
    slots: Vec<u32>,
    tagger: Tagger,
    /// Listed packages by the key that parts name them by.
    keys: HashMap<Tag, u32>,
    /// Further packages of one key.
    others: HashMap<Tag, Vec<u32>>,
    chosen: usize,
}

impl Places {
    pub(crate) fn new(packages: &Packed, choice: impl ExactSizeIterator<Item = u32>) -> Self {
        let mut places = Self {
            slots: vec![NOT_CHOSEN; packages.len()],
            tagger: Tagger::default(),
            keys: HashMap::with_capacity(packages.len()),
            others: HashMap::new(),
            chosen: choice.len(),
        };
        for (slot, index) in choice.enumerate() {
            places.slots[index as usize] = slot as u32;
        }
        for (index, package) in packages.iter() {
            let key = places.tagger.tag(&package.part_key);
            if *places.keys.entry(key).or_insert(index) != index {
                places.others.entry(key).or_default().push(index);
            }
        }
        places
    }

    /// Whether the key is known, and the places in the choice of the packages that it names.
    fn of(&self, key: &str) -> (bool, impl Iterator<Item = u32> + '_) {
        let key = self.tagger.tag(key);
        let first = self.keys.get(&key);
        let all = first.into_iter().chain(self.others.get(&key).into_iter().flatten());
        let slots = all.map(|&index| self.slots[index as usize]);
        (first.is_some(), slots.filter(|slot| *slot != NOT_CHOSEN))
    }
}

/// Records that travel together.
struct Batch {
    part: usize,
    /// The place in the choice of each record that the catalog knows, its digest and its row.
    known: Vec<(u32, Sha256, i64)>,
    /// The place of each that is on its way, and its digest.
    new: Vec<(u32, Sha256)>,
    packs: Vec<Pack>,
}

/// Finds out which records are new.
#[derive(Clone)]
struct Asking {
    catalog: Catalog,
    handle: Handle,
    /// Whether there are any that could be known. If not, nothing is asked.
    is_worth_it: Arc<AtomicBool>,
}

impl Asking {
    fn known(&self, digests: &[Sha256]) -> Result<HashMap<Sha256, i64>, EngineError> {
        if !self.is_worth_it.load(Ordering::Relaxed) {
            return Ok(HashMap::new());
        }
        let asked = self.handle.block_on(self.catalog.record_ids(digests));
        asked.doing("look up records")
    }
}

/// Passes over all parts at the same time and records what is new. Those of part 0 come from the listing.
pub(crate) async fn record_parts(
    format: &'static dyn Format,
    files: Arc<Files>,
    (listed, places): (Spool, Arc<Places>),
    catalog: &Catalog,
    lease: &Lease,
    repo: &Repository,
) -> Result<Records, EngineError> {
    let mut records = Records::of(places.chosen);
    let asking = Asking {
        catalog: catalog.clone(),
        handle: Handle::current(),
        is_worth_it: Arc::new(AtomicBool::new(catalog.has_records().await.doing("look up records")?)),
    };
    let (send, mut receive) = mpsc::channel::<Batch>(AHEAD);
    let sender = |part| Sender::new(part, asking.clone(), send.clone());
    let mut passes = vec![tokio::task::spawn_blocking({
        let (id, places, sender) = (repo.id.clone(), places.clone(), sender(0));
        move || pass_listed(&id, &listed, &places, sender)
    })];
    passes.extend((1..format.parts().len().min(PARTS)).map(|part| {
        let (files, places, sender) = (files.clone(), places.clone(), sender(part));
        let (id, request) = (repo.id.clone(), request_of(repo));
        tokio::task::spawn_blocking(move || pass(format, &id, (&files, &request), &places, sender))
    }));
    drop(send);
    let mut writer = RecordWriter::new(catalog, lease);
    let mut waiting = Vec::new();
    while let Some(batch) = receive.recv().await {
        for (slot, digest, row) in batch.known {
            records.set(slot, batch.part, digest, row);
        }
        waiting.extend(batch.new.iter().map(|(slot, digest)| (batch.part, *slot, *digest)));
        let rows = writer.add(batch.part, &batch.packs).await.doing("store records")?;
        if !rows.is_empty() {
            records.settle(&mut waiting, &rows)?;
        }
        if writer.knew_some() {
            asking.is_worth_it.store(true, Ordering::Relaxed);
        }
    }
    let rows = writer.finish().await.doing("store records")?;
    records.settle(&mut waiting, &rows)?;
    for (part, pass) in passes.into_iter().enumerate() {
        records.unknown[part] = joined(pass.await).await??;
    }
    Ok(records)
}

/// Collects records of one part, packs up those that are new, and sends them on in batches.
struct Sender {
    part: usize,
    asking: Asking,
    send: mpsc::Sender<Batch>,
    /// The place in the choice of each record, its digest, and where it ends.
    found: Vec<(u32, Sha256, usize)>,
    /// The records, one after the other.
    bytes: Vec<u8>,
    /// Why it stopped, unless nobody takes batches any more.
    failure: Option<EngineError>,
}

impl Sender {
    fn new(part: usize, asking: Asking, send: mpsc::Sender<Batch>) -> Self {
        Self {
            part,
            asking,
            send,
            found: Vec::with_capacity(BATCH),
            bytes: Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 8),
            failure: None,
        }
    }

    fn push(&mut self, slot: u32, digest: Sha256, record: &[u8]) -> Result<(), Stop> {
        let Self { found, bytes, .. } = self;
        bytes.extend_from_slice(record);
        found.push((slot, digest, bytes.len()));
        let is_full =
            found.len() >= BATCH || bytes.len() >= BATCH_BYTES && found.len().is_multiple_of(RECORDS_PER_PACK);
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if self.found.is_empty() {
            return Ok(());
        }
        match self.batch() {
            Ok(batch) => self.send.blocking_send(batch).map_err(|_| Stop),
            Err(error) => {
                self.failure = Some(error);
                Err(Stop)
            }
        }
    }

    /// What was collected.
    fn batch(&mut self) -> Result<Batch, EngineError> {
        let digests: Vec<Sha256> = self.found.iter().map(|(_, digest, _)| *digest).collect();
        let rows = self.asking.known(&digests)?;
        let (mut known, mut new, mut unpacked) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seen, mut from) = (HashSet::new(), 0);
        for (slot, digest, end) in self.found.drain(..) {
            let record = &self.bytes[from..end];
            from = end;
            if let Some(row) = rows.get(&digest) {
                known.push((slot, digest, *row));
                continue;
            }
            new.push((slot, digest));
            if seen.insert(digest) {
                unpacked.push((digest, record));
            }
        }
        let packs = unpacked.chunks(RECORDS_PER_PACK);
        let packs: Result<Vec<Pack>, _> = packs.map(|records| Pack::of(records.iter().copied())).collect();
        let packs = packs.doing("store records")?;
        self.bytes.clear();
        Ok(Batch {
            part: self.part,
            known,
            new,
            packs,
        })
    }

    /// Sends the rest; says what became of a pass that `read` records.
    fn finish(mut self, read: Result<(), FormatError>, repo: &RepoId) -> Result<(), EngineError> {
        let read = read.and_then(|()| self.flush().map_err(|_| FormatError::Stopped));
        match (self.failure, read) {
            (Some(failure), _) => Err(failure),
            (None, read) => read.map_err(|source| EngineError::Metadata {
                repo: repo.to_string(),
                source,
            }),
        }
    }
}

/// Part 0, which was read with the listing, on a blocking thread. It has no records of unknown packages.
fn pass_listed(repo: &RepoId, listed: &Spool, places: &Places, mut sender: Sender) -> Result<u64, EngineError> {
    let mut reader = listed.read();
    let read = places.slots.iter().try_for_each(|slot| {
        let record = reader.next().map_err(|source| FormatError::Io {
            file: "spool of records".into(),
            source,
        })?;
        match record {
            Some(record) if *slot != NOT_CHOSEN => sender
                .push(*slot, Sha256::of(record), record)
                .map_err(|_| FormatError::Stopped),
            _ => Ok(()),
        }
    });
    sender.finish(read, repo)?;
    Ok(0)
}

/// One pass over one other part, on a blocking thread; gives the number of records of unknown packages.
fn pass(
    format: &dyn Format,
    repo: &RepoId,
    (files, request): (&Files, &ReadRequest),
    places: &Places,
    mut sender: Sender,
) -> Result<u64, EngineError> {
    let mut unknown = 0_u64;
    let read = format.part(sender.part, files, request, &mut |key, record| {
        let (is_known, mut slots) = places.of(key);
        unknown += u64::from(!is_known);
        if let Some(first) = slots.next() {
            let digest = Sha256::of(record);
            sender.push(first, digest, record)?;
            for slot in slots {
                sender.push(slot, digest, record)?;
            }
        }
        Ok(())
    });
    sender.finish(read, repo)?;
    Ok(unknown)
}
