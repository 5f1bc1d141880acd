//! Rows that no content refers to: packages, records and the packs that these leave half empty, intents of the dead.

use crate::collect::{HeldLease, living};
use crate::connect::Catalog;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::records::{RECORDS_PER_PACK, Unpacked, pack_up};
use crate::sql;
use crate::sql::many;

/// What a cleanup of the database removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cleaned {
    /// Packages that no revision holds.
    pub packages: u64,
    /// Raw records that no revision holds.
    pub records: u64,
    /// Packs that were more than half dead.
    pub packs: u64,
    /// Packs that hold what was left of those.
    pub new_packs: u64,
    /// Notes of what tasks relied on that have ended.
    pub intents: u64,
}

/// Who is in the way of a cleanup: what it removes may be what they are about to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<HeldLease>);

impl Catalog {
    /// Removes the rows that no content refers to, in one transaction; a plan is taken back.
    ///
    /// Nothing happens while anything is synced, published or adopted: such a task may be about to name a row that
    /// nothing names yet.
    pub async fn clean(&self, lease: Option<&Lease>) -> Result<Result<Cleaned, Refused>, CatalogError> {
        let now = self.now().await?;
        let mut transaction = if let Some(lease) = lease {
            self.begin_alone_as(lease).await?
        } else {
            let mut transaction = self.begin().await?;
            transaction.hold_leases().await?;
            transaction
        };
        let mut others = living(now, &mut transaction).await?;
        others.retain(|other| lease.is_none_or(|lease| lease.name() != other.name));
        if !others.is_empty() {
            return Ok(Err(Refused(others)));
        }
        let mut cleaned = Cleaned {
            intents: db::query(sql::DROP_DEAD_INTENTS).execute(&mut transaction).await?,
            packages: db::query(sql::DROP_UNUSED_PACKAGES).execute(&mut transaction).await?,
            records: db::query(sql::DROP_UNUSED_RECORDS).execute(&mut transaction).await?,
            ..Cleaned::default()
        };
        repack(&mut transaction, &mut cleaned).await?;
        if lease.is_some() {
            transaction.commit().await?;
        }
        Ok(Ok(cleaned))
    }
}

/// Gathers what is left of packs of which more than half is dead.
async fn repack(transaction: &mut Transaction, cleaned: &mut Cleaned) -> Result<(), CatalogError> {
    let sparse: Vec<(i64, i64, i64, i64)> = db::query_as(sql::SPARSE_PACKS).fetch_all(&mut *transaction).await?;
    let mut gathered: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut part = 0;
    for (pack, of, _, left) in sparse {
        if of != part || gathered.len() >= RECORDS_PER_PACK {
            write(transaction, part, &mut gathered, cleaned).await?;
        }
        part = of;
        if left > 0 {
            gathered.extend(living_records(transaction, pack).await?);
        }
        cleaned.packs += 1;
        if left == 0 {
            db::query(sql::DROP_PACK).bind(pack).execute(&mut *transaction).await?;
        }
    }
    write(transaction, part, &mut gathered, cleaned).await?;
    for (pack, _, _, left) in db::query_as::<(i64, i64, i64, i64)>(sql::SPARSE_PACKS)
        .fetch_all(&mut *transaction)
        .await?
    {
        if left == 0 {
            db::query(sql::DROP_PACK).bind(pack).execute(&mut *transaction).await?;
        }
    }
    Ok(())
}

/// The rows and bytes of what is left in a pack.
async fn living_records(transaction: &mut Transaction, pack: i64) -> Result<Vec<(i64, Vec<u8>)>, CatalogError> {
    let (_, body): (i64, Vec<u8>) = db::among_as(many::PACKS)
        .bind(pack)
        .fetch_one(&mut *transaction)
        .await?;
    let unpacked = Unpacked::read(&body)?;
    let rows: Vec<(i64, i64)> = db::query_as(sql::PACK_RECORDS)
        .bind(pack)
        .fetch_all(&mut *transaction)
        .await?;
    rows.into_iter()
        .map(|(id, slot)| {
            let record = unpacked.get(slot);
            let record = record.ok_or_else(|| CatalogError::corrupt(format!("record {id} is not in its pack")))?;
            Ok((id, record.to_vec()))
        })
        .collect()
}

async fn write(
    transaction: &mut Transaction,
    part: i64,
    gathered: &mut Vec<(i64, Vec<u8>)>,
    cleaned: &mut Cleaned,
) -> Result<(), CatalogError> {
    for chunk in gathered.chunks(RECORDS_PER_PACK) {
        let (pack,): (i64,) = db::insertion_as(many::ADD_PACKS)
            .bind(part)
            .bind(pack_up(chunk.iter().map(|(_, record)| &**record))?)
            .bind(chunk.len() as i64)
            .fetch_one(&mut *transaction)
            .await?;
        for ((id, _), slot) in chunk.iter().zip(0_i64..) {
            db::query(sql::MOVE_RECORD)
                .bind(*id)
                .bind(pack)
                .bind(slot)
                .execute(&mut *transaction)
                .await?;
        }
        cleaned.new_packs += 1;
    }
    gathered.clear();
    Ok(())
}
