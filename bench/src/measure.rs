//! Runs one command and says what it cost.
//!
//! The command is not started by the benchmark itself but by a second, tiny run of it (`chantal-bench measure`), since
//! the kernel counts the memory of whoever forks towards the child's peak.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// What one run cost.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of CPU, user and system, of the process and those that it waited for.
    pub(crate) cpu: f64,
    /// Peak resident memory of the largest process, in KiB.
    pub(crate) rss_kib: u64,
    /// Exit code.
    pub(crate) code: i32,
}

impl Sample {
    /// This run and another one after it, as one.
    pub(crate) fn then(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            cpu: self.cpu + next.cpu,
            rss_kib: self.rss_kib.max(next.rss_kib),
            code: next.code,
        }
    }
}

/// The second run: starts the command, waits, and writes the sample to a file.
pub(crate) fn helper(report: &Path, command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("a command is expected")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("start {}", program.display()))?;
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let sample = Sample {
        wall,
        cpu: seconds(usage.user_time()) + seconds(usage.system_time()),
        rss_kib: usage.max_rss() as u64,
        code: status.code().unwrap_or(-1),
    };
    fs::write(report, serde_json::to_vec(&sample)?).with_context(|| format!("write {}", report.display()))
}

/// Makes everything that is dirty on the file system of `place` durable, so that no run pays for the one before.
pub(crate) fn settle(place: &Path) -> Result<()> {
    let status = Command::new("sync")
        .arg("-f")
        .arg(place)
        .status()
        .context("start sync")?;
    ensure!(status.success(), "sync -f {} failed", place.display());
    Ok(())
}

/// Settles and measures a command; its output goes to `<name>.out` and `<name>.err` in `logs`.
///
/// # Errors
///
/// The command ends with another code than 0.
pub(crate) fn measure(command: &Command, logs: &Path, name: &str) -> Result<Sample> {
    fs::create_dir_all(logs).with_context(|| format!("make {}", logs.display()))?;
    settle(logs)?;
    let report = logs.join(format!("{name}.json"));
    let mut wrapped = Command::new(std::env::current_exe()?);
    wrapped.arg("measure").arg(&report).arg("--").arg(command.get_program());
    wrapped.args(command.get_args());
    like(&mut wrapped, command);
    wrapped.stdin(Stdio::null());
    wrapped.stdout(fs::File::create(logs.join(format!("{name}.out")))?);
    wrapped.stderr(fs::File::create(logs.join(format!("{name}.err")))?);
    let status = wrapped.status().context("start the measuring run")?;
    ensure!(status.success(), "the measuring run of {command:?} failed");
    let sample: Sample = serde_json::from_slice(&fs::read(&report)?)?;
    if sample.code != 0 {
        let error = fs::read_to_string(logs.join(format!("{name}.err"))).unwrap_or_default();
        bail!("{command:?} ended with {}\n{}", sample.code, error.trim_end());
    }
    Ok(sample)
}

/// Runs a command that is not measured.
///
/// # Errors
///
/// It ends with another code than 0; what it wrote is part of the message.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}\n{}", output.status, error.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Gives a command the environment and the directory of another.
pub(crate) fn like(command: &mut Command, other: &Command) {
    for (key, value) in other.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if let Some(directory) = other.get_current_dir() {
        command.current_dir(directory);
    }
}
