//! Runs the real binary in a directory of its own, against a feed of a few made-up packages.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod feed;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Asserts the exit code, showing everything if it is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Parses stdout and validates it against a schema of `docs/reference/json`.
    #[track_caller]
    pub fn json(&self, schema: &str) -> Value {
        let value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr));
        keeps_to(schema, &value);
        value
    }

    /// Parses the error that stderr tells as JSON, validated.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self
            .stderr
            .lines()
            .find(|line| line.starts_with("{\"error\""))
            .unwrap_or_default();
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\nstderr: {}", self.stderr));
        keeps_to("error", &value);
        value["error"].clone()
    }
}

/// Asserts that a value keeps to a schema.
#[track_caller]
pub fn keeps_to(schema: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/reference/json/{schema}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{value:#}");
}

/// The binary and a directory of its own.
pub struct Chantal {
    directory: tempfile::TempDir,
}

impl Chantal {
    /// A directory without any configuration.
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A directory with a configuration of these repositories, initialised.
    pub fn with(repositories: &str) -> Self {
        let chantal = Self::new();
        chantal.configure(repositories);
        chantal.run(&["init"]).expect(0);
        chantal
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Writes a configuration of these repositories.
    pub fn configure(&self, repositories: &str) {
        let text = format!(
            "storage:\n  base_path: {base}/state\n  published_path: {base}/published\nrepositories:\n{repositories}",
            base = self.directory.path().display()
        );
        std::fs::write(self.path("config.yaml"), text).unwrap();
    }

    /// The command, not started yet.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chantal"));
        command
            .args(words)
            .current_dir(self.directory.path())
            .env("HOME", self.directory.path())
            .env_remove("CHANTAL_CONFIG")
            .env_remove("CHANTAL_LOG")
            .stdin(Stdio::null());
        for variable in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the command with `--config config.yaml`, the file of [`Self::configure`].
    pub fn run(&self, words: &[&str]) -> Ran {
        let mut all = vec!["--config", "config.yaml"];
        all.extend(words);
        self.run_bare(&all)
    }

    /// Runs the command as it is.
    pub fn run_bare(&self, words: &[&str]) -> Ran {
        ran(self.command(words).output().unwrap())
    }
}

/// A finished process as text.
pub fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A repository of the configuration.
pub fn repository(id: &str, feed: &str, more: &str) -> String {
    let mut text = format!("  - id: {id}\n    type: rpm\n    feed: {feed}\n");
    for line in more.lines() {
        text.extend(["    ", line, "\n"]);
    }
    text
}
