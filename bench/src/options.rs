//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures chantal against other tools and floors.
///
/// Compares in turn, in one run, on made repositories served on loopback, and writes the measured part of the document.
#[derive(Parser)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// What a run does.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// Rounds, in each of which every competitor runs once [default: 5; quick: 3].
    #[arg(long)]
    pub(crate) pairs: Option<usize>,
    /// Three rounds, and only repositories of up to 10,000 packages.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these bars, such as `S1,S6`; the document is not written then.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// The day that the document says; today otherwise.
    #[arg(long)]
    pub(crate) date: Option<String>,
    /// Equal seeds give equal repositories.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The binary; built where it is absent.
    #[arg(long, default_value = "target/release/chantal")]
    pub(crate) chantal: PathBuf,
    /// Where repositories, the virtual environment, samples and the run's own files go.
    #[arg(long, default_value = "target/bench")]
    pub(crate) directory: PathBuf,
    /// The document.
    #[arg(long, default_value = "docs/performance.md")]
    pub(crate) document: PathBuf,
    /// Leaves the document as it is.
    #[arg(long)]
    pub(crate) no_document: bool,
    /// Packages of the repositories with whole bodies.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) packages: usize,
}

impl RunArguments {
    /// Rounds.
    pub(crate) fn rounds(&self) -> usize {
        self.pairs.unwrap_or(if self.quick { 3 } else { 5 }).max(1)
    }

    /// How to repeat the run.
    pub(crate) fn command(&self) -> String {
        let mut more = Vec::new();
        if let Some(pairs) = self.pairs {
            more.push(format!("--pairs {pairs}"));
        }
        if self.seed != 1 {
            more.push(format!("--seed {}", self.seed));
        }
        if self.packages != 10_000 {
            more.push(format!("--packages {}", self.packages));
        }
        let quick = if self.quick { " QUICK=1" } else { "" };
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" BENCH='{}'", more.join(" "))
        };
        format!("make bench{quick}{more}")
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a repository as the benchmark uses it, has createrepo_c and rpm judge it, and says where it is.
    Generate {
        /// Rich metadata and tiny bodies, rather than bodies that hold what the metadata says.
        #[arg(long)]
        wide: bool,
        /// How many packages.
        #[arg(long, default_value_t = 10_000)]
        packages: usize,
        /// Equal seeds give equal repositories.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// As of a run.
        #[arg(long, default_value = "target/bench")]
        directory: PathBuf,
    },
    /// Runs one command and writes what it cost to a file.
    #[command(hide = true)]
    Measure {
        report: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}
