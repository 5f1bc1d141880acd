//! `chantal repo sync-status`.

use chantal_engine::{Access, ProgressRow, SyncState, SyncStatus};
use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::{bytes, count};
use crate::output::{Column, Format, Show, column};
use crate::select::Maybe;

/// Shows what syncs are doing, from any other process.
///
/// Who is at work on a repository, which step that is at and how far, as saved every two seconds; where nobody is, how
/// the last sync ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo sync-status
  chantal repo sync-status el9
  watch -n 2 chantal repo sync-status
  chantal repo sync-status --format json | jq '.[] | select(.state == \"running\")'")]
pub(crate) struct Status {
    #[command(flatten)]
    which: Maybe,
}

pub(super) const LISTED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("State", "state", Show::Text),
    column("Holder", "holder.pid", Show::CsvOnly),
    column("Host", "holder.host", Show::CsvOnly),
    column("Since", "holder.since", Show::Time),
    column("Step", "progress.step", Show::Text),
    column("Done", "progress.done", Show::CsvOnly),
    column("Total", "progress.total", Show::CsvOnly),
    column("Last sync", "last.status", Show::Text),
    column("Began", "last.started", Show::Time),
    column("Ended", "last.finished", Show::Time),
    column("Error", "last.error", Show::CsvOnly),
];

/// The same for people: who and how far in words.
const SHOWN: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("State", "state", Show::Text),
    column("Held by", "held_by", Show::Text),
    column("Since", "holder.since", Show::Time),
    column("Step", "progress.step", Show::Text),
    column("Progress", "how_far", Show::Text),
    column("Last sync", "last.status", Show::Text),
    column("Ended", "last.finished", Show::Time),
    column("Added", "last.added", Show::Count),
    column("Removed", "last.removed", Show::Count),
    column("Upgraded", "last.upgraded", Show::Count),
];

const ONE: &[Column] = &[
    column("Revision", "last.revision", Show::Revision),
    column("Exit code", "last.exit_code", Show::Count),
    column("Error", "last.error", Show::Text),
];

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    status: SyncStatus,
    held_by: Option<String>,
    how_far: Option<String>,
}

impl Status {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let id = self.which.id()?;
        let engine = match &id {
            Some(id) => app.known_repository(id).await?,
            None => app.engine(Access::Read).await?,
        };
        let rows = engine.sync_status(id.as_ref()).await?;
        if app.output.format() != Format::Table {
            app.output.rows(&rows, LISTED)?;
            return Ok(exit::OK);
        }
        for row in &rows {
            if row.state == SyncState::Killed {
                app.talk.warn(&format!(
                    "{0}: the process that was at work on it is gone; `chantal repo sync {0}` goes on with what it fetched",
                    row.repo
                ));
            }
        }
        let shown: Vec<Shown> = rows.into_iter().map(shown).collect();
        match (&shown[..], id) {
            ([one], Some(_)) => app.output.record(one, &[SHOWN, ONE].concat())?,
            (rows, _) => app.output.rows(rows, SHOWN)?,
        }
        if shown.is_empty() {
            app.talk.say("no repositories");
        }
        Ok(exit::OK)
    }
}

fn shown(status: SyncStatus) -> Shown {
    let held_by = status.holder.as_ref().map(|holder| {
        let lives = match holder.alive {
            Some(true) => "",
            Some(false) => ", gone",
            None => ", not of this host",
        };
        format!("{} on {}{lives}", holder.pid, holder.host)
    });
    Shown {
        held_by,
        how_far: status.progress.as_ref().map(how_far),
        status,
    }
}

pub(super) fn how_far(progress: &ProgressRow) -> String {
    let amount = |number| match progress.step.as_str() {
        "metadata" | "download" | "adopt" => bytes(number),
        _ => count(number),
    };
    match (progress.done, progress.total) {
        (0, 0) => String::new(),
        (done, 0) => amount(done),
        (done, total) => {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            format!("{} of {} ({percent} %)", amount(done), amount(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_the_unit_of_its_step() {
        let told = |step: &str, done, total| {
            how_far(&ProgressRow {
                step: step.into(),
                done,
                total,
                told: String::new(),
            })
        };
        assert_eq!(told("download", 1024, 4096), "1.0 KiB of 4.0 KiB (25 %)");
        assert_eq!(told("record", 1000, 0), "1,000");
        assert_eq!(told("select", 0, 0), "");
        assert_eq!(told("record", 7, 5), "7 of 5 (100 %)");
    }
}
