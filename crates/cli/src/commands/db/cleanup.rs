//! `chantal db cleanup`.

use std::sync::Arc;
use std::time::Duration;

use chantal_config::Config;
use chantal_engine::{Access, CollectOptions};
use clap::Args;

use crate::app::App;
use crate::commands::Wait;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Removes rows that nothing refers to
///
/// Packages and raw records that no revision holds, and notes of tasks that ended; what is left of packs of records that
/// are more than half dead is packed anew. While anything is synced, published or adopted, nothing is done (exit 7). The
/// file keeps its size and uses the space again; `chantal db vacuum` makes it smaller. Blobs are for `chantal pool
/// cleanup`, repositories that are not in the configuration any more for `chantal repo delete`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db cleanup --dry-run
  chantal db cleanup --wait=600")]
pub(crate) struct Cleanup {
    /// Shows what would go, and changes nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const CLEANED: &[Column] = &[
    column("Packages", "packages", Show::Count),
    column("Raw records", "records", Show::Count),
    column("Packs", "packs", Show::Count),
    column("New packs", "new_packs", Show::Count),
    column("Notes of ended tasks", "intents", Show::Count),
];

impl Cleanup {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        let engine = app.engine_on(config, Access::Write).await?;
        let cleaned = if self.dry_run {
            engine.plan_clean_rows().await?
        } else {
            let options = CollectOptions {
                keep_for: Duration::ZERO,
                wait: self.wait.duration(),
            };
            engine.clean_rows(options).await?
        };
        app.output.record(&cleaned, CLEANED)?;
        app.talk.say(&format!(
            "{} {} and {}",
            if self.dry_run { "would remove" } else { "removed" },
            counted(cleaned.packages, "package"),
            counted(cleaned.records, "raw record")
        ));
        Ok(exit::OK)
    }
}
