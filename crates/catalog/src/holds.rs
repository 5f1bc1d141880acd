//! What keeps a blob: holds that people put on it, and everything that refers to it.

use chantal_model::{RevisionNumber, Sha256};

use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::sql;

/// A blob that stays although nothing refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes, where the catalog knows it.
    pub size: Option<u64>,
    /// Why it stays.
    pub reason: String,
    /// Since when.
    pub created_at: i64,
}

/// An interval of revisions that holds a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// The repository.
    pub repository: String,
    /// The path or key under which it has the blob.
    pub path: String,
    /// What it is.
    pub kind: String,
    /// Whether the newest revision has it.
    pub is_current: bool,
    /// The oldest revision that has it and was not retired.
    pub oldest: Option<RevisionNumber>,
    /// How many revisions have it that were not retired.
    pub revisions: u64,
    /// The snapshots that pin one of them.
    pub snapshots: Vec<String>,
    /// Published trees that serve one of them; with the time since which one did so only before.
    pub published: Vec<(String, Option<i64>)>,
}

/// Everything that keeps a blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepers {
    /// Content.
    pub content: Vec<Keeper>,
    /// Rendered metadata: the file and the tree that serves or served it; none: it waits for a publication like the one
    /// that it was made for.
    pub rendered: Vec<(String, Option<String>)>,
    /// A hold.
    pub hold: Option<Hold>,
    /// Since when nothing does, as far as collection has seen.
    pub unused_since: Option<i64>,
}

impl Catalog {
    /// Every hold, by name of the blob.
    pub async fn holds(&self) -> Result<Vec<Hold>, CatalogError> {
        let rows: Vec<(Vec<u8>, String, i64, Option<i64>)> = db::query_as(sql::HOLDS).fetch_all(&self.reader).await?;
        rows.into_iter()
            .map(|(name, reason, created_at, size)| {
                Ok(Hold {
                    sha256: sha256(&name)?,
                    size: size.map(|size| size as u64),
                    reason,
                    created_at,
                })
            })
            .collect()
    }

    /// Holds a blob; another reason replaces the one before.
    pub async fn hold(&self, name: &Sha256, reason: &str, now: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        db::query(sql::ADD_HOLD)
            .bind(&name.0[..])
            .bind(reason)
            .bind(now)
            .execute(&mut transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Lets a blob go; gives whether it was held.
    pub async fn let_go(&self, name: &Sha256) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let dropped = db::query(sql::DROP_HOLD)
            .bind(&name.0[..])
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(dropped > 0)
    }

    /// The blobs of packages by `name` or `name@version`, those that no revision holds included.
    pub async fn blobs_named(&self, ident: &str) -> Result<Vec<Sha256>, CatalogError> {
        let (name, version) = ident.split_once('@').unwrap_or((ident, ""));
        let rows: Vec<(Vec<u8>,)> = db::query_as(sql::BLOBS_NAMED)
            .bind(name)
            .bind(version)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|(name,)| sha256(name)).collect()
    }

    /// Everything that keeps a blob.
    pub async fn keepers(&self, name: &Sha256) -> Result<Keepers, CatalogError> {
        type Row = (String, String, i64, i64, i64, String, i64, Option<i64>);
        let rows: Vec<Row> = db::query_as(sql::KEEPERS)
            .bind(&name.0[..])
            .fetch_all(&self.reader)
            .await?;
        let mut keepers = Keepers::default();
        for (path, kind, line, added, removed, repository, revisions, oldest) in rows {
            let snapshots: Vec<(String,)> = db::query_as(sql::KEEPING_SNAPSHOTS)
                .bind(line)
                .bind(added)
                .bind(removed)
                .fetch_all(&self.reader)
                .await?;
            let states: Vec<(String, String, Option<i64>)> = db::query_as(sql::KEEPING_STATES)
                .bind(line)
                .bind(added)
                .bind(removed)
                .fetch_all(&self.reader)
                .await?;
            keepers.content.push(Keeper {
                repository,
                path,
                kind,
                is_current: removed == crate::FOREVER,
                oldest: oldest.map(RevisionNumber),
                revisions: revisions as u64,
                snapshots: snapshots.into_iter().map(|(name,)| name).collect(),
                published: states.into_iter().map(|(path, _, until)| (path, until)).collect(),
            });
        }
        let rendered: Vec<(String, Option<String>, Option<String>)> = db::query_as(sql::KEEPING_RENDERS)
            .bind(&name.0[..])
            .fetch_all(&self.reader)
            .await?;
        keepers.rendered = rendered.into_iter().map(|(file, tree, _)| (file, tree)).collect();
        let hold: Option<(String, i64)> = db::query_as(sql::HOLD)
            .bind(&name.0[..])
            .fetch_optional(&self.reader)
            .await?;
        keepers.hold = hold.map(|(reason, created_at)| Hold {
            sha256: *name,
            size: None,
            reason,
            created_at,
        });
        let since: Option<(Option<i64>,)> = db::query_as(sql::BLOB_SINCE)
            .bind(&name.0[..])
            .fetch_optional(&self.reader)
            .await?;
        keepers.unused_since = since.and_then(|(since,)| since);
        Ok(keepers)
    }
}
