//! `chantal pool cleanup`.

use std::time::Duration;

use chantal_engine::{Access, CollectOptions, CollectReport};
use clap::Args;

use crate::app::App;
use crate::commands::Wait;
use crate::exit::{self, Outcome};
use crate::output::human::{bytes, counted};
use crate::output::{Column, Show, column};

/// Removes what nothing needs any more
///
/// First, snapshots go that `snapshots:` does not keep, files of published trees whose grace is over, and revisions that
/// `revisions:` does not keep. Then blobs go that no revision, snapshot, published tree or hold has referred to for
/// --keep-for, and files of the pool that the catalog does not know and that were not touched for so long.
///
/// Syncs and publications can run meanwhile: what they rely on stays. A blob is seen to be unused by the first run
/// after its last use, so that with the default it goes by a run a day later. `--dry-run` says to the byte what a run
/// would do now. Rows of the database that nothing refers to are for `chantal db cleanup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal pool cleanup --dry-run
  chantal pool cleanup
  chantal pool cleanup --keep-for 0s")]
pub(crate) struct Cleanup {
    /// Shows what would go, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// How long nothing must have referred to a blob before it goes, such as `12h` or `7d`
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = chantal_config::parse_duration)]
    keep_for: Duration,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const COLLECTED: &[Column] = &[
    column("Freed", "freed_bytes", Show::Bytes),
    column("Revisions retired", "revisions", Show::Count),
    column("Files pruned from trees", "pruned_files", Show::Count),
    column("Sets of rendered metadata", "renders", Show::Count),
    column("Unused blobs", "unused", Show::Count),
    column("Size of unused", "unused_bytes", Show::Bytes),
    column("Orphaned files", "orphaned", Show::Count),
    column("Size of orphaned", "orphaned_bytes", Show::Bytes),
    column("Spared, since in use", "spared", Show::Count),
    column("Unused, not for long enough", "waiting", Show::Count),
    column("Size of those", "waiting_bytes", Show::Bytes),
    column("First of those due", "next_due", Show::Time),
];

pub(super) const SNAPSHOTS: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Snapshot", "snapshot", Show::Text),
    column("Made", "created", Show::Time),
];

impl Cleanup {
    pub(super) async fn run(self, app: &App) -> Outcome {
        // A plan is made in a transaction that is taken back, so that it needs the right to write as well.
        let engine = app.engine(Access::Write).await?;
        let report = if self.dry_run {
            engine.plan_collect(self.keep_for).await?
        } else {
            engine
                .collect(CollectOptions {
                    keep_for: self.keep_for,
                    wait: self.wait.duration(),
                })
                .await?
        };
        app.output
            .sections(&report, COLLECTED, &[("Snapshots that go", "snapshots", SNAPSHOTS)])?;
        say(app, &report);
        Ok(if report.failed { exit::PARTIAL } else { exit::OK })
    }
}

fn say(app: &App, report: &CollectReport) {
    for left in &report.left {
        app.talk.say(&format!("left for the next time: {left}"));
    }
    if report.waiting > 0 {
        app.talk.say(&format!(
            "{} ({}) wait until nothing has referred to them for long enough",
            counted(report.waiting, "blob"),
            bytes(report.waiting_bytes)
        ));
    }
    app.talk.say(&format!(
        "{} {}: {}, {}",
        if report.dry_run { "would free" } else { "freed" },
        bytes(report.freed_bytes),
        counted(report.unused, "unused blob"),
        counted(report.orphaned, "orphaned file")
    ));
}
