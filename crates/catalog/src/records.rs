//! Upstream's raw records, about 128 of one part in one zstd frame.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chantal_model::Sha256;
use zstd::bulk::{Compressor, Decompressor};

use crate::blobs::{LOOKUP, TRANSACTION_ROWS, sha256};
use crate::connect::Catalog;
use crate::db::{self, Inserted, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::many;

/// Records in one pack.
const PACK: usize = 128;
/// Records in one transaction. Each touches a random page of the index over digests, so that few large transactions
/// write far less than many small ones.
const RECORD_ROWS: usize = 20_000;
/// zstd level of packs.
const LEVEL: i32 = 3;
/// Bytes of unpacked packs that a reader keeps, beside the one that it reads from.
const KEPT_BYTES: usize = 2 << 20;
/// The largest unpacked pack in bytes; a bigger one was not written by this program.
const MAX_PACK_BYTES: usize = 1 << 30;

thread_local! {
    /// Making a context costs about as much as packing with it.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Catalog {
    /// Looks up records by digest.
    pub async fn record_ids(&self, digests: &[Sha256]) -> Result<HashMap<Sha256, i64>, CatalogError> {
        let mut found = HashMap::with_capacity(digests.len());
        for chunk in digests.chunks(LOOKUP) {
            let mut query = db::among_as::<(Vec<u8>, i64)>(many::RECORD_IDS).persistent(false);
            for digest in chunk {
                query = query.bind(&digest.0[..]);
            }
            for (digest, id) in query.fetch_all(&self.reader).await? {
                found.insert(sha256(&digest)?, id);
            }
        }
        Ok(found)
    }

    /// Stores records that are not known yet; gives the rows of all, in order.
    pub async fn add_records(
        &self,
        lease: &Lease,
        part: usize,
        records: &[(Sha256, Vec<u8>)],
    ) -> Result<Vec<i64>, CatalogError> {
        let mut writer = RecordWriter::new(self, lease);
        let mut ids = Vec::with_capacity(records.len());
        for chunk in records.chunks(TRANSACTION_ROWS) {
            ids.extend(writer.add(part, chunk).await?);
        }
        writer.finish().await?;
        Ok(ids)
    }
}

/// Stores records as they come, in transactions of bounded size.
///
/// What was added counts once [`RecordWriter::finish`] has returned; until then the writing connection may be held. It is
/// durable with the revision that names it.
pub struct RecordWriter<'a> {
    catalog: &'a Catalog,
    lease: &'a Lease,
    transaction: Option<Transaction>,
    rows: usize,
}

impl<'a> RecordWriter<'a> {
    /// Starts to write records.
    pub fn new(catalog: &'a Catalog, lease: &'a Lease) -> Self {
        Self {
            catalog,
            lease,
            transaction: None,
            rows: 0,
        }
    }

    /// Stores those records of a part that are not known yet; gives the rows of all, in order.
    ///
    /// A multiple of 128 records at a time fills the packs.
    pub async fn add<R: AsRef<[u8]> + Sync>(
        &mut self,
        part: usize,
        records: &[(Sha256, R)],
    ) -> Result<Vec<i64>, CatalogError> {
        let transaction = match &mut self.transaction {
            Some(transaction) => transaction,
            none => none.insert(self.catalog.begin_passing_as(self.lease).await?),
        };
        let mut known: HashMap<Sha256, i64> = HashMap::with_capacity(records.len());
        let digests: Vec<Sha256> = records.iter().map(|(digest, _)| *digest).collect();
        for chunk in digests.chunks(LOOKUP) {
            lookup(transaction, chunk, &mut known).await?;
        }
        let mut seen: HashSet<Sha256> = HashSet::new();
        let new: Vec<&(Sha256, R)> = records
            .iter()
            .filter(|(digest, _)| !known.contains_key(digest) && seen.insert(*digest))
            .collect();
        for pack in new.chunks(PACK) {
            let transaction = match &mut self.transaction {
                Some(transaction) => transaction,
                none => none.insert(self.catalog.begin_passing_as(self.lease).await?),
            };
            known.extend(write_pack(transaction, part, pack).await?);
            if pack.iter().any(|(digest, _)| !known.contains_key(digest)) {
                // Another process stored one in the meantime.
                let again: Vec<Sha256> = pack.iter().map(|(digest, _)| *digest).collect();
                lookup(transaction, &again, &mut known).await?;
            }
            self.rows += pack.len();
            // Writers of PostgreSQL that wait for each other's rows in two orders would never end; one statement at a
            // time, with its rows in order, cannot.
            if self.rows >= RECORD_ROWS || !transaction.is_sqlite() {
                self.commit().await?;
            }
        }
        records
            .iter()
            .map(|(digest, _)| {
                known
                    .get(digest)
                    .copied()
                    .ok_or_else(|| CatalogError::corrupt("a record that was just written is gone"))
            })
            .collect()
    }

    /// Commits what is not committed yet.
    pub async fn finish(mut self) -> Result<(), CatalogError> {
        self.commit().await
    }

    async fn commit(&mut self) -> Result<(), CatalogError> {
        self.rows = 0;
        match self.transaction.take() {
            Some(transaction) => Ok(transaction.commit().await?),
            None => Ok(()),
        }
    }
}

/// Adds the rows of those records that the transaction sees.
async fn lookup(
    transaction: &mut Transaction,
    digests: &[Sha256],
    known: &mut HashMap<Sha256, i64>,
) -> Result<(), CatalogError> {
    let mut query = db::among_as::<(Vec<u8>, i64)>(many::RECORD_IDS).persistent(false);
    for digest in digests {
        query = query.bind(&digest.0[..]);
    }
    for (digest, id) in query.fetch_all(&mut *transaction).await? {
        known.insert(sha256(&digest)?, id);
    }
    Ok(())
}

/// Writes one pack; gives the rows of its records.
async fn write_pack<R: AsRef<[u8]> + Sync>(
    transaction: &mut Transaction,
    part: usize,
    records: &[&(Sha256, R)],
) -> Result<Vec<(Sha256, i64)>, CatalogError> {
    let (pack,): (i64,) = db::insertion_as(many::ADD_PACKS)
        .bind(part as i64)
        .bind(pack_up(records)?)
        .bind(records.len() as i64)
        .fetch_one(&mut *transaction)
        .await?;
    let mut query = db::insertion_as::<(Vec<u8>, i64)>(many::ADD_RECORDS);
    let mut rows: Vec<(&Sha256, i64)> = records.iter().map(|(digest, _)| digest).zip(0..).collect();
    rows.sort_unstable();
    for (digest, slot) in &rows {
        query = query.bind(&digest.0[..]).bind(pack).bind(*slot);
    }
    match query.insert(transaction).await? {
        Inserted::Numbered(numbers) => {
            let digests = rows.into_iter().map(|(digest, _)| *digest);
            Ok(digests
                .zip(numbers)
                .filter_map(|(digest, id)| Some((digest, id?)))
                .collect())
        }
        Inserted::Returned(rows) => rows
            .into_iter()
            .map(|(digest, id)| Ok((sha256(&digest)?, id)))
            .collect(),
    }
}

/// Number of records, their lengths, their bytes, all little endian, in one frame.
pub(crate) fn pack_up<R: AsRef<[u8]>>(records: &[&(Sha256, R)]) -> Result<Vec<u8>, CatalogError> {
    let bodies = || records.iter().map(|(_, record)| record.as_ref());
    let mut plain = Vec::with_capacity(bodies().map(|record| record.len() + 4).sum::<usize>() + 4);
    plain.extend((records.len() as u32).to_le_bytes());
    for record in bodies() {
        let len = u32::try_from(record.len()).map_err(|_| CatalogError::corrupt("a record of more than 4 GiB"))?;
        plain.extend(len.to_le_bytes());
    }
    for record in bodies() {
        plain.extend_from_slice(record);
    }
    let packed = PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(&plain),
        none => none.insert(Compressor::new(LEVEL)?).compress(&plain),
    });
    packed.map_err(|error| CatalogError::corrupt(format!("a pack: {error}")))
}

/// The records of an unpacked pack.
pub(crate) struct Unpacked {
    plain: Vec<u8>,
    /// Where each record begins, and the end of the last.
    bounds: Vec<usize>,
}

impl Unpacked {
    pub(crate) fn read(body: &[u8]) -> Result<Self, CatalogError> {
        let broken = |what: &str| CatalogError::corrupt(format!("a pack of records: {what}"));
        let size = zstd::zstd_safe::get_frame_content_size(body)
            .ok()
            .flatten()
            .ok_or_else(|| broken("no frame"))?;
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_PACK_BYTES)
            .ok_or_else(|| broken("too large"))?;
        let plain = UNPACKER.with_borrow_mut(|unpacker| match unpacker {
            Some(unpacker) => unpacker.decompress(body, size),
            none => none.insert(Decompressor::new()?).decompress(body, size),
        });
        let plain = plain.map_err(|error| broken(&error.to_string()))?;
        let number = |at: usize| {
            plain
                .get(at..at + 4)
                .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
        };
        let count = number(0).ok_or_else(|| broken("no count"))?;
        let mut bounds = Vec::with_capacity(count.min(PACK) + 1);
        let mut at = count.saturating_mul(4).saturating_add(4);
        bounds.push(at);
        for index in 0..count {
            at += number(4 + index * 4).ok_or_else(|| broken("no lengths"))?;
            bounds.push(at);
        }
        if at != plain.len() {
            return Err(broken("lengths do not add up"));
        }
        Ok(Self { plain, bounds })
    }

    pub(crate) fn get(&self, slot: i64) -> Option<&[u8]> {
        let slot = usize::try_from(slot).ok()?;
        let (from, to) = (*self.bounds.get(slot)?, *self.bounds.get(slot + 1)?);
        self.plain.get(from..to)
    }
}

fn gone(record: i64) -> CatalogError {
    CatalogError::corrupt(format!("record {record} is gone"))
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// Its pack.
    pub pack: i64,
    /// Its number in the pack.
    pub slot: i64,
}

/// Reads records by row and keeps the packs that it met last.
pub struct RecordReader {
    catalog: Catalog,
    packs: HashMap<i64, Arc<Unpacked>>,
    order: VecDeque<i64>,
    kept: usize,
}

impl RecordReader {
    /// Starts without any pack.
    pub fn new(catalog: &Catalog) -> Self {
        Self {
            catalog: catalog.clone(),
            packs: HashMap::new(),
            order: VecDeque::new(),
            kept: 0,
        }
    }

    /// Reads records, in order.
    pub async fn read(&mut self, ids: &[i64]) -> Result<Vec<Vec<u8>>, CatalogError> {
        let mut places: HashMap<i64, RecordPlace> = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among_as::<(i64, i64, i64)>(many::RECORD_PLACES).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            for (id, pack, slot) in query.fetch_all(&self.catalog.reader).await? {
                places.insert(id, RecordPlace { pack, slot });
            }
        }
        let places: Vec<RecordPlace> = ids
            .iter()
            .map(|id| places.get(id).copied().ok_or_else(|| gone(*id)))
            .collect::<Result<_, _>>()?;
        self.read_at(&places).await
    }

    /// Reads records whose places are known, in order.
    pub async fn read_at(&mut self, places: &[RecordPlace]) -> Result<Vec<Vec<u8>>, CatalogError> {
        // Pack by pack, so that each is unpacked once.
        let mut wanted: BTreeMap<i64, Vec<(usize, i64)>> = BTreeMap::new();
        for (at, place) in places.iter().enumerate() {
            wanted.entry(place.pack).or_default().push((at, place.slot));
        }
        let mut records = vec![Vec::new(); places.len()];
        for (pack, slots) in wanted {
            let unpacked = self.pack(pack).await?;
            for (at, slot) in slots {
                let record = unpacked.get(slot);
                let record =
                    record.ok_or_else(|| CatalogError::corrupt(format!("record {slot} of pack {pack} is gone")))?;
                records[at] = record.to_vec();
            }
        }
        Ok(records)
    }

    async fn pack(&mut self, id: i64) -> Result<Arc<Unpacked>, CatalogError> {
        if let Some(pack) = self.packs.get(&id) {
            return Ok(pack.clone());
        }
        let (_, body): (i64, Vec<u8>) = db::among_as(many::PACKS)
            .bind(id)
            .fetch_optional(&self.catalog.reader)
            .await?
            .ok_or_else(|| CatalogError::corrupt(format!("pack {id} is gone")))?;
        let unpacked = Arc::new(Unpacked::read(&body)?);
        while self.kept > KEPT_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept -= self.packs.remove(&oldest).map_or(0, |pack| pack.plain.len());
        }
        self.kept += unpacked.plain.len();
        self.order.push_back(id);
        self.packs.insert(id, unpacked.clone());
        Ok(unpacked)
    }
}
