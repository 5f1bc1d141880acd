//! What a repository's sync is doing, or how the last one ended, as another process sees it.

use chantal_catalog::{Holder, Runs};
use chantal_model::RepoId;
use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::query::{history_row, time};
use crate::report::HistoryRow;

/// Whether a repository is being synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// A process is at work on it.
    Running,
    /// The process that was at work on it is gone; the next sync goes on.
    Killed,
    /// Nobody is at work on it.
    Idle,
    /// It was never synced.
    Never,
}

/// What a repository's sync is doing, or how the last one ended.
#[derive(Clone, Debug, Serialize)]
pub struct SyncStatus {
    /// The repository.
    pub repo: String,
    /// Whether it is being synced.
    pub state: SyncState,
    /// Who holds it.
    pub holder: Option<HolderRow>,
    /// How far that is; `None` until it said so.
    pub progress: Option<ProgressRow>,
    /// The newest run that is over.
    pub last: Option<HistoryRow>,
}

/// Who holds a repository.
#[derive(Clone, Debug, Serialize)]
pub struct HolderRow {
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: i64,
    /// Since when, RFC 3339.
    pub since: String,
    /// Whether it lives; `None` for a process of another host that was heard of lately.
    pub alive: Option<bool>,
}

/// How far a sync is.
#[derive(Clone, Debug, Serialize)]
pub struct ProgressRow {
    /// `metadata`, `select`, `download`, `record`.
    pub step: String,
    /// What is done: bytes of metadata and downloads, else packages.
    pub done: u64,
    /// What there is to do; 0 if that is not known.
    pub total: u64,
    /// When it said so, RFC 3339.
    pub told: String,
}

impl Engine {
    /// What the syncs of one repository or of all are doing.
    pub async fn sync_status(&self, id: Option<&RepoId>) -> Result<Vec<SyncStatus>, EngineError> {
        let known = self.catalog.repositories().await.doing("read repositories")?;
        let mut ids: Vec<RepoId> = self.config.repositories.iter().map(|repo| repo.id.clone()).collect();
        ids.extend(known.iter().map(|row| row.name.clone()).filter(|name| {
            let is_configured = self.config.repositories.iter().any(|repo| repo.id == *name);
            !is_configured
        }));
        ids.retain(|one| id.is_none_or(|id| id == one));
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            let row = known.iter().find(|row| row.name == id).map(|row| row.id);
            rows.push(self.status_of(&id, row).await?);
        }
        Ok(rows)
    }

    async fn status_of(&self, id: &RepoId, row: Option<i64>) -> Result<SyncStatus, EngineError> {
        let holder = self
            .catalog
            .holder(&format!("sync:{id}"))
            .await
            .doing("find who holds the repository")?;
        let runs = match row {
            Some(row) => self.catalog.history(Some(row), 2, Runs::All).await,
            None => Ok(Vec::new()),
        };
        let last = runs
            .doing("read the history")?
            .into_iter()
            .find(|run| run.status != "running");
        let is_running = holder.as_ref().is_some_and(|holder| holder.alive != Some(false));
        let state = match (is_running, last.as_ref().map(|run| run.status.as_str())) {
            (true, _) => SyncState::Running,
            (false, Some("killed")) => SyncState::Killed,
            (false, Some(_)) => SyncState::Idle,
            (false, None) => SyncState::Never,
        };
        let holder = holder.filter(|_| matches!(state, SyncState::Running | SyncState::Killed));
        let progress = holder.as_ref().and_then(progress_row);
        Ok(SyncStatus {
            repo: id.to_string(),
            state,
            holder: holder.map(|holder| HolderRow {
                host: holder.host,
                pid: holder.pid,
                since: time(holder.since),
                alive: holder.alive,
            }),
            progress,
            last: last.map(history_row),
        })
    }
}

fn progress_row(holder: &Holder) -> Option<ProgressRow> {
    let told = holder.progress.as_ref()?;
    Some(ProgressRow {
        step: told.step.clone(),
        done: told.done as u64,
        total: told.total as u64,
        told: time(told.told_at),
    })
}
