//! What may go wrong with parts of upstream without failing a sync.

use chantal_config::{OnPackageError, Repository};
use chantal_formats::{Bad, FormatError};
use chantal_model::{ItemKind, Mode};

use super::Prepared;
use crate::download::Failure;
use crate::error::EngineError;
use crate::payload;

/// Applies the policy to records that nothing could be made of; gives the number of those that are left out.
///
/// A mirror hands on upstream's own metadata, so it can leave out nothing that these list.
pub(super) fn judge_records(repo: &Repository, bad: &[Bad]) -> Result<usize, EngineError> {
    let is_mirror = repo.mode == Mode::Mirror;
    let tolerated = |bad: &Bad| match bad.kind {
        ItemKind::Package => !is_mirror && repo.on_package_error == OnPackageError::Skip,
        _ => true,
    };
    match bad.iter().find(|bad| !tolerated(bad)) {
        Some(first) => Err(EngineError::Metadata {
            repo: repo.id.to_string(),
            source: FormatError::malformed(
                &first.file,
                format!("record {} ({}): {}", first.index, first.name, first.reason),
            ),
        }),
        None if is_mirror => Ok(0),
        None => Ok(bad.len()),
    }
}

/// How many files were to be fetched, and what they are.
pub(super) fn wanted(prepared: &Prepared) -> (usize, &'static str) {
    let has_others = prepared.files.ordered().next().is_some();
    let what = if has_others { "files" } else { "packages" };
    (prepared.plan.download_files as usize, what)
}

/// Applies the policy for packages that could not be had; what is numbered after the `listed` ones is another file.
pub(super) fn judge_failures(
    repo: &Repository,
    failures: Vec<Failure>,
    (of, what): (usize, &'static str),
    listed: usize,
) -> Result<Vec<Failure>, EngineError> {
    let tolerated = |failure: &Failure| match (repo.mode, repo.on_package_error) {
        _ if failure.package as usize >= listed => payload::is_tolerated(repo, failure),
        (_, OnPackageError::Fail) | (Mode::Mirror, OnPackageError::Skip) => false,
        (_, OnPackageError::Skip) => true,
        (_, OnPackageError::AcceptMissing) => failure.absent,
    };
    match failures.iter().find(|failure| !tolerated(failure)) {
        None => Ok(failures),
        Some(first) => Err(EngineError::Packages {
            repo: repo.id.to_string(),
            count: failures.len(),
            of,
            what,
            first: format!(
                "{} ({}): {}",
                first.report.package, first.report.url, first.report.reason
            ),
            class: first.class,
        }),
    }
}
