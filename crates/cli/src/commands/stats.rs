//! `chantal stats`.

use chantal_engine::Access;
use clap::{Args, Subcommand};

use super::package::{FOUND, Place};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::bytes;
use crate::output::{Column, Show, column};
use crate::select::Maybe;

/// Shows numbers about everything, or about one repository
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  chantal stats
  chantal stats el9
  chantal stats packages el9 --limit 20
  chantal stats dedup --format json")]
pub(crate) struct Stats {
    #[command(flatten)]
    which: Maybe,
    #[command(subcommand)]
    about: Option<About>,
}

#[derive(Debug, Subcommand)]
enum About {
    Packages(Packages),
    /// Compares what newest revisions, snapshots and published trees name with what is stored
    Dedup,
}

/// Shows what packages take up: the largest, by architecture, by name
#[derive(Debug, Args)]
struct Packages {
    /// Ids of repositories
    #[arg(value_name = "REPO")]
    repos: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// At most so many rows in each list
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    limit: u64,
}

pub(super) const COLUMNS: &[Column] = &[
    column("Repositories", "repositories", Show::Count),
    column("Revisions", "revisions", Show::Count),
    column("Snapshots", "snapshots", Show::Count),
    column("Packages in newest revisions", "packages", Show::Count),
    column("Their size", "logical_bytes", Show::Bytes),
    column("Blobs", "blobs", Show::Count),
    column("Size on disk", "blob_bytes", Show::Bytes),
    column("Database", "database_bytes", Show::Bytes),
];

pub(super) const PACKAGES: &[Column] = &[
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
];

const ARCHES: &[Column] = &[
    column("Arch", "arch", Show::Text),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
];

const SERIES: &[Column] = &[
    column("Package", "name", Show::Text),
    column("Arch", "arch", Show::Text),
    column("Versions", "versions", Show::Count),
    column("Size", "bytes", Show::Bytes),
];

pub(super) const DEDUP: &[Column] = &[
    column("Newest revisions and snapshots", "states", Show::Count),
    column("Their packages", "logical_packages", Show::Count),
    column("Size, each by itself", "logical_bytes", Show::Bytes),
    column("Different packages", "stored_packages", Show::Count),
    column("Size, each once", "stored_bytes", Show::Bytes),
    column("Saved", "saved_bytes", Show::Bytes),
    column("Published trees", "published_trees", Show::Count),
    column("Their packages", "published_packages", Show::Count),
    column("Size, each by itself", "published_bytes", Show::Bytes),
    column("Blobs in the pool", "pool_blobs", Show::Count),
    column("Size of the pool", "pool_bytes", Show::Bytes),
];

const SHARES: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Packages", "packages", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Only here", "own_packages", Show::Count),
    column("Size of those", "own_bytes", Show::Bytes),
];

impl Stats {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match (self.about, self.which.id()?) {
            (Some(About::Packages(options)), _) => options.run(app).await,
            (Some(About::Dedup), _) => dedup(app).await,
            (None, Some(id)) => {
                let detail = app.known_repository(&id).await?.repository(&id).await?;
                app.output.record(&detail.row, super::repo::RECORD)?;
                Ok(exit::OK)
            }
            (None, None) => {
                let stats = app.engine(Access::Read).await?.stats().await?;
                app.output.record(&stats, COLUMNS)?;
                Ok(exit::OK)
            }
        }
    }
}

impl Packages {
    async fn run(self, app: &App) -> Outcome {
        let (engine, scope) = self.place.open(app, &self.repos).await?;
        let stats = engine.package_stats(&scope, self.limit).await?;
        app.output.sections(
            &stats,
            PACKAGES,
            &[
                ("Largest", "largest", FOUND),
                ("By architecture", "by_arch", ARCHES),
                ("By name", "by_series", SERIES),
            ],
        )?;
        Ok(exit::OK)
    }
}

async fn dedup(app: &App) -> Outcome {
    let stats = app.engine(Access::Read).await?.dedup().await?;
    app.output
        .sections(&stats, DEDUP, &[("Newest revisions", "repositories", SHARES)])?;
    app.talk.say(&format!("{} saved", bytes(stats.saved_bytes)));
    Ok(exit::OK)
}
