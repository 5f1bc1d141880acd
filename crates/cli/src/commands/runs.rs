//! The same work on several repositories: one that fails does not stop the others.

use std::fmt::Write as _;

use chantal_config::Repository;
use chantal_model::RepoId;
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, combine};
use crate::failure::Failure;
use crate::select::{Selected, unusable};

/// How the work on one repository went.
#[derive(Debug, Serialize)]
pub(super) struct Run<R> {
    /// The repository.
    pub(super) repo: RepoId,
    /// How it ended.
    pub(super) status: Status,
    /// The exit code that it alone would have.
    pub(super) exit_code: u8,
    /// What was done, or would be.
    pub(super) result: Option<R>,
    /// Why it failed or was left out.
    pub(super) error: Option<Failure>,
}

/// How the work on one repository ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// Everything was done.
    Succeeded,
    /// Something was left out.
    Partial,
    /// Nothing was changed.
    Failed,
    /// It was not tried, because this version does not act on its configuration.
    LeftOut,
}

/// Does the work on each repository in turn; failures are told when they happen.
pub(super) async fn each<R>(
    app: &App,
    selected: &Selected<'_>,
    mut work: impl AsyncFnMut(&Repository) -> Result<(R, u8), Failure>,
) -> Vec<Run<R>> {
    let mut runs = Vec::new();
    for repo in &selected.ready {
        let (status, exit_code, result, error) = match work(repo).await {
            Ok((result, exit::OK)) => (Status::Succeeded, exit::OK, Some(result), None),
            Ok((result, code)) => (Status::Partial, code, Some(result), None),
            Err(failure) => {
                app.talk.fail(&failure);
                (Status::Failed, failure.code, None, Some(failure))
            }
        };
        runs.push(Run {
            repo: repo.id.clone(),
            status,
            exit_code,
            result,
            error,
        });
    }
    for repo in &selected.left_out {
        let failure =
            unusable(repo).unwrap_or_else(|| Failure::usage(format!("repository {} cannot be used", repo.id)));
        app.talk.warn(&format!("left out: {}", failure.message));
        runs.push(Run {
            repo: repo.id.clone(),
            status: Status::LeftOut,
            exit_code: failure.code,
            result: None,
            error: Some(failure),
        });
    }
    runs
}

/// The exit code of all runs together, told in a line if there were several.
pub(super) fn conclude<R>(app: &App, runs: &[Run<R>]) -> u8 {
    let of = |status| {
        runs.iter()
            .filter(|run| run.status == status)
            .map(|run| run.repo.as_str())
            .collect::<Vec<_>>()
    };
    if runs.len() > 1 {
        let mut line = format!(
            "{} of {} repositories succeeded",
            of(Status::Succeeded).len(),
            runs.len()
        );
        for (status, word) in [
            (Status::Partial, "incomplete"),
            (Status::Failed, "failed"),
            (Status::LeftOut, "left out"),
        ] {
            let repos = of(status);
            if !repos.is_empty() {
                let _ = write!(line, "; {word}: {}", repos.join(", "));
            }
        }
        app.talk.say(&line);
    }
    combine(runs.iter().map(|run| run.exit_code))
}

/// One run that went well.
pub(super) fn succeeded<R>(repo: RepoId, result: R) -> Run<R> {
    Run {
        repo,
        status: Status::Succeeded,
        exit_code: exit::OK,
        result: Some(result),
        error: None,
    }
}
