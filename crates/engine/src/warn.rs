//! What a choice takes apart: groups that lose packages, advisories that go with their stream.

use std::collections::{BTreeMap, HashSet};
use std::io;

use chantal_formats::Rule;
use chantal_model::ItemKind;
use chantal_select::{Fate, Idle, List, Selection, Verdict};

use crate::held::Held;
use crate::listing::Listing;

/// Names in one warning.
const SHOWN: usize = 5;

/// Finds what people should know about a choice. `wholes` are the indices of whole items, in order of the fates.
pub(crate) fn warnings(
    listing: &Listing,
    held: &Held,
    selection: &Selection,
    wholes: &[u32],
) -> io::Result<Vec<String>> {
    let mut warnings = Vec::from_iter(vetoed(listing, selection, wholes));
    warnings.extend(advisories(listing, selection, wholes));
    warnings.extend(groups(listing, held, selection)?);
    Ok(warnings)
}

/// What filters do not do: entries that nothing has, and filters that leave nothing.
pub(crate) fn about_filters(idle: &[Idle], verdicts: &[Verdict]) -> Vec<String> {
    let mut warnings: Vec<String> = idle.iter().map(told).collect();
    if !verdicts.is_empty() && !verdicts.iter().any(|verdict| verdict.is_chosen()) {
        let count = verdicts.len();
        warnings.push(format!(
            "the filters choose none of the {count} packages that upstream lists"
        ));
    }
    warnings
}

fn told(Idle { list, entries }: &Idle) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    let entries = some(&entries.iter().map(String::as_str).collect::<Vec<_>>());
    match list {
        List::Patterns => format!("no package that upstream lists matches the include pattern {entries}"),
        List::Architectures => format!("no package that upstream lists has an included architecture: {entries}"),
        List::Field(field) => format!("no package that upstream lists has an included {field}: {entries}"),
        List::Bundles => format!("upstream lists no module stream that `modules` includes as {entries}"),
    }
}

/// Streams that an exclude list takes out as a whole because of one of their packages.
fn vetoed(listing: &Listing, selection: &Selection, wholes: &[u32]) -> Option<String> {
    let names: Vec<&str> = wholes
        .iter()
        .zip(&selection.fates)
        .filter(|(_, fate)| **fate == Fate::Vetoed)
        .map(|(index, _)| &*listing.items[*index as usize].key)
        .collect();
    let told = "module streams left out as a whole, since an exclude list names one of their packages";
    (!names.is_empty()).then(|| format!("{told}: {}", some(&names)))
}

/// Advisories that are left out since all of their packages are in streams that are left out.
fn advisories(listing: &Listing, selection: &Selection, wholes: &[u32]) -> Option<String> {
    let gone: HashSet<u32> = wholes
        .iter()
        .zip(&selection.fates)
        .filter(|(_, fate)| matches!(fate, Fate::NotAllowed | Fate::Vetoed))
        .flat_map(|(index, _)| &listing.items[*index as usize].members)
        .filter(|member| !selection.verdicts[**member as usize].is_chosen())
        .copied()
        .collect();
    let lost: Vec<&str> = listing
        .items
        .iter()
        .filter(|item| item.kind == ItemKind::Advisory && item.rule == Rule::AnyOf && !item.members.is_empty())
        .filter(|item| item.members.iter().all(|member| gone.contains(member)))
        .map(|item| &*item.key)
        .collect();
    let told = "advisories left out with the module streams that they are about";
    (!lost.is_empty()).then(|| format!("{told}: {}", some(&lost)))
}

/// Groups that are published without packages that they need and that upstream has.
fn groups(listing: &Listing, held: &Held, selection: &Selection) -> io::Result<Vec<String>> {
    let needed: HashSet<&str> = listing
        .items
        .iter()
        .flat_map(|item| &item.needs)
        .map(|name| &**name)
        .collect();
    if needed.is_empty() {
        return Ok(Vec::new());
    }
    let count = listing.packages.len();
    let dropped = held.packages.iter().zip(&selection.verdicts[count..]);
    let dropped = dropped
        .filter(|(one, verdict)| verdict.is_chosen() && !one.row.is_source)
        .map(|(one, _)| one.row.name.clone());
    let mut chosen: HashSet<String> = dropped.collect();
    let mut left_out: HashSet<String> = HashSet::new();
    // A group installs packages; a source has the name of one, and is none.
    for (index, package) in listing.packages.iter().filter(|(_, package)| !package.is_source) {
        if selection.verdicts[index as usize].is_chosen() {
            chosen.insert(package.name.into());
        } else if needed.contains(&*package.name) {
            left_out.insert(package.name.into());
        }
    }
    left_out.retain(|name| !chosen.contains(name));
    if left_out.is_empty() {
        return Ok(Vec::new());
    }
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in &listing.items {
        let lost = item.needs.iter().filter(|name| left_out.contains(&***name));
        let lost: Vec<&str> = lost.map(|name| &**name).collect();
        if !lost.is_empty() && is_there(&listing.record(item)?.1, &chosen) {
            lacking.insert(&item.key, lost);
        }
    }
    let mut warnings: Vec<String> = lacking
        .iter()
        .take(SHOWN)
        .map(|(key, lost)| format!("{key} lacks {} of its mandatory packages: {}", lost.len(), some(lost)))
        .collect();
    if lacking.len() > SHOWN {
        warnings.push(format!(
            "{} further groups lack mandatory packages",
            lacking.len() - SHOWN
        ));
    }
    Ok(warnings)
}

/// Whether a group is published, given its facts: one of the packages that it names is chosen.
fn is_there(attributes: &str, chosen: &HashSet<String>) -> bool {
    let attributes: serde_json::Value = serde_json::from_str(attributes).unwrap_or_default();
    let names = attributes["packages"].as_array();
    names
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .any(|name| chosen.contains(name))
}

/// The first names, and how many more there are.
fn some(names: &[&str]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
