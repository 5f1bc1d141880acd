//! Every verb that changes something is a task: who asked for what, how far it is, what was said, how it ended, for any
//! other process to see. The verb itself knows nothing of this.
//!
//! One that is over in a moment is one row, written with its end. One that takes longer has its row after half a second;
//! from then on another process sees how far it is, and can ask for its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chantal_catalog::{Catalog, NewTask, Outcome, TaskEnd, TaskHold, TaskLine, TaskState};
use chantal_model::Clock;
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::Engine;
use crate::error::EngineError;
use crate::watch::{Counters, Moment};

/// After so long a task is worth a row while it runs.
const FIRST: Duration = Duration::from_millis(500);
/// Between two looks at whether it is still wanted.
const EVERY: Duration = Duration::from_secs(2);
/// How long threads that cannot be stopped have to come to their end.
const GRACE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of a task's log; what is said after them is counted.
const MAX_LINES: i64 = 1000;
/// Characters of a line.
const MAX_CHARACTERS: usize = 2000;
/// Members of each list of a result.
const MAX_MEMBERS: usize = 25;

/// What a verb comes to, for a task to keep.
pub trait TaskReport: Serialize {
    /// The exit code: 0, or 9 where something was left out.
    fn exit_code(&self) -> u8 {
        0
    }

    /// What needs attention.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

tokio::task_local! {
    /// The task that the running future belongs to.
    static CURRENT: Arc<Current>;
}

/// What a task hears while it runs.
#[derive(Default)]
struct Current {
    lines: Mutex<Lines>,
    /// Threads that are at work for it and cannot be stopped.
    threads: AtomicUsize,
    /// Its row of the history.
    run: Mutex<Option<i64>>,
}

#[derive(Default)]
struct Lines {
    said: i64,
    pending: Vec<TaskLine>,
}

impl Current {
    fn say(&self, at: i64, level: &str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.said += 1;
        let number = lines.said;
        if number <= MAX_LINES {
            lines.pending.push(TaskLine {
                number,
                at,
                level: level.to_owned(),
                text: text.chars().take(MAX_CHARACTERS).collect(),
            });
        }
    }

    fn take(&self) -> Vec<TaskLine> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner).pending)
    }

    /// What is left at the end, with how much was not kept.
    fn take_last(&self, at: i64) -> Vec<TaskLine> {
        let more = self.lines.lock().unwrap_or_else(PoisonError::into_inner).said - MAX_LINES;
        let mut lines = self.take();
        lines.extend((more > 0).then(|| TaskLine {
            number: MAX_LINES + 1,
            at,
            level: "warn".to_owned(),
            text: format!("{more} more lines were not kept"),
        }));
        lines
    }
}

/// A thread at work, which ends in its own time.
pub(crate) struct Thread(Option<Arc<Current>>);

/// Counts a thread that is about to work for the current task.
pub(crate) fn thread() -> Thread {
    let current = CURRENT.try_with(Clone::clone).ok();
    if let Some(current) = &current {
        current.threads.fetch_add(1, Ordering::SeqCst);
    }
    Thread(current)
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(current) = &self.0 {
            current.threads.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Notes the row of the history that the current task writes the end of.
pub(crate) fn note_run(id: i64) {
    // Outside of a task nobody ends it early.
    let _ = CURRENT.try_with(|current| *current.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(id));
}

/// Takes a line of the log for the task that says it; where no task runs, nothing happens.
pub fn hear(level: &str, text: &str) {
    let _ = CURRENT.try_with(|current| current.say(jiff::Timestamp::now().as_second(), level, text));
}

/// Why a task ends before its verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Somebody asked for it.
    Cancelled(i64),
    /// It was taken for dead, and is somebody else's.
    TakenOver(i64),
    /// The scheduler ends; another one does it again.
    Shutdown(i64),
}

impl Stop {
    fn error(self) -> EngineError {
        match self {
            Self::Cancelled(task) => EngineError::Cancelled { task },
            Self::TakenOver(task) => EngineError::TakenOver { task },
            Self::Shutdown(task) => EngineError::Shutdown { task },
        }
    }
}

/// A claimed task, and how its scheduler tells it to end.
pub(crate) struct Claimed {
    pub(crate) hold: TaskHold,
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl Engine {
    /// Carries a verb out as a task. Inside of another task it is a part of that one.
    ///
    /// # Errors
    /// Those of the verb, or [`EngineError::Cancelled`]: then the verb was dropped where it stood, which rolls back. That
    /// the task itself could not be written is only told in the log.
    pub async fn task<T, W>(
        &self,
        verb: &str,
        subject: Option<&str>,
        work: impl FnOnce(Self) -> W,
    ) -> Result<T, EngineError>
    where
        T: TaskReport,
        W: Future<Output = Result<T, EngineError>>,
    {
        if CURRENT.try_with(|_| ()).is_ok() || !self.catalog.is_current() {
            return work(self.clone()).await;
        }
        let new = NewTask {
            verb: verb.to_owned(),
            subject: subject.map(str::to_owned),
            asked_by: "person",
            at: self.clock.now().as_second(),
        };
        self.tracked(Some(new), None, work).await
    }

    /// Carries out the work of a task that was claimed.
    pub(crate) async fn claimed<T, W>(&self, claimed: Claimed, work: impl FnOnce(Self) -> W) -> Result<T, EngineError>
    where
        T: TaskReport,
        W: Future<Output = Result<T, EngineError>>,
    {
        self.tracked(None, Some(claimed), work).await
    }

    async fn tracked<T, W>(
        &self,
        new: Option<NewTask>,
        claimed: Option<Claimed>,
        work: impl FnOnce(Self) -> W,
    ) -> Result<T, EngineError>
    where
        T: TaskReport,
        W: Future<Output = Result<T, EngineError>>,
    {
        let current = Arc::new(Current::default());
        let counters = Arc::new(Counters::new(self.progress.clone()));
        let engine = Self {
            catalog: self.catalog.with_account(),
            progress: counters.clone(),
            ..self.clone()
        };
        let account = engine.catalog.clone();
        let (hold, shutdown) = match claimed {
            Some(claimed) => (Some(claimed.hold), Some(claimed.shutdown)),
            None => (None, None),
        };
        let (watcher, mut stopped) = Watcher {
            catalog: self.catalog.clone(),
            new: new.clone(),
            hold,
            current: current.clone(),
            counters,
            told: None,
            told_at: Instant::now(),
        }
        .start();
        let work = Box::pin(CURRENT.scope(current.clone(), work(engine)));
        let done = tokio::select! {
            done = work => Ok(done),
            Ok(stop) = &mut stopped => Err(stop),
            id = told_to_end(shutdown, hold) => Err(Stop::Shutdown(id)),
        };
        let hold = watcher.end().await;
        let ended = Ended {
            engine: self,
            current: &current,
            hold,
        };
        match done {
            Ok(done) => {
                ended.write(new.as_ref(), &done).await;
                done
            }
            Err(stop) => {
                ended.stop(stop, &account).await;
                Err(stop.error())
            }
        }
    }
}

/// Waits until a scheduler ends; for ever where there is none.
async fn told_to_end(shutdown: Option<watch::Receiver<bool>>, hold: Option<TaskHold>) -> i64 {
    if let (Some(mut shutdown), Some(hold)) = (shutdown, hold)
        && shutdown.wait_for(|is_over| *is_over).await.is_ok()
    {
        return hold.id;
    }
    std::future::pending().await
}

/// What is written at a task's end.
struct Ended<'e> {
    engine: &'e Engine,
    current: &'e Current,
    hold: Option<TaskHold>,
}

impl Ended<'_> {
    fn now(&self) -> i64 {
        self.engine.clock.now().as_second()
    }

    async fn write<T: TaskReport>(&self, new: Option<&NewTask>, done: &Result<T, EngineError>) {
        let at = self.now();
        let end = match done {
            Ok(report) => {
                for warning in report.warnings() {
                    self.current.say(at, "warn", &warning);
                }
                TaskEnd {
                    state: state_of(report.exit_code()),
                    at,
                    exit_code: i64::from(report.exit_code()),
                    error: None,
                    result: result(report),
                }
            }
            Err(error) => TaskEnd {
                state: TaskState::Failed,
                at,
                exit_code: i64::from(error.exit_code()),
                error: Some(crate::error::chain(error)),
                result: None,
            },
        };
        let catalog = &self.engine.catalog;
        let lines = self.current.take_last(at);
        let written = match (self.hold, new) {
            (Some(hold), _) => catalog.end_task(hold, &end, &lines).await,
            (None, Some(new)) => catalog.record_task(new, &end, &lines).await.map(|_| true),
            (None, None) => Ok(true),
        };
        match written {
            Ok(true) => {}
            Ok(false) => tracing::warn!("the end of the task could not be written: it is somebody else's by now"),
            Err(error) => tracing::warn!(%error, "the end of the task could not be written"),
        }
    }

    /// The verb was dropped, which rolls back. What it held is free again once no thread works for it any more.
    async fn stop(&self, stop: Stop, account: &Catalog) {
        let start = Instant::now();
        while self.current.threads.load(Ordering::SeqCst) > 0 && start.elapsed() < GRACE {
            tokio::time::sleep(LOOK).await;
        }
        let catalog = &self.engine.catalog;
        let at = self.now();
        let error = stop.error();
        let run = *self.current.run.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = async {
            if let Some(run) = run {
                let outcome = Outcome {
                    status: "cancelled".to_owned(),
                    exit_code: i64::from(error.exit_code()),
                    error: Some(error.to_string()),
                    ..Outcome::default()
                };
                catalog.finish_history(run, &outcome).await?;
            }
            if self.current.threads.load(Ordering::SeqCst) == 0 {
                account.give_back_taken().await?;
            }
            match (stop, self.hold) {
                (Stop::Cancelled(_), Some(hold)) => {
                    let end = TaskEnd {
                        state: TaskState::Cancelled,
                        at,
                        exit_code: i64::from(error.exit_code()),
                        error: Some("cancelled".to_owned()),
                        result: None,
                    };
                    catalog.end_task(hold, &end, &self.current.take_last(at)).await
                }
                (Stop::Shutdown(_), Some(hold)) => {
                    catalog.add_task_lines(hold.id, &self.current.take()).await?;
                    catalog.queue_again(hold).await
                }
                _ => Ok(true),
            }
        };
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the end of the task could not be written");
        }
    }
}

fn state_of(exit_code: u8) -> TaskState {
    match exit_code {
        0 => TaskState::Succeeded,
        9 => TaskState::Partial,
        _ => TaskState::Failed,
    }
}

/// A report as JSON, long lists cut.
fn result(report: &impl Serialize) -> Option<String> {
    let mut value = serde_json::to_value(report).ok()?;
    cut(&mut value);
    (!value.is_null()).then(|| value.to_string())
}

fn cut(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(members) => {
            members.truncate(MAX_MEMBERS);
            members.iter_mut().for_each(cut);
        }
        serde_json::Value::Object(members) => members.values_mut().for_each(cut),
        _ => {}
    }
}

/// Keeps the row of a running task, beside it.
struct Watcher {
    catalog: Catalog,
    /// What to write once it takes longer; `None` for one that was claimed.
    new: Option<NewTask>,
    hold: Option<TaskHold>,
    current: Arc<Current>,
    counters: Arc<Counters>,
    told: Option<Moment>,
    told_at: Instant,
}

/// A watcher at work. Dropped, it ends where it stands.
struct Watching {
    end: Option<oneshot::Sender<()>>,
    handle: JoinHandle<Option<TaskHold>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Watching {
    /// Ends it after what it is just writing; gives the task's row, if there is one.
    async fn end(mut self) -> Option<TaskHold> {
        drop(self.end.take());
        (&mut self.handle).await.ok().flatten()
    }
}

impl Watcher {
    fn start(self) -> (Watching, oneshot::Receiver<Stop>) {
        let (end, ended) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let handle = tokio::spawn(self.run(ended, tell));
        (Watching { end: Some(end), handle }, told)
    }

    async fn run(mut self, mut ended: oneshot::Receiver<()>, tell: oneshot::Sender<Stop>) -> Option<TaskHold> {
        let mut tell = Some(tell);
        let mut pause = if self.hold.is_some() { EVERY } else { FIRST };
        loop {
            tokio::select! {
                _ = &mut ended => return self.hold,
                () = tokio::time::sleep(pause) => {}
            }
            pause = EVERY;
            match self.look().await {
                Ok(None) => {}
                // Who does not listen any more has ended just now.
                Ok(Some(stop)) => drop(tell.take().map(|tell| tell.send(stop))),
                Err(error) => tracing::debug!(%error, "the task could not be looked at"),
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Stop>, chantal_catalog::CatalogError> {
        let hold = match (self.hold, &self.new) {
            (Some(hold), _) => hold,
            (None, None) => return Ok(None),
            (None, Some(new)) => {
                let hold = self.catalog.begin_task(new).await?;
                self.hold = Some(hold);
                // Whoever writes anyway looks after those who cannot.
                self.catalog
                    .bury_tasks(chantal_model::SystemClock.now().as_second())
                    .await?;
                hold
            }
        };
        self.catalog.add_task_lines(hold.id, &self.current.take()).await?;
        let now = self.counters.now();
        let is_beat = self.told_at.elapsed() >= self.catalog.lease_length() / 4;
        if now != self.told || is_beat {
            let step = now.map(|moment| moment.step.name());
            let (done, total) = now.map_or((0, 0), |moment| (moment.done, moment.total));
            if !self.catalog.tell_task(hold, step, done, total).await? {
                return Ok(Some(Stop::TakenOver(hold.id)));
            }
            self.told = now;
            self.told_at = Instant::now();
        }
        Ok(match self.catalog.task_is_wanted(hold).await? {
            Some(true) => None,
            Some(false) => Some(Stop::Cancelled(hold.id)),
            None => Some(Stop::TakenOver(hold.id)),
        })
    }
}
