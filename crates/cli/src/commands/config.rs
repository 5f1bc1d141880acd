//! `chantal config`.

use chantal_engine::{Access, FeedCheck};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::runs::{Workers, conclude, each};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::{Failure, Place};
use crate::output::{Column, Show, column};
use crate::select::{Maybe, Select};

/// Looks at the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Prints the configuration in effect, secrets masked, as YAML unless another format is asked for
    Show(Maybe),
    /// Checks the configuration; warns of what this version does not act on and of what deserves a look
    Validate(Validate),
    /// Reaches feeds, authenticates and reads their entry points
    Test(Test),
}

/// Options of `config validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Treats warnings as errors
    #[arg(long)]
    strict: bool,
}

/// Options of `config test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(flatten)]
    select: Select,
}

#[derive(Serialize)]
struct Validated {
    repositories: usize,
    warnings: Vec<Place>,
}

pub(super) const TESTED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("URL", "result.url", Show::Text),
    column("Changed", "result.changed", Show::Time),
    column("Upstream's revision", "result.revision", Show::Text),
    column("Files", "result.files", Show::CsvOnly),
    column("Error", "error.message", Show::Text),
];

impl Config {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::Show(which) => show(app, &which),
            Self::Validate(options) => validate(app, &options),
            Self::Test(options) => test(app, &options).await,
        }
    }
}

fn show(app: &App, which: &Maybe) -> Outcome {
    let config = app.config()?;
    let Some(id) = which.id()? else {
        app.output.tree(&config.to_value())?;
        return Ok(exit::OK);
    };
    crate::select::find(&config, &id)?;
    let whole = config.to_value();
    let repositories = whole["repositories"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = repositories
        .iter()
        .find(|repo| repo["id"].as_str() == Some(id.as_str()));
    let found = found.ok_or_else(|| Failure::new(exit::INTERNAL, format!("repository {id} is not in the listing")))?;
    app.output.tree(found)?;
    Ok(exit::OK)
}

fn validate(app: &App, options: &Validate) -> Outcome {
    let (config, warnings) = app.load()?;
    let warnings: Vec<Place> = warnings.iter().map(Place::from).collect();
    let count = warnings.len() as u64;
    if options.strict && !warnings.is_empty() {
        let mut failure = Failure::usage(format!(
            "the configuration has {}",
            crate::output::human::counted(count, "warning")
        ));
        failure.diagnostics = warnings;
        return Err(failure);
    }
    for warning in &warnings {
        app.talk.warn(warning.text.trim_end());
    }
    app.talk.say(&format!(
        "the configuration is valid: {}, {}",
        crate::output::human::counted(config.repositories.len() as u64, "repository"),
        crate::output::human::counted(count, "warning")
    ));
    if app.output.explicit() {
        app.output.tree(&Validated {
            repositories: config.repositories.len(),
            warnings,
        })?;
    }
    Ok(exit::OK)
}

async fn test(app: &App, options: &Test) -> Outcome {
    let config = app.config()?;
    let selected = options.select.among(&config)?;
    let engine = app.engine_on(config.clone(), Access::Read).await?;
    let runs = each(app, &engine, &selected, Workers::ONE, async |repo, engine| {
        let check: FeedCheck = engine.check_feed(&repo.id).await?;
        for warning in &check.warnings {
            app.talk.warn(&format!("{}: {warning}", repo.id));
        }
        Ok((check, exit::OK))
    })
    .await;
    app.output.rows(&runs, TESTED)?;
    Ok(conclude(app, &runs))
}
