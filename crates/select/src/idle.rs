//! Entries of include lists that nothing has, which is mostly a slip of the pen.

use regex::Regex;

use crate::filter::{FieldChoice, Filters, found};
use crate::{Bundle, Candidate, Choice};

/// An include list, and those of its entries that nothing has that upstream lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Which list.
    pub list: List,
    /// The entries, as they are configured.
    pub entries: Vec<String>,
}

/// An include list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Patterns of names.
    Patterns,
    /// Architectures. Lists of these are often longer than what a feed has, so that only all of them are idle together.
    Architectures,
    /// A field of packages, by its name.
    Field(String),
    /// Bundles. Many feeds have none at all, and a list for all repositories is no slip there.
    Bundles,
}

/// Finds them. Each package that is listed is looked at until every entry is found in one.
pub fn idle(candidates: &[Candidate<'_>], bundles: &[Bundle<'_>], filters: &Filters) -> Vec<Idle> {
    let listed = || candidates.iter().filter(|one| one.origin.listed);
    let patterns = left(&filters.include, listed(), found);
    let patterns = patterns.into_iter().map(Regex::to_string).collect();
    let mut all = vec![(List::Patterns, patterns)];
    let architectures = &filters.architectures.include;
    let unknown = left(architectures, listed(), |one, candidate| one == candidate.arch);
    if unknown.len() == architectures.len() {
        all.push((List::Architectures, architectures.clone()));
    }
    for FieldChoice { field, choice } in &filters.fields {
        let has = |one: &String, candidate: &Candidate<'_>| candidate.fields.get(field) == Some(one.as_str());
        let unknown = left(&choice.include, listed(), has);
        all.push((List::Field(field.clone()), unknown.into_iter().cloned().collect()));
    }
    let listed: Vec<&Bundle<'_>> = bundles.iter().filter(|bundle| bundle.origin.listed).collect();
    if !listed.is_empty() {
        let has = |one: &String, bundle: &Bundle<'_>| Choice::names(one, bundle.series);
        let unknown = left(&filters.bundles.include, listed.into_iter(), has);
        all.push((List::Bundles, unknown.into_iter().cloned().collect()));
    }
    all.into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(list, entries)| Idle { list, entries })
        .collect()
}

/// The entries that no thing has.
fn left<'e, E, T>(entries: &'e [E], things: impl Iterator<Item = T>, has: impl Fn(&'e E, T) -> bool) -> Vec<&'e E>
where
    T: Copy,
{
    let mut left: Vec<&E> = entries.iter().collect();
    for thing in things {
        if left.is_empty() {
            break;
        }
        left.retain(|entry| !has(entry, thing));
    }
    left
}
