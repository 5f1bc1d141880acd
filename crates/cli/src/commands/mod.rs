//! The commands, one file per group.

pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod delete;
pub(crate) mod doctor;
mod endpoint;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod metrics;
pub(crate) mod mirror;
pub(crate) mod notify;
pub(crate) mod package;
pub(crate) mod pool;
pub(crate) mod publish;
pub(crate) mod repo;
mod retire;
mod runs;
pub(crate) mod scheduler;
pub(crate) mod schema;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod task;
pub(crate) mod updates;

use std::time::Duration;

use chantal_model::SnapshotName;
use clap::Args;

use crate::app::App;
use crate::args::Command;
use crate::exit::Outcome;
use crate::failure::Failure;

/// Runs a command.
pub(crate) async fn run(app: &App, command: Command) -> Outcome {
    match command {
        Command::Init(command) => command.run(app).await,
        Command::Config(command) => command.run(app).await,
        Command::Repo(command) => command.run(app).await,
        Command::Snapshot(command) => command.run(app).await,
        Command::Publish(command) => command.run(app).await,
        Command::Package(command) => command.run(app).await,
        Command::Pool(command) => command.run(app).await,
        Command::Cache(command) => command.run(app).await,
        Command::Db(command) => command.run(app).await,
        Command::Scheduler(command) => command.run(app).await,
        Command::Task(command) => command.run(app).await,
        Command::Stats(command) => command.run(app).await,
        Command::Doctor(command) => command.run(app).await,
        Command::Metrics(command) => command.run(app).await,
        Command::Notify(command) => command.run(app).await,
        Command::Schema(command) => command.run(app),
        Command::Completions(command) => command.run(app),
        Command::Man(command) => command.run(app),
        Command::Mirror(command) => command.run(app).await,
    }
}

/// What to do when another process is at work.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Wait {
    /// Waits while another process is at work on it, at most so long; without it that is exit 7
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = YEAR,
          value_parser = clap::value_parser!(u64).range(..=31_536_000))]
    wait: Option<u64>,
}

const YEAR: &str = "31536000";

impl Wait {
    fn duration(&self) -> Option<Duration> {
        self.wait.map(Duration::from_secs)
    }
}

/// Checks the name of a snapshot.
fn snapshot_name(text: &str) -> Result<SnapshotName, Failure> {
    text.parse()
        .map_err(|error: chantal_model::NameError| Failure::usage(error.to_string()))
}

/// The columns of every output, under the names of their schemas.
#[cfg(test)]
pub(crate) fn columns() -> Vec<(&'static str, &'static [crate::output::Column])> {
    [
        repo::columns(),
        snapshot::columns(),
        publish::columns(),
        package::columns(),
        db::columns(),
        pool::columns(),
        scheduler::columns(),
        task::columns(),
    ]
    .into_iter()
    .flatten()
    .chain([
        ("repo-sync", sync::SYNCED),
        ("repo-sync-background", sync::QUEUED),
        ("config-test", config::TESTED),
        ("doctor", doctor::CHECKS),
        ("notify-test", notify::TOLD),
        ("stats", stats::COLUMNS),
        ("stats-packages", stats::PACKAGES),
        ("stats-dedup", stats::DEDUP),
    ])
    .chain([("cache-stats", cache::STATS), ("cache-list", cache::LISTED)])
    .collect()
}
