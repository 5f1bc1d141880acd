//! `chantal notify`.

use chantal_engine::{Access, Told};
use clap::{Args, Subcommand};

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Looks after those who are told when a run ends, as `notify:` says
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    Test(Test),
}

/// Sends a made-up end of a run to everybody in `notify:`, whatever they want to hear of
///
/// Each webhook gets a request, each command is run; the message has `"test": true`. Exit 3 if somebody was not reached.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal notify test
  chantal notify test --format json")]
pub(crate) struct Test {}

pub(super) const TOLD: &[Column] = &[
    column("Kind", "kind", Show::Text),
    column("Target", "target", Show::Text),
    column("Told", "ok", Show::Flag),
    column("Time", "duration_ms", Show::Duration),
    column("Error", "error", Show::Text),
];

/// Somebody was not reached.
const UNREACHED: u8 = 3;

impl Notify {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let Self::Test(Test {}) = self;
        let engine = app.engine(Access::Read).await?;
        if engine.config().notify.is_empty() {
            return Err(Failure::usage("the configuration tells nobody").hint("`notify:` names whom to tell"));
        }
        let told: Vec<Told> = engine.notify_test().await;
        app.output.rows(&told, TOLD)?;
        let reached = told.iter().filter(|one| one.ok).count();
        app.talk
            .say(&format!("{reached} of {} told", counted(told.len() as u64, "target")));
        Ok(if reached == told.len() { exit::OK } else { UNREACHED })
    }
}
