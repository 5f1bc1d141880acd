//! The end of a run, in one place: it is counted, logged, written into the file of metrics and told to whom wants to know.
//!
//! Nothing here changes what the run came to: what goes wrong is a warning.

use std::sync::Arc;
use std::time::Instant;

use chantal_catalog::Ended;
use chantal_config::NotifyOn;
use chantal_model::{RepoId, RevisionNumber};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::Engine;
use crate::error::{EngineError, ExitClass, chain};
use crate::report::{PublishReport, SyncReport};

/// The exit code of a run that left something out.
const PARTIAL: u8 = ExitClass::Partial as u8;

/// When those who want to know are told.
#[derive(Clone, Debug, Default)]
pub(crate) enum Telling {
    /// Before the verb returns: the process may end then.
    #[default]
    AtOnce,
    /// Beside what follows: somebody who does not answer holds nothing up.
    Beside(Arc<Mutex<JoinSet<()>>>),
}

/// A run that has begun.
pub(crate) struct Run {
    verb: &'static str,
    repo: Option<RepoId>,
    started: Timestamp,
    since: Instant,
}

/// What a run did, as far as anybody wants to be told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// Whether something is different now.
    pub changed: bool,
    /// Whether something was left out.
    #[serde(skip)]
    pub partial: bool,
    /// The revision that was recorded or is served.
    pub revision: Option<RevisionNumber>,
    /// The snapshot that was made or is served.
    pub snapshot: Option<String>,
    /// Packages added.
    pub added: u64,
    /// Packages removed.
    pub removed: u64,
    /// Packages upgraded.
    pub upgraded: u64,
    /// Bytes fetched.
    pub fetched_bytes: u64,
    /// Bytes that the pool had.
    pub saved_bytes: u64,
    /// Bytes freed.
    pub freed_bytes: u64,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
    /// What was done: `sync`, `publish`, `cleanup`.
    pub verb: &'static str,
    /// To which repository, if to one.
    pub repo: Option<RepoId>,
    /// How it ended.
    pub exit_code: u8,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// What it did.
    pub facts: Facts,
}

impl Facts {
    pub(crate) fn of_sync(report: &SyncReport) -> Self {
        Self {
            changed: report.recorded,
            partial: report.unread > 0 || !report.failed.is_empty(),
            revision: report.revision,
            snapshot: report.snapshot.as_ref().map(ToString::to_string),
            added: report.plan.counts.added,
            removed: report.plan.counts.removed,
            upgraded: report.plan.counts.upgraded,
            fetched_bytes: report.fetched_bytes,
            saved_bytes: report.plan.saved_bytes,
            freed_bytes: 0,
        }
    }

    pub(crate) fn of_publish(report: &PublishReport) -> Self {
        Self {
            changed: !report.plan.unchanged,
            revision: Some(report.plan.revision),
            snapshot: report.plan.snapshot.as_ref().map(ToString::to_string),
            ..Self::default()
        }
    }
}

impl Run {
    /// What log lines of the run are part of.
    pub(crate) fn span(&self) -> tracing::Span {
        // It is there whatever is logged, so that a warning says of which repository it is.
        if let Some(repo) = &self.repo {
            return tracing::error_span!("run", repo.id = %repo, verb = self.verb);
        }
        tracing::error_span!("run", verb = self.verb)
    }

    /// The end, by what the verb gives.
    pub(crate) fn end(self, error: Option<&EngineError>, facts: Facts) -> RunEnd {
        let exit_code = match error {
            Some(error) => error.exit_code(),
            None if facts.partial => PARTIAL,
            None => 0,
        };
        RunEnd {
            verb: self.verb,
            repo: self.repo,
            exit_code,
            error: error.map(chain),
            hint: error.and_then(EngineError::hint),
            started: self.started,
            duration_ms: self.since.elapsed().as_millis() as u64,
            facts,
        }
    }
}

impl RunEnd {
    /// Which ends this is, after a run with that exit code.
    pub(crate) fn events(&self, before: Option<i64>) -> Vec<NotifyOn> {
        let worked = |code: i64| code == 0 || code == i64::from(PARTIAL);
        let own = match self.exit_code {
            0 => NotifyOn::Success,
            PARTIAL => NotifyOn::Partial,
            code if code == ExitClass::Busy as u8 => NotifyOn::Busy,
            _ => NotifyOn::Failure,
        };
        let has_worked = worked(i64::from(self.exit_code));
        let has_recovered = has_worked && before.is_some_and(|code| !worked(code));
        let recovered = has_recovered.then_some(NotifyOn::Recovered);
        let changed = (has_worked && self.facts.changed).then_some(NotifyOn::Changed);
        std::iter::once(own).chain(recovered).chain(changed).collect()
    }

    /// How it ended, in a word.
    pub(crate) fn status(&self) -> &'static str {
        match self.exit_code {
            0 => "succeeded",
            PARTIAL => "partial",
            code if code == ExitClass::Busy as u8 => "busy",
            _ => "failed",
        }
    }

    fn log(&self) {
        let Self { verb, duration_ms, .. } = self;
        let (status, exit_code) = (self.status(), self.exit_code);
        // Why it failed is told where it is handled.
        if let Some(repo) = &self.repo {
            tracing::info!(
                repo.id = %repo, verb, status, exit_code, duration_ms, fetched_bytes = self.facts.fetched_bytes,
                "{verb} of {repo}: {status}"
            );
        } else {
            tracing::info!(verb, status, exit_code, duration_ms, "{verb}: {status}");
        }
    }
}

/// What an exit code means, in a word.
pub(crate) fn kind(exit_code: i64) -> &'static str {
    match exit_code {
        0 => "ok",
        2 => "usage",
        3 => "unreachable",
        4 => "refused",
        5 => "malformed",
        6 => "limit",
        7 => "busy",
        8 => "damaged",
        9 => "partial",
        _ => "internal",
    }
}

impl Engine {
    pub(crate) fn begun(&self, verb: &'static str, repo: Option<&RepoId>) -> Run {
        Run {
            verb,
            repo: repo.cloned(),
            started: self.clock.now(),
            since: Instant::now(),
        }
    }

    /// A run has ended.
    pub(crate) async fn ended(&self, end: RunEnd) {
        if let Some(id) = &end.repo
            && self.config.repositories.iter().all(|repo| repo.id != *id)
        {
            return;
        }
        end.log();
        let counted = Ended {
            verb: end.verb,
            repository: end.repo.as_ref(),
            exit_code: end.exit_code,
            duration_ms: end.duration_ms,
            bytes_fetched: end.facts.fetched_bytes,
            bytes_saved: end.facts.saved_bytes,
        };
        let before = match self.catalog.count_run(&counted).await {
            Ok(before) => before,
            // What failed for the same reason was told already.
            Err(error) if end.error.is_some() => {
                tracing::debug!(%error, "the run was not counted");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the run was not counted");
                None
            }
        };
        self.write_configured_metrics().await;
        let events = end.events(before);
        let is_wanted = |notify: &&chantal_config::Notify| {
            notify.is_about(end.repo.as_ref()) && notify.on.iter().any(|on| events.contains(on))
        };
        let wanted: Vec<usize> = (0..self.config.notify.len())
            .filter(|index| self.config.notify.get(*index).as_ref().is_some_and(is_wanted))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let message = self.message(&end, &events);
        let engine = self.clone();
        let telling = async move {
            for index in wanted {
                Box::pin(engine.tell(&engine.config.notify[index], &message)).await;
            }
        };
        match &self.telling {
            Telling::AtOnce => telling.await,
            Telling::Beside(tasks) => {
                let mut tasks = tasks.lock().await;
                while tasks.try_join_next().is_some() {}
                tasks.spawn(telling);
            }
        }
    }

    /// Waits until everybody was told who is told beside what follows.
    pub(crate) async fn all_told(&self) {
        if let Telling::Beside(tasks) = &self.telling {
            let mut tasks = tasks.lock().await;
            while tasks.join_next().await.is_some() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(exit_code: u8, changed: bool) -> RunEnd {
        RunEnd {
            verb: "sync",
            repo: None,
            exit_code,
            error: None,
            hint: None,
            started: Timestamp::UNIX_EPOCH,
            duration_ms: 0,
            facts: Facts {
                changed,
                ..Facts::default()
            },
        }
    }

    #[test]
    fn an_end_is_of_every_kind_that_it_is() {
        use NotifyOn::{Busy, Changed, Failure, Partial, Recovered, Success};
        for (code, changed, before, expected) in [
            (0, false, None, vec![Success]),
            (0, true, Some(0), vec![Success, Changed]),
            (0, true, Some(3), vec![Success, Recovered, Changed]),
            (9, true, Some(9), vec![Partial, Changed]),
            (9, false, Some(4), vec![Partial, Recovered]),
            (7, true, Some(3), vec![Busy]),
            (3, true, Some(3), vec![Failure]),
            (1, false, None, vec![Failure]),
        ] {
            assert_eq!(
                end(code, changed).events(before),
                expected,
                "{code} {changed} {before:?}"
            );
        }
    }
}
