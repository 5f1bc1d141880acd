//! `chantal cache`.

use chantal_engine::Access;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::Maybe;

/// Looks after what is remembered about feeds.
///
/// Metadata files of upstream lie in the pool like everything else; what is remembered beside them is how to ask a feed
/// whether it changed.
#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Shows how many feeds are remembered, and their metadata files
    Stats,
    /// Lists what is remembered about each feed
    List,
    /// Forgets what is remembered, so that the next sync reads the whole feed
    Clear(Clear),
}

/// Options of `cache clear`.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    #[command(flatten)]
    which: Maybe,
    /// All feeds
    #[arg(long, conflicts_with_all = ["repo", "repo_id"])]
    all: bool,
}

#[derive(Serialize)]
struct Stats {
    /// Feeds that are remembered.
    feeds: u64,
    /// Metadata files in the pool.
    files: u64,
    /// Their bytes.
    bytes: u64,
}

pub(super) const STATS: &[Column] = &[
    column("Feeds", "feeds", Show::Count),
    column("Metadata files", "files", Show::Count),
    column("Size", "bytes", Show::Bytes),
];

pub(super) const LISTED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Asked", "checked", Show::Time),
    column("Files", "files", Show::Count),
    column("Size", "bytes", Show::Bytes),
    column("ETag", "etag", Show::Text),
    column("Last modified", "last_modified", Show::Text),
    column("URL", "url", Show::Text),
];

impl Cache {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::Stats => {
                let rows = app.engine(Access::Read).await?.cache_list().await?;
                let stats = Stats {
                    feeds: rows.len() as u64,
                    files: rows.iter().map(|row| row.files).sum(),
                    bytes: rows.iter().map(|row| row.bytes).sum(),
                };
                app.output.record(&stats, STATS)?;
            }
            Self::List => {
                let rows = app.engine(Access::Read).await?.cache_list().await?;
                app.output.rows(&rows, LISTED)?;
            }
            Self::Clear(options) => clear(app, &options).await?,
        }
        Ok(exit::OK)
    }
}

async fn clear(app: &App, options: &Clear) -> Result<(), Failure> {
    let id = options.which.id()?;
    let engine = match (&id, options.all) {
        (Some(id), _) => app.configured_repository(id, Access::Write).await?,
        (None, true) => app.engine(Access::Write).await?,
        (None, false) => return Err(Failure::usage("no repository was named").hint("name one, or give --all")),
    };
    let cleared = engine.cache_clear(id.as_ref()).await?;
    app.talk.say(&format!("forgot {}", counted(cleared, "feed")));
    Ok(())
}
