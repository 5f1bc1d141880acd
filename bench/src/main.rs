//! Measures the release binary against other tools and against floors, and writes `docs/performance.md`.
//!
//! Every bar is a ratio of two commands of one run, taken in turn, or a count; absolute times say little on a machine
//! that others use too. This is no test, and no test asserts a time.

mod bars;
mod data;
mod database;
mod document;
mod machine;
mod measure;
mod mirror;
mod options;
mod peers;
mod report;
mod run;
mod stage;
mod stats;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use options::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => run::run(&arguments.run),
        Some(Command::Generate {
            wide,
            packages,
            seed,
            directory,
        }) => generate(wide, packages, seed, &directory),
        Some(Command::Measure { report, command }) => measure::helper(&report, &command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate(wide: bool, packages: usize, seed: u64, directory: &Path) -> Result<()> {
    let shape = if wide { data::Shape::Wide } else { data::Shape::Deep };
    let set = data::DataSet::prepare(&directory.join("data"), shape, packages, seed)?;
    eprintln!("{}: {}", set.directory.display(), set.describe()?);
    let peers = peers::Peers::find(&directory.join("venv"));
    let Some(parser) = &peers.parser else {
        eprintln!("NOT CHECKED: createrepo_c's Python module is absent");
        return Ok(());
    };
    for state in [data::State::One, data::State::Two] {
        peers::check_repository(parser, &set.state(state), &set.files(state)?)?;
    }
    eprintln!("createrepo_c reads both states, and rpm accepts a sample of the packages");
    Ok(())
}
