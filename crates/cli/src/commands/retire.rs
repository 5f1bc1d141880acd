//! `chantal repo retire`.

use chantal_engine::{Access, RetireReport};
use clap::Args;
use serde::Serialize;

use super::Wait;
use super::runs::{Workers, beside, conclude, each};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Format, Show, column};
use crate::select::Select;

/// Retires revisions that `revisions:` in the configuration does not keep.
///
/// The newest revision stays in any case, and so does one that a snapshot pins or that a published tree serves or served
/// within its grace. A sync that records a revision does the same. Packages stay in the pool.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo retire el9 --dry-run
  chantal repo retire --all")]
pub(crate) struct Retire {
    #[command(flatten)]
    select: Select,
    /// Shows what would retire, and changes nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const RETIRED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Revision", "revision", Show::Revision),
    column("Recorded", "created", Show::Time),
];

/// A revision and where it is.
#[derive(Serialize)]
struct Row<'r> {
    repo: &'r str,
    #[serde(flatten)]
    retired: &'r chantal_engine::RetiredRevision,
}

impl Retire {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let config = app.config()?;
        let selected = self.select.among(&config)?;
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let engine = app.engine_on(config.clone(), access).await?;
        let (dry_run, wait) = (self.dry_run, self.wait.duration());
        let runs = each(app, &engine, &selected, Workers::ONE, async |repo, engine| {
            let id = repo.id.clone();
            let report = beside(async move {
                if dry_run {
                    engine.plan_retire(&id).await
                } else {
                    engine.retire(&id, wait).await
                }
            })
            .await?;
            app.talk.say_of(Some(&repo.id), &told(&report, dry_run));
            Ok((report, exit::OK))
        })
        .await;
        if matches!(app.output.format(), Format::Json | Format::Yaml) {
            app.output.rows(&runs, &[])?;
        } else {
            let found = runs.iter().filter_map(|run| run.result.as_ref());
            let rows: Vec<Row<'_>> = found
                .flat_map(|report| {
                    let repo = report.repo.as_str();
                    report.retired.iter().map(move |retired| Row { repo, retired })
                })
                .collect();
            app.output.rows(&rows, RETIRED)?;
        }
        Ok(conclude(app, &runs))
    }
}

fn told(report: &RetireReport, dry_run: bool) -> String {
    let verb = if dry_run { "would retire" } else { "retired" };
    format!(
        "{}: {verb} {}, {} stay",
        report.repo,
        counted(report.retired.len() as u64, "revision"),
        report.kept
    )
}
