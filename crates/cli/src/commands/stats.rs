//! `chantal stats`.

use chantal_engine::Access;
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::{Column, Show, column};
use crate::select::Maybe;

/// Shows numbers about everything, or about one repository.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    which: Maybe,
}

pub(super) const COLUMNS: &[Column] = &[
    column("Repositories", "repositories", Show::Count),
    column("Revisions", "revisions", Show::Count),
    column("Snapshots", "snapshots", Show::Count),
    column("Packages", "packages", Show::Count),
    column("Their size", "logical_bytes", Show::Bytes),
    column("Blobs", "blobs", Show::Count),
    column("Size on disk", "blob_bytes", Show::Bytes),
    column("Database", "database_bytes", Show::Bytes),
];

impl Stats {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self.which.id()? {
            Some(id) => {
                let detail = app.known_repository(&id).await?.repository(&id).await?;
                app.output.record(&detail.row, super::repo::RECORD)?;
            }
            None => app
                .output
                .record(&app.engine(Access::Read).await?.stats().await?, COLUMNS)?,
        }
        Ok(exit::OK)
    }
}
