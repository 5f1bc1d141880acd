//! `chantal task watch` and `chantal task logs`: looking on, without being a part of it.

use std::collections::BTreeMap;
use std::time::Duration;

use chantal_catalog::TaskFilter;
use chantal_engine::{Access, Engine, TaskLine, TaskRow};
use clap::Args;
use serde::Serialize;

use super::{LISTED, Number, shown};
use crate::app::App;
use crate::exit::{self, Outcome, combine};
use crate::failure::Failure;
use crate::output::{Column, Format, Show, clean, column};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// The exit code of a task that was killed and that nobody starts again.
const KILLED: u8 = 137;

/// Follows tasks to their end
///
/// Without a number it follows all that wait or run now. The exit code is the task's, or 9 where several differ. Ctrl-C ends
/// the looking on, not the task.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal task watch
  chantal task watch 42 && echo done")]
pub(crate) struct Watch {
    /// Number of the task [default: all that wait or run]
    #[arg(value_name = "TASK")]
    id: Option<i64>,
}

/// Options of `task logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    number: Number,
    /// Goes on until the task ends; in other formats than table, all is written then
    #[arg(long)]
    follow: bool,
}

pub(super) const LINES: &[Column] = &[
    column("At", "at", Show::Time),
    column("Level", "level", Show::Text),
    column("Said", "text", Show::Text),
];

#[derive(Serialize)]
struct Line {
    /// Its number, from 1.
    number: i64,
    /// When it was said, RFC 3339.
    at: String,
    /// `error`, `warn` or `info`.
    level: String,
    /// What was said.
    text: String,
}

impl From<TaskLine> for Line {
    fn from(line: TaskLine) -> Self {
        Self {
            number: line.number,
            at: jiff::Timestamp::from_second(line.at).map_or_else(|_| line.at.to_string(), |at| at.to_string()),
            level: line.level,
            text: line.text,
        }
    }
}

/// Whether nothing more happens to it. One of the queue is started again after its process is gone.
fn is_over(task: &TaskRow) -> bool {
    task.finished.is_some() || task.state == "killed" && !task.through_queue
}

fn code(task: &TaskRow) -> u8 {
    let own = task.exit_code.and_then(|code| u8::try_from(code).ok());
    own.unwrap_or(KILLED)
}

impl Watch {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let engine = app.engine(Access::Read).await?;
        let ids = match self.id {
            Some(id) => vec![id],
            None => open(&engine).await?,
        };
        if ids.is_empty() {
            app.talk.say("nothing waits or runs");
        }
        let mut said = BTreeMap::new();
        loop {
            let mut tasks = Vec::with_capacity(ids.len());
            for id in &ids {
                tasks.push(engine.task_detail(*id).await?.task);
            }
            for task in &tasks {
                let line = line(task);
                if said.get(&task.id) != Some(&line) {
                    app.talk.say(&line);
                    said.insert(task.id, line);
                }
            }
            if tasks.iter().all(is_over) {
                if app.output.explicit() {
                    app.output.rows(&tasks, LISTED)?;
                }
                return Ok(combine(tasks.iter().map(code)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn open(engine: &Engine) -> Result<Vec<i64>, Failure> {
    let mut ids = Vec::new();
    for state in [chantal_engine::TaskState::Queued, chantal_engine::TaskState::Running] {
        let filter = TaskFilter {
            state: Some(state),
            limit: i64::from(u32::MAX),
            ..TaskFilter::default()
        };
        ids.extend(engine.tasks(&filter).await?.into_iter().map(|task| task.id));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// How a task is, in a line.
fn line(task: &TaskRow) -> String {
    let on = task.subject.as_ref().map_or_else(String::new, |on| format!(" {on}"));
    let mut line = format!("task {}: {}{on}: {}", task.id, task.verb, task.state);
    if !is_over(task)
        && let Some(at) = shown(task.clone(), None).at
    {
        line.push_str(", ");
        line.push_str(&at);
    }
    if let Some(error) = task.error.as_ref().filter(|_| is_over(task)) {
        line.push_str(": ");
        line.push_str(error);
    }
    line
}

impl Logs {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let engine = app.engine(Access::Read).await?;
        let id = self.number.id;
        let as_said = self.follow && app.output.format() == Format::Table;
        let mut lines: Vec<Line> = Vec::new();
        let mut after = 0;
        loop {
            // Looked at first: what was said until then is in the log.
            let is_last = is_over(&engine.task_detail(id).await?.task) || !self.follow;
            loop {
                let page = engine.task_lines(id, after).await?;
                let Some(last) = page.last() else { break };
                after = last.number;
                lines.extend(page.into_iter().map(Line::from));
            }
            if as_said {
                for Line { at, level, text, .. } in lines.drain(..) {
                    app.output.raw(&format!("{at} {level:5} {}\n", clean::line(&text)))?;
                }
            }
            if is_last {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        if !as_said {
            app.output.rows(&lines, LINES)?;
        }
        if after == 0 {
            app.talk.say("nothing was said");
        }
        Ok(exit::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: &'static str, finished: Option<&str>, through_queue: bool) -> TaskRow {
        TaskRow {
            id: 7,
            verb: "repo sync".into(),
            subject: Some("el9".into()),
            asked_by: "schedule".into(),
            through_queue,
            state,
            host: None,
            pid: None,
            attempts: 1,
            created: String::new(),
            started: None,
            finished: finished.map(str::to_owned),
            step: Some("download".into()),
            done: 1024,
            total: 4096,
            cancel_requested: false,
            exit_code: None,
            error: Some("away".into()),
        }
    }

    #[test]
    fn a_line_tells_how_far_a_task_is_or_why_it_failed() {
        assert_eq!(
            line(&task("running", None, true)),
            "task 7: repo sync el9: running, download, 1.0 KiB of 4.0 KiB (25 %)"
        );
        assert_eq!(
            line(&task("failed", Some("then"), true)),
            "task 7: repo sync el9: failed: away"
        );
    }

    #[test]
    fn a_killed_task_of_the_queue_is_waited_for_and_a_persons_is_not() {
        assert!(!is_over(&task("killed", None, true)));
        assert!(is_over(&task("killed", None, false)));
        assert_eq!(code(&task("killed", None, false)), 137);
    }
}
