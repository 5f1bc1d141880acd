//! A look at a feed's entry point, which changes nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chantal_model::{RepoId, masked};
use chantal_pool::{Pool, PoolOptions};

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::feed::{Feed, request_of};
use crate::query::time;
use crate::report::FeedCheck;

impl Engine {
    /// Reaches a feed, authenticates and reads its entry point. Changes nothing.
    pub async fn check_feed(&self, id: &RepoId) -> Result<FeedCheck, EngineError> {
        let repo = self.ready(id)?;
        let format = self.format(repo)?;
        let scratch = tempfile::tempdir().map_err(|source| EngineError::Io {
            what: "create a directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let landing = Pool::open(scratch.path(), PoolOptions::default()).doing("make a scratch directory")?;
        let feed = Feed {
            repo,
            format,
            reach: self.reach(repo, format).await?,
            pool: &landing,
            landing: &landing,
            catalog: &self.catalog,
            progress: self.progress.clone(),
            fetched_bytes: Arc::new(AtomicU64::new(0)),
            lease: None,
        };
        let (url, files) = feed.entry_only().await?;
        let request = request_of(repo);
        let metadata = |source| EngineError::Metadata {
            repo: id.to_string(),
            source,
        };
        let wanted = format.wants(&files, &request).map_err(metadata)?;
        let overview = format.overview(&files, &request).map_err(metadata)?;
        let mut warnings = feed.reach.take_warnings();
        warnings.extend(overview.warnings);
        Ok(FeedCheck {
            repo: id.clone(),
            url: masked(url.as_str()),
            revision: overview.revision,
            changed: overview.timestamp.map(time),
            files: wanted.into_iter().map(|wanted| wanted.href).collect(),
            warnings,
        })
    }
}
