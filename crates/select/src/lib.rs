//! Filters and retention over packed candidates, and the query language of listings; pure.
//!
//! Order: each package by itself (source, architecture, patterns), then whole bundles, then only the newest. A stage
//! that knows no format: what a format says about modules comes as [`Bundle`]s.

mod filter;
mod newest;
mod query;

pub use filter::{Choice, FilterError, Filters};
pub use query::{Field, Query, QueryError, Row, Satisfies};

use std::collections::HashMap;

use chantal_model::VersionKey;

/// What selection needs to know about one package.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its name; the first text that patterns search.
    pub name: &'a str,
    /// The second text that patterns search (RPM: `name-version-release.arch`).
    pub full_name: &'a str,
    /// Its architecture.
    pub arch: &'a str,
    /// Sorts as the format compares versions.
    pub version: &'a VersionKey,
    /// Whether it is a source package.
    pub is_source: bool,
}

/// Packages that are chosen all or none.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    /// Indices into the candidates.
    pub members: Vec<u32>,
    /// The line of succeeding bundles that it belongs to.
    pub series: &'a str,
    /// Its place in that line, the higher the newer.
    pub rank: u64,
}

/// Why a package is in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed every filter.
    Chosen,
    /// A filter would have left it out, but its bundle is kept whole.
    ChosenWithBundle,
    /// Source packages are left out.
    Source,
    /// Its architecture is left out.
    Architecture,
    /// No include pattern matches it.
    NotIncluded,
    /// An exclude pattern matches it.
    Excluded,
    /// A newer version is there.
    Superseded,
    /// Its bundle is dropped, since another member of it is excluded.
    BundleDropped,
}

impl Verdict {
    /// Whether the package is chosen.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::Chosen | Self::ChosenWithBundle)
    }
}

/// Decides about every candidate.
///
/// A bundle is kept as soon as one of its members passes the patterns, unless an exclude pattern matches any member
/// of the right architecture: then all of it goes, so that an excluded package never comes in through a bundle. A
/// package in several bundles is in if one of them is kept.
pub fn select(candidates: &[Candidate<'_>], bundles: &[Bundle<'_>], filters: &Filters) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = candidates.iter().map(|candidate| filters.judge(candidate)).collect();
    let kept = apply_bundles(&mut verdicts, bundles);
    if filters.only_latest {
        newest::keep_newest(candidates, bundles, &kept, &mut verdicts);
    }
    verdicts
}

/// Makes bundles whole; says of each whether it is kept.
fn apply_bundles(verdicts: &mut [Verdict], bundles: &[Bundle<'_>]) -> Vec<bool> {
    let mut kept = Vec::with_capacity(bundles.len());
    let mut fate: HashMap<u32, bool> = HashMap::new();
    for bundle in bundles {
        let is = |wanted: Verdict| bundle.members.iter().any(|&i| verdicts[i as usize] == wanted);
        let keep = is(Verdict::Chosen) && !is(Verdict::Excluded);
        for &member in &bundle.members {
            *fate.entry(member).or_default() |= keep;
        }
        kept.push(keep);
    }
    for (member, keep) in fate {
        let verdict = &mut verdicts[member as usize];
        *verdict = match (*verdict, keep) {
            (Verdict::NotIncluded, true) => Verdict::ChosenWithBundle,
            (Verdict::Chosen, false) => Verdict::BundleDropped,
            (other, _) => other,
        };
    }
    kept
}

#[cfg(test)]
mod tests;
