//! What is wrong with the entries that one matrix gives.

use std::collections::BTreeMap;

use crate::check::Finding;
use crate::node::Place;

/// More ids than this are counted rather than named.
const NAMED: usize = 3;

/// The findings of each entry, by the place where it is written.
#[derive(Default)]
pub(super) struct Expansions {
    ids: BTreeMap<Place, usize>,
    findings: Vec<(Place, String, Finding)>,
}

impl Expansions {
    pub(super) fn add(&mut self, entry: Place, id: &str, findings: Vec<Finding>) {
        *self.ids.entry(entry).or_default() += 1;
        let named = findings.into_iter().map(|finding| (entry, id.to_owned(), finding));
        self.findings.extend(named);
    }

    /// Each finding once; one that only some of an entry's expansions have names them.
    pub(super) fn findings(self) -> Vec<Finding> {
        let mut groups: BTreeMap<(Place, Place, String), (Finding, Vec<String>)> = BTreeMap::new();
        for (entry, id, finding) in self.findings {
            let key = (entry, finding.place, finding.message.clone());
            let (_, ids) = groups.entry(key).or_insert_with(|| (finding, Vec::new()));
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let say = |((entry, _, _), (mut finding, ids)): ((Place, Place, String), (Finding, Vec<String>))| {
            if ids.len() < self.ids.get(&entry).copied().unwrap_or_default() {
                finding.message = format!("repository {}: {}", list(&ids), finding.message);
            }
            finding
        };
        groups.into_iter().map(say).collect()
    }
}

fn list(ids: &[String]) -> String {
    let quoted = ids.iter().take(NAMED).map(|id| format!("{id:?}")).collect::<Vec<_>>();
    match ids.len().saturating_sub(NAMED) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}
