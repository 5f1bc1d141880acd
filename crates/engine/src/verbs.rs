//! Every verb that changes something, as a task. A new one joins with one line.

use std::time::Duration;

use chantal_catalog::Cleaned;
use chantal_model::{RepoId, SnapshotName};

use crate::adopt::{AdoptOptions, AdoptReport};
use crate::collect::{CollectOptions, CollectReport};
use crate::forget::{DeleteOptions, DeleteReport};
use crate::report::{PublishOptions, PublishReport, SnapshotRow, SyncOptions, SyncReport, Target, Vacuumed};
use crate::retire::RetireReport;
use crate::task::TaskReport;
use crate::verify::{VerifyOptions, VerifyReport};
use crate::{Engine, EngineError};

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident ($($argument:ident: $type:ty),*) -> $report:ty,
        $verb:expr, $subject:expr => $work:ident;)*) => {
        impl Engine {
            $($(#[$doc])*
            pub async fn $name(&self, $($argument: $type),*) -> Result<$report, EngineError> {
                let subject: Option<String> = $subject;
                self.task($verb, subject.as_deref(), |engine| async move { engine.$work($($argument),*).await })
                    .await
            })*
        }
    };
}

verbs! {
    /// Brings a repository up to date with its feed.
    ///
    /// A feed that has not changed costs one request and records nothing. Running it again after any failure goes on
    /// with what was fetched.
    ///
    /// # Errors
    /// Nothing was recorded and what is served is untouched; fetched blobs stay in the pool for the next try.
    sync(id: &RepoId, options: &SyncOptions) -> SyncReport, "repo sync", named(id) => sync_now;

    /// Retires the revisions of a repository that `revisions:` does not keep, that no snapshot pins and that no
    /// published tree serves.
    ///
    /// # Errors
    /// While something is published; nothing was changed then.
    retire(id: &RepoId, wait: Option<Duration>) -> RetireReport, "repo retire", named(id) => retire_now;

    /// Deletes a repository's state. Trees are taken down one by one, then everything else goes at once.
    ///
    /// # Errors
    /// Trees that were taken down stay down; everything else is as it was, and the next try goes on.
    delete(id: &RepoId, options: DeleteOptions) -> DeleteReport, "repo delete", named(id) => delete_now;

    /// Pins the newest revision under a name.
    create_snapshot(id: &RepoId, name: &SnapshotName, description: Option<&str>) -> SnapshotRow,
        "snapshot create", named(id) => create_snapshot_now;

    /// Gives a snapshot's content a second name.
    copy_snapshot(id: &RepoId, source: &SnapshotName, target: &SnapshotName, description: Option<&str>) -> SnapshotRow,
        "snapshot copy", named(id) => copy_snapshot_now;

    /// Deletes a snapshot. Refused while it is published, unless forced: then its publications are taken down first.
    delete_snapshot(id: &RepoId, name: &SnapshotName, force: bool) -> (), "snapshot delete", named(id) => delete_snapshot_now;

    /// Publishes a repository's newest revision or a snapshot.
    ///
    /// A state that is served already is left alone. A killed run is finished by the next one.
    ///
    /// # Errors
    /// What was served is still served.
    publish(target: &Target, options: &PublishOptions) -> PublishReport,
        match target { Target::Repository(_) => "publish repo", Target::Snapshot(..) => "publish snapshot" },
        targeted(target) => publish_now;

    /// Publishes a snapshot at the repository's own path and pins it there; `None` takes the pin away and publishes
    /// the newest revision.
    switch(id: &RepoId, snapshot: Option<&SnapshotName>, options: &PublishOptions) -> PublishReport,
        "publish switch", named(id) => switch_now;

    /// Takes a published tree down.
    unpublish(target: &Target) -> String, "publish unpublish", targeted(target) => unpublish_now;

    /// Removes what nothing needs any more.
    ///
    /// # Errors
    /// Busy while another process collects. What was removed until an error stays removed; it was not needed.
    collect(options: CollectOptions) -> CollectReport, "pool cleanup", None => collect_now;

    /// Compares everything in the pool and in the published trees with what must be there.
    ///
    /// # Errors
    /// Busy while another process collects or repairs, where something is to be repaired. What was repaired until an
    /// error stays so.
    verify(options: VerifyOptions) -> VerifyReport, "pool verify", None => verify_now;

    /// Removes packages and raw records that no revision holds, and gathers what is left of packs that are more than
    /// half dead; forgets tasks that ended long ago.
    ///
    /// # Errors
    /// Busy while anything is synced, published or adopted: that may be about to use such a row. Nothing was changed.
    clean_rows(options: CollectOptions) -> Cleaned, "db cleanup", None => clean_rows_now;

    /// Makes the database as small as its content.
    vacuum() -> Vacuumed, "db vacuum", None => vacuum_now;
}

impl Engine {
    /// Takes the packages of a tree into the pool.
    pub async fn adopt(&self, options: &AdoptOptions) -> Result<AdoptReport, EngineError> {
        if options.dry_run {
            return self.adopt_now(options).await;
        }
        let subject = options.directory.display().to_string();
        self.task("pool adopt", Some(&subject), |engine| async move {
            engine.adopt_now(options).await
        })
        .await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "subjects of verbs are optional")]
fn named(id: &RepoId) -> Option<String> {
    Some(id.to_string())
}

fn targeted(target: &Target) -> Option<String> {
    let (Target::Repository(id) | Target::Snapshot(id, _)) = target;
    named(id)
}

impl TaskReport for () {}
impl TaskReport for String {}
impl TaskReport for SnapshotRow {}
impl TaskReport for RetireReport {}
impl TaskReport for Cleaned {}
impl TaskReport for AdoptReport {}
impl TaskReport for Vacuumed {}

impl TaskReport for SyncReport {
    fn exit_code(&self) -> u8 {
        if self.is_whole() { 0 } else { 9 }
    }

    fn warnings(&self) -> Vec<String> {
        let failed = self
            .failed
            .iter()
            .map(|failed| format!("left out {} ({}): {}", failed.package, failed.url, failed.reason));
        self.plan.warnings.iter().cloned().chain(failed).collect()
    }
}

impl TaskReport for PublishReport {
    fn warnings(&self) -> Vec<String> {
        self.plan.warnings.clone()
    }
}

impl TaskReport for DeleteReport {
    fn warnings(&self) -> Vec<String> {
        let left = self.left.iter();
        left.map(|path| format!("{path} was left as it is, and nobody looks after it any more"))
            .collect()
    }
}

impl TaskReport for CollectReport {
    fn exit_code(&self) -> u8 {
        if self.failed { 9 } else { 0 }
    }

    fn warnings(&self) -> Vec<String> {
        let left = self.left.iter();
        left.map(|what| format!("left for the next time: {what}")).collect()
    }
}

impl TaskReport for VerifyReport {
    fn exit_code(&self) -> u8 {
        if self.remaining() == 0 { 0 } else { 8 }
    }

    fn warnings(&self) -> Vec<String> {
        let left = self.left.iter();
        left.map(|what| format!("not looked at: {what}")).collect()
    }
}
