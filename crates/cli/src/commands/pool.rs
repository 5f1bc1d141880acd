//! `chantal pool`.

mod adopt;
mod cleanup;
mod keep;
mod verify;

use chantal_engine::{Access, PoolProblem};
use clap::Subcommand;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Looks after the content-addressed store.
#[derive(Debug, Subcommand)]
pub(crate) enum Pool {
    /// Shows numbers about the pool
    Stats,
    Verify(verify::Verify),
    /// Lists blobs that nothing in the catalog names, or that no content relies on
    Orphaned,
    /// Lists blobs that the catalog names and the pool does not have; exit 8 if there are any
    Missing,
    Adopt(adopt::Adopt),
    Cleanup(cleanup::Cleanup),
    Why(keep::Why),
    Hold(keep::Hold),
    Release(keep::Release),
    /// Lists what is held
    Holds,
}

const STATS: &[Column] = &[
    column("Directory", "path", Show::Text),
    column("Blobs", "blobs", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("Named by the catalog", "named", Show::Count),
    column("Orphaned", "orphaned", Show::Count),
    column("Size of orphaned", "orphaned_bytes", Show::Bytes),
    column("Unused", "unused", Show::Count),
    column("Size of unused", "unused_bytes", Show::Bytes),
    column("Foreign files", "foreign", Show::Count),
    column("Free space", "free_bytes", Show::Bytes),
    column("Free inodes", "free_inodes", Show::Count),
];

const PROBLEMS: &[Column] = &[
    column("Kind", "kind", Show::Text),
    column("Blob", "blob", Show::Text),
    column("Size on disk", "bytes", Show::Bytes),
    column("Used by", "used_by", Show::List),
    column("Served in", "published", Show::List),
    column("Published file", "path", Show::Text),
];

impl Pool {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::Adopt(options) => options.run(app).await,
            Self::Cleanup(options) => options.run(app).await,
            Self::Why(options) => options.run(app).await,
            Self::Hold(options) => options.run(app).await,
            Self::Release(options) => options.run(app).await,
            Self::Holds => keep::holds(app).await,
            Self::Stats => {
                app.output
                    .record(&app.engine(Access::Read).await?.pool_stats().await?, STATS)?;
                Ok(exit::OK)
            }
            Self::Verify(options) => options.run(app).await,
            Self::Missing => problems(
                app,
                &app.engine(Access::Read).await?.pool_missing().await?,
                exit::DAMAGED,
            ),
            Self::Orphaned => problems(app, &app.engine(Access::Read).await?.pool_orphaned().await?, exit::OK),
        }
    }
}

fn problems(app: &App, found: &[PoolProblem], code: u8) -> Outcome {
    app.output.rows(found, PROBLEMS)?;
    app.talk.say(&if found.is_empty() {
        "nothing found".into()
    } else {
        counted(found.len() as u64, "file") + " found"
    });
    Ok(if found.is_empty() { exit::OK } else { code })
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("pool-stats", STATS),
        ("pool-problems", PROBLEMS),
        ("pool-adopt", adopt::ADOPTED),
        ("pool-cleanup", cleanup::COLLECTED),
        ("pool-why", keep::REASONS),
        ("pool-holds", keep::HOLDS),
    ]
}
