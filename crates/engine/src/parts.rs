//! Brings upstream's raw records of the chosen packages into the catalog, part by part, in a stream.

use std::collections::HashMap;
use std::num::NonZeroI64;
use std::sync::Arc;

use chantal_catalog::{Catalog, Lease, RecordWriter};
use chantal_config::Repository;
use chantal_formats::{Format, FormatError, ReadRequest, Stop};
use chantal_model::Sha256;
use tokio::sync::mpsc;

use crate::content::PARTS;
use crate::error::{Doing, EngineError, joined};
use crate::feed::request_of;
use crate::files::Files;
use crate::listing::{Tag, Tagger};
use crate::packed::Packed;
use crate::spool::Spool;

/// Records of one pack of the catalog; batches are multiples of it.
const PACK: usize = 128;
/// The most records that travel together from the parser to the catalog.
const BATCH: usize = 8 * PACK;
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

/// Records that travel together, one after the other in one buffer.
struct Batch {
    /// The place in the choice of each record, its digest, and where it ends.
    found: Vec<(u32, Sha256, usize)>,
    bytes: Vec<u8>,
}

impl Batch {
    /// An empty one with room for as much as travels together.
    fn with_room() -> Self {
        Self {
            found: Vec::with_capacity(PACK),
            bytes: Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 8),
        }
    }

    /// Each record with its digest.
    fn records(&self) -> Vec<(Sha256, &[u8])> {
        let mut from = 0;
        let record = |(_, digest, end): &(u32, Sha256, usize)| {
            let record = &self.bytes[from..*end];
            from = *end;
            (*digest, record)
        };
        self.found.iter().map(record).collect()
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
    let request = request_of(repo);
    let (send, mut receive) = mpsc::channel::<(usize, Batch)>(AHEAD);
    let mut passes = vec![tokio::task::spawn_blocking({
        let (places, send) = (places.clone(), send.clone());
        move || pass_listed(&listed, &places, send)
    })];
    passes.extend((1..format.parts().len().min(PARTS)).map(|part| {
        let (files, places, send) = (files.clone(), places.clone(), send.clone());
        tokio::task::spawn_blocking(move || pass(format, part, (&files, &request), &places, send))
    }));
    drop(send);
    let mut writer = RecordWriter::new(catalog, lease);
    while let Some((part, batch)) = receive.recv().await {
        let ids = writer.add(part, &batch.records()).await.doing("store records")?;
        for ((slot, digest, _), id) in batch.found.iter().zip(ids) {
            records.set(*slot, part, *digest, id);
        }
    }
    writer.finish().await.doing("store records")?;
    for (part, pass) in passes.into_iter().enumerate() {
        let unknown = joined(pass.await).await?;
        records.unknown[part] = unknown.map_err(|source| EngineError::Metadata {
            repo: repo.id.to_string(),
            source,
        })?;
    }
    Ok(records)
}

/// Collects records and sends them on in batches.
struct Sender {
    part: usize,
    send: mpsc::Sender<(usize, Batch)>,
    batch: Batch,
}

impl Sender {
    fn new(part: usize, send: mpsc::Sender<(usize, Batch)>) -> Self {
        Self {
            part,
            send,
            batch: Batch::with_room(),
        }
    }

    fn push(&mut self, slot: u32, digest: Sha256, record: &[u8]) -> Result<(), Stop> {
        let Batch { found, bytes } = &mut self.batch;
        bytes.extend_from_slice(record);
        found.push((slot, digest, bytes.len()));
        let is_full = found.len() >= BATCH || bytes.len() >= BATCH_BYTES && found.len().is_multiple_of(PACK);
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if self.batch.found.is_empty() {
            return Ok(());
        }
        self.send
            .blocking_send((self.part, std::mem::replace(&mut self.batch, Batch::with_room())))
            .map_err(|_| Stop)
    }
}

/// Part 0, which was read with the listing, on a blocking thread. It has no records of unknown packages.
fn pass_listed(listed: &Spool, places: &Places, send: mpsc::Sender<(usize, Batch)>) -> Result<u64, FormatError> {
    let mut sender = Sender::new(0, send);
    let mut reader = listed.read();
    for slot in &places.slots {
        let record = reader.next().map_err(|source| FormatError::Io {
            file: "spool of records".into(),
            source,
        })?;
        let Some(record) = record else { break };
        if *slot != NOT_CHOSEN {
            let sent = sender.push(*slot, Sha256::of(record), record);
            sent.map_err(|_| FormatError::Stopped)?;
        }
    }
    sender.flush().map_err(|_| FormatError::Stopped)?;
    Ok(0)
}

/// One pass over one other part, on a blocking thread; gives the number of records of unknown packages.
fn pass(
    format: &dyn Format,
    part: usize,
    (files, request): (&Files, &ReadRequest),
    places: &Places,
    send: mpsc::Sender<(usize, Batch)>,
) -> Result<u64, FormatError> {
    let mut sender = Sender::new(part, send);
    let mut unknown = 0_u64;
    format.part(part, files, request, &mut |key, record| {
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
    })?;
    sender.flush().map_err(|_| FormatError::Stopped)?;
    Ok(unknown)
}
