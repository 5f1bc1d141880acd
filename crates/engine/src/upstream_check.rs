//! Reaching a feed: the client that a repository's configuration describes, and a look at its entry point.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chantal_config::Repository;
use chantal_fetch::{Client, ClientOptions};
use chantal_formats::ReadRequest;
use chantal_model::RepoId;
use chantal_pool::{Pool, PoolOptions};
use url::Url;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::feed::{Feed, masked};
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
            client: self.client(repo)?,
            base: self.feed_url(repo)?,
            pool: &landing,
            landing: &landing,
            catalog: &self.catalog,
            progress: self.progress.clone(),
            fetched_bytes: Arc::new(AtomicU64::new(0)),
        };
        let (url, files) = feed.entry_only().await?;
        let request = ReadRequest {
            mode: repo.mode,
            allow_sha1: repo.allows_sha1(),
            max_metadata_bytes: repo.limits.metadata_bytes,
        };
        let metadata = |source| EngineError::Metadata {
            repo: id.to_string(),
            source,
        };
        let wanted = format.wants(&files, &request).map_err(metadata)?;
        let overview = format.overview(&files).map_err(metadata)?;
        Ok(FeedCheck {
            repo: id.clone(),
            url: masked(&url),
            revision: overview.revision,
            changed: overview.timestamp.map(time),
            files: wanted.into_iter().map(|wanted| wanted.href).collect(),
            warnings: overview.warnings,
        })
    }

    /// The URL of a repository's feed.
    pub(crate) fn feed_url(&self, repo: &Repository) -> Result<Url, EngineError> {
        repo.feed.clone().ok_or_else(|| EngineError::Configuration {
            repo: repo.id.to_string(),
            message: "it has no feed".into(),
            hint: Some("`feed` names the directory that upstream serves".into()),
        })
    }

    /// The client for a repository's feed.
    pub(crate) fn client(&self, repo: &Repository) -> Result<Client, EngineError> {
        let options: ClientOptions = crate::client::options(repo, &self.feed_url(repo)?)?;
        Client::sharing(options, self.hosts.clone()).map_err(|source| EngineError::Fetch {
            repo: repo.id.to_string(),
            what: "anything".into(),
            source,
        })
    }
}
