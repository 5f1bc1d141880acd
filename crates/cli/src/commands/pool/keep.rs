//! `chantal pool why`, `hold`, `release` and `holds`.

use chantal_engine::Access;
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Shows what keeps a package in the pool
///
/// For every blob of that name: the repositories, snapshots, revisions and published trees that need it, and holds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal pool why nginx
  chantal pool why nginx@1:1.20.1-14.el9")]
pub(crate) struct Why {
    /// `name`, `name@version` or the SHA-256 of a blob
    #[arg(value_name = "PACKAGE")]
    ident: String,
}

/// Keeps blobs whatever else happens, until `pool release`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal pool hold nginx@1:1.20.1-14.el9 --reason 'audit 2026'")]
pub(crate) struct Hold {
    /// `name`, `name@version` or the SHA-256 of a blob
    #[arg(value_name = "PACKAGE")]
    ident: String,
    /// Why, for those who list holds
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Takes holds away
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// `name`, `name@version` or the SHA-256 of a blob
    #[arg(value_name = "PACKAGE")]
    ident: String,
}

pub(super) const REASONS: &[Column] = &[
    column("Blob", "blob", Show::Text),
    column("Kept by", "keeper", Show::Text),
    column("Repository", "repo", Show::Text),
    column("Path", "path", Show::Text),
    column("What", "what", Show::Text),
];

pub(super) const HOLDS: &[Column] = &[
    column("Blob", "blob", Show::Text),
    column("Size", "bytes", Show::Bytes),
    column("Reason", "reason", Show::Text),
    column("Since", "since", Show::Time),
];

impl Why {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let reasons = app.engine(Access::Read).await?.why(&self.ident).await?;
        app.output.rows(&reasons, REASONS)?;
        Ok(exit::OK)
    }
}

impl Hold {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let held = app.engine(Access::Write).await?.hold(&self.ident, &self.reason).await?;
        app.talk.say(&format!("{} held", counted(held.len() as u64, "blob")));
        Ok(exit::OK)
    }
}

impl Release {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let gone = app.engine(Access::Write).await?.let_go(&self.ident).await?;
        app.talk
            .say(&format!("{} held no more", counted(gone.len() as u64, "blob")));
        Ok(exit::OK)
    }
}

pub(super) async fn holds(app: &App) -> Outcome {
    let holds = app.engine(Access::Read).await?.holds().await?;
    app.output.rows(&holds, HOLDS)?;
    Ok(exit::OK)
}
