//! `chantal task`.

mod watch;

use chantal_catalog::TaskFilter;
use chantal_engine::{Access, ProgressRow, TaskDetail, TaskRow, TaskState, Wish};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::status::how_far;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::{Column, Format, Show, column};

/// Shows what is done, was done and waits, and ends it.
///
/// Every command that changes something is a task, whoever runs it: a person, or the scheduler.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    List(List),
    /// Describes a task: its state, and what came of it
    Show(Number),
    Cancel(Cancel),
    /// Shows what a task has said
    Logs(watch::Logs),
    Watch(watch::Watch),
}

/// Lists tasks, newest first
///
/// A task that takes less than half a second is there once it has ended. One that says `killed` lost its process; a task of
/// the queue is started again by another scheduler.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal task list --state running
  chantal task list --verb 'repo sync' --repo-id el9 --limit 5
  chantal task list --state failed --format csv")]
pub(crate) struct List {
    /// Only those in a state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those on a repository
    #[arg(long, value_name = "REPO")]
    repo_id: Option<chantal_model::RepoId>,
    /// Only those of a verb, such as `repo sync`
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: u32,
}

/// States of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Queued,
    Running,
    Succeeded,
    Partial,
    Failed,
    Cancelled,
    Killed,
}

/// One task.
#[derive(Debug, Args)]
pub(crate) struct Number {
    /// Number of the task
    #[arg(value_name = "TASK")]
    id: i64,
}

/// Asks for the end of tasks
///
/// One that waits is over at once. One that runs is rolled back within seconds, as by SIGTERM: what is recorded and served
/// is as it was, what was fetched is kept, and the command that ran it exits with 143.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Numbers of the tasks
    #[arg(value_name = "TASK", required = true)]
    ids: Vec<i64>,
}

pub(super) const LISTED: &[Column] = &[
    column("Task", "id", Show::Text),
    column("Verb", "verb", Show::Text),
    column("On", "subject", Show::Text),
    column("Asked by", "asked_by", Show::Text),
    column("State", "state", Show::Text),
    column("Asked for", "created", Show::Time),
    column("Started", "started", Show::Time),
    column("Ended", "finished", Show::Time),
    column("Step", "step", Show::Text),
    column("Done", "done", Show::CsvOnly),
    column("Total", "total", Show::CsvOnly),
    column("Host", "host", Show::CsvOnly),
    column("Process", "pid", Show::CsvOnly),
    column("Exit code", "exit_code", Show::Text),
    column("Error", "error", Show::Text),
];

/// The same for people: how far in words, and what can be read off elsewhere left out.
const SHOWN: &[Column] = &[
    column("Task", "id", Show::Text),
    column("Verb", "verb", Show::Text),
    column("On", "subject", Show::Text),
    column("Asked by", "asked_by", Show::Text),
    column("State", "state", Show::Text),
    column("Started", "started", Show::Time),
    column("Ended", "finished", Show::Time),
    column("At", "at", Show::Text),
    column("Exit code", "exit_code", Show::Text),
    column("Error", "error", Show::Text),
];

const RECORD: &[Column] = &[
    column("Task", "id", Show::Text),
    column("Verb", "verb", Show::Text),
    column("On", "subject", Show::Text),
    column("Asked by", "asked_by", Show::Text),
    column("State", "state", Show::Text),
    column("Asked for", "created", Show::Time),
    column("Started", "started", Show::Time),
    column("Ended", "finished", Show::Time),
    column("At", "at", Show::Text),
    column("Host", "host", Show::Text),
    column("Process", "pid", Show::Text),
    column("Begun", "attempts", Show::Count),
    column("To be ended", "cancel_requested", Show::Flag),
    column("Exit code", "exit_code", Show::Text),
    column("Error", "error", Show::Text),
    column("Result", "told", Show::Text),
];

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    task: TaskRow,
    at: Option<String>,
    told: Option<String>,
}

impl Task {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::List(options) => options.run(app).await,
            Self::Show(number) => show(app, &number).await,
            Self::Cancel(options) => options.run(app).await,
            Self::Logs(options) => options.run(app).await,
            Self::Watch(options) => options.run(app).await,
        }
    }
}

impl State {
    fn wanted(self) -> TaskState {
        match self {
            Self::Queued => TaskState::Queued,
            Self::Running => TaskState::Running,
            Self::Succeeded => TaskState::Succeeded,
            Self::Partial => TaskState::Partial,
            Self::Failed => TaskState::Failed,
            Self::Cancelled => TaskState::Cancelled,
            Self::Killed => TaskState::Killed,
        }
    }
}

impl List {
    async fn run(self, app: &App) -> Outcome {
        let filter = TaskFilter {
            verb: self.verb.unwrap_or_default(),
            subject: self.repo_id.map(|id| id.to_string()).unwrap_or_default(),
            state: self.state.map(State::wanted),
            limit: i64::from(self.limit),
        };
        let rows = app.engine(Access::Read).await?.tasks(&filter).await?;
        if app.output.format() == Format::Table {
            let shown: Vec<Shown> = rows.into_iter().map(|row| shown(row, None)).collect();
            app.output.rows(&shown, SHOWN)?;
            if shown.is_empty() {
                app.talk.say("no tasks");
            }
        } else {
            app.output.rows(&rows, LISTED)?;
        }
        Ok(exit::OK)
    }
}

async fn show(app: &App, number: &Number) -> Outcome {
    let detail = app.engine(Access::Read).await?.task_detail(number.id).await?;
    if app.output.format() == Format::Table {
        let TaskDetail { task, result } = detail;
        let told = result.map(|result| result.to_string());
        app.output.record(&shown(task, told), RECORD)?;
    } else {
        app.output.record(&detail, LISTED)?;
    }
    Ok(exit::OK)
}

impl Cancel {
    async fn run(self, app: &App) -> Outcome {
        let engine = app.engine(Access::Write).await?;
        let mut late = Vec::new();
        for id in self.ids {
            match engine.cancel_task(id).await? {
                Wish::Granted => app.talk.say(&format!("task {id} is cancelled")),
                Wish::Told => app
                    .talk
                    .say(&format!("task {id} ends within seconds: `chantal task watch {id}`")),
                Wish::Late => late.push(id.to_string()),
            }
        }
        if late.is_empty() {
            return Ok(exit::OK);
        }
        Err(Failure::usage(format!("already over: task {}", late.join(", "))))
    }
}

fn shown(task: TaskRow, told: Option<String>) -> Shown {
    let is_open = task.finished.is_none();
    let at = task.step.as_ref().filter(|_| is_open).map(|step| {
        let far = how_far(&ProgressRow {
            step: step.clone(),
            done: task.done,
            total: task.total,
            told: String::new(),
        });
        if far.is_empty() {
            step.clone()
        } else {
            format!("{step}, {far}")
        }
    });
    Shown { task, at, told }
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("task-list", LISTED),
        ("task-show", LISTED),
        ("task-logs", watch::LINES),
    ]
}
