//! Retention of revisions.

use chantal_catalog::{CatalogError, Lease, Repository as Row};
use chantal_model::{RepoId, RevisionNumber};
use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::query::time;

/// A revision that retires.
#[derive(Clone, Debug, Serialize)]
pub struct RetiredRevision {
    /// Its number.
    pub revision: RevisionNumber,
    /// When it was recorded, as RFC 3339.
    pub created: String,
}

/// What retention of revisions does to a repository.
#[derive(Clone, Debug, Serialize)]
pub struct RetireReport {
    /// The repository.
    pub repo: RepoId,
    /// The revisions that retire, oldest first.
    pub retired: Vec<RetiredRevision>,
    /// Revisions that stay.
    pub kept: u64,
}

impl Engine {
    /// What [`Engine::retire`] would do now. Changes nothing.
    pub async fn plan_retire(&self, id: &RepoId) -> Result<RetireReport, EngineError> {
        let row = self.known(id).await?;
        let retirable = self.catalog.retirable(row.line, self.retention()).await;
        self.retire_report(id, &row, retirable.doing("read revisions")?, false)
            .await
    }

    /// See [`Engine::retire`].
    pub(crate) async fn retire_now(
        &self,
        id: &RepoId,
        wait: Option<std::time::Duration>,
    ) -> Result<RetireReport, EngineError> {
        let row = self.known(id).await?;
        let lease = self.catalog.acquire(&format!("sync:{id}"), wait).await;
        let lease = lease.doing("hold the repository")?;
        let retired = self
            .catalog
            .retire(&lease, row.line, self.retention(), self.clock.now().as_second())
            .await;
        let kept = match &retired {
            Ok(retired) if !retired.revisions.is_empty() => self.retire_manifests(&row).await,
            _ => Ok(()),
        };
        lease.release().await.doing("release the repository")?;
        let retired = retired.doing("retire revisions")?;
        kept?;
        self.retire_report(id, &row, retired.revisions, true).await
    }

    /// The same for the holder of a repository, after a sync; what has to wait, or cannot be done, is left for the next
    /// one: what the sync came to is recorded by now.
    pub(crate) async fn retire_after(
        &self,
        row: &Row,
        lease: &Lease,
        warnings: &mut Vec<String>,
    ) -> Result<u64, EngineError> {
        let now = self.clock.now().as_second();
        match self.catalog.retire(lease, row.line, self.retention(), now).await {
            Ok(retired) => {
                if !retired.revisions.is_empty()
                    && let Err(error) = self.retire_manifests(row).await
                {
                    let reason = crate::error::chain(&error);
                    warnings.push(format!("manifests of retired revisions stay for now: {reason}"));
                }
                Ok(retired.revisions.len() as u64)
            }
            Err(CatalogError::Busy { name, .. }) => {
                tracing::debug!(repo.id = %row.name, lease = name, "revisions retire later");
                Ok(0)
            }
            Err(error @ CatalogError::LostLease { .. }) => Err(error).doing("retire revisions"),
            Err(source) => {
                let what = "retire revisions";
                let reason = crate::error::chain(&EngineError::Catalog { what, source });
                warnings.push(format!("older revisions stay for now: {reason}"));
                Ok(0)
            }
        }
    }

    async fn retire_report(
        &self,
        id: &RepoId,
        row: &Row,
        retired: Vec<(RevisionNumber, i64)>,
        is_done: bool,
    ) -> Result<RetireReport, EngineError> {
        let held = self.catalog.revisions(row.line).await.doing("read revisions")?.len();
        let leaving = if is_done { 0 } else { retired.len() };
        Ok(RetireReport {
            repo: id.clone(),
            kept: (held - leaving.min(held)) as u64,
            retired: retired
                .into_iter()
                .map(|(revision, at)| RetiredRevision {
                    revision,
                    created: time(at),
                })
                .collect(),
        })
    }
}

/// Refuses a revision that was retired.
pub(crate) fn living(
    id: &RepoId,
    revision: chantal_catalog::Revision,
) -> Result<chantal_catalog::Revision, EngineError> {
    match revision.retired_at {
        None => Ok(revision),
        Some(at) => Err(EngineError::request(
            format!(
                "revision {} of repository {id} was retired at {}",
                revision.number,
                time(at)
            ),
            Some("a snapshot keeps a revision; `revisions:` says how many stay without one"),
        )),
    }
}
