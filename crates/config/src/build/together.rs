//! What several repositories must not share.

use std::collections::{BTreeMap, BTreeSet};

use chantal_model::{RelPath, RepoId};

use super::Builder;
use crate::check::{Finding, similar};
use crate::effective::Repository;
use crate::node::Place;
use crate::raw;

impl Builder<'_> {
    /// Each id is there once. `places` are those of the ids.
    pub(super) fn duplicates(&mut self, repositories: &[Repository], places: &[Place]) {
        let mut seen: BTreeMap<&RepoId, (Place, usize)> = BTreeMap::new();
        for (repository, place) in repositories.iter().zip(places) {
            let Some((first, line)) = seen.get(&repository.id) else {
                seen.insert(&repository.id, (*place, repository.line));
                continue;
            };
            if first == place {
                let message = format!("the matrix gives the id {:?} twice", repository.id.as_str());
                let hint = "put something between the placeholders".to_owned();
                self.findings.push(Finding {
                    place: *place,
                    message,
                    hint: Some(hint),
                });
                continue;
            }
            let there = if first.file == place.file {
                format!("line {line}")
            } else {
                self.shown(*first)
            };
            self.findings.push(Finding {
                place: *place,
                message: format!("repository {:?} was defined before, in {there}", repository.id.as_str()),
                hint: None,
            });
        }
    }

    /// No tree is another one or lies in it.
    pub(super) fn trees(&mut self, repositories: &[Repository], places: &[Place]) {
        let mut known: BTreeMap<String, &RepoId> = BTreeMap::new();
        let mut ids: BTreeSet<&RepoId> = BTreeSet::new();
        for (repository, place) in repositories.iter().zip(places) {
            if !ids.insert(&repository.id) {
                // Named as a duplicate already.
                continue;
            }
            let own = |path: &Option<RelPath>, tail: &str| {
                path.as_ref()
                    .map_or_else(|| format!("{}/{tail}", repository.id), ToString::to_string)
            };
            for tree in [
                own(&repository.latest_path, "latest"),
                own(&repository.snapshots_path, "snapshots"),
            ] {
                if let Some((other, owner)) = overlapping(&known, &tree) {
                    self.findings.push(Finding {
                        place: *place,
                        message: format!(
                            "the trees {tree:?} of {} and {other:?} of {owner} lie in each other",
                            repository.id
                        ),
                        hint: Some("`latest_path` and `snapshots_path` say where they are".to_owned()),
                    });
                }
                known.entry(tree).or_insert(&repository.id);
            }
        }
    }

    /// Views name repositories that are there, and each has a name of its own.
    pub(super) fn views(&mut self, file: &raw::File) {
        let known: Vec<&str> = file
            .repositories
            .iter()
            .flatten()
            .map(|repository| repository.id.as_str())
            .collect();
        let mut names: Vec<&str> = Vec::new();
        for (index, view) in file.views.iter().flatten().enumerate() {
            let number = index.to_string();
            let at = ["views", number.as_str()];
            if names.contains(&view.name.as_str()) {
                let message = format!("view {:?} was defined before", view.name);
                self.wrong(&[at[0], at[1], "name"], message, None);
            }
            names.push(&view.name);
            self.schedule(&at, view.schedule.as_ref());
            for (position, repo) in view.repos.iter().enumerate() {
                if self.completed.is_expanded && !known.contains(&repo.as_str()) {
                    let hint = similar(repo, &known).map(|near| format!("did you mean `{near}`?"));
                    let message = format!("view {:?} names repository {repo:?}, which is not there", view.name);
                    let path = [at[0], at[1], "repos", &position.to_string()];
                    self.wrong(&path, message, hint.as_deref());
                }
            }
        }
    }
}

/// A known tree that is the given one, holds it or lies in it.
fn overlapping<'a>(known: &'a BTreeMap<String, &'a RepoId>, tree: &str) -> Option<(&'a str, &'a RepoId)> {
    let mut ancestors = tree.match_indices('/').map(|(at, _)| &tree[..at]).chain([tree]);
    let above = ancestors.find_map(|path| known.get_key_value(path));
    let inside = format!("{tree}/");
    let below = || {
        known
            .range(inside.clone()..)
            .next()
            .filter(|(path, _)| path.starts_with(&inside))
    };
    above.or_else(below).map(|(path, owner)| (path.as_str(), *owner))
}
