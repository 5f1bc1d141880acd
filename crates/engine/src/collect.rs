//! Collection: what nothing needs any more goes, and nothing else.
//!
//! In this order: snapshots that `snapshots:` does not keep, files of published trees whose grace is over, revisions that
//! `revisions:` does not keep, rendered metadata that no tree serves, and then the blobs that nothing has
//! referred to for a while. Syncs and publications go on meanwhile: what they rely on is spared, and what they hold is
//! left for the next time.

mod plan;
mod rows;
mod snapshots;
mod sweep;

use std::time::Duration;

use chantal_catalog::{CatalogError, Lease, Retention};
use chantal_model::{Progress, Step, fault};
use serde::Serialize;
use tracing::Instrument;

use crate::Engine;
use crate::end::Facts;
use crate::error::{Doing, EngineError, ExitClass, chain};
use crate::query::time;

/// How to collect.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions {
    /// How long nothing must have referred to a blob before it goes.
    pub keep_for: Duration,
    /// Wait for so long where another process collects; `None` fails at once.
    pub wait: Option<Duration>,
}

/// A snapshot that goes.
#[derive(Clone, Debug, Serialize)]
pub struct GoneSnapshot {
    /// Its repository.
    pub repo: String,
    /// Its name.
    pub snapshot: String,
    /// When it was made, RFC 3339.
    pub created: String,
}

/// What collection did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CollectReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Bytes of the pool that are free afterwards: those of unused and of orphaned blobs.
    pub freed_bytes: u64,
    /// Snapshots that go by `snapshots:`.
    pub snapshots: Vec<GoneSnapshot>,
    /// Revisions that retire by `revisions:`.
    pub revisions: u64,
    /// Files of published trees whose grace is over; their bytes are in the pool until nothing else needs them.
    pub pruned_files: u64,
    /// Sets of rendered metadata that no tree serves; they can be rendered again.
    pub renders: u64,
    /// Blobs that nothing referred to for long enough.
    pub unused: u64,
    /// Their bytes.
    pub unused_bytes: u64,
    /// Files of the pool that the catalog does not know, and that are old enough.
    pub orphaned: u64,
    /// Their bytes.
    pub orphaned_bytes: u64,
    /// Blobs that nothing refers to, but that something which runs relies on.
    pub spared: u64,
    /// Blobs that nothing refers to, but not for long enough.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// When the first of them go, RFC 3339.
    pub next_due: Option<String>,
    /// What was left for the next time, and why.
    pub left: Vec<String>,
    /// Whether something was left because it could not be done, and not because somebody works on it.
    #[serde(skip)]
    pub failed: bool,
}

impl CollectReport {
    fn leave(&mut self, what: &str, error: &EngineError) {
        let is_in_use = error.class() == ExitClass::Busy || matches!(error, EngineError::Pinned { .. });
        self.failed |= !is_in_use;
        self.left.push(format!("{what}: {}", chain(error)));
    }
}

impl Engine {
    /// See [`Engine::collect`].
    pub(crate) async fn collect_now(&self, options: CollectOptions) -> Result<CollectReport, EngineError> {
        let run = self.begun("cleanup", None);
        let done = Box::pin(self.collect_alone(options).instrument(run.span())).await;
        let freed_bytes = done.as_ref().map_or(0, |report| report.freed_bytes);
        let facts = Facts {
            changed: freed_bytes > 0,
            partial: done.as_ref().is_ok_and(|report| report.failed),
            freed_bytes,
            ..Facts::default()
        };
        self.ended(run.end(done.as_ref().err(), facts)).await;
        done
    }

    async fn collect_alone(&self, options: CollectOptions) -> Result<CollectReport, EngineError> {
        let lease = self
            .catalog
            .acquire(chantal_catalog::COLLECT, options.wait)
            .await
            .doing("hold the right to collect")?;
        let collected = self.collect_held(options, &lease).await;
        lease.release().await.doing("release the right to collect")?;
        self.catalog.tidy().await;
        collected
    }

    async fn collect_held(&self, options: CollectOptions, lease: &Lease) -> Result<CollectReport, EngineError> {
        let mut report = CollectReport::default();
        self.progress.begin(Step::Collect, 0);
        self.collect_snapshots(&mut report).await?;
        fault!("engine::collect::snapshots").doing("go on with collection")?;
        self.collect_trees(&mut report).await?;
        fault!("engine::collect::trees").doing("go on with collection")?;
        // A revision that a tree served stays until the tree's grace is over.
        self.collect_revisions(&mut report).await?;
        fault!("engine::collect::revisions").doing("go on with collection")?;
        match self
            .catalog
            .drop_renders(lease)
            .await
            .doing("forget rendered metadata")?
        {
            Some(sets) => report.renders = sets,
            None => report
                .left
                .push("rendered metadata: something is being published".to_owned()),
        }
        // Before blobs go, no manifest may name what only they know to be gone.
        self.write_manifests(false).await?;
        let now = self.clock.now().as_second();
        self.catalog
            .mark_unused(lease, now)
            .await
            .doing("find what nothing refers to")?;
        fault!("engine::collect::marked").doing("go on with collection")?;
        self.sweep(lease, now, options.keep_for, &mut report).await?;
        fault!("engine::collect::swept").doing("end collection")?;
        self.progress.end(Step::Collect);
        report.freed_bytes = report.unused_bytes + report.orphaned_bytes;
        Ok(report)
    }

    async fn collect_snapshots(&self, report: &mut CollectReport) -> Result<(), EngineError> {
        for (id, snapshot) in self.doomed_snapshots().await? {
            match self.delete_snapshot(&id, &snapshot.name, true).await {
                Ok(()) => report.snapshots.push(gone(&id, &snapshot)),
                Err(error) => report.leave(&format!("snapshot {} of {id}", snapshot.name), &error),
            }
        }
        Ok(())
    }

    async fn collect_revisions(&self, report: &mut CollectReport) -> Result<(), EngineError> {
        let retention = self.retention();
        for row in self.catalog.repositories().await.doing("read repositories")? {
            let lease = match self.catalog.acquire_to_collect(&format!("sync:{}", row.name)).await {
                Ok(lease) => lease,
                Err(CatalogError::Busy { holder, .. }) => {
                    report
                        .left
                        .push(format!("revisions of {}: {holder} works on it", row.name));
                    continue;
                }
                Err(error) => return Err(error).doing("hold the repository"),
            };
            let now = self.clock.now().as_second();
            let retired = self.catalog.retire(&lease, row.line, retention, now).await;
            let kept = match &retired {
                Ok(retired) if !retired.revisions.is_empty() => self.retire_manifests(&row).await,
                _ => Ok(()),
            };
            lease.release().await.doing("release the repository")?;
            kept?;
            match retired {
                Ok(retired) => report.revisions += retired.revisions.len() as u64,
                Err(CatalogError::Busy { .. }) => report
                    .left
                    .push(format!("revisions of {}: something is being published", row.name)),
                Err(error) => return Err(error).doing("retire revisions"),
            }
        }
        Ok(())
    }

    async fn collect_trees(&self, report: &mut CollectReport) -> Result<(), EngineError> {
        for (place, entry_dir) in self.published_places(&mut report.left).await? {
            let key = place.key();
            let lease = match self.catalog.acquire_to_collect(&format!("publish:{key}")).await {
                Ok(lease) => lease,
                Err(CatalogError::Busy { holder, .. }) => {
                    report.left.push(format!("the tree {key}: {holder} works on it"));
                    continue;
                }
                Err(error) => return Err(error).doing("hold the published path"),
            };
            let pruned = self.prune_tree(&place, &entry_dir, &lease).await;
            lease.release().await.doing("release the published path")?;
            match pruned {
                Ok(pruned) => report.pruned_files += pruned.removed,
                Err(error) => report.leave(&format!("the tree {key}"), &error),
            }
        }
        Ok(())
    }

    pub(crate) fn retention(&self) -> Retention {
        const DAY_SECONDS: i64 = 86_400;
        let configured = self.config.revisions;
        Retention {
            keep_last: configured.keep_last,
            // None by its age alone, not even one of this second.
            newest_since: match configured.keep_days {
                0 => i64::MAX,
                days => self.clock.now().as_second() - i64::from(days) * DAY_SECONDS,
            },
        }
    }
}

fn gone(id: &chantal_model::RepoId, snapshot: &chantal_catalog::Snapshot) -> GoneSnapshot {
    GoneSnapshot {
        repo: id.to_string(),
        snapshot: snapshot.name.to_string(),
        created: time(snapshot.created_at),
    }
}
