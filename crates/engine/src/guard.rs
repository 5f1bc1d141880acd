//! What stops a sync although nothing failed: a feed that goes back, a repository that would lose most of its packages.

use std::collections::HashSet;

use chantal_catalog::{FeedState, Revision};
use chantal_config::Repository;
use chantal_formats::Overview;

use crate::diff::{Change, DiffEntry};
use crate::error::EngineError;
use crate::packed::Packed;
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

/// Refuses to remove more than the configuration allows, or everything.
///
/// What filters of now leave out although upstream lists it may go, however much it is, unless nothing stays.
pub(crate) fn removals(repo: &Repository, plan: &SyncPlan, guarded: &Guarded) -> Result<(), EngineError> {
    let Some(total) = guarded.packages.filter(|total| *total > 0) else {
        return Ok(());
    };
    let percent = repo.guards.max_removed_percent;
    let removed = guarded.vanished.unwrap_or(plan.counts.removed);
    if removed * 100 > total * u64::from(percent) {
        return Err(EngineError::Removals {
            repo: repo.id.to_string(),
            removed,
            total,
            percent,
        });
    }
    if plan.chosen + plan.retained == 0 && percent < 100 {
        return Err(EngineError::NothingLeft {
            repo: repo.id.to_string(),
            listed: plan.listed,
            total,
        });
    }
    Ok(())
}

/// What of the current revision must not go at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guarded {
    /// How many packages the revision has; none where there is no revision.
    pub(crate) packages: Option<u64>,
    /// How many of those that would be removed upstream has under no version any more, where the configuration selects
    /// otherwise than before, so that the others may go for that reason.
    pub(crate) vanished: Option<u64>,
}

/// How many packages went of which upstream has no version any more.
pub(crate) fn vanished(changes: &[DiffEntry], listed: &Packed) -> u64 {
    let went = || changes.iter().filter(|entry| entry.change == Change::Removed);
    let gone: HashSet<(&str, &str)> = went().map(|entry| (&*entry.name, &*entry.arch)).collect();
    let mut there: HashSet<(String, String)> = HashSet::new();
    let packages = (!gone.is_empty()).then(|| listed.iter());
    for (_, package) in packages.into_iter().flatten() {
        if gone.contains(&(&*package.name, &*package.arch)) {
            there.insert((package.name.into(), package.arch.to_string()));
        }
    }
    let is_there = |entry: &&DiffEntry| there.contains(&(entry.name.clone(), entry.arch.clone()));
    went().filter(|entry| !is_there(entry)).count() as u64
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
