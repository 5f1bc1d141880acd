//! What collection would do, exactly: the same steps on the same rows, taken back at the end.

use std::time::Duration;

use chantal_catalog::Steps;
use chantal_model::RelPath;

use super::sweep::before;
use super::{CollectReport, gone};
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::site::Place;

impl Engine {
    /// What [`Engine::collect`] would do now. Changes nothing.
    pub async fn plan_collect(&self, keep_for: Duration) -> Result<CollectReport, EngineError> {
        let mut report = CollectReport {
            dry_run: true,
            ..CollectReport::default()
        };
        let now = self.clock.now().as_second();
        let mut steps = Steps::default();
        self.plan_snapshots(&mut steps, &mut report).await?;
        let held = self.catalog.living_leases().await.doing("read leases")?;
        let holder = |name: &str| held.iter().find(|lease| lease.name == name);
        let publishing = held.iter().any(|lease| lease.name.starts_with("publish:"));
        for row in self.catalog.repositories().await.doing("read repositories")? {
            match holder(&format!("sync:{}", row.name)) {
                Some(lease) => report
                    .left
                    .push(format!("revisions of {}: {} works on it", row.name, lease.holder)),
                None if publishing => report
                    .left
                    .push(format!("revisions of {}: something is being published", row.name)),
                None => steps.lines.push(row.line),
            }
        }
        for (place, entry_dir) in self.published_places(&mut report.left).await? {
            if let Some(lease) = holder(&format!("publish:{}", place.key())) {
                let left = format!("the tree {}: {} works on it", place.key(), lease.holder);
                report.left.push(left);
            } else if !steps.publications.contains(&place.key()) {
                self.plan_tree(&place, &entry_dir, now, &mut steps, &mut report).await?;
            }
        }
        let limit = before(now, keep_for);
        let planned = self
            .catalog
            .plan_collection(&steps, self.retention(), (now, limit))
            .await
            .doing("find what nothing refers to")?;
        report.revisions = planned.retired.iter().map(|(_, revisions)| revisions).sum();
        match planned.renders {
            Some(sets) => report.renders = sets,
            None => report
                .left
                .push("rendered metadata: something is being published".to_owned()),
        }
        report.unused = planned.swept.len() as u64;
        report.unused_bytes = planned.swept.iter().map(|(_, size)| size).sum();
        report.spared = planned.spared.count as u64;
        report.set_waiting(planned.waiting, keep_for);
        let orphans = self.old_orphans(limit).await?;
        report.orphaned = orphans.len() as u64;
        report.orphaned_bytes = orphans.iter().map(|(_, size)| size).sum();
        report.freed_bytes = report.unused_bytes + report.orphaned_bytes;
        Ok(report)
    }

    /// The snapshots that would go, with what is published of them. One to which a repository's path is pinned stays.
    async fn plan_snapshots(&self, steps: &mut Steps, report: &mut CollectReport) -> Result<(), EngineError> {
        let publications = self.catalog.publications().await.doing("read publications")?;
        for (id, snapshot) in self.doomed_snapshots().await? {
            let served = || publications.iter().filter(|one| one.snapshot_id == Some(snapshot.id));
            if served().any(|one| one.pinned) {
                let reason = "a repository's path is pinned to it";
                report
                    .left
                    .push(format!("snapshot {} of {id}: {reason}", snapshot.name));
                continue;
            }
            steps.publications.extend(served().map(|one| one.path.clone()));
            steps.snapshots.push(snapshot.id);
            report.snapshots.push(gone(&id, &snapshot));
        }
        Ok(())
    }

    async fn plan_tree(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        now: i64,
        steps: &mut Steps,
        report: &mut CollectReport,
    ) -> Result<(), EngineError> {
        let planned = self.plan_prune(place, entry_dir, now).await?;
        steps.states.extend(planned.states_over);
        report.pruned_files += planned.files;
        Ok(())
    }
}
