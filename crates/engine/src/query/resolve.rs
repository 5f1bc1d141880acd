//! Who provides what.

use std::collections::{BTreeSet, HashSet};

use chantal_formats::{Capability, Need, Relations};

use super::relations::{Holder, Offers};

/// Decides whether a capability that is there, of the right name, is the wanted one.
pub(super) type Overlap<'f> = &'f dyn Fn(&Capability, &Capability) -> bool;

/// What a few packages provide.
#[derive(Default)]
pub(super) struct Provided {
    offers: Offers,
}

impl Provided {
    /// Notes what a package provides; `index` is how it is told about.
    pub(super) fn add(&mut self, index: usize, relations: &Relations) {
        for capability in offered(relations) {
            let offers = self.offers.entry(capability.name.clone()).or_default();
            offers.push((index, capability));
        }
    }

    /// Which of them provide something.
    pub(super) fn of(&self, wanted: &Capability, overlap: Overlap<'_>) -> BTreeSet<usize> {
        let offers = self.offers.get(&wanted.name).map(Vec::as_slice).unwrap_or_default();
        let fitting = offers.iter().filter(|(_, have)| overlap(have, wanted));
        fitting.map(|(index, _)| *index).collect()
    }
}

/// Everything that a package provides, its files among it.
fn offered(relations: &Relations) -> impl Iterator<Item = Capability> {
    let files = relations.files.iter().map(|file| Capability {
        name: file.clone(),
        version: None,
    });
    relations.provides.iter().cloned().chain(files)
}

/// The packages that provide some names.
pub(super) struct Providers {
    names: HashSet<Box<str>>,
    provided: Provided,
    holders: Vec<Holder>,
}

impl Providers {
    /// Will know about these names only.
    pub(super) fn of(names: HashSet<Box<str>>) -> Self {
        Self {
            names,
            provided: Provided::default(),
            holders: Vec::new(),
        }
    }

    /// Looks at a package.
    pub(super) fn add(&mut self, holder: Holder, relations: &Relations) {
        let index = self.holders.len();
        let mut is_one = false;
        for capability in offered(relations).filter(|capability| self.names.contains(&capability.name)) {
            let offers = self.provided.offers.entry(capability.name.clone()).or_default();
            offers.push((index, capability));
            is_one = true;
        }
        if is_one {
            self.holders.push(holder);
        }
    }

    pub(super) fn holder(&self, index: usize) -> &Holder {
        &self.holders[index]
    }

    /// Which packages provide a capability.
    pub(super) fn of_one(&self, wanted: &Capability, overlap: Overlap<'_>) -> BTreeSet<usize> {
        self.provided.of(wanted, overlap)
    }

    /// Whether a need can be met, and by which packages.
    pub(super) fn resolve(&self, need: &Need, overlap: Overlap<'_>) -> (bool, BTreeSet<usize>) {
        let each = |needs: &[Need]| -> Vec<(bool, BTreeSet<usize>)> {
            needs.iter().map(|need| self.resolve(need, overlap)).collect()
        };
        let union = |found: Vec<(bool, BTreeSet<usize>)>| found.into_iter().flat_map(|(_, one)| one).collect();
        match need {
            Need::One(capability) => some(self.of_one(capability, overlap)),
            Need::All(needs) => {
                let found = each(needs);
                (found.iter().all(|(holds, _)| *holds), union(found))
            }
            Need::Any(needs) => {
                let found = each(needs);
                (found.iter().any(|(holds, _)| *holds), union(found))
            }
            Need::Together(needs) => {
                let sets = each(needs).into_iter().map(|(_, found)| found);
                some(sets.reduce(|one, other| &one & &other).unwrap_or_default())
            }
            Need::Without(one, other) => some(&self.resolve(one, overlap).1 - &self.resolve(other, overlap).1),
            Need::If {
                condition,
                then,
                otherwise,
            } => {
                let holds = self.resolve(condition, overlap).0;
                match if holds { then } else { otherwise } {
                    Some(need) => self.resolve(need, overlap),
                    None => (true, BTreeSet::new()),
                }
            }
        }
    }
}

fn some(found: BTreeSet<usize>) -> (bool, BTreeSet<usize>) {
    (!found.is_empty(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(name: &str) -> Capability {
        Capability {
            name: name.into(),
            version: None,
        }
    }

    fn one(name: &str) -> Need {
        Need::One(capability(name))
    }

    /// Package 0 provides a and b, package 1 provides b, nobody provides x.
    fn providers() -> Providers {
        let mut providers = Providers::of(["a", "b", "x"].into_iter().map(Box::from).collect());
        for (index, names) in [["a", "b"].as_slice(), &["b"]].into_iter().enumerate() {
            let relations = Relations {
                provides: names.iter().map(|name| capability(name)).collect(),
                ..Relations::default()
            };
            let label = index.to_string();
            let path = label.clone();
            providers.add(Holder { place: 0, path, label }, &relations);
        }
        providers
    }

    #[test]
    fn needs_are_met_as_their_words_say() {
        let condition = |name, then: Option<&str>, otherwise: Option<&str>| Need::If {
            condition: Box::new(one(name)),
            then: then.map(|name| Box::new(one(name))),
            otherwise: otherwise.map(|name| Box::new(one(name))),
        };
        for (need, holds, found) in [
            (one("b"), true, vec![0, 1]),
            (one("x"), false, vec![]),
            (Need::All(vec![one("a"), one("b")]), true, vec![0, 1]),
            (Need::All(vec![one("a"), one("x")]), false, vec![0]),
            (Need::Any(vec![one("x"), one("a")]), true, vec![0]),
            (Need::Any(vec![one("x")]), false, vec![]),
            (Need::Together(vec![one("b"), one("a")]), true, vec![0]),
            (Need::Together(vec![one("b"), one("x")]), false, vec![]),
            (Need::Without(Box::new(one("b")), Box::new(one("a"))), true, vec![1]),
            (Need::Without(Box::new(one("a")), Box::new(one("b"))), false, vec![]),
            (condition("a", Some("x"), None), false, vec![]),
            (condition("x", Some("x"), None), true, vec![]),
            (condition("x", None, Some("b")), true, vec![0, 1]),
        ] {
            let answer = providers().resolve(&need, &|_, _| true);
            assert_eq!(answer, (holds, found.into_iter().collect()), "{need:?}");
        }
    }

    #[test]
    fn a_version_that_does_not_fit_is_no_provider() {
        let (holds, found) = providers().resolve(&one("b"), &|_, _| false);
        assert!(!holds && found.is_empty());
    }
}
