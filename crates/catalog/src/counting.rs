//! Numbers about content: what is kept twice, what each table holds, what nothing refers to.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::sql;

/// Number of things and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub count: i64,
    /// Bytes.
    pub bytes: i64,
}

impl From<(i64, i64)> for Amount {
    fn from((count, bytes): (i64, i64)) -> Self {
        Self { count, bytes }
    }
}

/// Packages as states name them, and as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// Newest revisions and snapshots.
    pub states: i64,
    /// Their packages, each state counted by itself.
    pub logical: Amount,
    /// The blobs of those packages, each counted once.
    pub stored: Amount,
    /// Published trees.
    pub trees: i64,
    /// Their packages, each tree counted by itself.
    pub published: Amount,
    /// Per repository: its name, the packages of its newest revision, and the blobs that no other one's newest revision
    /// has.
    pub repositories: Vec<(String, Amount, Amount)>,
}

/// Rows that nothing refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreferenced {
    /// Blobs that no content, no description and no rendered file names.
    pub blobs: Amount,
    /// Descriptions of packages that no revision holds.
    pub packages: i64,
    /// Raw records that no revision holds; their bytes are not known.
    pub records: i64,
    /// Blobs that an ended task relied on.
    pub intents: i64,
}

impl Catalog {
    /// Compares what states name with what is stored.
    pub async fn dedup(&self) -> Result<Dedup, CatalogError> {
        let (newest, packages, bytes): (i64, i64, i64) =
            db::query_as(sql::NEWEST_AMOUNT).fetch_one(&self.reader).await?;
        let (pinned, pinned_packages, pinned_bytes): (i64, i64, i64) =
            db::query_as(sql::PINNED_AMOUNT).fetch_one(&self.reader).await?;
        let stored: (i64, i64) = db::query_as(sql::STORED_AMOUNT).fetch_one(&self.reader).await?;
        let (trees, published, published_bytes): (i64, i64, i64) =
            db::query_as(sql::PUBLISHED_AMOUNT).fetch_one(&self.reader).await?;
        let repositories: Vec<(String, i64, i64, i64, i64)> =
            db::query_as(sql::REPOSITORY_AMOUNTS).fetch_all(&self.reader).await?;
        Ok(Dedup {
            states: newest + pinned,
            logical: (packages + pinned_packages, bytes + pinned_bytes).into(),
            stored: stored.into(),
            trees,
            published: (published, published_bytes).into(),
            repositories: repositories
                .into_iter()
                .map(|(name, count, bytes, own, own_bytes)| (name, (count, bytes).into(), (own, own_bytes).into()))
                .collect(),
        })
    }

    /// Every table with the number of its rows.
    pub async fn table_rows(&self) -> Result<Vec<(String, i64)>, CatalogError> {
        Ok(db::query_as(sql::TABLE_ROWS).fetch_all(&self.reader).await?)
    }

    /// Records of each part: how many, and the bytes of their packs.
    pub async fn pack_amounts(&self) -> Result<Vec<(i64, Amount)>, CatalogError> {
        let rows: Vec<(i64, i64, i64)> = db::query_as(sql::PACK_AMOUNTS).fetch_all(&self.reader).await?;
        Ok(rows
            .into_iter()
            .map(|(part, count, bytes)| (part, (count, bytes).into()))
            .collect())
    }

    /// Counts what nothing refers to.
    pub async fn unreferenced(&self) -> Result<Unreferenced, CatalogError> {
        let blobs: (i64, i64) = db::query_as(sql::UNUSED_BLOBS_AMOUNT).fetch_one(&self.reader).await?;
        let mut counts = [0; 3];
        for (count, text) in counts
            .iter_mut()
            .zip([sql::UNUSED_PACKAGES, sql::UNUSED_RECORDS, sql::UNUSED_INTENTS])
        {
            (*count,) = db::query_as(text).fetch_one(&self.reader).await?;
        }
        let [packages, records, intents] = counts;
        Ok(Unreferenced {
            blobs: blobs.into(),
            packages,
            records,
            intents,
        })
    }

    /// The blobs that no content, no description and no rendered file names.
    pub async fn unused_blobs(&self) -> Result<Vec<chantal_model::Sha256>, CatalogError> {
        let rows: Vec<(Vec<u8>,)> = db::query_as(sql::UNUSED_BLOBS).fetch_all(&self.reader).await?;
        rows.into_iter().map(|(name,)| crate::blobs::sha256(&name)).collect()
    }

    /// The newest time that is recorded, in seconds since 1970.
    pub async fn newest_time(&self) -> Result<Option<i64>, CatalogError> {
        let (newest,): (Option<i64>,) = db::query_as(sql::NEWEST_TIME).fetch_one(&self.reader).await?;
        Ok(newest)
    }
}
