//! Files that come with a repository and that nobody here reads: fetched with the packages, published as they came.
//!
//! In a download they are numbered after the listed packages.

use std::collections::HashSet;

use chantal_config::{OnPackageError, Repository};
use chantal_model::{Mode, RelPath};
use chantal_pool::Pool;

use crate::blobs::Blobs;
use crate::choose::Choice;
use crate::download::{Failure, Order};
use crate::error::EngineError;
use crate::feed::{Feed, reference};
use crate::files::{Files, Had};

/// Orders for the files that are still to be fetched.
pub(crate) fn orders(files: &Files, listed: usize) -> Vec<Order> {
    files
        .ordered()
        .zip(listed as u32..)
        .map(|(wanted, number)| Order {
            package: number,
            reference: reference(wanted),
            promise: wanted.promise.clone().unwrap_or_default(),
            label: wanted.path.to_string(),
            facts: None,
        })
        .collect()
}

/// Puts files that were fetched, numbered after the `listed` packages, where they were missing.
pub(crate) fn take(fetched: &Blobs, files: &mut Files, listed: usize, pool: &Pool) {
    let had: Vec<Had> = files
        .ordered()
        .zip(listed as u32..)
        .filter_map(|(wanted, number)| {
            let (sha256, size) = fetched.get(number)?;
            Some(Had {
                wanted: wanted.clone(),
                sha256,
                size,
                path: pool.path(&sha256),
            })
        })
        .collect();
    for had in had {
        files.put(had);
    }
}

/// Whether a sync goes on without a file: what is handed on as it came names it, so only if upstream itself does not
/// have it and the policy accepts that.
pub(crate) fn is_tolerated(repo: &Repository, failure: &Failure) -> bool {
    failure.absent
        && match repo.on_package_error {
            OnPackageError::AcceptMissing => true,
            OnPackageError::Skip => repo.mode != Mode::Mirror,
            OnPackageError::Fail => false,
        }
}

/// Refuses a repository in which a package and a file want one path, or one lies below the other. What lies in the
/// entry directory is looked after elsewhere.
pub(crate) fn refuse_collisions(feed: &Feed<'_>, files: &Files, choice: &Choice) -> Result<(), EngineError> {
    let entry_dir = feed.format.entry_dir();
    let published: HashSet<&RelPath> = files.published().filter(|path| path.top() != entry_dir).collect();
    if let Some((path, reason)) = published
        .iter()
        .find_map(|path| Some((path, chantal_publish::unpublishable(path)?)))
    {
        return Err(EngineError::Location {
            repo: feed.repo.id.to_string(),
            message: format!("upstream names a file {path} that cannot be published: {reason}"),
            hint: None,
        });
    }
    let above: HashSet<RelPath> = published.iter().flat_map(|path| parents(path)).collect();
    let mut wrong = published.iter().copied().find(|path| above.contains(path));
    if !published.is_empty() {
        let packages = choice.packages.iter().map(|(_, path)| path);
        wrong = wrong.or_else(|| {
            packages.filter(|path| path.top() != entry_dir).find(|path| {
                above.contains(path)
                    || published.contains(path)
                    || parents(path).any(|parent| published.contains(&parent))
            })
        });
    }
    match wrong {
        None => Ok(()),
        Some(path) => Err(EngineError::Location {
            repo: feed.repo.id.to_string(),
            message: format!("upstream names two files that cannot both be published, one of them {path}"),
            hint: None,
        }),
    }
}

fn parents(path: &RelPath) -> impl Iterator<Item = RelPath> + use<> {
    std::iter::successors(path.parent(), RelPath::parent)
}
