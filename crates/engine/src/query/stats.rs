//! Numbers.

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::Stats;

impl Engine {
    /// Numbers about everything.
    pub async fn stats(&self) -> Result<Stats, EngineError> {
        let stats = self.catalog.stats().await.doing("count")?;
        Ok(Stats {
            repositories: stats.repositories as u64,
            snapshots: stats.snapshots as u64,
            revisions: stats.revisions as u64,
            packages: stats.packages as u64,
            logical_bytes: stats.logical_bytes as u64,
            blobs: stats.blobs as u64,
            blob_bytes: stats.blob_bytes as u64,
            database_bytes: self.catalog.size_bytes().await.doing("measure it")?,
        })
    }
}
