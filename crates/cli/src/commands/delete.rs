//! `chantal repo delete`.

use std::io::{BufRead, IsTerminal, Write};

use chantal_engine::{Access, DeleteOptions, DeletePlan, DeleteReport};
use clap::Args;

use super::Wait;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::{count, counted};
use crate::output::{Column, Show, column};
use crate::select::One;

/// Deletes what is recorded of a repository that is no longer wanted.
///
/// Its revisions, history and what is remembered about its feed go. A repository that is published or has snapshots is
/// only deleted with the options below. Packages stay in the pool, since other repositories may share them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo delete el7 --dry-run
  chantal repo delete el7 --unpublish
  chantal repo delete el7 --unpublish --force --yes")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent option of the command line"
)]
pub(crate) struct Delete {
    #[command(flatten)]
    which: One,
    /// Shows what would go and what stands against it, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Takes its published trees down first
    #[arg(long)]
    unpublish: bool,
    /// Deletes its snapshots too; without --unpublish, published trees stay as they are and nobody looks after them
    #[arg(long)]
    force: bool,
    /// Does not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const PLANNED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("In the configuration", "configured", Show::Flag),
    column("Revisions", "revisions", Show::Count),
    column("Members", "members", Show::Count),
    column("Runs", "runs", Show::Count),
    column("Snapshots", "snapshots", Show::List),
    column("Published", "published", Show::List),
];

pub(super) const DELETED: &[Column] = &[
    column("Repository", "plan.repo", Show::Text),
    column("Revisions", "plan.revisions", Show::Count),
    column("Members", "plan.members", Show::Count),
    column("Runs", "plan.runs", Show::Count),
    column("Snapshots", "plan.snapshots", Show::List),
    column("Taken down", "taken_down", Show::List),
    column("Left", "left", Show::List),
];

impl Delete {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let id = self.which.id()?;
        let options = DeleteOptions {
            force: self.force,
            unpublish: self.unpublish,
            wait: self.wait.duration(),
        };
        let config = app.config()?;
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let engine = app.engine_on(config, access).await?;
        let plan = engine.plan_delete(&id, options).await?;
        if self.dry_run {
            app.output.record(&plan, PLANNED)?;
            for obstacle in &plan.obstacles {
                app.talk
                    .warn(&format!("it would be refused: {}: {}", obstacle.reason, obstacle.hint));
            }
            told_of_configuration(app, &plan);
            app.talk.say(&format!("{id}: nothing was changed (dry run)"));
            return Ok(exit::OK);
        }
        plan.allowed()?;
        if !self.yes {
            confirm(app, &plan, options)?;
        }
        let report = engine.delete(&id, options).await?;
        told(app, &report);
        if app.output.explicit() {
            app.output.record(&report, DELETED)?;
        }
        Ok(exit::OK)
    }
}

/// Asks for the repository's id, which nobody types by accident.
fn confirm(app: &App, plan: &DeletePlan, options: DeleteOptions) -> Result<(), Failure> {
    let id = &plan.repo;
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("deleting repository {id} must be confirmed"))
            .hint("`--yes` confirms it where nobody can be asked"));
    }
    app.talk.show(&format!("{id}: this deletes {}", contents(plan)));
    for path in &plan.published {
        let fate = if options.unpublish {
            "clients lose"
        } else {
            "nobody looks any more after"
        };
        app.talk.show(&format!("{id}: {fate} {path}"));
    }
    let mut stderr = std::io::stderr().lock();
    // Where the question cannot be shown, there is no answer either.
    let _ = write!(stderr, "Type {id} to delete it: ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::usage("the answer cannot be read").because(&error))?;
    if answer.trim() == id.as_str() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "repository {id} was not deleted: the answer was another one"
    )))
}

fn contents(plan: &DeletePlan) -> String {
    format!(
        "{} ({} members), {}, {} of its history",
        counted(plan.revisions, "revision"),
        count(plan.members),
        counted(plan.snapshots.len() as u64, "snapshot"),
        counted(plan.runs, "run"),
    )
}

fn told(app: &App, report: &DeleteReport) {
    let plan = &report.plan;
    let id = &plan.repo;
    for path in &report.taken_down {
        app.talk.say(&format!("{id}: {path} is no longer served"));
    }
    for path in &report.left {
        app.talk.warn(&format!(
            "{id}: {path} was left as it is, and nobody looks after it any more"
        ));
    }
    app.talk.say(&format!("{id}: deleted {}", contents(plan)));
    app.talk.say(&format!(
        "{id}: its packages stay in the pool, where other repositories may share them"
    ));
    told_of_configuration(app, plan);
}

fn told_of_configuration(app: &App, plan: &DeletePlan) {
    if plan.configured {
        app.talk.warn(&format!(
            "{}: the configuration still has it, so the next sync of it, or of all, begins it anew",
            plan.repo
        ));
    }
}
