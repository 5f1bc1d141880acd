//! `chantal db upgrade`.

use std::sync::Arc;

use chantal_catalog::Catalog;
use chantal_config::Config;
use chantal_model::{Clock, SystemClock};
use clap::Args;

use super::Applied;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;

/// Brings its schema up to date
///
/// All missing migrations are applied in one transaction: one that is killed or fails leaves the database as it was, and
/// the same command begins again. Before that the database is kept: of a SQLite file a copy beside it, of a server an
/// archive in `backup.directory`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db upgrade --dry-run
  chantal db upgrade")]
pub(crate) struct Upgrade {
    /// Lists the migrations that would be applied, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Keeps no copy
    #[arg(long)]
    no_copy: bool,
}

impl Upgrade {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        if self.dry_run {
            return dry_run(app, &config).await;
        }
        let report = chantal_engine::upgrade(&config, SystemClock.now(), !self.no_copy).await?;
        if let Some(previous) = &report.previous {
            app.talk.say(&format!("the database as it was is kept as {previous}"));
        }
        app.talk.say(&match report.applied.last() {
            None => "the schema is up to date already".to_owned(),
            Some(last) => format!(
                "{} applied, the schema is now version {last}",
                counted(report.applied.len() as u64, "migration")
            ),
        });
        Ok(exit::OK)
    }
}

async fn dry_run(app: &App, config: &Config) -> Outcome {
    let schema = Catalog::open_any(&chantal_engine::location(config))
        .await?
        .schema_status()
        .await?;
    let missing: Vec<Applied> = schema
        .migrations
        .into_iter()
        .filter(|(version, _, _)| *version > schema.version)
        .map(|(version, name, _)| Applied {
            version,
            name,
            at: None,
        })
        .collect();
    app.output.rows(&missing, super::APPLIED)?;
    app.talk.say(&match missing.len() as u64 {
        0 => "the schema is up to date already".to_owned(),
        count => format!("{} would be applied (dry run)", counted(count, "migration")),
    });
    Ok(exit::OK)
}
