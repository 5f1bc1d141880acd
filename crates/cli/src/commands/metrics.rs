//! `chantal metrics`.

use std::path::PathBuf;

use chantal_engine::Access;
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};

/// Prints numbers about everything in the text format of Prometheus
///
/// The scheduler answers with the same on `scheduler.listen`, and `metrics.textfile` names a file that is written after
/// each run. docs/guides/monitoring.md explains each number.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal metrics
  chantal metrics --write /var/lib/prometheus/node-exporter/chantal.prom")]
pub(crate) struct Metrics {
    /// Writes them into a file instead, in one step
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl Metrics {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let engine = app.engine(Access::Read).await?;
        match &self.write {
            Some(path) => engine.write_metrics(path).await?,
            None => app.output.raw(&engine.metrics().await?)?,
        }
        Ok(exit::OK)
    }
}
