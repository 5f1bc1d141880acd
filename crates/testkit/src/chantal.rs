//! Runs the real binary in a directory of its own.
//!
//! The test hands over `env!("CARGO_BIN_EXE_chantal")`, which only the crate of the binary knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; 128 plus the signal's number if a signal ended it.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "a check is complete without what it hands on"
)]
impl Output {
    /// Checks the exit code and shows everything if it is another one.
    ///
    /// # Panics
    ///
    /// If the code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let Self {
            code: actual,
            stdout,
            stderr,
        } = &self;
        assert_eq!(*actual, code, "exit code\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// Checks that it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect(0)
    }
}

/// A directory with configuration, pool, catalog and published tree, and the binary that works on it.
pub struct Chantal {
    binary: PathBuf,
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Chantal {
    /// Prepares an empty directory; `binary` is `env!("CARGO_BIN_EXE_chantal")`.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self::new_in(binary, &std::env::temp_dir())
    }

    /// The same in a directory of the caller's choice.
    pub fn new_in(binary: impl Into<PathBuf>, parent: &Path) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("chantal-test-")
            .tempdir_in(parent)
            .expect("a temporary directory");
        Self {
            binary: binary.into(),
            directory,
            environment: Vec::new(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.path().join("config.yaml")
    }

    /// The published tree.
    pub fn published(&self) -> PathBuf {
        self.path().join("published")
    }

    /// The pool.
    pub fn pool(&self) -> PathBuf {
        self.path().join("pool")
    }

    /// Sets a variable for all runs that follow.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes the configuration: `yaml` after the storage block, unless it has one of its own.
    pub fn config(&self, yaml: &str) -> &Self {
        let directory = self.path().display();
        let storage = format!(
            "storage:\n  base_path: {directory}\n  pool_path: {directory}/pool\n  published_path: {directory}/published\n"
        );
        let own = yaml.lines().any(|line| line.starts_with("storage:"));
        let text = if own {
            yaml.to_owned()
        } else {
            format!("{storage}{yaml}")
        };
        fs::write(self.config_path(), text).expect("the temporary directory takes a file");
        self
    }

    /// The configuration of one RPM repository: `lines` are more keys of it, each `key: value`.
    pub fn repository(&self, id: &str, feed: &str, lines: &[&str]) -> &Self {
        let more = lines
            .iter()
            .fold(String::new(), |more, line| more + "    " + line + "\n");
        self.config(&format!(
            "repositories:\n  - id: {id}\n    type: rpm\n    feed: {feed}\n{more}"
        ))
    }

    /// A run to be adjusted: `--config` is given, the environment holds only what is needed.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config_path()).args(arguments);
        self.isolate(&mut command);
        command
    }

    /// A run without `--config`.
    pub fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.isolate(&mut command);
        command
    }

    fn isolate(&self, command: &mut Command) {
        command.env_clear().current_dir(self.path()).stdin(Stdio::null());
        for name in ["PATH", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        finish(&mut self.command(arguments))
    }

    /// Runs it to its end without `--config`.
    pub fn run_bare(&self, arguments: &[&str]) -> Output {
        finish(&mut self.bare_command(arguments))
    }

    /// Runs it with `--format json` and reads what it says.
    ///
    /// # Panics
    ///
    /// If it fails, or says no JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        let output = self.run(&all).ok();
        match serde_json::from_str(&output.stdout) {
            Ok(value) => value,
            Err(error) => panic!("{arguments:?} says no JSON: {error}\n{}", output.stdout),
        }
    }

    /// Starts it and comes back at once; both outputs are pipes.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", self.binary.display()))
    }

    /// Digests of a published directory, see [`crate::tree::digests`].
    ///
    /// # Panics
    ///
    /// If it is not there.
    #[track_caller]
    pub fn published_digests(&self, path: &str) -> std::collections::BTreeMap<String, String> {
        crate::tree::digests(&self.published().join(path)).unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// Runs a command to its end.
///
/// # Panics
///
/// If it cannot be started.
pub fn finish(command: &mut Command) -> Output {
    use std::os::unix::process::ExitStatusExt as _;

    let output = command
        .output()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let code = output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Output {
        code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
