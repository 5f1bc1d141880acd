//! A whole run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bars::{BARS, Bench};
use crate::data::{DataSet, Shape};
use crate::document::{Circumstances, insert, render};
use crate::machine::Machine;
use crate::options::RunArguments;
use crate::peers::Peers;
use crate::report::Report;
use crate::stage::Stage;

/// Packages of the large repository.
const LARGE: usize = 100_000;
const SMALL: usize = 10_000;
/// Packages of the one behind a slow server.
const FAR: usize = 2_000;

/// Measures every bar, and writes samples and the document.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    for name in &arguments.only {
        ensure!(BARS.iter().any(|(bar, _)| bar == name), "there is no bar {name}");
    }
    let peers = Peers::find(&arguments.directory.join("venv"));
    peers.check()?;
    let chantal = binary(&arguments.chantal)?;
    let data = arguments.directory.join("data");
    let prepare = |shape, packages| DataSet::prepare(&data, shape, packages, arguments.seed);
    let wide = |packages| prepare(Shape::Wide, packages);
    let large = if arguments.quick { None } else { Some(wide(LARGE)?) };
    let (deep, far) = (prepare(Shape::Deep, arguments.packages)?, wide(FAR)?);
    let sets = [Some(wide(SMALL)?), large];
    let stage = Stage::new(&arguments.directory.join("work"), &chantal, arguments.rounds())?;
    let machine = Machine::look(&arguments.directory);
    let bench = Bench {
        stage: &stage,
        peers: &peers,
        deep,
        far,
        wide: sets,
    };
    let mut report = Report::default();
    for (name, bar) in BARS {
        let wanted = arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
        if wanted && let Err(error) = bar(&bench, &mut report) {
            report.failed(name, &error);
        }
    }
    let circumstances = circumstances(arguments, &bench, &machine, &chantal)?;
    stage.clear()?;
    write(arguments, &circumstances, &machine, &report)?;
    report.summary();
    Ok(())
}

fn circumstances(
    arguments: &RunArguments,
    bench: &Bench<'_>,
    machine: &Machine,
    chantal: &Path,
) -> Result<Circumstances> {
    let version = crate::measure::run(Command::new(chantal).arg("--version"))?;
    let mut tools = vec![("chantal".to_owned(), version.trim().to_owned())];
    for (name, tool) in bench.peers.all() {
        let version = tool.map_or("absent", |tool| tool.version.as_str());
        tools.push((name.to_owned(), version.to_owned()));
    }
    let sets = [&bench.deep, &bench.far].into_iter().chain(bench.wide.iter().flatten());
    let today = || jiff::Zoned::now().date().to_string();
    Ok(Circumstances {
        date: arguments.date.clone().unwrap_or_else(today),
        machine: machine.line(),
        command: arguments.command(),
        tools,
        data: sets.map(DataSet::describe).collect::<Result<_>>()?,
        pairs: arguments.rounds(),
    })
}

/// The binary's whole path; builds it where it is absent.
fn binary(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        eprintln!("{} is absent: building it", path.display());
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--locked", "-p", "chantal-cli"]);
        let status = build.status().context("start cargo")?;
        ensure!(status.success(), "the release binary could not be built");
    }
    path.canonicalize().with_context(|| format!("find {}", path.display()))
}

fn write(arguments: &RunArguments, circumstances: &Circumstances, machine: &Machine, report: &Report) -> Result<()> {
    let samples = arguments.directory.join(format!("samples-{}.json", circumstances.date));
    let raw = serde_json::json!({"date": circumstances.date, "machine": machine, "report": report});
    fs::write(&samples, serde_json::to_vec_pretty(&raw)?).with_context(|| format!("write {}", samples.display()))?;
    eprintln!("samples are in {}", samples.display());
    let part = render(circumstances, report);
    if arguments.no_document || !arguments.only.is_empty() {
        println_part(&part);
        return Ok(());
    }
    let document = &arguments.document;
    let text = fs::read_to_string(document).with_context(|| format!("read {}", document.display()))?;
    fs::write(document, insert(&text, &part)?).with_context(|| format!("write {}", document.display()))?;
    eprintln!("{} is written", document.display());
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the measured part is what was asked for, where it goes into no document"
)]
fn println_part(part: &str) {
    println!("{part}");
}
