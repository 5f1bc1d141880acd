//! Only the newest version of each series.

use std::collections::{HashMap, HashSet};

use chantal_model::VersionKey;

use crate::{Bundle, Candidate, Verdict};

/// Leaves out what a newer version in the same series supersedes; equal versions all stay.
///
/// Packages outside bundles form one series per name and architecture. Of kept bundles the newest of each series stays
/// whole; a package that is only in older ones is superseded.
pub(crate) fn keep_newest(
    candidates: &[Candidate<'_>],
    bundles: &[Bundle<'_>],
    kept: &[bool],
    verdicts: &mut [Verdict],
) {
    let mut newest_bundle: HashMap<&str, u64> = HashMap::new();
    for (bundle, _) in bundles.iter().zip(kept).filter(|(_, kept)| **kept) {
        let rank = newest_bundle.entry(bundle.series).or_insert(bundle.rank);
        *rank = bundle.rank.max(*rank);
    }
    let mut bundled: HashSet<u32> = HashSet::new();
    let mut current: HashSet<u32> = HashSet::new();
    for (bundle, kept) in bundles.iter().zip(kept) {
        bundled.extend(&bundle.members);
        if *kept && newest_bundle[bundle.series] == bundle.rank {
            current.extend(&bundle.members);
        }
    }
    let mut newest: HashMap<(&str, &str), &VersionKey> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if verdicts[index].is_chosen() && !bundled.contains(&(index as u32)) {
            let key = newest
                .entry((candidate.name, candidate.arch))
                .or_insert(candidate.version);
            *key = candidate.version.max(key);
        }
    }
    for (index, candidate) in candidates.iter().enumerate() {
        if !verdicts[index].is_chosen() {
            continue;
        }
        let stays = if bundled.contains(&(index as u32)) {
            current.contains(&(index as u32))
        } else {
            newest[&(candidate.name, candidate.arch)] == candidate.version
        };
        if !stays {
            verdicts[index] = Verdict::Superseded;
        }
    }
}
