//! What is published where, what was until lately, and what rendering gave.

use std::collections::HashMap;

use chantal_model::{RevisionNumber, Sha256};

use crate::blobs::{TRANSACTION_ROWS, sha256};
use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::{self, many};

/// What a published tree follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationKind {
    /// The repository's own path.
    Latest,
    /// A snapshot's own path.
    Snapshot,
}

impl PublicationKind {
    /// The word that the database stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A published tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Relative to the published root, or absolute.
    pub path: String,
    /// Its repository.
    pub repository: i64,
    /// What it follows.
    pub kind: PublicationKind,
    /// The snapshot that it serves.
    pub snapshot_id: Option<i64>,
    /// The name of that; read, never written.
    pub snapshot: Option<String>,
    /// Whether it stays with that snapshot until told otherwise.
    pub pinned: bool,
    /// Number of the generation beside it.
    pub generation: i64,
}

/// Whether a state is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateStatus {
    /// It was about to be served; nobody knows whether it was.
    Staged,
    /// It is served.
    Live,
    /// It was served.
    Retired,
}

/// A state of a published tree that is or was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationState {
    /// Its row.
    pub id: i64,
    /// The tree.
    pub path: String,
    /// Its line.
    pub line: i64,
    /// Its revision.
    pub revision: RevisionNumber,
    /// Names its rendered metadata.
    pub render_key: String,
    /// Number of the generation that holds its entry directory; 0 if it has none.
    pub generation: i64,
    /// Digest of the entry file.
    pub entry_sha256: Option<Sha256>,
    /// Whether it is served.
    pub status: StateStatus,
    /// Since when.
    pub served_from: i64,
    /// Until when; `None` while it may be served.
    pub served_until: Option<i64>,
}

type PublicationRow = (String, i64, String, Option<i64>, Option<String>, i64, i64);
type StateRow = (
    i64,
    String,
    i64,
    i64,
    String,
    i64,
    Option<Vec<u8>>,
    String,
    i64,
    Option<i64>,
);

fn publication((path, repository, kind, snapshot_id, snapshot, pinned, generation): PublicationRow) -> Publication {
    Publication {
        path,
        repository,
        kind: if kind == "snapshot" {
            PublicationKind::Snapshot
        } else {
            PublicationKind::Latest
        },
        snapshot_id,
        snapshot,
        pinned: pinned != 0,
        generation,
    }
}

fn state(row: StateRow) -> Result<PublicationState, CatalogError> {
    let (id, path, line, revision, render_key, generation, entry, status, served_from, served_until) = row;
    Ok(PublicationState {
        id,
        path,
        line,
        revision: RevisionNumber(revision),
        render_key,
        generation,
        entry_sha256: entry.as_deref().map(sha256).transpose()?,
        status: match status.as_str() {
            "staged" => StateStatus::Staged,
            "live" => StateStatus::Live,
            "retired" => StateStatus::Retired,
            other => return Err(CatalogError::corrupt(format!("a publication that is {other:?}"))),
        },
        served_from,
        served_until,
    })
}

impl Catalog {
    /// Every published tree, by path.
    pub async fn publications(&self) -> Result<Vec<Publication>, CatalogError> {
        let rows: Vec<PublicationRow> = db::query_as(sql::PUBLICATIONS).fetch_all(&self.reader).await?;
        Ok(rows.into_iter().map(publication).collect())
    }

    /// One published tree.
    pub async fn publication(&self, path: &str) -> Result<Option<Publication>, CatalogError> {
        let row: Option<PublicationRow> = db::query_as(sql::PUBLICATION)
            .bind(path)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(publication))
    }

    /// Records a published tree.
    pub async fn save_publication(&self, lease: &Lease, publication: &Publication) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::SAVE_PUBLICATION)
            .bind(&publication.path)
            .bind(publication.repository)
            .bind(publication.kind.name())
            .bind(publication.snapshot_id)
            .bind(i64::from(publication.pinned))
            .bind(publication.generation)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a published tree with all its states.
    pub async fn delete_publication(&self, lease: &Lease, path: &str) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        for text in [sql::DELETE_STRAYS, sql::DELETE_STATES, sql::DELETE_PUBLICATION] {
            db::query(text).bind(path).execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// States of a tree that are or were served and are not forgotten, oldest first.
    pub async fn states(&self, path: &str) -> Result<Vec<PublicationState>, CatalogError> {
        let rows: Vec<StateRow> = db::query_as(sql::STATES).bind(path).fetch_all(&self.reader).await?;
        rows.into_iter().map(state).collect()
    }

    /// Notes a state that is about to be served; gives its row. So every state that was ever served has one.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub async fn stage_state(
        &self,
        lease: &Lease,
        path: &str,
        line: i64,
        revision: RevisionNumber,
        render_key: &str,
        generation: i64,
        entry_sha256: Option<Sha256>,
        at: i64,
    ) -> Result<i64, CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        let (id,): (i64,) = db::query_as(sql::STAGE_STATE)
            .bind(path)
            .bind(line)
            .bind(revision.0)
            .bind(render_key)
            .bind(generation)
            .bind(entry_sha256.map(|name| name.0.to_vec()))
            .bind(at)
            .fetch_one(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Notes that a staged state is served, and every other one of the tree is not any more.
    pub async fn make_live(&self, lease: &Lease, path: &str, id: i64, at: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::RETIRE_OTHERS)
            .bind(path)
            .bind(id)
            .bind(at)
            .execute(&mut transaction)
            .await?;
        db::query(sql::MAKE_LIVE).bind(id).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a state whose grace is over.
    pub async fn drop_state(&self, lease: &Lease, id: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::DROP_STATE).bind(id).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Files of a tree that no recorded state ever named, with the time they were first seen.
    pub async fn strays(&self, path: &str) -> Result<HashMap<String, i64>, CatalogError> {
        let rows: Vec<(String, i64)> = db::query_as(sql::STRAYS).bind(path).fetch_all(&self.reader).await?;
        Ok(rows.into_iter().collect())
    }

    /// Replaces the list of strays; those known before keep the time they were first seen.
    pub async fn save_strays(&self, lease: &Lease, path: &str, files: &[String], at: i64) -> Result<(), CatalogError> {
        let known = self.strays(path).await?;
        if known.is_empty() && files.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::DELETE_STRAYS)
            .bind(path)
            .execute(&mut transaction)
            .await?;
        for chunk in files.chunks(TRANSACTION_ROWS) {
            let mut query = db::insertion(many::ADD_STRAYS).persistent(false);
            for file in chunk {
                query = query.bind(path).bind(file).bind(known.get(file).copied().unwrap_or(at));
            }
            query.execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Files that rendering gave under a key: path, blob, size in bytes. Empty: not rendered yet.
    pub async fn rendered(&self, key: &str) -> Result<Vec<(String, Sha256, u64)>, CatalogError> {
        let rows: Vec<(String, Vec<u8>, i64)> = db::query_as(sql::RENDERED).bind(key).fetch_all(&self.reader).await?;
        rows.into_iter()
            .map(|(path, name, size)| Ok((path, sha256(&name)?, size as u64)))
            .collect()
    }

    /// The keys under which rendering gave a blob.
    pub async fn renders_of(&self, name: &Sha256) -> Result<Vec<String>, CatalogError> {
        let rows: Vec<(String,)> = db::query_as(sql::RENDERS_OF)
            .bind(&name.0[..])
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.into_iter().map(|(key,)| key).collect())
    }

    /// Records what rendering gave; the blobs must be known.
    pub async fn save_rendered(
        &self,
        lease: &Lease,
        key: &str,
        files: &[(String, Sha256)],
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::CLEAR_RENDERED)
            .bind(key)
            .execute(&mut transaction)
            .await?;
        for (path, name) in files {
            db::query(sql::SAVE_RENDERED)
                .bind(key)
                .bind(path)
                .bind(&name.0[..])
                .execute(&mut transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
