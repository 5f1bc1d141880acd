//! Which of the listed packages and items belong to the repository, and under which path each package is published.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chantal_formats::{Format, Rule};
use chantal_model::{Mode, Package, RelPath, VersionKey};
use chantal_select::{Bundle, Candidate, Filters, Verdict, select};

use crate::listing::Listing;
use crate::packed::Packed;

/// The choice, as indices into a [`Listing`].
pub(crate) struct Choice {
    /// What was decided about each package.
    pub(crate) verdicts: Vec<Verdict>,
    /// The chosen packages with their published paths, in path order.
    pub(crate) packages: Vec<(u32, RelPath)>,
    /// The items that belong to the chosen packages.
    pub(crate) items: Vec<u32>,
}

impl Choice {
    /// Which of the listed packages have a published path.
    pub(crate) fn flags(&self) -> Vec<bool> {
        let mut flags = vec![false; self.verdicts.len()];
        for (index, _) in &self.packages {
            flags[*index as usize] = true;
        }
        flags
    }
}

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

/// Applies filters, then the rules of items, then finds paths.
pub(crate) fn choose(
    format: &dyn Format,
    mode: Mode,
    filters: &Filters,
    listing: &Listing,
) -> Result<Choice, UnmirrorablePath> {
    let verdicts = match mode {
        Mode::Mirror => vec![Verdict::Chosen; listing.packages.len()],
        Mode::Filtered | Mode::Hosted => judge(filters, listing),
    };
    let packages = match mode {
        Mode::Mirror => upstream_paths(format, &listing.packages)?,
        Mode::Filtered | Mode::Hosted => free_paths(format, &listing.packages, &verdicts)?,
    };
    let items = listing
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| {
            let any = || item.members.iter().any(|&i| verdicts[i as usize].is_chosen());
            match item.rule {
                Rule::Always => true,
                _ if mode == Mode::Mirror => true,
                Rule::AnyOf | Rule::Whole => !item.refers_to_packages || any(),
            }
        })
        .map(|(index, _)| index as u32)
        .collect();
    Ok(Choice {
        verdicts,
        packages,
        items,
    })
}

/// `name-version.arch` without an epoch, which is what patterns search beside the name.
pub(crate) fn full_name(package: &Package) -> String {
    let version = &*package.version.text;
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{}-{version}.{}", package.name, package.arch)
}

/// What the filters look at.
struct Facts {
    name: Box<str>,
    full_name: String,
    arch: Arc<str>,
    version: VersionKey,
    is_source: bool,
}

fn judge(filters: &Filters, listing: &Listing) -> Vec<Verdict> {
    let facts: Vec<Facts> = listing
        .packages
        .iter()
        .map(|(_, package)| Facts {
            full_name: full_name(&package),
            name: package.name,
            arch: package.arch,
            version: package.version.key,
            is_source: package.is_source,
        })
        .collect();
    let candidates: Vec<Candidate<'_>> = facts
        .iter()
        .map(|facts| Candidate {
            name: &facts.name,
            full_name: &facts.full_name,
            arch: &facts.arch,
            version: &facts.version,
            is_source: facts.is_source,
        })
        .collect();
    let bundles: Vec<Bundle<'_>> = listing
        .items
        .iter()
        .filter(|item| item.rule == Rule::Whole)
        .map(|item| {
            let (series, rank) = item
                .series
                .as_deref()
                .map_or((&*item.key, 0), |(series, rank)| (series, *rank));
            Bundle {
                members: item.members.to_vec(),
                series,
                rank,
            }
        })
        .collect();
    select(&candidates, &bundles, filters)
}

fn refuse(package: &Package, reason: String) -> UnmirrorablePath {
    UnmirrorablePath {
        label: package.label.to_string(),
        href: package.href.to_string(),
        reason,
    }
}

/// Upstream's own paths, all of which must be safe, publishable, apart from the metadata, and name one file each.
fn upstream_paths(format: &dyn Format, packages: &Packed) -> Result<Vec<(u32, RelPath)>, UnmirrorablePath> {
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

/// The first free path of each chosen package; files and directories never collide.
///
/// # Errors
/// No path of a package is free, which only an upstream that aims at it brings about.
fn free_paths(
    format: &dyn Format,
    packages: &Packed,
    verdicts: &[Verdict],
) -> Result<Vec<(u32, RelPath)>, UnmirrorablePath> {
    let mut taken: HashMap<RelPath, u32> = HashMap::new();
    let mut directories: HashSet<RelPath> = HashSet::new();
    for (index, package) in packages.iter() {
        if !verdicts[index as usize].is_chosen() {
            continue;
        }
        let is_twin = |other: &u32| {
            let other = packages.get(*other);
            other.promise == package.promise && other.description == package.description
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
                taken.insert(path, index);
            }
            None => {
                let reason = "no path that it could have is free".to_owned();
                return Err(refuse(&package, reason));
            }
        }
    }
    let mut paths: Vec<(u32, RelPath)> = taken.into_iter().map(|(path, index)| (index, path)).collect();
    paths.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(paths)
}
