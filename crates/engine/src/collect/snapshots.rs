//! Retention of snapshots.

use std::collections::HashSet;

use chantal_catalog::Snapshot;
use chantal_config::SnapshotRetention;
use chantal_model::RepoId;

use crate::Engine;
use crate::error::{Doing, EngineError};

/// What the rule looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aged {
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: i64,
    /// Whether a tree serves it.
    pub(crate) is_published: bool,
}

/// The places of those that go: neither among the last so many, nor the newest of one of the last so many months that
/// have any, nor published where that keeps them. Without a number nothing goes.
pub(crate) fn doomed(snapshots: &[Aged], rule: &SnapshotRetention) -> Vec<usize> {
    if rule.keep_last.is_none() && rule.keep_monthly.is_none() {
        return Vec::new();
    }
    let mut newest_first: Vec<usize> = (0..snapshots.len()).collect();
    newest_first.sort_by_key(|at| (std::cmp::Reverse(snapshots[*at].created_at), *at));
    let mut months = HashSet::new();
    let mut doomed = Vec::new();
    for (rank, at) in newest_first.into_iter().enumerate() {
        let one = snapshots[at];
        let is_recent = rank < rule.keep_last.unwrap_or(0) as usize;
        let is_monthly = months.len() < rule.keep_monthly.unwrap_or(0) as usize && months.insert(month(one.created_at));
        let is_served = one.is_published && rule.keep_published;
        if !is_recent && !is_monthly && !is_served {
            doomed.push(at);
        }
    }
    doomed.sort_unstable();
    doomed
}

/// Year and month in UTC.
fn month(seconds: i64) -> (i16, i8) {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    (time.year(), time.month())
}

impl Engine {
    /// Snapshots that `snapshots:` does not keep.
    pub(super) async fn doomed_snapshots(&self) -> Result<Vec<(RepoId, Snapshot)>, EngineError> {
        let publications = self.catalog.publications().await.doing("read publications")?;
        let published: HashSet<i64> = publications.iter().filter_map(|one| one.snapshot_id).collect();
        let mut gone = Vec::new();
        for row in self.catalog.repositories().await.doing("read repositories")? {
            if self.configured(&row.name).is_err() {
                continue;
            }
            let snapshots = self.catalog.snapshots(row.id).await.doing("read snapshots")?;
            let aged: Vec<Aged> = snapshots
                .iter()
                .map(|one| Aged {
                    created_at: one.created_at,
                    is_published: published.contains(&one.id),
                })
                .collect();
            let places = doomed(&aged, &self.config.snapshots);
            gone.extend(places.into_iter().map(|at| (row.name.clone(), snapshots[at].clone())));
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn rule(keep_last: Option<u32>, keep_monthly: Option<u32>, keep_published: bool) -> SnapshotRetention {
        SnapshotRetention {
            keep_last,
            keep_monthly,
            keep_published,
        }
    }

    fn aged(days: &[i64], published: &[usize]) -> Vec<Aged> {
        let one = |(at, day): (usize, &i64)| Aged {
            created_at: day * DAY,
            is_published: published.contains(&at),
        };
        days.iter().enumerate().map(one).collect()
    }

    #[test]
    fn without_a_number_nothing_goes() {
        assert!(doomed(&aged(&[1, 2, 3], &[]), &rule(None, None, true)).is_empty());
        assert!(doomed(&aged(&[1, 2, 3], &[]), &rule(None, None, false)).is_empty());
    }

    #[test]
    fn the_last_ones_the_newest_of_a_month_and_published_ones_stay() {
        // 1970: days 0 to 30 are January, 31 to 58 February, 59 to 89 March.
        let days = [3, 20, 40, 50, 60, 70, 80];
        for (last, monthly, published, expected) in [
            (Some(2), None, true, vec![1, 2, 3, 4]),
            (Some(2), None, false, vec![0, 1, 2, 3, 4]),
            (Some(0), None, false, vec![0, 1, 2, 3, 4, 5, 6]),
            (None, Some(2), false, vec![0, 1, 2, 4, 5]),
            (None, Some(3), true, vec![2, 4, 5]),
            (None, Some(3), false, vec![0, 2, 4, 5]),
            (Some(3), Some(3), false, vec![0, 2]),
            (Some(9), None, false, vec![]),
        ] {
            let found = doomed(&aged(&days, &[0]), &rule(last, monthly, published));
            assert_eq!(found, expected, "{last:?} {monthly:?} {published}");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let found = doomed(&aged(&[80, 3, 60], &[]), &rule(Some(1), None, false));
        assert_eq!(found, [1, 2]);
    }
}
