//! The same work on several repositories: one that fails does not stop the others.

use std::fmt::Write as _;

use chantal_config::Repository;
use chantal_engine::{Engine, EngineError};
use chantal_model::RepoId;
use clap::Args;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::app::App;
use crate::exit::{self, combine};
use crate::failure::Failure;
use crate::output::{self, Column};
use crate::progress::About;
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

/// How many repositories are worked on at the same time.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Workers {
    /// Works on so many repositories at the same time; connections to one host are counted over all of them
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
}

impl Workers {
    /// One after the other.
    pub(super) const ONE: Self = Self { workers: 1 };
}

/// Does the work on each repository, so many at the same time; failures are told when they happen.
///
/// The work gets an engine that reports its progress as that repository's. The runs come in the order of the selection.
pub(super) async fn each<R>(
    app: &App,
    engine: &Engine,
    selected: &Selected<'_>,
    Workers { workers }: Workers,
    work: impl AsyncFn(&Repository, Engine) -> Result<(R, u8), Failure>,
) -> Vec<Run<R>> {
    if !selected.disabled.is_empty() {
        let ids: Vec<_> = selected.disabled.iter().map(|repo| repo.id.as_str()).collect();
        app.talk
            .say(&format!("skipped, since `enabled: false`: {}", ids.join(", ")));
    }
    let width = match &selected.ready[..] {
        [_] => 0,
        several => several.iter().map(|repo| repo.id.as_str().len()).max().unwrap_or(0),
    };
    let work = &work;
    let mut runs: Vec<(usize, Run<R>)> = stream::iter(selected.ready.iter().enumerate())
        .map(|(index, repo)| async move {
            let repo = *repo;
            let about = About {
                repo: Some(repo.id.clone()),
                width,
            };
            let result = work(repo, engine.with_progress(app.progress(about))).await;
            (index, run(app, repo, result))
        })
        .buffer_unordered(usize::from(workers))
        .collect()
        .await;
    runs.sort_by_key(|(index, _)| *index);
    let left_out = selected.left_out.iter().map(|repo| left_out(app, repo));
    runs.into_iter().map(|(_, run)| run).chain(left_out).collect()
}

fn run<R>(app: &App, repo: &Repository, result: Result<(R, u8), Failure>) -> Run<R> {
    let (status, exit_code, result, error) = match result {
        Ok((result, exit::OK)) => (Status::Succeeded, exit::OK, Some(result), None),
        Ok((result, code)) => (Status::Partial, code, Some(result), None),
        Err(failure) => {
            app.talk.fail_of(Some(&repo.id), &failure);
            (Status::Failed, failure.code, None, Some(failure))
        }
    };
    Run {
        repo: repo.id.clone(),
        status,
        exit_code,
        result,
        error,
    }
}

fn left_out<R>(app: &App, repo: &Repository) -> Run<R> {
    let failure = unusable(repo).unwrap_or_else(|| Failure::usage(format!("repository {} cannot be used", repo.id)));
    app.talk
        .warn_of(Some(&repo.id), &format!("left out: {}", failure.message));
    Run {
        repo: repo.id.clone(),
        status: Status::LeftOut,
        exit_code: failure.code,
        result: None,
        error: Some(failure),
    }
}

/// A task that runs on any thread and ends with its owner.
struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a verb beside those of other repositories. One that panics is told and does not stop the others.
pub(super) async fn beside<T: Send + 'static>(
    verb: impl Future<Output = Result<T, EngineError>> + Send + 'static,
) -> Result<T, Failure> {
    let mut task = Task(tokio::spawn(verb));
    match (&mut task.0).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failure::new(exit::INTERNAL, "a worker died").because(&error)),
    }
}

/// Shows a table of several runs, beside the data.
pub(super) fn summary<R: Serialize>(app: &App, runs: &[Run<R>], columns: &[Column]) -> Result<(), Failure> {
    if runs.len() > 1 {
        app.talk.show(&output::table_of(runs, columns, app.talk.has_colors())?);
    }
    Ok(())
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
