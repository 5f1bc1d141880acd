//! The command line: global options and groups. Each group's verbs are in `commands/`.

mod group;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::output::Format;
use crate::progress::Style;

/// Mirrors package repositories, keeps every state of them, and publishes plain files for any web server.
#[derive(Debug, Parser)]
#[command(name = "chantal", version, propagate_version = false, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 ok, 1 internal error, 2 usage or configuration, 3 upstream unreachable, \
4 verification refused, 5 malformed upstream data, 6 a limit was hit, 7 busy, 8 local store \
damaged, or its database out of reach, 9 finished but something was left out, 10 differences found (with --exit-code)."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Configuration file
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "Configuration file [default: $CHANTAL_CONFIG, \
        /etc/chantal/config.yaml, ~/.config/chantal/config.yaml, ./config.yaml]"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Says more; twice says everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Says only warnings and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Format of data on stdout [default: table]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", help = "Colours; NO_COLOR turns them off too", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Progress on stderr
    #[arg(long, global = true, value_enum, value_name = "STYLE", default_value_t = Style::Auto)]
    pub(crate) progress: Style,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Also into files and pipes
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether a stream gets colours.
    pub(crate) fn on(self, terminal: bool) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !unwanted,
        }
    }
}

impl Cli {
    /// Parses the words of a command line.
    ///
    /// # Errors
    /// What clap has to say: help, the version, or what is wrong.
    pub(crate) fn of(words: &[OsString]) -> Result<Self, clap::Error> {
        if let Some(parsed) = group::parsed(words) {
            return Ok(parsed);
        }
        let command = Self::command().color(color_of(words).for_help());
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// The groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Init),
    /// Looks at the configuration
    #[command(subcommand)]
    Config(commands::config::Config),
    /// Lists, syncs and describes repositories
    #[command(subcommand)]
    Repo(commands::repo::Repo),
    /// Pins states of repositories under names and compares them
    #[command(subcommand)]
    Snapshot(commands::snapshot::Snapshot),
    /// Makes states visible to clients
    #[command(subcommand)]
    Publish(commands::publish::Publish),
    /// Finds packages
    #[command(subcommand, visible_alias = "content")]
    Package(commands::package::Package),
    /// Looks after the content-addressed store
    #[command(subcommand)]
    Pool(commands::pool::Pool),
    #[command(subcommand)]
    Cache(commands::cache::Cache),
    /// Looks after the database
    #[command(subcommand)]
    Db(commands::db::Db),
    #[command(subcommand)]
    Scheduler(commands::scheduler::Scheduler),
    #[command(subcommand)]
    Task(commands::task::Task),
    /// Shows numbers about everything, or about one repository
    Stats(commands::stats::Stats),
    Doctor(commands::doctor::Doctor),
    Metrics(commands::metrics::Metrics),
    #[command(subcommand)]
    Notify(commands::notify::Notify),
    /// Prints the JSON Schema of the configuration
    Schema(commands::schema::Schema),
    /// Prints a completion script for a shell
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
    Mirror(commands::mirror::Mirror),
}

impl Command {
    /// Whether signals are the command's own affair.
    pub(crate) fn minds_signals(&self) -> bool {
        matches!(self, Self::Scheduler(scheduler) if scheduler.minds_signals())
    }
}

/// Whether mistakes in these words are to be told as JSON: they cannot be parsed, so they are looked through.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    option(words, "--format").is_some_and(|format| format == "json")
        || option(words, "--progress").is_some_and(|style| style == "json")
}

/// The colours that these words ask for, before they are parsed.
pub(crate) fn color_of(words: &[OsString]) -> Color {
    option(words, "--color")
        .and_then(|when| Color::from_str(&when, false).ok())
        .unwrap_or(Color::Auto)
}

fn option(words: &[OsString], name: &str) -> Option<String> {
    let mut words = words
        .iter()
        .map(|word| word.to_string_lossy())
        .take_while(|word| word != "--");
    words
        .by_ref()
        .find_map(|word| match word.strip_prefix(name)? {
            "" => Some(None),
            rest => rest.strip_prefix('=').map(|value| Some(value.to_owned())),
        })?
        .or_else(|| words.next().map(std::borrow::Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_found_in_words_that_cannot_be_parsed() {
        for (words, expected) in [
            ("chantal repo list --format json --nonsense", true),
            ("chantal --format=json nonsense", true),
            ("chantal --progress json nonsense", true),
            ("chantal --format table", false),
            ("chantal --format", false),
            ("chantal -- --format json", false),
            ("chantal --formatting json", false),
        ] {
            let words: Vec<OsString> = words.split(' ').map(Into::into).collect();
            assert_eq!(wants_json(&words), expected, "{words:?}");
        }
    }
}
