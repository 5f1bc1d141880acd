//! What happens by itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Quantity, block};

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
        /// Address and port on which it answers `/metrics` and `/healthz`, such as `127.0.0.1:9464`; without it nowhere.
        /// Whoever reaches it may read.
        listen: String,
        /// How long a process that does not answer keeps what it works on; after that another one may take it over.
        #[schemars(range(min = 10, max = 3600), extend("default" = 60))]
        lease_seconds: u32,
    }
}

block! {
    /// Whom to tell when a run ends.
    Notify {
        /// Which ends.
        #[schemars(extend("default" = ["failure", "partial", "recovered"]))]
        on: Vec<NotifyOn>,
        /// Ids or patterns such as `el9-*`; without it all, and what concerns no single repository, such as the cleanup.
        repositories: Vec<String>,
        /// URL that gets the end as JSON by POST; `env:NAME` or `file:PATH` reads it from there. It is not shown beyond
        /// its host. Proxy and TLS are those of the top level.
        webhook: String,
        /// Headers of that request with their values, which may be references too.
        headers: BTreeMap<String, String>,
        /// Program and arguments; it gets the same JSON as its input, and `CHANTAL_*` variables. No shell is asked.
        command: Vec<String>,
        /// How long the request may take, each of three times, or the program. Default 10 seconds, 60 for a program.
        timeout: Quantity,
    }
}

/// An end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// Everything was done.
    Success,
    /// Something was left out (exit 9).
    Partial,
    /// It could not be done.
    Failure,
    /// Somebody else was at work on it (exit 7).
    Busy,
    /// It worked, fully or in part, and the time before it did not.
    Recovered,
    /// It worked and something is different now: a new revision, another state at a path, freed space.
    Changed,
}

impl NotifyOn {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failure => "failure",
            Self::Busy => "busy",
            Self::Recovered => "recovered",
            Self::Changed => "changed",
        }
    }
}

block! {
    /// Numbers for Prometheus.
    Metrics {
        /// File that takes them after each run, and once a minute while a scheduler runs: for the textfile collector of
        /// `node_exporter`, so its name ends in `.prom`.
        textfile: String,
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
    /// Retention of tasks.
    Tasks {
        /// Tasks that ended within so many days stay in `task list`.
        #[schemars(range(min = 1, max = 36500), extend("default" = 90))]
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
