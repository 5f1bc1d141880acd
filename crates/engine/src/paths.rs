//! Under which path each package is published.

use std::collections::{HashMap, HashSet};

use chantal_formats::Format;
use chantal_model::{Package, RelPath};
use chantal_select::Verdict;

use crate::packed::Packed;

/// A package whose path cannot be kept in mode `mirror`.
#[derive(Debug, thiserror::Error)]
#[error("package {label}: location {href:?} cannot be mirrored as it is: {reason}")]
pub(crate) struct UnmirrorablePath {
    /// The package.
    pub(crate) label: String,
    /// Upstream's location.
    pub(crate) href: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

fn refuse(package: &Package, reason: String) -> UnmirrorablePath {
    UnmirrorablePath {
        label: package.label.to_string(),
        href: package.href.to_string(),
        reason,
    }
}

/// Upstream's own paths, all of which must be safe, publishable, apart from the metadata, and name one file each.
pub(crate) fn upstream_paths(format: &dyn Format, packages: &Packed) -> Result<Vec<(u32, RelPath)>, UnmirrorablePath> {
    let mut paths = Vec::with_capacity(packages.len());
    for (index, package) in packages.iter() {
        let path = format.upstream_path(&package);
        let path = path.map_err(|reason| refuse(&package, reason))?;
        if path.top() == format.entry_dir() {
            return Err(refuse(&package, "it is among the metadata".to_owned()));
        }
        if let Some(reason) = chantal_publish::unpublishable(&path) {
            return Err(refuse(&package, reason.to_owned()));
        }
        paths.push((index, path));
    }
    paths.sort_by(|a, b| a.1.cmp(&b.1));
    paths.dedup_by(|b, a| a.1 == b.1 && packages.get(a.0).promise == packages.get(b.0).promise);
    if let Some(twice) = paths.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        let reason = "two packages with different digests share it".to_owned();
        return Err(refuse(&packages.get(twice[1].0), reason));
    }
    let mut directories = HashSet::new();
    for (_, path) in &paths {
        add_parents(path, &mut directories);
    }
    if let Some((index, _)) = paths.iter().find(|(_, path)| directories.contains(path)) {
        let reason = "it is the directory of other packages".to_owned();
        return Err(refuse(&packages.get(*index), reason));
    }
    Ok(paths)
}

/// Adds every directory above a path. Whose parent is known to be a directory, all above it are.
fn add_parents(path: &RelPath, directories: &mut HashSet<RelPath>) {
    let new: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent)
        .take_while(|parent| !directories.contains(parent))
        .collect();
    directories.extend(new);
}

/// The first free path of each chosen package; files and directories never collide, also not with those that are
/// `reserved`.
///
/// # Errors
/// No path of a package is free, which only an upstream that aims at it brings about.
pub(crate) fn free_paths(
    format: &dyn Format,
    packages: &Packed,
    verdicts: &[Verdict],
    reserved: impl Iterator<Item = RelPath>,
) -> Result<Vec<(u32, RelPath)>, UnmirrorablePath> {
    // `None` stands for what is there already.
    let mut taken: HashMap<RelPath, Option<u32>> = HashMap::new();
    let mut directories: HashSet<RelPath> = HashSet::new();
    for path in reserved {
        add_parents(&path, &mut directories);
        taken.insert(path, None);
    }
    for (index, package) in packages.iter() {
        if !verdicts[index as usize].is_chosen() {
            continue;
        }
        let is_twin = |other: &Option<u32>| {
            other
                .map(|other| packages.get(other))
                .is_some_and(|other| other.promise == package.promise && other.description == package.description)
        };
        let is_free = |path: &RelPath| {
            chantal_publish::unpublishable(path).is_none()
                && !taken.contains_key(path)
                && !directories.contains(path)
                && std::iter::successors(path.parent(), RelPath::parent)
                    .take_while(|parent| !directories.contains(parent))
                    .all(|parent| !taken.contains_key(&parent))
        };
        let found = format
            .paths(&package)
            .into_iter()
            .map(|path| (taken.get(&path).is_some_and(is_twin), path))
            .find(|(is_there, path)| *is_there || is_free(path));
        match found {
            Some((true, _)) => {}
            Some((false, path)) => {
                add_parents(&path, &mut directories);
                taken.insert(path, Some(index));
            }
            None => {
                let reason = "no path that it could have is free".to_owned();
                return Err(refuse(&package, reason));
            }
        }
    }
    let mut paths: Vec<(u32, RelPath)> = taken
        .into_iter()
        .filter_map(|(path, index)| Some((index?, path)))
        .collect();
    paths.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(paths)
}
