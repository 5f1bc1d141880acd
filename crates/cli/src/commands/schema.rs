//! `chantal schema`.

use std::path::PathBuf;

use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::unwritable;

/// Prints the JSON Schema of the configuration.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Writes it into a file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Schema {
    pub(crate) fn run(self, app: &App) -> Outcome {
        let schema = chantal_config::json_schema();
        let text = serde_json::to_string_pretty(&schema).map_err(|error| unwritable(&error))? + "\n";
        match &self.output {
            Some(path) => std::fs::write(path, text).map_err(|error| Failure::file("write", path, &error))?,
            None => app.output.raw(&text)?,
        }
        Ok(exit::OK)
    }
}
