//! `chantal db`.

mod backup;
mod cleanup;
mod rebuild;
mod restore;
mod upgrade;

use std::sync::Arc;

use chantal_catalog::{Access, Catalog, Location};
use chantal_config::Config;
use clap::Subcommand;
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::{bytes, counted};
use crate::output::{Column, Show, column};

/// Looks after the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Makes the database, if there is none
    Init,
    /// Shows where the database is, its size and whether its schema is up to date
    Status,
    /// Shows the version of its schema
    Current,
    Upgrade(upgrade::Upgrade),
    /// Lists the versions of the schema and when each was applied
    History,
    /// Shows the size of the database and the rows of its tables
    Stats,
    /// Lists what nothing needs: repositories that the configuration has no more, rows that no content refers to
    Orphaned,
    Cleanup(cleanup::Cleanup),
    Rebuild(rebuild::Rebuild),
    /// Checks the database; exit 8 if something is wrong
    Verify,
    /// Makes the file as small as its content
    Vacuum,
    Backup(backup::Backup),
    Restore(restore::Restore),
    BackupList(backup::BackupList),
    BackupInfo(backup::BackupInfo),
    BackupVerify(backup::BackupVerify),
}

#[derive(Serialize)]
struct Status {
    /// The file.
    path: String,
    /// The version of its schema.
    version: i64,
    /// The version that this program writes.
    latest: i64,
    /// Whether they are the same.
    up_to_date: bool,
    /// Size of the file in bytes.
    size_bytes: u64,
}

#[derive(Serialize)]
struct Version {
    /// The version of the schema.
    version: i64,
}

#[derive(Serialize)]
struct Applied {
    /// The version that it leads to.
    version: i64,
    /// What it does.
    name: String,
    /// When it was applied, RFC 3339.
    at: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    /// What is wrong.
    problem: String,
}

const STATUS: &[Column] = &[
    column("Database", "path", Show::Text),
    column("Schema", "version", Show::Text),
    column("Newest schema", "latest", Show::Text),
    column("Up to date", "up_to_date", Show::Flag),
    column("Size", "size_bytes", Show::Bytes),
];
const VERSION: &[Column] = &[column("Schema", "version", Show::Text)];
const APPLIED: &[Column] = &[
    column("Schema", "version", Show::Text),
    column("Name", "name", Show::Text),
    column("Applied", "at", Show::Time),
];
const STATS: &[Column] = &[
    column("File", "file_bytes", Show::Bytes),
    column("Write-ahead log", "log_bytes", Show::Bytes),
];
const TABLES: &[Column] = &[
    column("Table", "table", Show::Text),
    column("Rows", "rows", Show::Count),
];
const RECORDS: &[Column] = &[
    column("Part", "part", Show::Text),
    column("Records", "records", Show::Count),
    column("Size", "bytes", Show::Bytes),
];
const ORPHANED: &[Column] = &[
    column("Kind", "kind", Show::Text),
    column("Name", "name", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Why", "reason", Show::Text),
];
const VACUUMED: &[Column] = &[
    column("Before", "before_bytes", Show::Bytes),
    column("Now", "now_bytes", Show::Bytes),
];
const PROBLEMS: &[Column] = &[column("Problem", "problem", Show::Text)];

impl Db {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let config = app.config()?;
        let path = &chantal_engine::location(&config);
        match self {
            Self::Init => init(app, path).await,
            Self::Status => status(app, path).await,
            Self::Current => current(app, path).await,
            Self::Upgrade(options) => options.run(app, config.clone()).await,
            Self::History => history(app, path).await,
            Self::Stats => stats(app, config.clone()).await,
            Self::Orphaned => orphaned(app, config.clone()).await,
            Self::Cleanup(options) => options.run(app, config.clone()).await,
            Self::Rebuild(options) => options.run(app, config.clone()).await,
            Self::Verify => verify(app, path).await,
            Self::Vacuum => vacuum(app, config.clone()).await,
            Self::Backup(options) => options.run(app, config.clone()).await,
            Self::Restore(options) => options.run(app, config.clone()).await,
            Self::BackupList(options) => options.run(app, &config),
            Self::BackupInfo(options) => options.run(app),
            Self::BackupVerify(options) => options.run(app, config.clone()).await,
        }
    }
}

/// The file, or the URL without its password.
fn shown(at: &Location) -> String {
    match at {
        Location::File(path) => path.display().to_string(),
        Location::Server(server) => server.shown.clone(),
    }
}

async fn init(app: &App, at: &Location) -> Outcome {
    let existed = match at {
        Location::File(path) => path.exists(),
        Location::Server(_) => Catalog::open_any(at).await.is_ok(),
    };
    if let Location::File(path) = at
        && let Some(parent) = path.parent()
    {
        std::fs::create_dir_all(parent).map_err(|error| Failure::file("create", parent, &error))?;
    }
    Catalog::open_at(at, Access::Create).await?.close().await;
    let what = if existed { "is there already" } else { "was made" };
    app.talk.say(&format!("the database {} {what}", shown(at)));
    Ok(exit::OK)
}

async fn status(app: &App, at: &Location) -> Outcome {
    let schema = Catalog::open_any(at).await?.schema_status().await?;
    let status = Status {
        path: shown(at),
        version: schema.version,
        latest: schema.latest,
        up_to_date: schema.version == schema.latest,
        size_bytes: schema.size_bytes,
    };
    app.output.record(&status, STATUS)?;
    Ok(exit::OK)
}

async fn current(app: &App, at: &Location) -> Outcome {
    let version = Catalog::open_any(at).await?.schema_status().await?.version;
    app.output.record(&Version { version }, VERSION)?;
    Ok(exit::OK)
}

async fn history(app: &App, at: &Location) -> Outcome {
    let schema = Catalog::open_any(at).await?.schema_status().await?;
    let rows: Vec<_> = schema
        .migrations
        .into_iter()
        .map(|(version, name, applied)| Applied {
            version,
            name,
            at: applied
                .and_then(|at| jiff::Timestamp::from_second(at).ok())
                .map(|at| at.to_string()),
        })
        .collect();
    app.output.rows(&rows, APPLIED)?;
    Ok(exit::OK)
}

async fn verify(app: &App, at: &Location) -> Outcome {
    let found = Catalog::open_at(at, Access::Read).await?.verify().await?;
    let rows: Vec<_> = found.into_iter().map(|problem| Problem { problem }).collect();
    app.output.rows(&rows, PROBLEMS)?;
    if rows.is_empty() {
        app.talk.say("nothing found");
        return Ok(exit::OK);
    }
    app.talk
        .say(&format!("{} found", counted(rows.len() as u64, "problem")));
    Ok(exit::DAMAGED)
}

async fn stats(app: &App, config: Arc<Config>) -> Outcome {
    let engine = app.engine_on(config, chantal_engine::Access::Read).await?;
    app.output.sections(
        &engine.database_stats().await?,
        STATS,
        &[("Tables", "tables", TABLES), ("Raw records", "records", RECORDS)],
    )?;
    Ok(exit::OK)
}

async fn orphaned(app: &App, config: Arc<Config>) -> Outcome {
    let engine = app.engine_on(config, chantal_engine::Access::Read).await?;
    let rows = engine.database_orphaned().await?;
    app.output.rows(&rows, ORPHANED)?;
    if rows.is_empty() {
        app.talk.say("nothing found");
    }
    Ok(exit::OK)
}

async fn vacuum(app: &App, config: Arc<Config>) -> Outcome {
    let engine = app.engine_on(config, chantal_engine::Access::Write).await?;
    let done = engine.vacuum().await?;
    app.talk.say(&format!(
        "{} before, {} now",
        bytes(done.before_bytes),
        bytes(done.now_bytes)
    ));
    if app.output.explicit() {
        app.output.record(&done, VACUUMED)?;
    }
    // What is in the log, the row of this task included, goes into the file.
    engine.catalog().close().await;
    Ok(exit::OK)
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("db-status", STATUS),
        ("db-current", VERSION),
        ("db-history", APPLIED),
        ("db-verify", PROBLEMS),
        ("db-vacuum", VACUUMED),
        ("db-stats", STATS),
        ("db-orphaned", ORPHANED),
        ("db-cleanup", cleanup::CLEANED),
        ("db-rebuild", rebuild::REBUILT),
        ("db-backup", backup::MADE),
        ("db-backup-list", backup::LISTED),
        ("db-backup-info", backup::INFO),
        ("db-backup-verify", backup::CHECKED),
        ("db-restore", restore::RESTORED),
    ]
}
