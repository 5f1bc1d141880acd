//! Upstream's raw records, about 128 of one part in one zstd frame.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chantal_model::Sha256;
use sqlx::AssertSqlSafe;

use crate::blobs::{LOOKUP, TRANSACTION_ROWS, sha256};
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::{self, many};

/// Records in one pack.
const PACK: usize = 128;
/// zstd level of packs.
const LEVEL: i32 = 3;
/// Unpacked packs that a reader keeps.
const KEPT: usize = 16;
/// The largest unpacked pack in bytes; a bigger one was not written by this program.
const MAX_PACK_BYTES: usize = 1 << 30;

impl Catalog {
    /// Looks up records by digest.
    pub async fn record_ids(&self, digests: &[Sha256]) -> Result<HashMap<Sha256, i64>, CatalogError> {
        let mut found = HashMap::with_capacity(digests.len());
        for chunk in digests.chunks(LOOKUP) {
            let mut query =
                sqlx::query_as::<_, (Vec<u8>, i64)>(AssertSqlSafe(sql::list(many::RECORD_IDS, chunk.len())));
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
        let mut ids = Vec::with_capacity(records.len());
        for chunk in records.chunks(TRANSACTION_ROWS) {
            let digests: Vec<Sha256> = chunk.iter().map(|(digest, _)| *digest).collect();
            let mut known = self.record_ids(&digests).await?;
            let mut new: Vec<&(Sha256, Vec<u8>)> = Vec::new();
            for record in chunk {
                if !known.contains_key(&record.0) && !new.iter().rev().take(PACK).any(|other| other.0 == record.0) {
                    new.push(record);
                }
            }
            if !new.is_empty() {
                self.write_packs(lease, part, &new).await?;
                let digests: Vec<Sha256> = new.iter().map(|(digest, _)| *digest).collect();
                known.extend(self.record_ids(&digests).await?);
            }
            for (digest, _) in chunk {
                ids.push(
                    *known
                        .get(digest)
                        .ok_or_else(|| CatalogError::corrupt("a record that was just written is gone"))?,
                );
            }
        }
        Ok(ids)
    }

    async fn write_packs(
        &self,
        lease: &Lease,
        part: usize,
        records: &[&(Sha256, Vec<u8>)],
    ) -> Result<(), CatalogError> {
        let mut bodies = Vec::with_capacity(records.len().div_ceil(PACK));
        for pack in records.chunks(PACK) {
            bodies.push((pack_up(pack)?, pack.len() as i64));
        }
        let mut transaction = self.begin_as(lease).await?;
        let mut rows: Vec<(&Sha256, i64, i64)> = Vec::with_capacity(records.len());
        for ((body, count), pack) in bodies.iter().zip(records.chunks(PACK)) {
            let (id,): (i64,) = sqlx::query_as(AssertSqlSafe(sql::values(many::ADD_PACKS, 1)))
                .bind(part as i64)
                .bind(body.as_slice())
                .bind(count)
                .fetch_one(&mut *transaction)
                .await?;
            rows.extend(
                pack.iter()
                    .enumerate()
                    .map(|(slot, (digest, _))| (digest, id, slot as i64)),
            );
        }
        for chunk in rows.chunks(TRANSACTION_ROWS) {
            let mut query = sqlx::query(AssertSqlSafe(sql::values(many::ADD_RECORDS, chunk.len())));
            for (digest, pack, slot) in chunk {
                query = query.bind(&digest.0[..]).bind(pack).bind(slot);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Number of records, their lengths, their bytes, all little endian, in one frame.
fn pack_up(records: &[&(Sha256, Vec<u8>)]) -> Result<Vec<u8>, CatalogError> {
    let mut plain = Vec::with_capacity(records.iter().map(|(_, record)| record.len() + 4).sum::<usize>() + 4);
    plain.extend((records.len() as u32).to_le_bytes());
    for (_, record) in records {
        let len = u32::try_from(record.len()).map_err(|_| CatalogError::corrupt("a record of more than 4 GiB"))?;
        plain.extend(len.to_le_bytes());
    }
    for (_, record) in records {
        plain.extend_from_slice(record);
    }
    zstd::bulk::compress(&plain, LEVEL).map_err(|error| CatalogError::corrupt(format!("a pack: {error}")))
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
        let plain = zstd::bulk::decompress(body, size).map_err(|error| broken(&error.to_string()))?;
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

/// Reads records by row and keeps the packs that it met last.
pub struct RecordReader {
    catalog: Catalog,
    packs: HashMap<i64, Arc<Unpacked>>,
    order: VecDeque<i64>,
}

impl RecordReader {
    /// Starts without any pack.
    pub fn new(catalog: &Catalog) -> Self {
        Self {
            catalog: catalog.clone(),
            packs: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Reads records, in order.
    pub async fn read(&mut self, ids: &[i64]) -> Result<Vec<Vec<u8>>, CatalogError> {
        let mut places: HashMap<i64, (i64, i64)> = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let text = sql::list(many::RECORD_PLACES, chunk.len());
            let mut query = sqlx::query_as::<_, (i64, i64, i64)>(AssertSqlSafe(text));
            for id in chunk {
                query = query.bind(id);
            }
            for (id, pack, slot) in query.fetch_all(&self.catalog.reader).await? {
                places.insert(id, (pack, slot));
            }
        }
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let missing = || CatalogError::corrupt(format!("record {id} is gone"));
            let (pack, slot) = *places.get(id).ok_or_else(missing)?;
            let unpacked = self.pack(pack).await?;
            records.push(unpacked.get(slot).ok_or_else(missing)?.to_vec());
        }
        Ok(records)
    }

    async fn pack(&mut self, id: i64) -> Result<Arc<Unpacked>, CatalogError> {
        if let Some(pack) = self.packs.get(&id) {
            return Ok(pack.clone());
        }
        let (_, body): (i64, Vec<u8>) = sqlx::query_as(AssertSqlSafe(sql::list(many::PACKS, 1)))
            .bind(id)
            .fetch_optional(&self.catalog.reader)
            .await?
            .ok_or_else(|| CatalogError::corrupt(format!("pack {id} is gone")))?;
        let unpacked = Arc::new(Unpacked::read(&body)?);
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.packs.remove(&oldest);
        }
        self.order.push_back(id);
        self.packs.insert(id, unpacked.clone());
        Ok(unpacked)
    }
}
