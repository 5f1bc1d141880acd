//! `chantal man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::app::App;
use crate::args::Cli;
use crate::exit::{self, Outcome};
use crate::failure::Failure;

/// Writes a manual page for every command into a directory.
///
/// `chantal.1`, `chantal-repo.1`, `chantal-repo-sync.1` and so on. Equal programs write equal pages.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo chantal man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The directory; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self, app: &App) -> Outcome {
        let directory = &self.directory;
        std::fs::create_dir_all(directory).map_err(|error| Failure::file("create", directory, &error))?;
        clap_mangen::generate_to(Cli::command(), directory)
            .map_err(|error| Failure::file("write manual pages into", directory, &error))?;
        app.talk.say(&format!("manual pages are in {}", directory.display()));
        Ok(exit::OK)
    }
}
