//! What stays although something newer is there, or although upstream drops it.

use std::collections::HashSet;
use std::hash::Hash;

use chantal_model::VersionKey;

use crate::series::Newest;
use crate::{Bundle, Candidate, Filters, Origin};

/// Which versions stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What upstream has.
    Listed,
    /// The newest so many of each series, whether upstream still has them or not.
    Newest(usize),
    /// Everything.
    All,
}

/// What stays although upstream drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of series that upstream still has.
    pub keep: Keep,
    /// Whether series stay that upstream dropped altogether.
    pub keep_vanished: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep: Keep::Listed,
            keep_vanished: false,
        }
    }
}

impl Retention {
    /// Whether what the repository holds can matter at all.
    pub fn looks_back(&self) -> bool {
        self.keep != Keep::Listed || self.keep_vanished
    }
}

/// Something that competes with others of its series: a package outside bundles with those of its name and
/// architecture, a bundle with those of its own series.
pub(crate) struct Unit<S, V> {
    series: S,
    version: V,
    origin: Origin,
}

impl<S: Copy, V: Copy> Unit<S, V> {
    fn pair(&self) -> (S, V) {
        (self.series, self.version)
    }
}

impl<'a> Unit<&'a str, u64> {
    pub(crate) fn of_bundle(bundle: &'a Bundle<'a>) -> Self {
        Self {
            series: bundle.series,
            version: bundle.rank,
            origin: bundle.origin,
        }
    }
}

impl<'a> Unit<(&'a str, &'a str), &'a VersionKey> {
    pub(crate) fn of_package(candidate: &Candidate<'a>) -> Self {
        Self {
            series: (candidate.name, candidate.arch),
            version: candidate.version,
            origin: candidate.origin,
        }
    }
}

/// What became of a unit, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ruling {
    Stays,
    Retained,
    Superseded,
    Gone,
}

/// Rules about every unit that `passes`; the others take no part, but show which series upstream still has.
///
/// First the newest of what upstream lists, then retention over that and what the repository holds. Something held is
/// replaced by what upstream lists in the same version.
pub(crate) fn rule<S: Hash + Eq + Copy, V: Ord + Hash + Copy>(
    units: &[Unit<S, V>],
    passes: impl Fn(usize) -> bool,
    filters: &Filters,
) -> Vec<Ruling> {
    let passing: Vec<&Unit<S, V>> = (0..units.len()).filter(|i| passes(*i)).map(|i| &units[i]).collect();
    let listed = passing.iter().filter(|unit| unit.origin.listed && filters.latest > 0);
    let latest = Newest::of(listed.map(|unit| unit.pair()), filters.latest);
    let is_latest = |unit: &Unit<S, V>| unit.origin.listed && (filters.latest == 0 || latest.has(unit.pair()));
    let may_be_held = holds(units, &passing, filters.retention);
    let may_stay = |unit: &Unit<S, V>| is_latest(unit) || may_be_held(unit);
    let newest = match filters.retention.keep {
        Keep::Newest(count) => {
            let staying = passing.iter().filter(|unit| may_stay(unit));
            Some(Newest::of(staying.map(|unit| unit.pair()), count))
        }
        Keep::Listed | Keep::All => None,
    };
    let is_among = |unit: &Unit<S, V>| newest.as_ref().is_none_or(|newest| newest.has(unit.pair()));
    let ruling = |unit: &Unit<S, V>| match (is_latest(unit), may_stay(unit) && is_among(unit)) {
        (true, true) => Ruling::Stays,
        (false, true) => Ruling::Retained,
        (_, false) if unit.origin.listed || may_stay(unit) => Ruling::Superseded,
        (_, false) => Ruling::Gone,
    };
    units.iter().map(ruling).collect()
}

/// Whether retention may keep something that the repository holds, versions aside.
fn holds<'a, S: Hash + Eq + Copy, V: Ord + Hash + Copy>(
    units: &'a [Unit<S, V>],
    passing: &[&'a Unit<S, V>],
    retention: Retention,
) -> impl Fn(&Unit<S, V>) -> bool + use<S, V> {
    let looks_back = retention.looks_back();
    let listed = |unit: &&&Unit<S, V>| looks_back && unit.origin.listed;
    let there: HashSet<S> = units
        .iter()
        .filter(|unit| listed(&unit))
        .map(|unit| unit.series)
        .collect();
    let now: HashSet<(S, V)> = passing.iter().filter(listed).map(|unit| unit.pair()).collect();
    move |unit| {
        let replaced = !unit.origin.listed && now.contains(&unit.pair());
        let wanted = if there.contains(&unit.series) {
            retention.keep != Keep::Listed
        } else {
            retention.keep_vanished
        };
        unit.origin.held && wanted && !replaced
    }
}
