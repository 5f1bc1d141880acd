//! What happens by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block;

block! {
    /// When `chantal scheduler` syncs by itself.
    Schedule {
        /// Whether to.
        #[schemars(extend("default" = false))]
        enabled: bool,
        /// Five fields, or `@daily` and the like.
        #[schemars(extend("default" = "0 2 * * *"))]
        cron: String,
        /// Make a snapshot after each sync; the same as `snapshot` in `chain`.
        #[schemars(extend("default" = false))]
        create_snapshot: bool,
        /// Name of that snapshot, with `{repo_id}`, `{date}`, `{time}`, `{datetime}`, `{week}`; one that is taken gets a
        /// number.
        #[schemars(extend("default" = "{repo_id}-{date}"))]
        snapshot_name_template: String,
        /// Time zone of `cron`, `blackout` and the template, such as `Europe/Berlin`; without it the machine's.
        time_zone: String,
        /// Starts later by chance, at most so many seconds.
        #[schemars(range(min = 0, max = 3600))]
        jitter_seconds: u32,
        /// Windows in which nothing starts, such as `22:00-06:00` or `sat,sun 00:00-24:00`; what falls into one starts at
        /// its end.
        blackout: Vec<String>,
        /// What follows a sync: `snapshot`, `publish`.
        chain: Vec<ChainStep>,
    }
}

/// What follows a scheduled sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChainStep {
    /// A snapshot of what was recorded.
    Snapshot,
    /// A publication at the repository's path.
    Publish,
}

block! {
    /// The scheduler process.
    Scheduler {
        /// When the scheduler runs `pool cleanup` and `db cleanup`: a cron expression, by the machine's clock.
        cleanup: String,
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
        /// The last so many of each repository stay; without this and `keep_monthly` all stay.
        keep_last: u32,
        /// The newest of each of the last so many months (in UTC) that have any stays.
        keep_monthly: u32,
        /// Published ones stay; with false they are taken down when they go.
        #[schemars(extend("default" = true))]
        keep_published: bool,
    }
}
