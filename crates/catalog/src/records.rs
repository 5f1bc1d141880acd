//! Upstream's raw records, about 128 of one part in one zstd frame.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chantal_model::Sha256;
use zstd::bulk::{Compressor, Decompressor};

use crate::blobs::{LOOKUP, sha256};
use crate::connect::Catalog;
use crate::db::{self, Inserted, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::{self, many};

/// Records in one pack.
pub const RECORDS_PER_PACK: usize = 128;
/// Records in one transaction. Their digests are all over the index, so that few large transactions touch far fewer pages
/// than many small ones.
const RECORD_ROWS: usize = 16_384;
/// Records in one statement; each has three values, of which PostgreSQL takes 65,535.
const STATEMENT_ROWS: usize = 5000;
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

    /// Whether there is any record.
    pub async fn has_records(&self) -> Result<bool, CatalogError> {
        let one = db::query_as::<(i64,)>(sql::ONE_RECORD)
            .fetch_optional(&self.reader)
            .await?;
        Ok(one.is_some())
    }

    /// Stores records that are not known yet; gives the rows of all, in order.
    pub async fn add_records(
        &self,
        lease: &Lease,
        part: usize,
        records: &[(Sha256, Vec<u8>)],
    ) -> Result<Vec<i64>, CatalogError> {
        let digests: Vec<Sha256> = records.iter().map(|(digest, _)| *digest).collect();
        let mut known = self.record_ids(&digests).await?;
        let mut seen: HashSet<Sha256> = HashSet::new();
        let new: Vec<&(Sha256, Vec<u8>)> = records
            .iter()
            .filter(|(digest, _)| !known.contains_key(digest) && seen.insert(*digest))
            .collect();
        let mut writer = RecordWriter::new(self, lease);
        for pack in new.chunks(RECORDS_PER_PACK) {
            let pack = Pack::of(pack.iter().map(|(digest, record)| (*digest, &**record)))?;
            known.extend(writer.add(part, &[pack]).await?.all);
        }
        known.extend(writer.finish().await?.all);
        let row = |digest| known.get(digest).copied();
        let rows: Option<Vec<i64>> = digests.iter().map(row).collect();
        rows.ok_or_else(|| CatalogError::corrupt("a record that was just written is gone"))
    }
}

/// Records of one part in one frame, on their way into the catalog. Making one takes most of the time that storing them
/// takes, and no connection.
pub struct Pack {
    digests: Vec<Sha256>,
    body: Vec<u8>,
}

impl Pack {
    /// Packs up records, at most [`RECORDS_PER_PACK`] for what reads one of them to be quick.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] for a record of more than 4 GiB.
    pub fn of<'r>(records: impl Iterator<Item = (Sha256, &'r [u8])> + Clone) -> Result<Self, CatalogError> {
        Ok(Self {
            digests: records.clone().map(|(digest, _)| digest).collect(),
            body: pack_up(records.map(|(_, record)| record))?,
        })
    }
}

/// The rows of records that were stored.
#[derive(Debug, Default)]
pub struct RecordRows {
    /// In the order of digests.
    all: Vec<(Sha256, i64)>,
}

impl RecordRows {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The row of one of them.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if it is none of them.
    pub fn of(&self, digest: &Sha256) -> Result<i64, CatalogError> {
        let at = self.all.binary_search_by_key(digest, |(digest, _)| *digest);
        let at = at.map_err(|_| CatalogError::corrupt("a record that was just written is gone"))?;
        Ok(self.all[at].1)
    }
}

/// A row of `record` that is not written yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NewRecord {
    digest: Sha256,
    pack: i64,
    slot: i64,
}

/// Stores records as they come, in transactions of bounded size.
///
/// A record has no row before [`RecordWriter::add`] or [`RecordWriter::finish`] says so; until then the writing connection
/// may be held. It is durable with the revision that names it.
pub struct RecordWriter<'a> {
    catalog: &'a Catalog,
    lease: &'a Lease,
    transaction: Option<Transaction>,
    /// Records whose packs are in the transaction.
    waiting: Vec<NewRecord>,
    knew_some: bool,
}

impl<'a> RecordWriter<'a> {
    /// Starts to write records.
    pub fn new(catalog: &'a Catalog, lease: &'a Lease) -> Self {
        Self {
            catalog,
            lease,
            transaction: None,
            waiting: Vec::new(),
            knew_some: false,
        }
    }

    /// Whether packs had records that were there already.
    pub fn knew_some(&self) -> bool {
        self.knew_some
    }

    /// Takes packs of a part. Gives the rows of these records and of those that were taken before, as soon as they have any;
    /// often nothing.
    ///
    /// Records that the catalog knows already keep their row, and a pack of such records only is not kept: it was made in
    /// vain.
    pub async fn add(&mut self, part: usize, packs: &[Pack]) -> Result<RecordRows, CatalogError> {
        for pack in packs {
            let transaction = match &mut self.transaction {
                Some(transaction) => transaction,
                none => none.insert(self.catalog.begin_passing_as(self.lease).await?),
            };
            let (row,): (i64,) = db::insertion_as(many::ADD_PACKS)
                .bind(part as i64)
                .bind(&*pack.body)
                .bind(pack.digests.len() as i64)
                .fetch_one(&mut *transaction)
                .await?;
            let records = pack.digests.iter().zip(0..);
            self.waiting.extend(records.map(|(digest, slot)| NewRecord {
                digest: *digest,
                pack: row,
                slot,
            }));
        }
        // A transaction of PostgreSQL holds the row of a lease, which is told of progress meanwhile.
        if self.waiting.len() >= RECORD_ROWS || !self.catalog.is_sqlite() {
            return self.settle().await;
        }
        Ok(RecordRows::default())
    }

    /// Commits what is not committed yet; gives the rest, as [`RecordWriter::add`] does.
    pub async fn finish(mut self) -> Result<RecordRows, CatalogError> {
        self.settle().await
    }

    /// In the order of digests: each page of their index is touched once, and two writers never wait for each other.
    async fn settle(&mut self) -> Result<RecordRows, CatalogError> {
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(RecordRows::default());
        };
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        let mut settled = Vec::with_capacity(waiting.len());
        for chunk in waiting.chunks(STATEMENT_ROWS) {
            insert(&mut transaction, chunk, &mut settled).await?;
        }
        settled.sort_unstable();
        if settled.len() < waiting.len() {
            self.knew_some = true;
            let is_settled = |digest: &Sha256| settled.binary_search_by_key(digest, |(digest, _)| *digest).is_ok();
            let mut old: Vec<Sha256> = waiting.iter().map(|record| record.digest).collect();
            old.dedup();
            old.retain(|digest| !is_settled(digest));
            drop_useless(&mut transaction, &waiting, &old).await?;
            lookup(&mut transaction, &old, &mut settled).await?;
            settled.sort_unstable();
        }
        transaction.commit().await?;
        Ok(RecordRows { all: settled })
    }
}

/// Inserts records in the order of digests; adds the rows of those that are new.
async fn insert(
    transaction: &mut Transaction,
    records: &[NewRecord],
    settled: &mut Vec<(Sha256, i64)>,
) -> Result<(), CatalogError> {
    let mut query = db::insertion_as::<(Vec<u8>, i64)>(many::ADD_RECORDS).persistent(false);
    for record in records {
        query = query.bind(&record.digest.0[..]).bind(record.pack).bind(record.slot);
    }
    match query.insert(transaction).await? {
        Inserted::Numbered(numbers) => {
            let new = records.iter().zip(numbers);
            settled.extend(new.filter_map(|(record, id)| Some((record.digest, id?))));
        }
        Inserted::Returned(rows) => {
            for (digest, id) in rows {
                settled.push((sha256(&digest)?, id));
            }
        }
    }
    Ok(())
}

/// Deletes packs of which every record was there already. `records` are in order, and `old` are the digests of those that
/// were there.
async fn drop_useless(
    transaction: &mut Transaction,
    records: &[NewRecord],
    old: &[Sha256],
) -> Result<(), CatalogError> {
    let mut useless: BTreeSet<i64> = records.iter().map(|record| record.pack).collect();
    for same in records.chunk_by(|a, b| a.digest == b.digest) {
        if old.binary_search(&same[0].digest).is_err() {
            useless.remove(&same[0].pack);
        }
    }
    for pack in useless {
        db::query(sql::DROP_PACK).bind(pack).execute(&mut *transaction).await?;
    }
    Ok(())
}

/// Adds the rows of records that the transaction sees.
async fn lookup(
    transaction: &mut Transaction,
    digests: &[Sha256],
    found: &mut Vec<(Sha256, i64)>,
) -> Result<(), CatalogError> {
    for chunk in digests.chunks(LOOKUP) {
        let mut query = db::among_as::<(Vec<u8>, i64)>(many::RECORD_IDS).persistent(false);
        for digest in chunk {
            query = query.bind(&digest.0[..]);
        }
        for (digest, id) in query.fetch_all(&mut *transaction).await? {
            found.push((sha256(&digest)?, id));
        }
    }
    Ok(())
}

/// Number of records, their lengths, their bytes, all little endian, in one frame.
pub(crate) fn pack_up<'r>(records: impl Iterator<Item = &'r [u8]> + Clone) -> Result<Vec<u8>, CatalogError> {
    let mut plain = Vec::with_capacity(records.clone().map(|record| record.len() + 4).sum::<usize>() + 4);
    plain.extend((records.clone().count() as u32).to_le_bytes());
    for record in records.clone() {
        let len = u32::try_from(record.len()).map_err(|_| CatalogError::corrupt("a record of more than 4 GiB"))?;
        plain.extend(len.to_le_bytes());
    }
    for record in records {
        plain.extend_from_slice(record);
    }
    let packed = PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(&plain),
        none => none.insert(Compressor::new(LEVEL)?).compress(&plain),
    });
    let mut packed = packed.map_err(|error| CatalogError::corrupt(format!("a pack: {error}")))?;
    // It has room for what does not compress.
    packed.shrink_to_fit();
    Ok(packed)
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
        let mut bounds = Vec::with_capacity(count.min(RECORDS_PER_PACK) + 1);
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
