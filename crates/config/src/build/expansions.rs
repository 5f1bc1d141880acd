//! What is wrong with the entries that one matrix gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Finding;
use crate::node::Place;

/// More ids than this are counted rather than named.
const NAMED: usize = 3;

/// The findings of each entry, by the place where it is written.
#[derive(Default)]
pub(super) struct Expansions {
    counts: BTreeMap<Place, usize>,
    findings: Vec<(Place, Expansion, Finding)>,
}

/// The number of an expansion among those of its entry, and its id; ids may be wrong, and the same.
type Expansion = (usize, String);

impl Expansions {
    pub(super) fn add(&mut self, entry: Place, id: &str, findings: Vec<Finding>) {
        let count = self.counts.entry(entry).or_default();
        *count += 1;
        let expansion = (*count, id.to_owned());
        let named = findings.into_iter().map(|finding| (entry, expansion.clone(), finding));
        self.findings.extend(named);
    }

    /// Each finding once; one that only some of an entry's expansions have names them.
    pub(super) fn findings(self) -> Vec<Finding> {
        let mut groups: BTreeMap<(Place, Place, String), (Finding, BTreeSet<Expansion>)> = BTreeMap::new();
        for (entry, expansion, finding) in self.findings {
            let key = (entry, finding.place, finding.message.clone());
            let (_, expansions) = groups.entry(key).or_insert_with(|| (finding, BTreeSet::new()));
            expansions.insert(expansion);
        }
        let mut findings = Vec::new();
        for ((entry, ..), (mut finding, expansions)) in groups {
            if expansions.len() < self.counts.get(&entry).copied().unwrap_or_default() {
                finding.message = format!("{}: {}", list(&expansions), finding.message);
            }
            findings.push(finding);
        }
        findings
    }
}

fn list(expansions: &BTreeSet<Expansion>) -> String {
    let ids = expansions.iter().take(NAMED).map(|(_, id)| format!("{id:?}"));
    let ids = ids.collect::<Vec<_>>().join(", ");
    match expansions.len() {
        1 => format!("repository {ids}"),
        count if count > NAMED => format!("repositories {ids} and {} more", count - NAMED),
        _ => format!("repositories {ids}"),
    }
}
