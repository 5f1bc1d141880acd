//! What stops a sync although nothing failed: a feed that goes back, a repository that would lose most of its packages.

use chantal_catalog::{FeedState, Revision};
use chantal_config::Repository;
use chantal_formats::Overview;

use crate::error::EngineError;
use crate::report::SyncPlan;

/// So far a feed's clock may be ahead of this machine's.
const SKEW_SECONDS: i64 = 86_400;

/// Refuses an entry point that is older than the one before, by its own words.
pub(crate) fn rollback(
    repo: &Repository,
    known: Option<&FeedState>,
    current: Option<&Revision>,
    overview: &Overview,
) -> Result<(), EngineError> {
    if repo.guards.allow_rollback {
        return Ok(());
    }
    let before = known.and_then(|known| known.upstream_timestamp);
    let times = before.zip(overview.timestamp);
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<i64>().ok());
    let before = number(current.and_then(|current| current.upstream_revision.as_deref()));
    let revisions = before.zip(number(overview.revision.as_deref()));
    let backwards = |pair: &Option<(i64, i64)>| pair.is_some_and(|(before, now)| now < before);
    let told = match (times, revisions) {
        (Some((before, now)), _) if backwards(&times) => {
            format!("it is of {}, after one of {}", date(now), date(before))
        }
        (_, Some((before, now))) if backwards(&revisions) => {
            format!("its revision is {}, after {}", shown(now), shown(before))
        }
        _ => return Ok(()),
    };
    Err(EngineError::Rollback {
        repo: repo.id.to_string(),
        told,
    })
}

/// Refuses an entry point of a day that has not come: either the clock is wrong, so that no age can be judged, or
/// whatever follows would be refused as older.
pub(crate) fn future(repo: &Repository, overview: &Overview, now: i64) -> Result<(), EngineError> {
    match overview.timestamp {
        Some(of) if of > now.saturating_add(SKEW_SECONDS) && !repo.allows_future_date() => Err(EngineError::Future {
            repo: repo.id.to_string(),
            feed: date(of),
            clock: date(now),
        }),
        _ => Ok(()),
    }
}

/// What a sync would remove, if that is more than the configuration allows.
pub(crate) fn removals(repo: &Repository, plan: &SyncPlan, current: Option<&Revision>) -> Result<(), EngineError> {
    let Some(current) = current else {
        return Ok(());
    };
    let total = current.package_count.max(0) as u64;
    let percent = repo.guards.max_removed_percent;
    if plan.counts.removed * 100 <= total * u64::from(percent) {
        return Ok(());
    }
    Err(EngineError::Removals {
        repo: repo.id.to_string(),
        removed: plan.counts.removed,
        total,
        percent,
    })
}

/// Says that a feed is older than it should be; `changed` and `now` are in seconds since 1970.
pub(crate) fn age(repo: &Repository, changed: Option<i64>, now: i64) -> Option<String> {
    let most = repo.guards.max_age?;
    let changed = changed?;
    let age = u64::try_from(now.saturating_sub(changed)).ok()?;
    let told = || {
        format!(
            "the feed has not changed since {}, which is longer than `max_age` ({}) allows",
            date(changed),
            days(most.as_secs())
        )
    };
    (age > most.as_secs()).then(told)
}

fn days(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{seconds} s"),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// A revision, with its date where it looks like a time.
fn shown(revision: i64) -> String {
    if (500_000_000..100_000_000_000).contains(&revision) {
        format!("{revision} ({})", date(revision))
    } else {
        revision.to_string()
    }
}
