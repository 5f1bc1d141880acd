//! `chantal publish`.

use std::path::PathBuf;

use chantal_engine::{Access, PublishOptions, PublishPlan, PublishReport, Target};
use clap::{ArgGroup, Args, Subcommand};

use super::runs::{Workers, conclude, each};
use super::{Wait, snapshot_name};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::{One, Select};

/// Makes states visible to clients.
#[derive(Debug, Subcommand)]
pub(crate) enum Publish {
    /// Publishes the newest revision of repositories
    Repo(Repo),
    /// Publishes a snapshot at its own path
    Snapshot(Snapshot),
    /// Lists published trees
    List,
    /// Takes a published tree down
    Unpublish(Unpublish),
    /// Shows a snapshot at the repository's own path and pins it there, or goes back to the newest revision
    Switch(Switch),
}

/// Options of `publish repo`.
#[derive(Debug, Args)]
pub(crate) struct Repo {
    #[command(flatten)]
    select: Select,
    /// Publishes into this directory instead; where repositories are chosen by a rule, each into one of its own below
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// Does all steps, although the state is served already
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

/// Options of `publish snapshot`.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(flatten)]
    which: One,
    /// The snapshot
    #[arg(long = "snapshot", value_name = "NAME")]
    name: String,
    /// Publishes into this directory instead
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Options of `publish unpublish`.
#[derive(Debug, Args)]
pub(crate) struct Unpublish {
    #[command(flatten)]
    which: One,
    /// The tree of this snapshot, rather than the repository's own
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
}

/// Options of `publish switch`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("state").required(true).args(["snapshot", "latest"])))]
pub(crate) struct Switch {
    #[command(flatten)]
    which: One,
    /// Shows this snapshot from now on
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// Takes the pin away and shows the newest revision
    #[arg(long)]
    latest: bool,
    #[command(flatten)]
    common: Common,
}

/// Options of everything that publishes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Shows what would be done, and changes nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const LISTED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Kind", "kind", Show::Text),
    column("Snapshot", "snapshot", Show::Text),
    column("Pinned", "pinned", Show::Flag),
    column("Revision", "revision", Show::Revision),
    column("Since", "since", Show::Time),
    column("Path", "path", Show::Text),
    column("URL", "url", Show::Text),
];

const PUBLISHED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("Snapshot", "result.plan.snapshot", Show::Text),
    column("Revision", "result.plan.revision", Show::Revision),
    column("Unchanged", "result.plan.unchanged", Show::Flag),
    column("Linked", "result.linked", Show::Count),
    column("Removed", "result.pruned", Show::Count),
    column("Path", "result.plan.path", Show::Text),
    column("URL", "result.url", Show::Text),
    column("Error", "error.message", Show::Text),
];

const PLANNED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("Snapshot", "result.snapshot", Show::Text),
    column("Served", "result.served", Show::Revision),
    column("Revision", "result.revision", Show::Revision),
    column("Unchanged", "result.unchanged", Show::Flag),
    column("Packages", "result.packages", Show::Count),
    column("New files", "result.new_files", Show::Count),
    column("Retired files", "result.retired_files", Show::Count),
    column("Path", "result.path", Show::Text),
    column("Error", "error.message", Show::Text),
];

impl Publish {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::Repo(options) => repo(app, &options).await,
            Self::Snapshot(options) => snapshot(app, &options).await,
            Self::List => list(app).await,
            Self::Unpublish(options) => unpublish(app, &options).await,
            Self::Switch(options) => switch(app, &options).await,
        }
    }
}

impl Common {
    fn access(&self) -> Access {
        if self.dry_run { Access::Read } else { Access::Write }
    }

    fn options(&self, target_dir: Option<PathBuf>, force: bool) -> PublishOptions {
        PublishOptions {
            target_dir,
            force,
            wait: self.wait.duration(),
        }
    }
}

async fn repo(app: &App, options: &Repo) -> Outcome {
    let config = app.config()?;
    let selected = options.select.among(&config)?;
    let several = selected.bulk || selected.ready.len() > 1;
    let engine = app.engine_on(config.clone(), options.common.access()).await?;
    let how = |id: &chantal_model::RepoId| {
        let below = |target: &PathBuf| {
            if several {
                target.join(id.as_str())
            } else {
                target.clone()
            }
        };
        options
            .common
            .options(options.target.as_ref().map(below), options.force)
    };
    if options.common.dry_run {
        let runs = each(app, &engine, &selected, Workers::ONE, async |repo, engine| {
            let target = Target::Repository(repo.id.clone());
            Ok((
                planned(app, engine.plan_publish(&target, &how(&repo.id)).await?),
                exit::OK,
            ))
        })
        .await;
        app.output.rows(&runs, PLANNED)?;
        return Ok(conclude(app, &runs));
    }
    let runs = each(app, &engine, &selected, Workers::ONE, async |repo, engine| {
        let target = Target::Repository(repo.id.clone());
        Ok((told(app, engine.publish(&target, &how(&repo.id)).await?), exit::OK))
    })
    .await;
    if app.output.explicit() {
        app.output.rows(&runs, PUBLISHED)?;
    }
    Ok(conclude(app, &runs))
}

async fn snapshot(app: &App, options: &Snapshot) -> Outcome {
    let id = options.which.id()?;
    let target = Target::Snapshot(id.clone(), snapshot_name(&options.name)?);
    let how = options.common.options(options.target.clone(), false);
    let engine = app.configured_repository(&id, options.common.access()).await?;
    if options.common.dry_run {
        return plan(app, engine.plan_publish(&target, &how).await?);
    }
    done(app, engine.publish(&target, &how).await?)
}

async fn switch(app: &App, options: &Switch) -> Outcome {
    let id = options.which.id()?;
    let name = options
        .snapshot
        .as_deref()
        .filter(|_| !options.latest)
        .map(snapshot_name)
        .transpose()?;
    let how = options.common.options(None, false);
    let engine = app.configured_repository(&id, options.common.access()).await?;
    if options.common.dry_run {
        return plan(app, engine.plan_switch(&id, name.as_ref(), &how).await?);
    }
    done(app, engine.switch(&id, name.as_ref(), &how).await?)
}

async fn unpublish(app: &App, options: &Unpublish) -> Outcome {
    let id = options.which.id()?;
    let target = match &options.snapshot {
        Some(name) => Target::Snapshot(id.clone(), snapshot_name(name)?),
        None => Target::Repository(id.clone()),
    };
    let engine = app.configured_repository(&id, Access::Write).await?;
    let path = engine.unpublish(&target).await?;
    app.talk.say(&format!("{id}: {path} is no longer served"));
    Ok(exit::OK)
}

async fn list(app: &App) -> Outcome {
    let rows = app.engine(Access::Read).await?.publications().await?;
    app.output.rows(&rows, LISTED)?;
    if rows.is_empty() {
        app.talk.say("nothing is published");
    }
    Ok(exit::OK)
}

/// Writes a single plan in the form that several have.
fn plan(app: &App, plan: PublishPlan) -> Outcome {
    let plan = planned(app, plan);
    app.output
        .rows(&[super::runs::succeeded(plan.repo.clone(), plan)], PLANNED)?;
    Ok(exit::OK)
}

/// Writes a single report in the form that several have.
fn done(app: &App, report: PublishReport) -> Outcome {
    let report = told(app, report);
    if app.output.explicit() {
        app.output
            .rows(&[super::runs::succeeded(report.plan.repo.clone(), report)], PUBLISHED)?;
    }
    Ok(exit::OK)
}

fn planned(app: &App, plan: PublishPlan) -> PublishPlan {
    for warning in &plan.warnings {
        app.talk.warn(&format!("{}: {warning}", plan.repo));
    }
    app.talk.say(&format!("{}: nothing was changed (dry run)", plan.repo));
    plan
}

fn told(app: &App, report: PublishReport) -> PublishReport {
    let plan = &report.plan;
    for warning in &plan.warnings {
        app.talk.warn(&format!("{}: {warning}", plan.repo));
    }
    app.talk.say(&line(&report));
    report
}

/// What publishing did, in a line.
pub(super) fn line(report: &PublishReport) -> String {
    let plan = &report.plan;
    let state = match &plan.snapshot {
        Some(name) => format!("snapshot {name} ({})", plan.revision),
        None => plan.revision.to_string(),
    };
    let place = report.url.as_deref().unwrap_or(&plan.path);
    if plan.unchanged {
        return format!("{}: {state} is served already at {place}", plan.repo);
    }
    format!(
        "{}: {state} is served at {place} ({} linked, {} removed)",
        plan.repo,
        counted(report.linked, "file"),
        counted(report.pruned, "file")
    )
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("publish", PUBLISHED),
        ("publish-plan", PLANNED),
        ("publish-list", LISTED),
    ]
}
