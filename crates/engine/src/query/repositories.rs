//! Repositories, their revisions and runs.

use chantal_catalog::Runs;
use chantal_config::Repository;
use chantal_model::{RepoId, masked};

use super::{history_row, time};
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::{HistoryRow, RepositoryDetail, RepositoryRow, RevisionRow};

impl Engine {
    /// Every repository of the configuration, then those that only the catalog knows.
    pub async fn repositories(&self) -> Result<Vec<RepositoryRow>, EngineError> {
        let mut runs = self.history(None, u64::MAX, Runs::Last).await?;
        let mut last = |id: &RepoId| {
            let at = runs.iter().position(|run| run.repo == id.as_str())?;
            Some(runs.swap_remove(at))
        };
        let mut rows = Vec::new();
        for repo in &self.config.repositories {
            let last = last(&repo.id);
            rows.push(self.repository_row(repo.id.clone(), Some(repo), last).await?);
        }
        for known in self.catalog.repositories().await.doing("read repositories")? {
            if !self.config.repositories.iter().any(|repo| repo.id == known.name) {
                let last = last(&known.name);
                rows.push(self.repository_row(known.name, None, last).await?);
            }
        }
        Ok(rows)
    }

    async fn repository_row(
        &self,
        id: RepoId,
        repo: Option<&Repository>,
        last: Option<HistoryRow>,
    ) -> Result<RepositoryRow, EngineError> {
        let known = self.catalog.repository(&id).await.doing("read repositories")?;
        let (current, snapshots, state) = match &known {
            Some(known) => (
                self.catalog
                    .current(known.line)
                    .await
                    .doing("find the newest revision")?,
                self.catalog.snapshots(known.id).await.doing("read snapshots")?.len() as u64,
                self.catalog.feed_state(known.id).await.doing("read the feed's state")?,
            ),
            None => (None, 0, None),
        };
        let mode = repo
            .map(|repo| repo.mode)
            .or_else(|| current.as_ref().map(|current| current.mode));
        Ok(RepositoryRow {
            name: repo
                .and_then(|repo| repo.name.clone())
                .unwrap_or_else(|| id.to_string()),
            r#type: repo
                .map(|repo| repo.r#type.clone())
                .or(known.map(|known| known.format))
                .unwrap_or_default(),
            mode: mode.map(|mode| mode.name().to_owned()).unwrap_or_default(),
            feed: repo
                .and_then(|repo| self.feed_url(repo).ok())
                .map(|url| masked(url.as_str()))
                .unwrap_or_default(),
            enabled: repo.is_some_and(|repo| repo.enabled),
            tags: repo.map(|repo| repo.tags.clone()).unwrap_or_default(),
            revision: current.as_ref().map(|current| current.number),
            packages: current.as_ref().map_or(0, |current| current.package_count as u64),
            bytes: current.as_ref().map_or(0, |current| current.package_bytes as u64),
            snapshots,
            last_sync: state.map(|state| time(state.checked_at)),
            last,
            served: match repo {
                Some(_) => self.served_at_latest(&id).await?,
                None => None,
            },
            configured: repo.is_some(),
            id: id.to_string(),
        })
    }

    /// Everything about one repository.
    pub async fn repository(&self, id: &RepoId) -> Result<RepositoryDetail, EngineError> {
        let repo = self.config.repositories.iter().find(|repo| repo.id == *id);
        let known = self.catalog.repository(id).await.doing("read repositories")?;
        if repo.is_none() && known.is_none() {
            self.configured(id)?;
        }
        let revisions = match &known {
            Some(known) => self.catalog.revisions(known.line).await.doing("read revisions")?,
            None => Vec::new(),
        };
        let mut revisions: Vec<RevisionRow> = revisions
            .into_iter()
            .map(|revision| RevisionRow {
                revision: revision.number,
                created: time(revision.created_at),
                mode: revision.mode.name().to_owned(),
                packages: revision.package_count as u64,
                bytes: revision.package_bytes as u64,
                fingerprint: revision.fingerprint.hex(),
            })
            .collect();
        revisions.sort_by_key(|row| std::cmp::Reverse(row.revision));
        let publications = self.publications().await?;
        let last = self.history(Some(id), 1, Runs::Last).await?.pop();
        Ok(RepositoryDetail {
            row: self.repository_row(id.clone(), repo, last).await?,
            revisions,
            snapshot_list: if known.is_some() {
                self.snapshots(Some(id)).await?
            } else {
                Vec::new()
            },
            publications: publications.into_iter().filter(|row| row.repo == id.as_str()).collect(),
            warnings: repo
                .map(|repo| crate::certificate::warnings(repo, self.clock.now().as_second()))
                .unwrap_or_default(),
            unbuilt: repo
                .map(|repo| repo.unbuilt.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        })
    }

    /// Runs, newest first.
    pub async fn history(&self, id: Option<&RepoId>, limit: u64, runs: Runs) -> Result<Vec<HistoryRow>, EngineError> {
        let repository = match id {
            None => None,
            Some(id) => match self.catalog.repository(id).await.doing("find the repository")? {
                Some(row) => Some(row.id),
                None => return Ok(Vec::new()),
            },
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.catalog.history(repository, limit, runs).await;
        Ok(rows.doing("read the history")?.into_iter().map(history_row).collect())
    }
}
