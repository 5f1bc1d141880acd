//! What a sync has done, as it is reported and kept.

use std::collections::BTreeMap;

use chantal_catalog::FeedState;
use chantal_model::RevisionNumber;

use crate::Engine;
use crate::download::Failure;
use crate::error::EngineError;
use crate::report::{SyncPlan, SyncReport};

/// What a sync did under its lease.
pub(super) struct Done {
    pub(super) plan: SyncPlan,
    pub(super) revision: Option<RevisionNumber>,
    pub(super) recorded: bool,
    /// How many packages there are now.
    pub(super) packages: u64,
    /// Older revisions that retired after it.
    pub(super) retired: u64,
    pub(super) new_advisories: BTreeMap<String, u64>,
    pub(super) feed_timestamp: Option<i64>,
    pub(super) failures: Vec<Failure>,
    /// Parts of upstream that are left out: records that nothing could be made of, and what cannot be verified.
    pub(super) unread: usize,
    /// What is to be remembered about a feed that is as it was.
    pub(super) checked: Option<FeedState>,
}

impl Done {
    pub(super) fn is_partial(&self) -> bool {
        self.unread > 0 || !self.failures.is_empty()
    }
}

impl Engine {
    /// What is told of it; a snapshot and a publication may follow.
    pub(super) fn sync_report(&self, done: Done, fetched_bytes: u64) -> SyncReport {
        SyncReport {
            plan: done.plan,
            revision: done.revision,
            recorded: done.recorded,
            retired: done.retired,
            fetched_bytes,
            new_advisories: done.new_advisories,
            feed_timestamp: done.feed_timestamp,
            feed_age_seconds: done.feed_timestamp.map(|at| (self.clock.now().as_second() - at).max(0)),
            unread: done.unread,
            failed: done.failures.into_iter().map(|failure| failure.report).collect(),
            snapshot: None,
            published: None,
            served: None,
            duration_ms: 0,
        }
    }
}

/// What the history says of it.
pub(super) fn outcome(done: &Result<Done, EngineError>, fetched_bytes: u64) -> chantal_catalog::Outcome {
    let mut outcome = chantal_catalog::Outcome {
        bytes_fetched: fetched_bytes as i64,
        ..Default::default()
    };
    match done {
        Ok(done) => {
            let status = if done.is_partial() { "partial" } else { "succeeded" };
            status.clone_into(&mut outcome.status);
            outcome.revision = done.revision.filter(|_| done.recorded);
            outcome.added = done.plan.counts.added as i64;
            outcome.removed = done.plan.counts.removed as i64;
            outcome.upgraded = done.plan.counts.upgraded as i64;
            outcome.bytes_saved = done.plan.saved_bytes as i64;
            outcome.packages = done.packages as i64;
            outcome.exit_code = if done.is_partial() { 9 } else { 0 };
        }
        Err(error) => {
            "failed".clone_into(&mut outcome.status);
            outcome.exit_code = i64::from(error.exit_code());
            outcome.error = Some(crate::error::chain(error));
        }
    }
    outcome
}
