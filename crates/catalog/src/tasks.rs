//! Tasks: every verb that changes something, while it waits in the queue, runs, and for some time after its end.
//!
//! A running task's row is its own lease: whoever runs it moves `expires_at` on, and whoever claims it again raises the
//! fence, after which the earlier one can no longer write to it. What a verb writes elsewhere is guarded by the leases of
//! what it works on.

use crate::connect::Catalog;
use crate::db::{self, Query, Row, Transaction};
use crate::error::CatalogError;
use crate::process::Process;
use crate::sql::{many, tasks};

/// So often workers of a queued task may go away before it is given up.
const ATTEMPTS: i64 = 20;
/// Lines of one statement.
const LINES: usize = 200;

/// How a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for a scheduler.
    Queued,
    /// A process is at work on it.
    Running,
    /// Everything was done.
    Succeeded,
    /// Something was left out.
    Partial,
    /// Nothing was changed.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
    /// The process that was at work on it is gone.
    Killed,
}

impl TaskState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
        Self::Killed,
    ];

    /// Its word, as the database and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
        }
    }

    /// Whether nothing more happens to it; a killed one of the queue is still to be started again.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// What it does, as on the command line.
    pub verb: String,
    /// What it works on: a repository, a path, or nothing in particular.
    pub subject: Option<String>,
    /// `person` or `schedule`.
    pub asked_by: String,
    /// What a worker has to know; only of those that went through the queue.
    pub request: Option<String>,
    /// How it is.
    pub state: TaskState,
    /// Host and process id of who is, or was, at work on it.
    pub worker: Option<(String, i64)>,
    /// How often somebody began with it.
    pub fence: i64,
    /// When it was asked for.
    pub created_at: i64,
    /// When it last began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// With which exit code.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What came of it, as JSON.
    pub result: Option<String>,
    /// The step that it is at.
    pub step: Option<String>,
    /// What is done, in the step's unit.
    pub done: i64,
    /// What there is to do; 0 if that is not known.
    pub total: i64,
    /// Whether somebody asked for its end.
    pub cancel_requested: bool,
    /// Whether its worker is gone, or has not been heard of for the length of its lease.
    pub is_abandoned: bool,
}

/// Who asks for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// See [`Task::verb`].
    pub verb: String,
    /// See [`Task::subject`].
    pub subject: Option<String>,
    /// See [`Task::asked_by`].
    pub asked_by: &'static str,
    /// When.
    pub at: i64,
}

/// The right to write to a running task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskHold {
    /// The task.
    pub id: i64,
    /// Which of those who began with it.
    pub fence: i64,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    /// How.
    pub state: TaskState,
    /// When.
    pub at: i64,
    /// With which exit code.
    pub exit_code: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// What came of it, as JSON.
    pub result: Option<String>,
}

/// A line of a task's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLine {
    /// Its number, from 1.
    pub number: i64,
    /// When it was said.
    pub at: i64,
    /// `error`, `warn` or `info`.
    pub level: String,
    /// What was said.
    pub text: String,
}

/// Which tasks are asked for; an empty text is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// The verb.
    pub verb: String,
    /// The subject.
    pub subject: String,
    /// The state.
    pub state: Option<TaskState>,
    /// At most so many.
    pub limit: i64,
}

/// What became of the wish to end a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and has ended.
    AtOnce,
    /// Its worker looks for this every few seconds.
    Asked,
    /// It has ended before.
    Over,
}

impl Catalog {
    /// Tasks, newest first.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, CatalogError> {
        // Whether a task that runs was killed is found out here.
        let is_found_out = matches!(filter.state, Some(TaskState::Running | TaskState::Killed));
        let limit = if is_found_out { i64::MAX } else { filter.limit };
        let query = db::query(tasks::TASKS)
            .bind(&filter.verb)
            .bind(&filter.subject)
            .bind(filter.state.map_or("", TaskState::name))
            .bind(limit);
        let mut found = self.read_tasks(query).await?;
        found.retain(|task| filter.state.is_none_or(|state| task.state == state));
        found.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// One task.
    pub async fn task(&self, id: i64) -> Result<Option<Task>, CatalogError> {
        Ok(self.read_tasks(db::query(tasks::TASK).bind(id)).await?.pop())
    }

    /// Tasks that have not ended, oldest first.
    pub async fn open_tasks(&self) -> Result<Vec<Task>, CatalogError> {
        self.read_tasks(db::query(tasks::OPEN_TASKS)).await
    }

    async fn read_tasks(&self, query: Query) -> Result<Vec<Task>, CatalogError> {
        let now = self.now().await?;
        query.read_all(&self.reader, move |row| read(row, now)).await
    }

    /// Puts a task into the queue; gives its number.
    pub async fn queue_task(&self, new: &NewTask, request: &str) -> Result<i64, CatalogError> {
        let mut transaction = self.begin().await?;
        let (id,): (i64,) = queue(new, request).fetch_one(&mut transaction).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Writes that this process is at work on a task that did not go through the queue.
    pub async fn begin_task(&self, new: &NewTask) -> Result<TaskHold, CatalogError> {
        let own = Process::own();
        let until = self.now().await? + self.lease_seconds;
        let mut transaction = self.begin_passing().await?;
        let (id,): (i64,) = db::query_as(tasks::BEGIN_TASK)
            .bind(&new.verb)
            .bind(&new.subject)
            .bind(new.asked_by)
            .bind(&own.host)
            .bind(&own.boot_id)
            .bind(own.pid)
            .bind(own.start)
            .bind(new.at)
            .bind(until)
            .fetch_one(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(TaskHold { id, fence: 1 })
    }

    /// Takes a task out of the queue; `None` if somebody else has it, or is at work on the same.
    pub async fn claim_task(&self, id: i64, at: i64) -> Result<Option<TaskHold>, CatalogError> {
        let until = self.now().await? + self.lease_seconds;
        let mut transaction = self.begin().await?;
        if !transaction.is_sqlite() {
            let free: Option<(i64,)> = db::query_as(tasks::POSTGRES_LOCK_QUEUED)
                .bind(id)
                .fetch_optional(&mut transaction)
                .await?;
            if free.is_none() {
                return Ok(None);
            }
        }
        let own = Process::own();
        let claimed: Option<(i64,)> = db::query_as(tasks::CLAIM_TASK)
            .bind(id)
            .bind(&own.host)
            .bind(&own.boot_id)
            .bind(own.pid)
            .bind(own.start)
            .bind(at)
            .bind(until)
            .fetch_optional(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(claimed.map(|(fence,)| TaskHold { id, fence }))
    }

    /// Says how far a task is, and that its worker lives; `false` once it is somebody else's or has ended.
    pub async fn tell_task(
        &self,
        hold: TaskHold,
        step: Option<&str>,
        done: u64,
        total: u64,
    ) -> Result<bool, CatalogError> {
        let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let until = self.now().await? + self.lease_seconds;
        let mut transaction = self.begin_passing().await?;
        let told = db::query(tasks::TELL_TASK)
            .bind(hold.id)
            .bind(hold.fence)
            .bind(step)
            .bind(number(done))
            .bind(number(total))
            .bind(until)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(told > 0)
    }

    /// Whether a task is to go on: `None` once it is somebody else's or has ended.
    pub async fn task_is_wanted(&self, hold: TaskHold) -> Result<Option<bool>, CatalogError> {
        let row: Option<(i64,)> = db::query_as(tasks::TASK_IS_WANTED)
            .bind(hold.id)
            .bind(hold.fence)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|(cancel_requested,)| cancel_requested == 0))
    }

    /// Adds lines to a task's log.
    pub async fn add_task_lines(&self, id: i64, lines: &[TaskLine]) -> Result<(), CatalogError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin_passing().await?;
        add_lines(&mut transaction, id, lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Writes the end of a task that this process is at work on; `false` if it is somebody else's by now.
    pub async fn end_task(&self, hold: TaskHold, end: &TaskEnd, lines: &[TaskLine]) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        if !end_held(&mut transaction, hold, end).await? {
            return Ok(false);
        }
        add_lines(&mut transaction, hold.id, lines).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes a task that was over before anybody had to know of it; gives its number.
    pub async fn record_task(&self, new: &NewTask, end: &TaskEnd, lines: &[TaskLine]) -> Result<i64, CatalogError> {
        let own = Process::own();
        let record = db::query_as::<(i64,)>(tasks::RECORD_TASK)
            .bind(&new.verb)
            .bind(&new.subject)
            .bind(new.asked_by)
            .bind(end.state.name())
            .bind(&own.host)
            .bind(&own.boot_id)
            .bind(own.pid)
            .bind(own.start)
            .bind(new.at)
            .bind(end.at)
            .bind(end.exit_code)
            .bind(&end.error)
            .bind(&end.result);
        // With it, all that the verb wrote in passing is durable.
        let mut transaction = self.begin().await?;
        let (id,) = record.fetch_one(&mut transaction).await?;
        add_lines(&mut transaction, id, lines).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Gives a claimed task back to the queue.
    pub async fn queue_again(&self, hold: TaskHold) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_passing().await?;
        let queued = db::query(tasks::QUEUE_AGAIN)
            .bind(hold.id)
            .bind(hold.fence)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(queued > 0)
    }

    /// Asks for the end of a task; `None` if there is none of this number.
    pub async fn cancel_task(&self, id: i64, at: i64) -> Result<Option<Cancelled>, CatalogError> {
        // A queued one may be claimed just now, and then runs.
        for (text, is_at_once) in [(tasks::CANCEL_QUEUED, true), (tasks::CANCEL_RUNNING, false)] {
            let query = db::query(text).bind(id);
            let query = if is_at_once {
                query.bind(at).bind("cancelled before it began")
            } else {
                query
            };
            let mut transaction = self.begin().await?;
            let cancelled = query.execute(&mut transaction).await?;
            transaction.commit().await?;
            if cancelled > 0 {
                return Ok(Some(if is_at_once {
                    Cancelled::AtOnce
                } else {
                    Cancelled::Asked
                }));
            }
        }
        Ok(self.task(id).await?.map(|_| Cancelled::Over))
    }

    /// Deals with tasks whose worker is gone: those of the queue go back to it, the others are marked as killed. Gives
    /// the numbers of those that wait again.
    pub async fn bury_tasks(&self, at: i64) -> Result<Vec<i64>, CatalogError> {
        let mut waiting = Vec::new();
        for task in self.open_tasks().await? {
            let (id, fence) = (task.id, task.fence);
            let hold = TaskHold { id, fence };
            if !task.is_abandoned {
                continue;
            }
            let is_tried_again = task.request.is_some() && fence < ATTEMPTS && !task.cancel_requested;
            if is_tried_again {
                if self.queue_again(hold).await? {
                    waiting.push(id);
                }
                continue;
            }
            let (state, exit_code, error) = match (task.cancel_requested, task.request.is_some()) {
                (true, _) => (TaskState::Cancelled, 143, "cancelled; its process is gone".to_owned()),
                (false, false) => (TaskState::Killed, 137, "its process is gone".to_owned()),
                (false, true) => {
                    let error = format!("given up: its process went away {ATTEMPTS} times");
                    (TaskState::Killed, 137, error)
                }
            };
            let end = TaskEnd {
                state,
                at,
                exit_code,
                error: Some(error),
                result: None,
            };
            self.end_task(hold, &end, &[]).await?;
        }
        Ok(waiting)
    }

    /// The lines of a task's log after a number, oldest first.
    pub async fn task_lines(&self, id: i64, after: i64, limit: i64) -> Result<Vec<TaskLine>, CatalogError> {
        let rows: Vec<(i64, i64, String, String)> = db::query_as(tasks::TASK_LOG)
            .bind(id)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        let lines = rows.into_iter().map(|(number, at, level, text)| TaskLine {
            number,
            at,
            level,
            text,
        });
        Ok(lines.collect())
    }

    /// Forgets tasks that ended before a time; gives how many.
    pub async fn forget_tasks(&self, before: i64) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        db::query(tasks::FORGET_TASK_LOGS)
            .bind(before)
            .execute(&mut transaction)
            .await?;
        let forgotten = db::query(tasks::FORGET_TASKS)
            .bind(before)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(forgotten)
    }
}

pub(crate) fn queue(new: &NewTask, request: &str) -> db::QueryAs<(i64,)> {
    db::query_as(tasks::QUEUE_TASK)
        .bind(&new.verb)
        .bind(&new.subject)
        .bind(new.asked_by)
        .bind(request)
        .bind(new.at)
}

async fn end_held(transaction: &mut Transaction, hold: TaskHold, end: &TaskEnd) -> Result<bool, CatalogError> {
    let ended = db::query(tasks::END_TASK)
        .bind(hold.id)
        .bind(hold.fence)
        .bind(end.state.name())
        .bind(end.at)
        .bind(end.exit_code)
        .bind(&end.error)
        .bind(&end.result)
        .execute(&mut *transaction)
        .await?;
    if ended == 0 {
        return Ok(false);
    }
    // Tasks are forgotten some day, the last run of a schedule is not.
    db::query(tasks::END_SCHEDULED)
        .bind(hold.id)
        .bind(end.at)
        .bind(end.state.name())
        .bind(end.exit_code)
        .bind(&end.error)
        .execute(transaction)
        .await?;
    Ok(true)
}

async fn add_lines(transaction: &mut Transaction, id: i64, lines: &[TaskLine]) -> Result<(), CatalogError> {
    for chunk in lines.chunks(LINES) {
        let mut query = db::insertion(many::ADD_TASK_LOG).persistent(false);
        for line in chunk {
            query = query
                .bind(id)
                .bind(line.number)
                .bind(line.at)
                .bind(&line.level)
                .bind(&line.text);
        }
        query.execute(&mut *transaction).await?;
    }
    Ok(())
}

fn read(row: &Row<'_>, now: i64) -> Result<Task, CatalogError> {
    let id: i64 = row.try_get(0)?;
    let word: String = row.try_get(5)?;
    let written = TaskState::ALL.into_iter().find(|state| state.name() == word);
    let written = written.ok_or_else(|| CatalogError::corrupt(format!("task {id} is {word:?}")))?;
    let host: Option<String> = row.try_get(6)?;
    let process = match host {
        None => None,
        Some(host) => Some(Process {
            host,
            boot_id: row.try_get::<Option<String>>(7)?.unwrap_or_default(),
            pid: row.try_get::<Option<i64>>(8)?.unwrap_or_default(),
            start: row.try_get::<Option<i64>>(9)?.unwrap_or_default(),
        }),
    };
    let request: Option<String> = row.try_get(4)?;
    let is_silent = row.try_get::<i64>(11)? <= now;
    let is_running = written == TaskState::Running;
    let is_gone = is_running
        && process
            .as_ref()
            .is_none_or(|process| process.is_gone() || process.is_elsewhere() && is_silent);
    Ok(Task {
        id,
        verb: row.try_get(1)?,
        subject: row.try_get(2)?,
        asked_by: row.try_get(3)?,
        state: if is_gone { TaskState::Killed } else { written },
        worker: process.map(|process| (process.host, process.pid)),
        fence: row.try_get(10)?,
        created_at: row.try_get(12)?,
        started_at: row.try_get(13)?,
        finished_at: row.try_get(14)?,
        exit_code: row.try_get(15)?,
        error: row.try_get(16)?,
        result: row.try_get(17)?,
        step: row.try_get(18)?,
        done: row.try_get(19)?,
        total: row.try_get(20)?,
        cancel_requested: row.try_get::<i64>(21)? != 0,
        // One of the queue is taken over from whoever is silent, be it only paused; a person's is not taken over at all.
        is_abandoned: is_gone || is_running && is_silent && request.is_some(),
        request,
    })
}

#[cfg(test)]
pub(crate) mod tests;
