//! Tasks as other processes see them.

use chantal_catalog::{Cancelled, NewTask, Task, TaskFilter, TaskLine};
use chantal_model::RepoId;
use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::query::time;
use crate::report::SyncOptions;
use crate::schedule::Request;

/// A task in a list.
#[derive(Clone, Debug, Serialize)]
pub struct TaskRow {
    /// Its number.
    pub id: i64,
    /// What it does, as on the command line.
    pub verb: String,
    /// A repository, a path, or nothing in particular.
    pub subject: Option<String>,
    /// `person` or `schedule`.
    pub asked_by: String,
    /// Whether it waits, or waited, in the queue for a scheduler.
    pub through_queue: bool,
    /// `queued`, `running`, `succeeded`, `partial`, `failed`, `cancelled`, or `killed` where its process is gone.
    pub state: &'static str,
    /// The host that works, or worked, on it.
    pub host: Option<String>,
    /// The process that does.
    pub pid: Option<i64>,
    /// How often somebody began with it.
    pub attempts: i64,
    /// When it was asked for, RFC 3339.
    pub created: String,
    /// When it last began, RFC 3339.
    pub started: Option<String>,
    /// When it ended, RFC 3339.
    pub finished: Option<String>,
    /// The step that it is at, or ended at.
    pub step: Option<String>,
    /// What is done of that: bytes of metadata and downloads, else packages or files.
    pub done: u64,
    /// What there is to do; 0 if that is not known.
    pub total: u64,
    /// Whether somebody asked for its end.
    pub cancel_requested: bool,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A task with what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: TaskRow,
    /// What the verb reported; long lists are cut after a hundred members.
    pub result: Option<serde_json::Value>,
}

/// What became of the wish to end a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It waited, and has ended.
    Granted,
    /// Its process notices within seconds.
    Told,
    /// It has ended before.
    Late,
}

/// Lines at a time.
const PAGE: i64 = 1000;

impl Engine {
    /// Tasks, newest first.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<TaskRow>, EngineError> {
        let tasks = self.catalog.tasks(filter).await.doing("read tasks")?;
        Ok(tasks.into_iter().map(row).collect())
    }

    /// One task.
    pub async fn task_detail(&self, id: i64) -> Result<TaskDetail, EngineError> {
        let task = self.catalog.task(id).await.doing("read a task")?;
        let mut task = task.ok_or_else(|| unknown(id))?;
        // What cannot be read was cut by somebody else; the rest is worth showing.
        let result = task.result.take().and_then(|text| serde_json::from_str(&text).ok());
        Ok(TaskDetail {
            task: row(task),
            result,
        })
    }

    /// What was said after a line of this number.
    pub async fn task_lines(&self, id: i64, after: i64) -> Result<Vec<TaskLine>, EngineError> {
        self.catalog
            .task_lines(id, after, PAGE)
            .await
            .doing("read a task's log")
    }

    /// Asks for the end of a task.
    ///
    /// # Errors
    /// There is none of this number.
    pub async fn cancel_task(&self, id: i64) -> Result<Wish, EngineError> {
        let at = self.clock.now().as_second();
        let asked = self
            .catalog
            .cancel_task(id, at)
            .await
            .doing("ask for the end of a task")?;
        match asked {
            Some(Cancelled::AtOnce) => Ok(Wish::Granted),
            Some(Cancelled::Asked) => Ok(Wish::Told),
            Some(Cancelled::Over) => Ok(Wish::Late),
            None => Err(unknown(id)),
        }
    }

    /// Leaves a sync to the schedulers; gives the task's number.
    ///
    /// # Errors
    /// The repository cannot be synced by this configuration.
    pub async fn queue_sync(&self, id: &RepoId, options: &SyncOptions) -> Result<i64, EngineError> {
        self.ready(id)?;
        let new = NewTask {
            verb: "repo sync".to_owned(),
            subject: Some(id.to_string()),
            asked_by: "person",
            at: self.clock.now().as_second(),
        };
        let request = Request::sync(id, options).text();
        self.catalog.queue_task(&new, &request).await.doing("queue a task")
    }
}

fn unknown(id: i64) -> EngineError {
    EngineError::request(format!("no task {id}"), Some("`chantal task list` shows the newest"))
}

fn row(task: Task) -> TaskRow {
    let (host, pid) = task.worker.unzip();
    TaskRow {
        id: task.id,
        verb: task.verb,
        subject: task.subject,
        asked_by: task.asked_by,
        through_queue: task.request.is_some(),
        state: task.state.name(),
        host,
        pid,
        attempts: task.fence,
        created: time(task.created_at),
        started: task.started_at.map(time),
        finished: task.finished_at.map(time),
        step: task.step,
        done: task.done.unsigned_abs(),
        total: task.total.unsigned_abs(),
        cancel_requested: task.cancel_requested,
        exit_code: task.exit_code,
        error: task.error,
    }
}
