//! Filters and retention over packed candidates, and the query language of listings; pure.
//!
//! Order: each package by itself (source, architecture, exclude lists, include lists, ranges), then whole bundles, then
//! only the newest of what upstream lists, then retention over that and what the repository holds. A stage that knows
//! no format: what a format says about modules comes as [`Bundle`]s.

mod filter;
mod idle;
mod query;
mod retention;
mod series;

pub use filter::{Choice, FieldChoice, FilterError, Filters, Range};
pub use idle::{Idle, List, idle};
pub use query::{Field, Query, QueryError, Row, Versions};
pub use retention::{Keep, Retention};
use retention::{Ruling, Unit, rule};

use std::collections::{HashMap, HashSet};

use chantal_model::{Fields, VersionKey};

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
    /// Its size, if that is known.
    pub size_bytes: Option<u64>,
    /// When it was built, if that is known.
    pub build_time: Option<i64>,
    /// What else filters ask for.
    pub fields: &'a Fields,
    /// Where it is.
    pub origin: Origin,
}

/// Where a package or a bundle is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Upstream lists it now.
    pub listed: bool,
    /// The repository holds it since an earlier sync.
    pub held: bool,
}

impl Origin {
    /// Upstream lists it, and nothing is known of an earlier sync.
    pub const NEW: Self = Self {
        listed: true,
        held: false,
    };
    /// Upstream has dropped it.
    pub const DROPPED: Self = Self {
        listed: false,
        held: true,
    };
}

/// Packages that are chosen all or none.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    /// Indices into the candidates.
    pub members: Vec<u32>,
    /// The line of succeeding bundles that it belongs to: words that `:` divides.
    pub series: &'a str,
    /// Its place in that line, the higher the newer.
    pub rank: u64,
    /// Where it is.
    pub origin: Origin,
}

/// Why a package is in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed every filter.
    Chosen,
    /// A filter would have left it out, but its bundle is kept whole.
    ChosenWithBundle,
    /// Upstream dropped it, or something newer is there, and retention keeps it.
    Retained,
    /// Source packages are left out.
    Source,
    /// Its architecture is left out.
    Architecture,
    /// No include pattern matches it.
    NotIncluded,
    /// An exclude pattern matches it.
    Excluded,
    /// It does not have what the include list of a field asks for.
    FieldNotIncluded,
    /// The exclude list of a field names what it has.
    FieldExcluded,
    /// It is too large or too small.
    Size,
    /// It is too new or too old.
    BuildTime,
    /// A newer version is there.
    Superseded,
    /// Every bundle that it is in is dropped.
    BundleDropped,
    /// Upstream dropped it, and retention does not keep it.
    Gone,
}

impl Verdict {
    /// Whether the package is chosen.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::Chosen | Self::ChosenWithBundle | Self::Retained)
    }

    /// Whether its bundle may bring the package in all the same.
    fn is_soft(self) -> bool {
        matches!(
            self,
            Self::NotIncluded | Self::FieldNotIncluded | Self::Size | Self::BuildTime
        )
    }
}

/// Why a bundle is in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in, with all its packages.
    Kept,
    /// The choice of bundles does not let it in.
    NotAllowed,
    /// An exclude list names one of its packages.
    Vetoed,
    /// None of its packages passes the filters.
    NoneChosen,
    /// A newer one of its series is there.
    Superseded,
    /// Upstream dropped it, and retention does not keep it.
    Gone,
}

/// What was decided.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// About each candidate.
    pub verdicts: Vec<Verdict>,
    /// About each bundle.
    pub fates: Vec<Fate>,
}

/// Decides about every candidate and every bundle.
///
/// A bundle is kept as soon as one of its members passes the filters, unless an exclude list names any member of the
/// right architecture: then all of it goes, so that an excluded package never comes in through a bundle. A package in
/// several bundles is in if one of them is kept.
pub fn select(candidates: &[Candidate<'_>], bundles: &[Bundle<'_>], filters: &Filters) -> Selection {
    let own: Vec<Verdict> = candidates.iter().map(|candidate| filters.judge(candidate)).collect();
    let mut fates: Vec<Fate> = bundles
        .iter()
        .map(|bundle| judge_bundle(bundle, &own, filters))
        .collect();
    let units: Vec<_> = bundles.iter().map(Unit::of_bundle).collect();
    let rulings = rule(&units, |index| fates[index] == Fate::Kept, filters);
    let standing = Standing::of(candidates, bundles, &fates, &rulings);
    for (fate, ruling) in fates.iter_mut().zip(&rulings).filter(|(fate, _)| **fate == Fate::Kept) {
        *fate = match ruling {
            Ruling::Stays | Ruling::Retained => Fate::Kept,
            Ruling::Superseded => Fate::Superseded,
            Ruling::Gone => Fate::Gone,
        };
    }
    let units: Vec<_> = candidates.iter().map(Unit::of_package).collect();
    let alone = |index: usize| own[index] == Verdict::Chosen && !standing.governed.contains(&(index as u32));
    let rulings = rule(&units, alone, filters);
    let verdicts = own
        .iter()
        .enumerate()
        .map(|(index, own)| {
            let best = standing.best.get(&(index as u32)).copied();
            let alone = alone(index).then(|| rulings[index]);
            conclude(*own, best, alone, candidates[index].origin)
        })
        .collect();
    Selection { verdicts, fates }
}

fn judge_bundle(bundle: &Bundle<'_>, verdicts: &[Verdict], filters: &Filters) -> Fate {
    let any = |wanted: &[Verdict]| bundle.members.iter().any(|&i| wanted.contains(&verdicts[i as usize]));
    if !filters.bundles.allows_below(bundle.series) {
        Fate::NotAllowed
    } else if any(&[Verdict::Excluded, Verdict::FieldExcluded]) {
        Fate::Vetoed
    } else if any(&[Verdict::Chosen]) {
        Fate::Kept
    } else {
        Fate::NoneChosen
    }
}

/// What bundles mean for their members.
#[derive(Default)]
struct Standing {
    /// Members whom bundles decide about: what upstream lists outside its bundles stands for itself, also where the
    /// repository holds an older bundle with it.
    governed: HashSet<u32>,
    /// The best ruling about a passing bundle of each member.
    best: HashMap<u32, Ruling>,
}

impl Standing {
    fn of(candidates: &[Candidate<'_>], bundles: &[Bundle<'_>], fates: &[Fate], rulings: &[Ruling]) -> Self {
        let mut standing = Self::default();
        for (index, bundle) in bundles.iter().enumerate() {
            for &member in &bundle.members {
                if bundle.origin.listed || !candidates[member as usize].origin.listed {
                    standing.governed.insert(member);
                }
                if fates[index] == Fate::Kept {
                    let best = standing.best.entry(member).or_insert(rulings[index]);
                    *best = rulings[index].min(*best);
                }
            }
        }
        standing
    }
}

/// Puts together what a package's own filters, its bundles and its own series say.
fn conclude(own: Verdict, bundles: Option<Ruling>, alone: Option<Ruling>, origin: Origin) -> Verdict {
    if own != Verdict::Chosen && !own.is_soft() {
        return own;
    }
    let ruling = match (bundles, alone) {
        (Some(one), Some(other)) => one.min(other),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) if own == Verdict::Chosen => return Verdict::BundleDropped,
        (None, None) => return own,
    };
    match ruling {
        Ruling::Superseded | Ruling::Gone if own != Verdict::Chosen => own,
        Ruling::Superseded => Verdict::Superseded,
        Ruling::Gone => Verdict::Gone,
        Ruling::Stays | Ruling::Retained if !origin.listed => Verdict::Retained,
        Ruling::Stays if own == Verdict::Chosen => Verdict::Chosen,
        Ruling::Retained if own == Verdict::Chosen && origin.held => Verdict::Retained,
        Ruling::Stays | Ruling::Retained => Verdict::ChosenWithBundle,
    }
}

#[cfg(test)]
mod tests;
