//! Blobs and their digests under other algorithms; what a running sync relies on.

use std::collections::HashMap;

use chantal_model::{Algorithm, Digest, Sha256};

use crate::connect::Catalog;
use crate::db::{self, Inserted, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::{self, many};

/// Rows in one transaction.
pub(crate) const TRANSACTION_ROWS: usize = 5000;
/// Rows in one statement: SQLite keeps a copy of every page that a statement changes until it ends.
const STATEMENT_ROWS: usize = 250;
/// Names in one row of what a lease relies on.
const INTENT_NAMES: usize = 4096;
/// Values in one lookup.
pub(crate) const LOOKUP: usize = 1000;

/// A blob that the catalog knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its row.
    pub id: i64,
    /// Its size in bytes.
    pub size: u64,
}

/// A blob that is durable in the pool.
#[derive(Clone, Debug)]
pub struct NewBlob {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests under other algorithms; SHA-256 is left out.
    pub digests: Vec<Digest>,
}

/// Inserts blobs; gives the rows of those that are new, or of some of them.
async fn insert_new(transaction: &mut Transaction, blobs: &[&NewBlob]) -> Result<HashMap<Sha256, i64>, CatalogError> {
    let mut rows = HashMap::with_capacity(blobs.len());
    for chunk in blobs.chunks(STATEMENT_ROWS) {
        let mut query = db::insertion_as::<(Vec<u8>, i64)>(many::ADD_BLOBS).persistent(chunk.len() == STATEMENT_ROWS);
        for blob in chunk {
            query = query.bind(&blob.sha256.0[..]).bind(blob.size as i64);
        }
        match query.insert(transaction).await? {
            Inserted::Numbered(numbers) => {
                let names = chunk.iter().map(|blob| blob.sha256);
                rows.extend(names.zip(numbers).filter_map(|(name, id)| Some((name, id?))));
            }
            Inserted::Returned(new) => {
                for (name, id) in new {
                    rows.insert(sha256(&name)?, id);
                }
            }
        }
    }
    Ok(rows)
}

pub(crate) fn sha256(bytes: &[u8]) -> Result<Sha256, CatalogError> {
    Sha256::from_slice(bytes).ok_or_else(|| CatalogError::corrupt(format!("a digest of {} bytes", bytes.len())))
}

impl Catalog {
    /// Looks up blobs by name.
    pub async fn blobs(&self, names: &[Sha256]) -> Result<HashMap<Sha256, Blob>, CatalogError> {
        let mut found = HashMap::with_capacity(names.len());
        for chunk in names.chunks(LOOKUP) {
            let mut query = db::among_as::<(Vec<u8>, i64, i64)>(many::BLOBS).persistent(false);
            for name in chunk {
                query = query.bind(&name.0[..]);
            }
            for (name, id, size) in query.fetch_all(&self.reader).await? {
                found.insert(sha256(&name)?, Blob { id, size: size as u64 });
            }
        }
        Ok(found)
    }

    /// Looks up blobs by any digest: name and size in bytes. SHA-256 itself is looked up too.
    pub async fn blobs_by_digest(&self, digests: &[Digest]) -> Result<HashMap<Digest, (Sha256, u64)>, CatalogError> {
        let mut found = HashMap::new();
        let names: Vec<Sha256> = digests.iter().filter_map(Digest::sha256).collect();
        for (name, blob) in self.blobs(&names).await? {
            found.insert(Digest::from(name), (name, blob.size));
        }
        let others: Vec<&Digest> = digests.iter().filter(|digest| digest.sha256().is_none()).collect();
        for chunk in others.chunks(LOOKUP) {
            let mut query = db::among_as::<(String, Vec<u8>, Vec<u8>, i64)>(many::BLOBS_BY_DIGEST).persistent(false);
            for digest in chunk {
                query = query.bind(digest.bytes());
            }
            for (algorithm, bytes, name, size) in query.fetch_all(&self.reader).await? {
                let digest = algorithm
                    .parse::<Algorithm>()
                    .ok()
                    .and_then(|algorithm| Digest::from_bytes(algorithm, &bytes));
                if let Some(digest) = digest {
                    found.insert(digest, (sha256(&name)?, size as u64));
                }
            }
        }
        Ok(found)
    }

    /// Notes blobs that the holder of a lease relies on before anything else names them.
    ///
    /// One row holds many names: nothing looks one up, and collection reads them all. What is there afterwards stays
    /// until the lease is given back.
    pub async fn intend(&self, lease: &Lease, names: &[Sha256]) -> Result<(), CatalogError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin_passing_alone_as(lease).await?;
        for chunk in names.chunks(INTENT_NAMES) {
            let joined: Vec<u8> = chunk.iter().flat_map(|name| name.0).collect();
            db::query(sql::ADD_INTENT)
                .bind(lease.name())
                .bind(lease.fence())
                .bind(joined)
                .execute(&mut transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Records blobs; gives their rows in the order of `blobs`. Those that are known already keep their row.
    pub async fn add_blobs(&self, lease: &Lease, blobs: &[NewBlob]) -> Result<Vec<i64>, CatalogError> {
        let mut ids = Vec::with_capacity(blobs.len());
        for chunk in blobs.chunks(TRANSACTION_ROWS) {
            let mut transaction = self.begin_as(lease).await?;
            let rows = insert(&mut transaction, chunk).await?;
            transaction.commit().await?;
            ids.extend(rows);
        }
        Ok(ids)
    }
}

/// Records blobs within a transaction; gives their rows in order.
pub(crate) async fn insert_blobs(transaction: &mut Transaction, blobs: &[NewBlob]) -> Result<Vec<i64>, CatalogError> {
    let mut ids = Vec::with_capacity(blobs.len());
    for chunk in blobs.chunks(TRANSACTION_ROWS) {
        ids.extend(insert(transaction, chunk).await?);
    }
    Ok(ids)
}

async fn insert(transaction: &mut Transaction, chunk: &[NewBlob]) -> Result<Vec<i64>, CatalogError> {
    // In order, so that two writers never wait for each other.
    let mut sorted: Vec<&NewBlob> = chunk.iter().collect();
    sorted.sort_unstable_by_key(|blob| blob.sha256);
    let mut rows = insert_new(transaction, &sorted).await?;
    let old: Vec<&NewBlob> = chunk.iter().filter(|blob| !rows.contains_key(&blob.sha256)).collect();
    for names in old.chunks(LOOKUP) {
        let mut query = db::among_as::<(Vec<u8>, i64, i64)>(many::BLOBS).persistent(false);
        for blob in names {
            query = query.bind(&blob.sha256.0[..]);
        }
        for (name, id, _) in query.fetch_all(&mut *transaction).await? {
            rows.insert(sha256(&name)?, id);
        }
        // Somebody wants them again, so that collection begins to count anew.
        let mut wanted = db::among(many::WANTED_BLOBS).persistent(false);
        for blob in names {
            wanted = wanted.bind(&blob.sha256.0[..]);
        }
        wanted.execute(&mut *transaction).await?;
    }
    let mut digests: Vec<(&Digest, i64)> = chunk
        .iter()
        .flat_map(|blob| blob.digests.iter().map(|digest| (digest, rows[&blob.sha256])))
        .filter(|(digest, _)| digest.algorithm() != Algorithm::Sha256)
        .collect();
    digests.sort_unstable();
    for some in digests.chunks(TRANSACTION_ROWS) {
        let mut query = db::insertion(many::ADD_DIGESTS).persistent(false);
        for (digest, blob) in some {
            query = query.bind(digest.algorithm().name()).bind(digest.bytes()).bind(blob);
        }
        query.execute(&mut *transaction).await?;
    }
    Ok(chunk.iter().map(|blob| rows[&blob.sha256]).collect())
}
