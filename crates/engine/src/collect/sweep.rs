//! Blobs that go: rows first, then files, in small steps that others can come between.

use std::collections::HashSet;
use std::time::Duration;

use chantal_catalog::{Intents, Lease, Waiting};
use chantal_model::{Progress, Sha256, Step, fault};

use super::CollectReport;
use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::query::time;

/// Files that are removed while others wait.
const CHUNK: usize = 256;

/// The time in seconds since 1970 up to which what nobody needed goes.
pub(super) fn before(now: i64, keep_for: Duration) -> i64 {
    now.saturating_sub(i64::try_from(keep_for.as_secs()).unwrap_or(i64::MAX))
}

impl CollectReport {
    pub(super) fn set_waiting(&mut self, waiting: Waiting, keep_for: Duration) {
        self.waiting = waiting.amount.count as u64;
        self.waiting_bytes = waiting.amount.bytes as u64;
        let due = |since: i64| since.saturating_add(i64::try_from(keep_for.as_secs()).unwrap_or(i64::MAX));
        self.next_due = waiting.since.map(|since| time(due(since)));
    }
}

impl Engine {
    /// Removes blobs that are marked for long enough, and files of the pool that no row names.
    pub(super) async fn sweep(
        &self,
        lease: &Lease,
        now: i64,
        keep_for: Duration,
        report: &mut CollectReport,
    ) -> Result<(), EngineError> {
        let before = before(now, keep_for);
        let mut intents = Intents::default();
        let mut after = Vec::new();
        loop {
            let page = self
                .catalog
                .condemned(before, &after)
                .await
                .doing("find what nothing refers to")?;
            let Some((last, _)) = page.last() else { break };
            after = last.0.to_vec();
            for chunk in page.chunks(CHUNK) {
                let names: Vec<Sha256> = chunk.iter().map(|(name, _)| *name).collect();
                let dropped = self
                    .catalog
                    .drop_blobs(lease, &mut intents, &names)
                    .await
                    .doing("forget blobs")?;
                fault!("engine::collect::dropped").doing("remove blobs")?;
                report.spared += (names.len() - dropped.len()) as u64;
                let gone: HashSet<&Sha256> = dropped.iter().collect();
                report.unused += dropped.len() as u64;
                report.unused_bytes += chunk
                    .iter()
                    .filter(|(name, _)| gone.contains(name))
                    .map(|(_, size)| size)
                    .sum::<u64>();
                self.unlink(lease, &mut intents, &dropped).await?;
            }
        }
        for chunk in self.old_orphans(before).await?.chunks(CHUNK) {
            let names: Vec<Sha256> = chunk.iter().map(|(name, _)| *name).collect();
            let removed: HashSet<Sha256> = self.unlink(lease, &mut intents, &names).await?.into_iter().collect();
            report.orphaned += removed.len() as u64;
            report.spared += (names.len() - removed.len()) as u64;
            report.orphaned_bytes += chunk
                .iter()
                .filter(|(name, _)| removed.contains(name))
                .map(|(_, size)| size)
                .sum::<u64>();
        }
        let waiting = self.catalog.waiting(before).await.doing("count blobs")?;
        report.set_waiting(waiting, keep_for);
        Ok(())
    }

    /// Removes files that no row names and nobody relies on; gives their names.
    async fn unlink(&self, lease: &Lease, intents: &mut Intents, names: &[Sha256]) -> Result<Vec<Sha256>, EngineError> {
        let mut removed = Vec::new();
        for chunk in names.chunks(CHUNK) {
            let claim = self
                .catalog
                .claim(lease, intents, chunk)
                .await
                .doing("claim files of the pool")?;
            let (pool, free) = (self.pool.clone(), claim.names.clone());
            let unlinked =
                blocking(move || free.iter().try_for_each(|name| pool.remove(name)).doing("remove blobs")).await;
            fault!("engine::collect::unlinked").doing("remove blobs")?;
            self.progress.advance(Step::Collect, claim.names.len() as u64);
            removed.extend(claim.names.iter().copied());
            claim.release().await.doing("release files of the pool")?;
            unlinked?;
        }
        Ok(removed)
    }

    /// Blobs on disk that no row names and that have not been touched since `before`.
    pub(super) async fn old_orphans(&self, before: i64) -> Result<Vec<(Sha256, u64)>, EngineError> {
        let known = self.catalog.all_blobs().await.doing("list its blobs")?;
        let known: HashSet<Sha256> = known.into_iter().map(|(name, _)| name).collect();
        let pool = self.pool.clone();
        let mut orphans = blocking(move || {
            let (blobs, _) = pool.list().doing("be listed")?;
            let is_old = |name: &Sha256| pool.touched(name).is_some_and(|at| at <= before);
            Ok(blobs
                .into_iter()
                .filter(|(name, _)| !known.contains(name) && is_old(name))
                .collect::<Vec<_>>())
        })
        .await?;
        orphans.sort_unstable();
        Ok(orphans)
    }
}
