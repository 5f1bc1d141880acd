//! `chantal snapshot`.

use chantal_engine::{Access, DiffReport, SnapshotRow};
use clap::{Args, Subcommand};

use super::snapshot_name;
use super::sync::changes;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::{Maybe, One, split};

/// Pins states of repositories under names and compares them.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Lists snapshots, newest first
    List(Maybe),
    /// Describes a snapshot
    #[command(override_usage = "chantal snapshot show [OPTIONS] REPO NAME")]
    Show(Named),
    /// Pins a repository's newest revision under a name
    Create(Create),
    /// Compares two states: snapshots, `latest`, `published`, or revisions such as `r12`
    #[command(override_usage = "chantal snapshot diff [OPTIONS] REPO FROM TO")]
    Diff(Diff),
    /// Gives a snapshot's content a second name
    Copy(Copy),
    /// Deletes a snapshot
    #[command(override_usage = "chantal snapshot delete [OPTIONS] REPO NAME")]
    Delete(Delete),
    /// Lists the packages of a state: a snapshot, `latest`, `published`, or a revision such as `r12`
    #[command(override_usage = "chantal snapshot content [OPTIONS] REPO NAME")]
    Content(Content),
}

/// A repository and a snapshot.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Id of the repository, and the snapshot's name
    #[arg(value_name = "REPO NAME", required = true, num_args = 1..)]
    words: Vec<String>,
    /// The repository as an option, instead of the first word
    #[arg(long, value_name = "REPO")]
    repo_id: Option<String>,
}

/// Options of `snapshot create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    which: One,
    /// Name of the snapshot
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A remark that listings show
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Options of `snapshot diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Id of the repository, and two states
    #[arg(value_name = "REPO FROM TO", required = true, num_args = 1..)]
    words: Vec<String>,
    /// The repository as an option, instead of the first word
    #[arg(long, value_name = "REPO")]
    repo_id: Option<String>,
    /// Exits with 10 if there are differences
    #[arg(long)]
    exit_code: bool,
}

/// Options of `snapshot copy`.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    which: One,
    /// The snapshot that is there
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The new name
    #[arg(long, value_name = "NAME")]
    target: String,
    /// A remark that listings show
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Options of `snapshot delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    named: Named,
    /// Takes its publications down first
    #[arg(long)]
    force: bool,
}

/// Options of `snapshot content`.
#[derive(Debug, Args)]
pub(crate) struct Content {
    #[command(flatten)]
    named: Named,
    /// At most so many packages
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
}

pub(super) const LISTED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Snapshot", "name", Show::Text),
    column("Revision", "revision", Show::Revision),
    column("Made", "created", Show::Time),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Published at", "published", Show::List),
    column("Description", "description", Show::Text),
];

const CHANGES: &[Column] = &[
    column("Change", "change", Show::Text),
    column("Package", "name", Show::Text),
    column("Arch", "arch", Show::Text),
    column("From", "from.version", Show::Text),
    column("To", "to.version", Show::Text),
];

const ADVISORIES: &[Column] = &[
    column("Advisory", "id", Show::Text),
    column("Type", "type", Show::Text),
    column("Severity", "severity", Show::Text),
    column("CVEs", "cves", Show::List),
    column("Title", "title", Show::Text),
];

impl Named {
    fn parse(&self) -> Result<(chantal_model::RepoId, String), Failure> {
        let (id, [name]) = split(self.repo_id.as_deref(), &self.words, ["NAME"])?;
        Ok((id, name))
    }
}

impl Snapshot {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::List(which) => list(app, &which).await,
            Self::Show(named) => show(app, &named).await,
            Self::Create(options) => create(app, &options).await,
            Self::Diff(options) => diff(app, &options).await,
            Self::Copy(options) => copy(app, &options).await,
            Self::Delete(options) => delete(app, &options).await,
            Self::Content(options) => content(app, &options).await,
        }
    }
}

async fn list(app: &App, which: &Maybe) -> Outcome {
    let id = which.id()?;
    let engine = match &id {
        Some(id) => app.known_repository(id).await?,
        None => app.engine(Access::Read).await?,
    };
    let rows = engine.snapshots(id.as_ref()).await?;
    app.output.rows(&rows, LISTED)?;
    if rows.is_empty() {
        app.talk.say("no snapshots");
    }
    Ok(exit::OK)
}

async fn show(app: &App, named: &Named) -> Outcome {
    let (id, name) = named.parse()?;
    let row = app
        .known_repository(&id)
        .await?
        .snapshot(&id, &snapshot_name(&name)?)
        .await?;
    app.output.record(&row, LISTED)?;
    Ok(exit::OK)
}

async fn create(app: &App, options: &Create) -> Outcome {
    let id = options.which.id()?;
    let name = snapshot_name(&options.name)?;
    let engine = app.configured_repository(&id, Access::Write).await?;
    made(
        app,
        &engine
            .create_snapshot(&id, &name, options.description.as_deref())
            .await?,
    )
}

async fn copy(app: &App, options: &Copy) -> Outcome {
    let id = options.which.id()?;
    let (source, target) = (snapshot_name(&options.source)?, snapshot_name(&options.target)?);
    let engine = app.configured_repository(&id, Access::Write).await?;
    made(
        app,
        &engine
            .copy_snapshot(&id, &source, &target, options.description.as_deref())
            .await?,
    )
}

fn made(app: &App, row: &SnapshotRow) -> Outcome {
    app.talk.say(&format!(
        "snapshot {} of {} pins {} ({})",
        row.name,
        row.repo,
        row.revision,
        counted(row.packages, "package")
    ));
    if app.output.explicit() {
        app.output.record(row, LISTED)?;
    }
    Ok(exit::OK)
}

async fn diff(app: &App, options: &Diff) -> Outcome {
    let (id, [from, to]) = split(options.repo_id.as_deref(), &options.words, ["FROM", "TO"])?;
    let report: DiffReport = app.known_repository(&id).await?.diff(&id, &from, &to).await?;
    app.output.sections(
        &report,
        &[],
        &[
            ("Changes", "changes", CHANGES),
            ("New advisories", "new_advisories", ADVISORIES),
        ],
    )?;
    app.talk.say(&format!(
        "{id}: {} to {}: {}, {}",
        state(&report.from, report.from_revision),
        state(&report.to, report.to_revision),
        changes(&report.counts),
        counted(report.new_advisories.len() as u64, "new advisory"),
    ));
    let different = !report.changes.is_empty() || !report.new_advisories.is_empty();
    Ok(if options.exit_code && different {
        exit::DIFFERENT
    } else {
        exit::OK
    })
}

/// A state with its revision, unless that is its name.
fn state(name: &str, revision: chantal_model::RevisionNumber) -> String {
    let revision = revision.to_string();
    if name == revision {
        revision
    } else {
        format!("{name} ({revision})")
    }
}

async fn delete(app: &App, options: &Delete) -> Outcome {
    let (id, name) = options.named.parse()?;
    let name = snapshot_name(&name)?;
    let engine = app.configured_repository(&id, Access::Write).await?;
    engine.delete_snapshot(&id, &name, options.force).await?;
    app.talk.say(&format!("deleted snapshot {name} of {id}"));
    Ok(exit::OK)
}

async fn content(app: &App, options: &Content) -> Outcome {
    let (id, state) = options.named.parse()?;
    let rows = app
        .known_repository(&id)
        .await?
        .content(&id, &state, options.limit)
        .await?;
    app.output.rows(&rows, super::package::LISTED)?;
    app.talk.say(&counted(rows.len() as u64, "package"));
    Ok(exit::OK)
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![("snapshot-list", LISTED), ("snapshot", LISTED)]
}
