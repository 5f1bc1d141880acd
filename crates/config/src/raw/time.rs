//! What happens by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block;

block! {
    /// When to sync by itself.
    Schedule {
        /// Whether to.
        #[schemars(extend("default" = false))]
        enabled: bool,
        /// Five fields, or `@daily` and the like.
        #[schemars(extend("default" = "0 2 * * *"))]
        cron: String,
        /// Make a snapshot afterwards.
        #[schemars(extend("default" = false))]
        create_snapshot: bool,
        /// Name of that snapshot.
        #[schemars(extend("default" = "{repo_id}-{date}"))]
        snapshot_name_template: String,
        /// Time zone of `cron`.
        time_zone: String,
        /// Random delay.
        #[schemars(range(min = 0, max = 3600))]
        jitter_seconds: u32,
        /// Times at which nothing starts.
        blackout: Vec<String>,
        /// What to do after the sync.
        chain: Vec<String>,
    }
}

block! {
    /// The scheduler process.
    Scheduler {
        /// Address of its metrics.
        listen: String,
        /// How long a worker that does not answer keeps its tasks.
        #[schemars(extend("default" = 60))]
        lease_seconds: u32,
    }
}

block! {
    /// Whom to tell when a task ends.
    Notify {
        /// Which ends.
        on: Vec<String>,
        /// URL to call.
        webhook: String,
        /// Command to run.
        command: String,
    }
}

block! {
    /// Which revisions stay.
    Revisions {
        /// The last so many of each repository stay.
        #[schemars(extend("default" = 30))]
        keep_last: u32,
        /// Those that were the newest within so many days stay.
        #[schemars(extend("default" = 90))]
        keep_days: u32,
    }
}

block! {
    /// Retention of snapshots.
    SnapshotRetention {
        /// The last so many stay.
        keep_last: u32,
        /// One of each of so many months stays.
        keep_monthly: u32,
        /// Published ones stay.
        #[schemars(extend("default" = true))]
        keep_published: bool,
    }
}
