//! `chantal doctor`.

use chantal_config::{Config, Diagnostic, LoadError, Loaded};
use chantal_engine::{Check, CheckStatus, Surroundings, examine};
use chantal_model::SystemClock;
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Format, Show, column};

/// Looks whether everything is fit for work, and says what to do where it is not
///
/// Checks, in this order: configuration, base-directory, pool-directory, temp-directory, published-directory,
/// file-system, hard-links, exchange, space, inodes, database, schema, integrity, clock, leases, scheduler, left-overs,
/// secrets, keys, certificates, notify, metrics, systemd, selinux, weaknesses. A warning changes nothing in the exit code. Failures of one kind give their exit
/// code (2 configuration and permissions, 6 space, 8 damage or a database out of reach), failures of several kinds 9.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal doctor
  chantal doctor --format json")]
pub(crate) struct Doctor {}

pub(super) const CHECKS: &[Column] = &[
    column("Check", "check", Show::Text),
    column("Status", "status", Show::Text),
    column("Found", "message", Show::Text),
    column("What to do", "hint", Show::Text),
];

impl Doctor {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let checks = match loaded(app) {
            Ok(loaded) => {
                app.log(loaded.config.log, loaded.config.database.echo);
                let mut checks = vec![configuration(&loaded)];
                checks.extend(of_config(&loaded.config, &loaded).await);
                checks
            }
            Err(check) => vec![*check],
        };
        let rows = match app.output.format() {
            Format::Table => findings(&checks),
            _ => checks.iter().collect(),
        };
        app.output.wrapped(&rows, CHECKS)?;
        let count = |status| rows.iter().filter(|check| check.status == status).count() as u64;
        app.talk.say(&format!(
            "{}, {} failed",
            counted(count(CheckStatus::Warn), "warning"),
            count(CheckStatus::Fail)
        ));
        let failed = checks.iter().filter(|check| check.status == CheckStatus::Fail);
        Ok(exit::combine(failed.map(|check| check.exit_code)))
    }
}

/// One row for each finding, where a check has several.
fn findings(checks: &[Check]) -> Vec<&Check> {
    let mut rows = Vec::new();
    for check in checks {
        if check.parts.is_empty() {
            rows.push(check);
        }
        rows.extend(&check.parts);
    }
    rows
}

/// Where systemd looks for the units of the system.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

async fn of_config(config: &Config, loaded: &Loaded) -> Vec<Check> {
    let surroundings = Surroundings {
        config_files: loaded.files.clone(),
        unit_directories: UNITS.map(Into::into).into(),
    };
    examine(config, &surroundings, &SystemClock).await
}

/// The configuration, or the one check that there is without it.
fn loaded(app: &App) -> Result<Loaded, Box<Check>> {
    let failed = |message: String| Check::fail(CONFIGURATION, exit::USAGE, message);
    let path = app.config_path().map_err(|failure| {
        let check = failed(failure.message);
        Box::new(match failure.hint {
            Some(hint) => check.hint(hint),
            None => check,
        })
    })?;
    chantal_config::load(&path, &|name| std::env::var(name).ok()).map_err(|error| {
        let found: Vec<String> = match &error {
            LoadError::Invalid(found) => found.iter().map(place).collect(),
            LoadError::Read { path, source } => vec![format!("cannot read {}: {source}", path.display())],
        };
        let failed = |message| failed(message).hint("`chantal config validate` shows each place");
        let mut check = failed(found.join("; "));
        check.parts = found.into_iter().map(failed).collect();
        Box::new(check)
    })
}

fn place(found: &Diagnostic) -> String {
    let (file, message) = (found.file.display(), &found.message);
    format!("{file}:{}:{}: {message}", found.line, found.column)
}

const CONFIGURATION: &str = "configuration";

fn configuration(loaded: &Loaded) -> Check {
    let files: Vec<_> = loaded.files.iter().map(|path| path.display().to_string()).collect();
    match loaded.warnings.len() {
        0 => Check::ok(CONFIGURATION, files.join(", ")),
        count => Check::warn(
            CONFIGURATION,
            counted(count as u64, "warning"),
            "`chantal config validate` lists them",
        ),
    }
}
