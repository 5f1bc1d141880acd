//! Manifests: what the pool keeps of the catalog, so that it can be made again when the database is lost.
//!
//! A repository has a series: a base with all members of its line, and for each revision after it a file with what the
//! revision adds and removes. Each is durable before the transaction that records the revision, so that nothing recorded
//! is missing; one too many does no harm. Snapshots, publications, the feed and holds are small files of their own.
//! A series that does not fit the catalog, because the pool is older than manifests or the database was restored from
//! a backup, is begun anew by the next sync.

mod form;
mod scroll;
mod series;
mod small;

pub(crate) use form::*;
pub(crate) use scroll::{Scroll, Scrolled, next, read_all};
pub(crate) use series::{Opened, links};

use chantal_catalog::Repository as Row;
use chantal_model::RelPath;

use crate::Engine;
use crate::error::{Doing, EngineError};

/// Files of one directory that are removed only when they are older, in seconds: somebody may be about to record what they
/// are for.
const YOUNG_SECONDS: i64 = 3600;

/// The directory of all repositories.
pub(crate) fn repositories() -> RelPath {
    RelPath::parse("repositories").expect("a word is a safe path")
}

/// A path below a repository's manifests.
pub(crate) fn below(repository: &str, name: &str) -> Result<RelPath, EngineError> {
    let path = match name {
        "" => format!("repositories/{repository}"),
        name => format!("repositories/{repository}/{name}"),
    };
    RelPath::parse(&path).map_err(|error| EngineError::request(format!("no manifest can be named so: {error}"), None))
}

/// The list of holds.
pub(crate) fn holds() -> RelPath {
    RelPath::parse("holds").expect("a word is a safe path")
}

impl Engine {
    /// Brings the manifests of everything in step with the catalog, and removes what is of nothing any more. With
    /// `rewrite`, series are written anew even where they fit; gives how many repositories there are.
    pub async fn write_manifests(&self, rewrite: bool) -> Result<u64, EngineError> {
        self.write_manifests_waiting(rewrite, None).await
    }

    /// The same, waiting for those who hold a repository.
    pub(crate) async fn write_manifests_waiting(
        &self,
        rewrite: bool,
        wait: Option<std::time::Duration>,
    ) -> Result<u64, EngineError> {
        let rows = self.catalog.repositories().await.doing("read repositories")?;
        for row in &rows {
            if rewrite {
                let lease = self.catalog.acquire(&format!("sync:{}", row.name), wait).await;
                let lease = lease.doing("hold the repository")?;
                let written = self.rewrite_series(row).await;
                lease.release().await.doing("release the repository")?;
                written?;
            }
            self.keep_small(row).await?;
        }
        let known: std::collections::HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        for (name, _) in self.pool.manifests(Some(&repositories())).doing("list manifests")? {
            if !known.contains(name.as_str()) {
                self.forget_manifests(&name)?;
            }
        }
        self.keep_holds().await?;
        Ok(rows.len() as u64)
    }

    /// Everything of a repository but its series.
    async fn keep_small(&self, row: &Row) -> Result<(), EngineError> {
        self.keep_retired(row).await?;
        self.keep_feed(row).await?;
        self.keep_snapshots(row).await?;
        self.keep_publications(row).await
    }

    /// Forgets a repository that was deleted.
    pub(crate) fn forget_manifests(&self, repository: &str) -> Result<(), EngineError> {
        let directory = below(repository, "")?;
        self.pool.remove_manifest(&directory).doing("remove manifests")
    }
}
