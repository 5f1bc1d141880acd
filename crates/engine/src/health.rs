//! The pool's state: numbers, and what is missing or named by nothing.

use std::collections::{HashMap, HashSet};

use chantal_model::Sha256;

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::{PoolProblem, PoolStats};

impl Engine {
    /// Numbers about the pool.
    pub async fn pool_stats(&self) -> Result<PoolStats, EngineError> {
        let named = self.named_blobs().await?;
        let pool = self.pool.clone();
        let (on_disk, foreign) = blocking(move || pool.list().doing("be listed")).await?;
        let orphaned: Vec<u64> = on_disk
            .iter()
            .filter(|(sha256, _)| !named.contains_key(sha256))
            .map(|(_, size)| *size)
            .collect();
        let unused = self.unused_blobs().await?;
        let unused: Vec<u64> = on_disk
            .iter()
            .filter(|(sha256, _)| unused.contains(sha256))
            .map(|(_, size)| *size)
            .collect();
        let (free_bytes, free_inodes) = self.pool.free_space().doing("find its free space")?;
        Ok(PoolStats {
            path: self.config.storage.pool_path.display().to_string(),
            blobs: on_disk.len() as u64,
            bytes: on_disk.iter().map(|(_, size)| size).sum(),
            named: named.len() as u64,
            orphaned: orphaned.len() as u64,
            orphaned_bytes: orphaned.iter().sum(),
            unused: unused.len() as u64,
            unused_bytes: unused.iter().sum(),
            foreign: foreign.len() as u64,
            free_bytes,
            free_inodes,
        })
    }

    /// Blobs on disk that nothing in the catalog names (`orphaned`), and those that no content relies on (`unused`).
    pub async fn pool_orphaned(&self) -> Result<Vec<PoolProblem>, EngineError> {
        let named = self.named_blobs().await?;
        let unused = self.unused_blobs().await?;
        let pool = self.pool.clone();
        let (on_disk, _) = blocking(move || pool.list().doing("be listed")).await?;
        let mut orphaned: Vec<PoolProblem> = on_disk
            .into_iter()
            .filter(|(sha256, _)| !named.contains_key(sha256) || unused.contains(sha256))
            .map(|(sha256, bytes)| PoolProblem {
                blob: sha256.hex(),
                kind: if unused.contains(&sha256) { "unused" } else { "orphaned" }.to_owned(),
                bytes,
                ..PoolProblem::default()
            })
            .collect();
        orphaned.sort_by(|a, b| a.blob.cmp(&b.blob));
        Ok(orphaned)
    }

    /// Blobs that the catalog names and the pool does not have, or not in their size.
    pub async fn pool_missing(&self) -> Result<Vec<PoolProblem>, EngineError> {
        let named = self.named_blobs().await?;
        let pool = self.pool.clone();
        let on_disk: HashMap<Sha256, u64> = blocking(move || pool.list().doing("be listed"))
            .await?
            .0
            .into_iter()
            .collect();
        let mut problems = Vec::new();
        for (sha256, size) in named {
            let (kind, bytes) = match on_disk.get(&sha256) {
                Some(there) if *there == size => continue,
                Some(there) => ("truncated", *there),
                None => ("missing", 0),
            };
            let (used_by, published) = self.users(&sha256).await?;
            problems.push(PoolProblem {
                used_by,
                published,
                blob: sha256.hex(),
                kind: kind.to_owned(),
                bytes,
                ..PoolProblem::default()
            });
        }
        problems.sort_by(|a, b| a.blob.cmp(&b.blob));
        Ok(problems)
    }

    pub(crate) async fn unused_blobs(&self) -> Result<HashSet<Sha256>, EngineError> {
        let unused = self.catalog.unused_blobs().await.doing("list its blobs")?;
        Ok(unused.into_iter().collect())
    }

    pub(crate) async fn named_blobs(&self) -> Result<HashMap<Sha256, u64>, EngineError> {
        Ok(self
            .catalog
            .all_blobs()
            .await
            .doing("list its blobs")?
            .into_iter()
            .collect())
    }
}
