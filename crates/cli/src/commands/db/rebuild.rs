//! `chantal db rebuild`.

use std::sync::Arc;

use chantal_config::Config;
use chantal_engine::{Access, RebuildReport};
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Makes the database again from the manifests in the pool; exit 8 if something is missing
///
/// For when the database is lost and there is no backup. Repositories, revisions, snapshots, published trees and what is
/// remembered about feeds come back; publishing them gives the same bytes. The history of runs does not. On a server the
/// schema must be empty.
///
/// The pool is looked over afterwards: blobs that are named and not there are listed, and `chantal pool verify --repair`
/// fetches them. A manifest that was damaged is not believed: the repository comes back as it was before it, and is
/// brought up to date by its next sync.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db rebuild
  chantal db rebuild --replace
  chantal db rebuild --write-manifests")]
pub(crate) struct Rebuild {
    /// Takes the place of a database that is there, whose file is kept beside the new one
    #[arg(long, conflicts_with = "write_manifests")]
    replace: bool,
    /// The other way round: writes the manifests of everything from the database, as after an upgrade
    #[arg(long)]
    write_manifests: bool,
}

pub(super) const REBUILT: &[Column] = &[
    column("Repositories", "repositories", Show::Count),
    column("Revisions", "revisions", Show::Count),
    column("Snapshots", "snapshots", Show::Count),
    column("Published trees", "publications", Show::Count),
    column("Blobs", "blobs", Show::Count),
    column("The database before", "kept", Show::Text),
    column("Problems", "problems", Show::List),
    column("Missing blobs", "missing", Show::List),
];

impl Rebuild {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        if self.write_manifests {
            let count = app
                .engine_on(config, Access::Write)
                .await?
                .write_manifests(true)
                .await?;
            let count = counted(count, "repository").replace("repositorys", "repositories");
            app.talk.say(&format!("the manifests of {count} were written"));
            return Ok(exit::OK);
        }
        let report = chantal_engine::rebuild(&config, &app.ports(), self.replace).await?;
        app.output.record(&report, REBUILT)?;
        say(app, &report);
        Ok(if report.is_complete() { exit::OK } else { exit::DAMAGED })
    }
}

fn say(app: &App, report: &RebuildReport) {
    for problem in &report.problems {
        app.talk.say(problem);
    }
    if !report.missing.is_empty() {
        app.talk.say(&format!(
            "the pool lacks {}: `chantal pool verify --repair` fetches what upstream still has",
            counted(report.missing.len() as u64, "blob")
        ));
    }
}
