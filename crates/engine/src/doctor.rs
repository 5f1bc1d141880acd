//! Looks whether everything that the configuration names is fit for work. Changes nothing but for files and directories
//! of its own, which it removes again.

mod certificates;
mod database;
mod directories;
mod scheduler;
mod secrets;
mod space;
mod watching;
mod weaknesses;

use std::path::PathBuf;

use chantal_config::{Auth, Config, Repository};
use chantal_model::Clock;
use serde::Serialize;

use crate::error::{EngineError, chain};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// All is well.
    Ok,
    /// Work goes on, but somebody should look at it.
    Warn,
    /// Work stops here, or would do harm.
    Fail,
    /// There is nothing to check, or an earlier failure forbids it.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Its name, which never changes.
    pub check: &'static str,
    /// How it ended.
    pub status: CheckStatus,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code that a failure stands for.
    #[serde(skip)]
    pub exit_code: u8,
    /// What several places said, each by itself.
    #[serde(skip)]
    pub parts: Vec<Check>,
}

/// What a check depends on that the configuration does not say.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The configuration's files.
    pub config_files: Vec<PathBuf>,
    /// Where systemd looks for units, first the ones that hide others.
    pub unit_directories: Vec<PathBuf>,
}

impl Check {
    /// All is well.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Ok, message, 0)
    }

    /// Somebody should look at it.
    pub fn warn(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Warn, message, 0).hint(hint)
    }

    /// Work stops here.
    pub fn fail(check: &'static str, exit_code: u8, message: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Fail, message, exit_code)
    }

    /// There is nothing to check.
    pub fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Skipped, message, 0)
    }

    fn new(check: &'static str, status: CheckStatus, message: impl Into<String>, exit_code: u8) -> Self {
        Self {
            check,
            status,
            message: message.into(),
            hint: None,
            exit_code,
            parts: Vec::new(),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure of something that was tried.
    fn failed(check: &'static str, error: &EngineError) -> Self {
        Self::fail(check, error.exit_code(), chain(error))
    }
}

/// Checks everything, in an order in which the first failure often explains the others.
pub async fn examine(config: &Config, surroundings: &Surroundings, clock: &dyn Clock) -> Vec<Check> {
    let mut checks = directories::check(config);
    checks.extend(directories::links(config));
    checks.extend(space::check(config));
    checks.extend(database::check(config, clock).await);
    checks.push(directories::left_overs(config, clock));
    checks.push(secrets::check(config, &surroundings.config_files));
    checks.push(watching::keys(config));
    checks.push(certificates::check(config, clock));
    checks.push(watching::notify(config));
    checks.push(watching::metrics(config));
    checks.push(scheduler::unit(config, surroundings));
    checks.push(directories::labels(config));
    checks.push(weaknesses::check(config));
    checks
}

/// How a repository authenticates at each of its feeds.
fn auths(repo: &Repository) -> impl Iterator<Item = &Auth> {
    let others = repo.other_feeds.iter().map(|feed| &feed.auth);
    std::iter::once(&repo.auth).chain(others).flatten()
}

/// One check out of what several places said: the worst counts, all are told.
fn together(check: &'static str, found: &[Check], fine: &str) -> Check {
    let worst = |status| found.iter().any(|one| one.status == status);
    let status = match () {
        () if worst(CheckStatus::Fail) => CheckStatus::Fail,
        () if worst(CheckStatus::Warn) => CheckStatus::Warn,
        () => return Check::ok(check, fine),
    };
    let told: Vec<&Check> = found
        .iter()
        .filter(|one| matches!(one.status, CheckStatus::Fail | CheckStatus::Warn))
        .collect();
    let messages: Vec<&str> = told.iter().map(|one| one.message.as_str()).collect();
    let exit_code = told.iter().map(|one| one.exit_code).find(|code| *code > 0).unwrap_or(0);
    let mut whole = Check::new(check, status, messages.join("; "), exit_code);
    whole.hint = told
        .iter()
        .find(|one| one.status == status)
        .and_then(|one| one.hint.clone());
    whole.parts = told.into_iter().cloned().collect();
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts_and_all_are_told() {
        let warn = || Check::warn("x", "a little", "look");
        let fail = || Check::fail("x", 6, "much").hint("act");
        assert_eq!(together("x", &[Check::ok("x", "y")], "fine").message, "fine");
        let both = together("x", &[warn(), Check::ok("x", "y"), fail()], "fine");
        assert_eq!(
            (both.status, both.exit_code, both.message.as_str()),
            (CheckStatus::Fail, 6, "a little; much")
        );
        assert_eq!(both.hint.as_deref(), Some("act"));
        let hints: Vec<_> = both.parts.iter().map(|part| part.hint.as_deref()).collect();
        assert_eq!(hints, [Some("look"), Some("act")]);
        assert_eq!(together("x", &[warn()], "fine").status, CheckStatus::Warn);
    }
}
