//! `chantal repo`.

use chantal_engine::{Access, Runs};
use clap::{Args, Subcommand};

use crate::app::App;
use crate::commands::package::MORE;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::{Maybe, One};

/// Lists, syncs and describes repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Lists repositories
    List(List),
    /// Describes a repository: revisions, snapshots, publications
    Show(One),
    Sync(super::sync::Sync),
    CheckUpdates(super::updates::CheckUpdates),
    SyncStatus(super::status::Status),
    History(History),
    Retire(super::retire::Retire),
    Delete(super::delete::Delete),
}

/// Options of `repo list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only repositories of a format
    #[arg(long = "type", value_name = "FORMAT")]
    r#type: Option<String>,
}

/// Lists past syncs, newest first.
///
/// A run whose process is gone without having ended is `killed`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo history el9 --limit 5
  chantal repo history --last
  chantal repo history --all --format csv")]
pub(crate) struct History {
    #[command(flatten)]
    which: Maybe,
    /// Of all repositories, which is the default
    #[arg(long, conflicts_with_all = ["repo", "repo_id"])]
    all: bool,
    /// Only the newest run of each repository
    #[arg(long)]
    last: bool,
    /// At most so many [default: 20, with --last as many as there are]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
}

impl History {
    /// How many, of which.
    fn wanted(&self) -> (u64, Runs) {
        let limit = self.limit.map(u64::from);
        if self.last {
            (limit.unwrap_or(u64::MAX), Runs::Last)
        } else {
            (limit.unwrap_or(20), Runs::All)
        }
    }
}

const LISTED: &[Column] = &[
    column("Repository", "id", Show::Text),
    column("Name", "name", Show::CsvOnly),
    column("Type", "type", Show::Text),
    column("Mode", "mode", Show::Text),
    column("Enabled", "enabled", Show::Flag),
    column("Revision", "revision", Show::Revision),
    column("Served", "served", Show::Text),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Snapshots", "snapshots", Show::Count),
    column("Last sync", "last_sync", Show::Time),
    column("Last run", "last.status", Show::Text),
    column("Ended", "last.finished", Show::CsvOnly),
    column("Error", "last.error", Show::CsvOnly),
    column("Tags", "tags", Show::List),
    column("Feed", "feed", Show::CsvOnly),
    column("Configured", "configured", Show::CsvOnly),
];

pub(super) const RECORD: &[Column] = &[
    column("Repository", "id", Show::Text),
    column("Name", "name", Show::Text),
    column("Type", "type", Show::Text),
    column("Mode", "mode", Show::Text),
    column("Feed", "feed", Show::Text),
    column("Enabled", "enabled", Show::Flag),
    column("Tags", "tags", Show::List),
    column("Revision", "revision", Show::Revision),
    column("Served", "served", Show::Text),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Snapshots", "snapshots", Show::Count),
    column("Last sync", "last_sync", Show::Time),
    column("Last run", "last.status", Show::Text),
    column("Began", "last.started", Show::Time),
    column("Ended", "last.finished", Show::Time),
    column("Error", "last.error", Show::Text),
    column("Needs attention", "warnings", Show::List),
    column("Not acted on", "unbuilt", Show::List),
];

const REVISIONS: &[Column] = &[
    column("Revision", "revision", Show::Revision),
    column("Recorded", "created", Show::Time),
    column("Mode", "mode", Show::Text),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Fingerprint", "fingerprint", Show::CsvOnly),
];

const HISTORY: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Started", "started", Show::Time),
    column("Ended", "finished", Show::Time),
    column("Verb", "verb", Show::CsvOnly),
    column("Status", "status", Show::Text),
    column("Exit code", "exit_code", Show::CsvOnly),
    column("Revision", "revision", Show::Revision),
    column("Added", "added", Show::Count),
    column("Removed", "removed", Show::Count),
    column("Upgraded", "upgraded", Show::Count),
    column("Fetched", "fetched_bytes", Show::Bytes),
    column("Error", "error", Show::Text),
];

impl Repo {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::List(options) => list(app, &options).await,
            Self::Show(which) => show(app, &which).await,
            Self::Sync(sync) => sync.run(app).await,
            Self::CheckUpdates(command) => command.run(app).await,
            Self::SyncStatus(command) => command.run(app).await,
            Self::History(options) => history(app, &options).await,
            Self::Retire(command) => command.run(app).await,
            Self::Delete(command) => command.run(app).await,
        }
    }
}

async fn list(app: &App, options: &List) -> Outcome {
    let mut rows = app.engine(Access::Read).await?.repositories().await?;
    if let Some(wanted) = &options.r#type {
        rows.retain(|row| row.r#type == *wanted);
    }
    app.output.rows(&rows, LISTED)?;
    if rows.is_empty() {
        app.talk.say("no repositories");
    }
    Ok(exit::OK)
}

async fn show(app: &App, which: &One) -> Outcome {
    let id = which.id()?;
    let detail = app.known_repository(&id).await?.repository(&id).await?;
    app.output.sections(
        &detail,
        RECORD,
        &[
            ("Revisions", "revisions", REVISIONS),
            ("Snapshots", "snapshot_list", super::snapshot::LISTED),
            ("Publications", "publications", super::publish::LISTED),
        ],
    )?;
    if !detail.row.configured {
        app.talk.warn(&format!(
            "{id} is recorded, but not in the configuration any more: put it back, or let `chantal repo delete {id}` \
             forget it"
        ));
    }
    Ok(exit::OK)
}

async fn history(app: &App, options: &History) -> Outcome {
    let id = options.which.id()?;
    let engine = match &id {
        Some(id) => app.known_repository(id).await?,
        None => app.engine(Access::Read).await?,
    };
    let (limit, runs) = options.wanted();
    let mut rows = engine.history(id.as_ref(), limit.saturating_add(1), runs).await?;
    let is_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    app.output.rows(&rows, HISTORY)?;
    match (rows.len() as u64, is_more) {
        (0, false) => app.talk.say("no syncs yet"),
        (shown, true) => app.talk.say(&format!("{}{MORE}", counted(shown, "sync"))),
        _ => {}
    }
    Ok(exit::OK)
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("repo-list", LISTED),
        ("repo-show", RECORD),
        ("repo-history", HISTORY),
        ("repo-sync-status", super::status::LISTED),
        ("repo-delete-plan", super::delete::PLANNED),
        ("repo-delete", super::delete::DELETED),
    ]
}
