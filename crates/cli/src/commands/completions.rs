//! `chantal completions`.

use clap::{Args, CommandFactory};

use crate::app::App;
use crate::args::Cli;
use crate::exit::{self, Outcome};

/// Prints a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal completions bash | sudo tee /usr/share/bash-completion/completions/chantal > /dev/null
  chantal completions fish > ~/.config/fish/completions/chantal.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self, app: &App) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "chantal", &mut script);
        app.output.raw(&String::from_utf8_lossy(&script))?;
        Ok(exit::OK)
    }
}
