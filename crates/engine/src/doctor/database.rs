//! The database: there, readable, of this program's schema, whole; its times and leases.

use chantal_catalog::{Catalog, CatalogError, Location};
use chantal_config::Config;
use chantal_model::Clock;

use super::{Check, CheckStatus};
use crate::error::EngineError;
use crate::query::time;

/// How far clocks of several machines may differ, in seconds.
const SKEW: i64 = 300;
/// A clock before 2024 was never set.
const EARLIEST: i64 = 1_704_067_200;

const DAMAGED: &str = "restore a backup; `chantal db verify` looks at everything";

pub(super) async fn check(config: &Config, clock: &dyn Clock) -> Vec<Check> {
    let location = crate::location(config);
    let shown = match &location {
        Location::File(path) => path.display().to_string(),
        Location::Server(server) => server.shown.clone(),
    };
    let catalog = match Catalog::open_any(&location).await {
        Ok(catalog) => catalog,
        Err(source) => {
            let hint = hint(&source);
            let failed = Check::failed("database", &failure("be opened", source));
            let skipped = |name| Check::skipped(name, "the database cannot be opened");
            let mut checks = vec![match hint {
                Some(hint) => failed.hint(hint),
                None => failed,
            }];
            checks.extend(["schema", "integrity"].map(skipped));
            checks.push(judge_clock(clock.now().as_second(), None));
            checks.extend(["leases", "scheduler"].map(skipped));
            return checks;
        }
    };
    let schema = schema(&catalog).await;
    let is_older = schema.status == CheckStatus::Fail;
    let checks = vec![
        Check::ok("database", shown),
        schema,
        integrity(&catalog).await,
        match catalog.newest_time().await {
            Ok(newest) => judge_clock(clock.now().as_second(), newest),
            Err(error) => Check::failed("clock", &failure("tell its newest time", error)),
        },
        leases(&catalog).await,
        if is_older {
            Check::skipped("scheduler", "the schema is not this program's")
        } else {
            super::scheduler::check(config, &catalog, clock.now().as_second()).await
        },
    ];
    catalog.close().await;
    checks
}

fn failure(what: &'static str, source: CatalogError) -> EngineError {
    EngineError::Catalog { what, source }
}

fn hint(error: &CatalogError) -> Option<&'static str> {
    match error {
        CatalogError::Absent { .. } => Some("`chantal init` makes it"),
        CatalogError::Schema { .. } => Some("use the newer program that wrote it"),
        _ => None,
    }
}

async fn schema(catalog: &Catalog) -> Check {
    match catalog.schema_status().await {
        Ok(status) if status.version < status.latest => {
            let message = format!(
                "the schema is version {}, this program writes {}",
                status.version, status.latest
            );
            Check::fail("schema", 2, message).hint("`chantal db upgrade`")
        }
        Ok(status) => Check::ok("schema", format!("version {}", status.version)),
        Err(error) => Check::failed("schema", &failure("tell its schema", error)),
    }
}

async fn integrity(catalog: &Catalog) -> Check {
    match catalog.quick_check().await {
        Ok(problems) if problems.is_empty() => Check::ok("integrity", "the quick check finds nothing"),
        Ok(problems) => Check::fail("integrity", 8, problems.join("; ")).hint(DAMAGED),
        Err(error) => Check::failed("integrity", &failure("be checked", error)).hint(DAMAGED),
    }
}

fn judge_clock(now: i64, newest: Option<i64>) -> Check {
    let hint = "set the clock: leases, grace times and what clients take for newer depend on it";
    if now < EARLIEST {
        return Check::fail("clock", 2, format!("the clock says {}", time(now))).hint(hint);
    }
    match newest {
        Some(newest) if newest > now + SKEW => {
            let message = format!("the clock says {}, but {} is recorded", time(now), time(newest));
            Check::fail("clock", 2, message).hint(hint)
        }
        _ => Check::ok("clock", time(now)),
    }
}

async fn leases(catalog: &Catalog) -> Check {
    let mut dead = Vec::new();
    let mut living = 0;
    let names = match catalog.lease_names().await {
        Ok(names) => names,
        Err(error) => return Check::failed("leases", &failure("list leases", error)),
    };
    for name in names {
        match catalog.holder(&name).await {
            Ok(Some(holder)) if holder.alive == Some(false) => {
                dead.push(format!("{name} (process {} on {})", holder.pid, holder.host));
            }
            Ok(Some(_)) => living += 1,
            Ok(None) => {}
            Err(error) => return Check::failed("leases", &failure("read a lease", error)),
        }
    }
    if dead.is_empty() {
        return Check::ok("leases", format!("{living} held by living processes"));
    }
    let message = format!("held by processes that are gone: {}", dead.join(", "));
    Check::warn(
        "leases",
        message,
        "the next run of the same command takes over; nothing has to be done",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_what_is_recorded_fails() {
        let now = EARLIEST + 1000;
        for (now, newest, status) in [
            (now, None, CheckStatus::Ok),
            (now, Some(now + SKEW), CheckStatus::Ok),
            (now, Some(now + SKEW + 1), CheckStatus::Fail),
            (0, None, CheckStatus::Fail),
        ] {
            assert_eq!(judge_clock(now, newest).status, status, "{now} {newest:?}");
        }
    }
}
