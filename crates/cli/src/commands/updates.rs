//! `chantal repo check-updates`.

use chantal_engine::{Access, DiffEntry, Updates};
use clap::Args;
use serde::Serialize;

use super::runs::{Workers, beside, conclude, each};
use super::sync::changes;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::{bytes, count, counted};
use crate::output::{Column, Format, Show, column};
use crate::select::Select;

/// Shows what a sync would change, and changes nothing.
///
/// A feed that has not changed costs one request. Otherwise its metadata is read and compared with the newest revision,
/// package by package: by version for each name and architecture.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo check-updates el9
  chantal repo check-updates --all --workers 4
  chantal repo check-updates --pattern 'el9-*' --exit-code || notify
  chantal repo check-updates el9 --format json | jq '.[].result.advisories'")]
pub(crate) struct CheckUpdates {
    #[command(flatten)]
    select: Select,
    /// Ends with exit code 10 if a sync would change something and nothing failed
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    workers: Workers,
}

pub(super) const CHANGES: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Change", "change", Show::Text),
    column("Package", "name", Show::Text),
    column("Arch", "arch", Show::Text),
    column("From", "from.version", Show::Text),
    column("To", "to.version", Show::Text),
];

/// A change and where it is.
#[derive(Serialize)]
pub(super) struct Changed<'p> {
    repo: &'p str,
    #[serde(flatten)]
    entry: &'p DiffEntry,
}

/// The rows of a table or CSV over several repositories.
pub(super) fn rows<'p>(repo: &'p str, changes: &'p [DiffEntry]) -> impl Iterator<Item = Changed<'p>> {
    changes.iter().map(move |entry| Changed { repo, entry })
}

impl CheckUpdates {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let config = app.config()?;
        let selected = self.select.among(&config)?;
        let engine = app.engine_on(config.clone(), Access::Read).await?;
        let runs = each(app, &engine, &selected, self.workers, async |repo, engine| {
            let id = repo.id.clone();
            let updates = beside(async move { engine.check_updates(&id).await }).await?;
            for warning in &updates.warnings {
                app.talk.warn(&format!("{}: {warning}", repo.id));
            }
            app.talk
                .say_of(Some(&repo.id), &format!("{}: {}", repo.id, told(&updates)));
            Ok((updates, exit::OK))
        })
        .await;
        if matches!(app.output.format(), Format::Json | Format::Yaml) {
            app.output.rows(&runs, &[])?;
        } else {
            let found = runs.iter().filter_map(|run| run.result.as_ref());
            let changes: Vec<_> = found
                .flat_map(|updates| rows(updates.repo.as_str(), &updates.changes))
                .collect();
            app.output.rows(&changes, CHANGES)?;
        }
        let different = runs
            .iter()
            .any(|run| run.result.as_ref().is_some_and(|updates| updates.different));
        Ok(match conclude(app, &runs) {
            exit::OK if self.exit_code && different => exit::DIFFERENT,
            code => code,
        })
    }
}

/// What was found out about a repository, in a line.
fn told(updates: &Updates) -> String {
    if updates.unchanged {
        return "the feed has not changed".into();
    }
    if !updates.different {
        return "the feed has changed, but nothing that is chosen from it".into();
    }
    let mut text = changes(&updates.counts);
    if !updates.new_advisories.is_empty() {
        let by: Vec<_> = updates
            .new_advisories
            .iter()
            .map(|(word, number)| format!("{word} {}", count(*number)))
            .collect();
        text = format!("{text}; new advisories: {}", by.join(", "));
    }
    if updates.download_files == 0 {
        return text;
    }
    format!(
        "{text}; a sync would fetch {} ({})",
        counted(updates.download_files, "file"),
        bytes(updates.download_bytes)
    )
}
