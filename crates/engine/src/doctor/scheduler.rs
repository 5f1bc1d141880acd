//! The scheduler: there if something is scheduled, and on time. Its unit, where systemd has one.

use std::path::{Path, PathBuf};

use chantal_catalog::Catalog;
use chantal_config::Config;

use super::{Check, Surroundings, together};
use crate::error::{Doing, EngineError};
use crate::query::time;
use crate::schedule::{PROCESS, jobs};

/// What waits longer waits for something that does not come, in seconds.
const LATE: i64 = 15 * 60;
const UNIT: &str = "chantal-scheduler.service";

pub(super) async fn check(config: &Config, catalog: &Catalog, now: i64) -> Check {
    match look(config, catalog, now).await {
        Ok(check) => check,
        Err(error) => Check::failed("scheduler", &error),
    }
}

async fn look(config: &Config, catalog: &Catalog, now: i64) -> Result<Check, EngineError> {
    let jobs = jobs(config);
    if jobs.is_empty() {
        return Ok(Check::skipped("scheduler", "nothing is scheduled"));
    }
    let leases = catalog.living_leases().await.doing("read leases")?;
    let rows = catalog.schedules().await.doing("read schedules")?;
    let living = leases.iter().filter(|lease| lease.name.starts_with(PROCESS)).count();
    let mut found = Vec::new();
    if living == 0 {
        let message = format!("{} jobs are scheduled, and no scheduler runs", jobs.len());
        let hint = "`chantal scheduler start`, or `systemctl enable --now chantal-scheduler`";
        found.push(Check::warn("scheduler", message, hint));
    }
    let late: Vec<String> = rows
        .iter()
        .filter(|row| !row.is_open && row.next_at < now - LATE)
        .filter(|row| jobs.iter().any(|job| job.is(row)))
        .map(|row| format!("{} since {}", row.repository, time(row.next_at)))
        .collect();
    if !late.is_empty() {
        let message = format!("due and not started: {}", late.join(", "));
        let hint = "what runs may take too long: `chantal scheduler list`, and more `--workers`";
        found.push(Check::warn("scheduler", message, hint));
    }
    let fine = format!("{living} run, and nothing is late");
    Ok(together("scheduler", &found, &fine))
}

/// What the unit of the scheduler says, where one is installed. Its drop-ins are not read.
pub(super) fn unit(config: &Config, surroundings: &Surroundings) -> Check {
    let mut files = surroundings
        .unit_directories
        .iter()
        .map(|directory| directory.join(UNIT));
    let found = files.find_map(|path| Some((std::fs::read_to_string(&path).ok()?, path)));
    match found {
        None => Check::skipped("systemd", format!("no {UNIT} is installed")),
        Some((text, path)) => judge(config, &text, &path),
    }
}

fn judge(config: &Config, text: &str, path: &Path) -> Check {
    let values = |key: &str| -> Vec<&str> {
        let lines = text.lines().filter_map(|line| line.trim().split_once('='));
        lines
            .filter(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
            .collect()
    };
    let shown = path.display();
    let mut found = Vec::new();
    let mut say = |message: String, hint: &str| found.push(Check::warn("systemd", message, hint));
    if values("Type").last() != Some(&"notify") {
        say(
            format!("{shown} is not of `Type=notify`"),
            "systemd then does not know when it has begun, and cannot reload it",
        );
    }
    if values("WatchdogSec").is_empty() {
        say(
            format!("{shown} has no `WatchdogSec`"),
            "`WatchdogSec=120` restarts a scheduler that hangs",
        );
    }
    let is_strict = values("ProtectSystem").last() == Some(&"strict");
    let writable: Vec<PathBuf> = values("ReadWritePaths")
        .iter()
        .flat_map(|value| value.split_whitespace())
        .map(|word| PathBuf::from(word.trim_start_matches(['-', '+'])))
        .collect();
    let mount = |path: &Path| writable.iter().position(|root| path.starts_with(root));
    let storage = &config.storage;
    for path in [
        &storage.base_path,
        &storage.pool_path,
        &storage.temp_path,
        &storage.published_path,
    ] {
        if is_strict && mount(path).is_none() {
            say(
                format!("{shown} does not let it write to {}", path.display()),
                "name the directory in `ReadWritePaths`",
            );
        }
    }
    if let (Some(pool), Some(published)) = (mount(&storage.pool_path), mount(&storage.published_path))
        && pool != published
        && config.storage.link_mode == chantal_config::LinkMode::Hardlink
    {
        say(
            format!("in {shown} pool and published root are below two `ReadWritePaths`"),
            "hard links cannot cross them: name one directory that holds both",
        );
    }
    together("systemd", &found, &format!("{shown} fits the configuration"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    fn told(unit: &str) -> Check {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(UNIT), unit).unwrap();
        let surroundings = Surroundings {
            config_files: Vec::new(),
            unit_directories: vec![directory.path().join("absent"), directory.path().to_owned()],
        };
        let text = "storage: {base_path: /var/lib/chantal, published_path: /var/www/repos}\n".to_owned();
        let loaded = chantal_config::load_text("/c.yaml".as_ref(), text, &|_| None).unwrap();
        super::unit(&loaded.config, &surroundings)
    }

    #[test]
    fn the_unit_of_the_project_fits_and_each_lack_is_told() {
        let own = include_str!("../../../../examples/systemd/chantal-scheduler.service");
        assert_eq!(told(own).status, CheckStatus::Ok, "{:?}", told(own));
        for (from, to, word) in [
            ("Type=notify", "Type=simple", "Type=notify"),
            ("WatchdogSec=120", "", "WatchdogSec"),
            ("ReadWritePaths=/var", "ReadWritePaths=/srv", "/var/lib/chantal/pool"),
            (
                "ReadWritePaths=/var",
                "ReadWritePaths=/var/lib/chantal /var/www",
                "two `ReadWritePaths`",
            ),
        ] {
            let check = told(&own.replace(from, to));
            assert_eq!(check.status, CheckStatus::Warn, "{to}");
            assert!(check.message.contains(word), "{check:?}");
        }
    }
}
