//! What is remembered about feeds.

use chantal_model::{RepoId, masked};

use super::time;
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::CacheRow;

impl Engine {
    /// What is remembered about feeds.
    pub async fn cache_list(&self) -> Result<Vec<CacheRow>, EngineError> {
        let mut rows = Vec::new();
        for repository in self.catalog.repositories().await.doing("read repositories")? {
            let Some(state) = self
                .catalog
                .feed_state(repository.id)
                .await
                .doing("read the feed's state")?
            else {
                continue;
            };
            let (files, bytes) = self
                .catalog
                .source_files(repository.line)
                .await
                .doing("count metadata files")?;
            rows.push(CacheRow {
                repo: repository.name.to_string(),
                url: masked(&state.entry_url),
                etag: state.etag,
                last_modified: state.last_modified,
                checked: time(state.checked_at),
                files: files as u64,
                bytes: bytes as u64,
            });
        }
        Ok(rows)
    }

    /// Forgets validators, so that the next sync reads the whole feed; gives the number of feeds.
    pub async fn cache_clear(&self, id: Option<&RepoId>) -> Result<u64, EngineError> {
        let mut cleared = 0;
        for repository in self.catalog.repositories().await.doing("read repositories")? {
            if id.is_some_and(|id| *id != repository.name) {
                continue;
            }
            let name = format!("sync:{}", repository.name);
            let lease = self.catalog.acquire(&name, None).await.doing("hold the repository")?;
            let forgotten = self
                .catalog
                .clear_feed_state(&lease, repository.id)
                .await
                .doing("forget validators")?;
            lease.release().await.doing("release the repository")?;
            cleared += u64::from(forgotten);
        }
        Ok(cleared)
    }
}
