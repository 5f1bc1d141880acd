//! What is published.

use chantal_catalog::{PublicationState, StateStatus};
use chantal_model::RepoId;

use super::time;
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::PublicationRow;

impl Engine {
    /// Every published tree.
    pub async fn publications(&self) -> Result<Vec<PublicationRow>, EngineError> {
        let repositories = self.catalog.repositories().await.doing("read repositories")?;
        let mut rows = Vec::new();
        for publication in self.catalog.publications().await.doing("read publications")? {
            let live = self.live_state(&publication.path).await?;
            let repo = repositories.iter().find(|repo| repo.id == publication.repository);
            let repo = repo.map(|repo| repo.name.clone());
            let configured = repo.as_ref().and_then(|id| self.configured(id).ok());
            let base = configured.and_then(|repo| repo.publish.base_url.as_ref());
            rows.push(PublicationRow {
                repo: repo.map(|id| id.to_string()).unwrap_or_default(),
                kind: publication.kind.name().to_owned(),
                snapshot: publication.snapshot,
                pinned: publication.pinned,
                revision: live.as_ref().map(|live| live.revision),
                url: base
                    .filter(|_| !publication.path.starts_with('/'))
                    .map(|base| format!("{}/{}/", base.as_str().trim_end_matches('/'), publication.path)),
                path: self
                    .config
                    .storage
                    .published_path
                    .join(&publication.path)
                    .display()
                    .to_string(),
                since: live.map(|live| time(live.served_from)),
            });
        }
        Ok(rows)
    }

    pub(crate) async fn live_state(&self, path: &str) -> Result<Option<PublicationState>, EngineError> {
        let states = self.catalog.states(path).await.doing("read publications")?;
        Ok(states.into_iter().find(|state| state.status == StateStatus::Live))
    }

    /// What clients see at the repository's own path, in words.
    pub(crate) async fn served_at_latest(&self, id: &RepoId) -> Result<Option<String>, EngineError> {
        let path = crate::site::tree(self.configured(id)?, None).to_string();
        let Some(live) = self.live_state(&path).await? else {
            return Ok(None);
        };
        let publication = self.catalog.publication(&path).await.doing("read publications")?;
        Ok(Some(
            match publication.and_then(|publication| publication.snapshot.filter(|_| publication.pinned)) {
                Some(snapshot) => format!("{} (snapshot {snapshot})", live.revision),
                None => live.revision.to_string(),
            },
        ))
    }
}
