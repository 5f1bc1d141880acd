//! What happens by itself: the scheduler's loop. Any number of them share one catalog.
//!
//! What is due becomes a task in the queue, once; whoever has a worker free takes it from there. A task whose worker is gone
//! goes back into the queue.

mod job;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chantal_catalog::{ScheduleRow, Task, TaskHold, TaskState};
use chantal_model::{NoProgress, fault};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use job::Job;
pub(crate) use job::{Request, jobs};

use crate::Engine;
use crate::end::Telling;
use crate::error::{Doing, EngineError};
use crate::query::time;
use crate::task::Claimed;

/// The longest pause between two looks at what is due and what waits.
const PAUSE: Duration = Duration::from_secs(2);
/// How long running work may go on when the scheduler is to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How long work that was told to end may take to roll back.
const ROLLBACK: Duration = Duration::from_millis(1500);
/// Pause between two looks for tasks to forget.
const FORGET: Duration = Duration::from_secs(3600);
/// How often the file of metrics is written although nothing has ended: ages and room change by themselves.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Before the names of scheduler processes' leases.
pub(crate) const PROCESS: &str = "scheduler:";

/// What a scheduler is told.
pub enum Command {
    /// Work on this configuration from now on.
    Reload(Box<Engine>),
    /// Start nothing more, and end.
    Stop,
}

/// What a scheduler does.
#[derive(Debug)]
pub enum Event {
    /// It looks after so many repositories and cleanups.
    Ready(usize),
    /// It has looked at what is due, and works on so many.
    Beat(usize),
    /// It begins with a task.
    Started {
        /// The repository, or the verb.
        job: String,
        /// The task's number.
        task: i64,
        /// `person` or `schedule`.
        asked_by: String,
        /// Whether another one had begun with it, and is gone.
        again: bool,
    },
    /// It is done with one: the exit code, and what to tell.
    Ended(String, u8, String),
    /// Something is wrong that does not end it.
    Trouble(String),
    /// It ends as soon as what runs has ended.
    Stopping(usize),
}

/// Takes events.
pub type Listen = Arc<dyn Fn(Event) + Send + Sync>;

/// A repository's schedule.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleListing {
    /// The repository, or `pool cleanup`.
    pub job: String,
    /// The cron expression.
    pub cron: String,
    /// Its time zone.
    pub time_zone: String,
    /// What follows a sync.
    pub chain: Vec<&'static str>,
    /// When it starts next, RFC 3339; of a schedule that no scheduler has seen, when it would.
    pub next: String,
    /// Whether it is at work.
    pub running: bool,
    /// The task of its newest run.
    pub task: Option<i64>,
    /// When it last started, RFC 3339.
    pub last: Option<String>,
    /// `queued`, `succeeded`, `partial`, `failed`, `cancelled`, or `killed` where its scheduler is gone.
    pub status: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A scheduler process.
#[derive(Clone, Debug, Serialize)]
pub struct SchedulerRow {
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: i64,
    /// Since when, RFC 3339.
    pub since: String,
}

impl Engine {
    /// Every job, in the order of the configuration, with what the catalog knows about it.
    pub(crate) async fn scheduled(&self) -> Result<Vec<Planned>, EngineError> {
        let mut rows = self.schedule_rows().await?;
        let open = self.catalog.open_tasks().await.doing("read tasks")?;
        let now = self.clock.now().as_second();
        let mut planned = Vec::new();
        for job in self.jobs() {
            let row = rows.remove(&job.name).filter(|row| row.spec == job.spec);
            let task = row.as_ref().and_then(|row| row.task);
            planned.push(Planned {
                next: match &row {
                    Some(row) => row.next_at,
                    None => job.next(now, 0)?,
                },
                open: open.iter().find(|one| Some(one.id) == task).cloned(),
                row,
                job,
            });
        }
        Ok(planned)
    }

    /// Every schedule, in the order of the configuration.
    pub async fn schedules(&self) -> Result<Vec<ScheduleListing>, EngineError> {
        let listed = self.scheduled().await?.into_iter().map(|planned| {
            let Planned { job, row, next, open } = &planned;
            // What is known about the run before, unless there is a newer one.
            let ended = row.as_ref().filter(|_| open.is_none());
            let started = match open.as_ref().and_then(|task| task.started_at) {
                Some(at) => Some(at),
                None => row.as_ref().and_then(|row| row.started_at),
            };
            ScheduleListing {
                job: job.name.clone(),
                cron: job.schedule.cron.as_str().to_owned(),
                time_zone: job.schedule.time_zone.iana_name().unwrap_or("local").to_owned(),
                chain: job.chain(),
                next: time(*next),
                running: planned.is_running(),
                task: row.as_ref().and_then(|row| row.task),
                last: started.map(time),
                status: match open.as_ref().map(|task| task.state) {
                    Some(TaskState::Running) => None,
                    Some(state) => Some(state.name().to_owned()),
                    None => ended.and_then(|row| row.status.clone()),
                },
                exit_code: ended.and_then(|row| row.exit_code),
                error: ended.and_then(|row| row.error.clone()),
            }
        });
        Ok(listed.collect())
    }

    /// The scheduler processes that live.
    pub async fn schedulers(&self) -> Result<Vec<SchedulerRow>, EngineError> {
        let held = self.catalog.living_leases().await.doing("read leases")?;
        let own = held.into_iter().filter(|lease| lease.name.starts_with(PROCESS));
        Ok(own
            .map(|lease| SchedulerRow {
                host: lease.host,
                pid: lease.pid,
                since: time(lease.since),
            })
            .collect())
    }

    /// Queues what is due and works on what is queued, until told to stop. What runs then gets a moment to end, and is rolled
    /// back and queued again after that.
    ///
    /// # Errors
    /// Another scheduler of this name is at work, or the catalog cannot be used at the start.
    pub async fn run_scheduler(
        self,
        workers: usize,
        commands: &mut mpsc::Receiver<Command>,
        listen: Listen,
    ) -> Result<(), EngineError> {
        let name = format!("{PROCESS}{}:{}", chantal_catalog::host(), std::process::id());
        let engine = self.at_work_alone();
        let lease = engine
            .catalog
            .acquire(&name, None)
            .await
            .doing("register the scheduler")?;
        listen(Event::Ready(engine.jobs().len()));
        let mut scheduler = Scheduler {
            engine,
            workers,
            runs: JoinSet::new(),
            chance: RandomState::new(),
            listen,
            shutdown: watch::channel(false).0,
            forgot_at: None,
            written: None,
        };
        scheduler.work(commands).await;
        scheduler.end().await;
        lease.release().await.doing("sign the scheduler off")
    }

    /// The same engine for a process that does several things at a time and does not end after each.
    fn at_work_alone(&self) -> Self {
        Self {
            // Several jobs at a time would draw over each other; `task watch` shows how far each is.
            progress: Arc::new(NoProgress),
            telling: Telling::Beside(Arc::default()),
            ..self.clone()
        }
    }

    async fn schedule_rows(&self) -> Result<HashMap<String, ScheduleRow>, EngineError> {
        let rows = self.catalog.schedules().await.doing("read schedules")?;
        Ok(rows.into_iter().map(|row| (row.repository.clone(), row)).collect())
    }

    /// Plans what has no time yet and queues what is due. Gives when the next is, and what is wrong with single jobs.
    ///
    /// `chance` decides about delays.
    async fn queue_due(&self, chance: &impl Fn(&str, i64) -> u64) -> Result<(Option<i64>, Vec<String>), EngineError> {
        let now = self.clock.now().as_second();
        let rows = self.schedule_rows().await?;
        let jobs = self.jobs();
        let (mut soonest, mut wrong) = (None::<i64>, Vec::new());
        for gone in rows.keys().filter(|name| jobs.iter().all(|job| job.name != **name)) {
            let dropped = self.catalog.drop_schedule(gone, now).await;
            dropped.doing("forget a schedule")?;
        }
        for job in jobs {
            let next = match job.next(now, chance(&job.name, now)) {
                Ok(next) => next,
                Err(error) => {
                    wrong.push(crate::error::chain(&error));
                    continue;
                }
            };
            let at = match rows.get(&job.name).filter(|row| row.spec == job.spec) {
                None => {
                    let planned = self.catalog.plan_schedule(&job.name, &job.spec, next).await;
                    planned.doing("plan the next run")?;
                    next
                }
                Some(row) if row.next_at > now => row.next_at,
                // It is looked at again when the one before has ended.
                Some(row) if row.is_open => continue,
                Some(row) => {
                    fault!("engine::schedule::due").doing("queue a scheduled run")?;
                    let (task, request) = (job.task(now), job.request().text());
                    let queued = self.catalog.queue_scheduled(row, next, &task, &request).await;
                    queued.doing("queue a scheduled run")?;
                    next
                }
            };
            soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
        }
        Ok((soonest, wrong))
    }
}

/// A job with what the catalog knows about it.
pub(crate) struct Planned {
    job: Job,
    /// `None` if no scheduler has seen the job as it is configured now.
    pub(crate) row: Option<ScheduleRow>,
    /// When it starts next; of a job that no scheduler has seen, when it would.
    pub(crate) next: i64,
    /// The task of its newest run, if that has not ended.
    open: Option<Task>,
}

impl Planned {
    pub(crate) fn name(&self) -> &str {
        &self.job.name
    }

    pub(crate) fn is_running(&self) -> bool {
        self.open.as_ref().is_some_and(|task| task.state == TaskState::Running)
    }
}

struct Scheduler {
    engine: Engine,
    workers: usize,
    runs: JoinSet<()>,
    chance: RandomState,
    listen: Listen,
    /// Tells what runs to end.
    shutdown: watch::Sender<bool>,
    forgot_at: Option<Instant>,
    /// When the file of metrics was last written.
    written: Option<Instant>,
}

impl Scheduler {
    async fn work(&mut self, commands: &mut mpsc::Receiver<Command>) {
        loop {
            while self.runs.try_join_next().is_some() {}
            let pause = match self.look().await {
                Ok(pause) => pause,
                Err(error) => {
                    (self.listen)(Event::Trouble(crate::error::chain(&error)));
                    PAUSE
                }
            };
            (self.listen)(Event::Beat(self.runs.len()));
            if self.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
                self.written = Some(Instant::now());
                self.engine.write_configured_metrics().await;
            }
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Reload(engine)) => {
                        self.engine = engine.at_work_alone();
                        self.written = None;
                        (self.listen)(Event::Ready(self.engine.jobs().len()));
                    }
                    Some(Command::Stop) | None => return,
                },
                _ = self.runs.join_next(), if !self.runs.is_empty() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn end(&mut self) {
        (self.listen)(Event::Stopping(self.runs.len()));
        for (grace, is_last) in [(GRACE, false), (ROLLBACK, true)] {
            if is_last {
                // What is dropped rolls back, and waits for another scheduler.
                self.shutdown.send_replace(true);
            }
            let all = async {
                while self.runs.join_next().await.is_some() {}
                self.engine.all_told().await;
            };
            if tokio::time::timeout(grace, all).await.is_ok() {
                return;
            }
        }
        // What is not written ends with this process: its leases, and its task, which whoever looks next queues again.
        self.runs.shutdown().await;
    }

    /// Queues what is due and starts what waits; gives how long to pause.
    async fn look(&mut self) -> Result<Duration, EngineError> {
        let now = self.engine.clock.now().as_second();
        let chance = |name: &str, now: i64| self.chance.hash_one((name, now));
        let (soonest, wrong) = self.engine.queue_due(&chance).await?;
        for told in wrong {
            (self.listen)(Event::Trouble(told));
        }
        let buried = self.engine.catalog.bury_tasks(now).await;
        buried.doing("look after tasks whose process is gone")?;
        if self.forgot_at.is_none_or(|at| at.elapsed() >= FORGET) {
            self.forgot_at = Some(Instant::now());
            self.engine.forget_tasks().await?;
        }
        self.start_waiting(now).await?;
        let until = soonest.map_or(PAUSE.as_secs(), |soonest| (soonest - now).max(1).unsigned_abs());
        Ok(Duration::from_secs(until).min(PAUSE))
    }

    /// Takes as many tasks out of the queue as there are free workers.
    async fn start_waiting(&mut self, now: i64) -> Result<(), EngineError> {
        if self.runs.len() >= self.workers {
            return Ok(());
        }
        let open = self.engine.catalog.open_tasks().await.doing("read tasks")?;
        for task in open.into_iter().filter(|task| task.state == TaskState::Queued) {
            if self.runs.len() >= self.workers {
                break;
            }
            let request = task.request.as_deref().and_then(Request::parse);
            // Another scheduler may know what this one does not.
            let Some(request) = request.filter(|request| self.engine.can_do(request)) else {
                continue;
            };
            let claimed = self.engine.catalog.claim_task(task.id, now).await;
            if let Some(hold) = claimed.doing("claim a task")? {
                self.start(task, request, hold);
            }
        }
        Ok(())
    }

    fn start(&mut self, task: Task, request: Request, hold: TaskHold) {
        let job = task.subject.unwrap_or(task.verb);
        (self.listen)(Event::Started {
            job: job.clone(),
            task: hold.id,
            asked_by: task.asked_by,
            again: hold.fence > 1,
        });
        let (engine, listen) = (self.engine.clone(), self.listen.clone());
        let claimed = Claimed {
            hold,
            shutdown: self.shutdown.subscribe(),
        };
        self.runs.spawn(async move {
            if let Err(error) = fault!("engine::schedule::started").doing("start a task") {
                return listen(Event::Trouble(crate::error::chain(&error)));
            }
            let done = engine
                .claimed(claimed, |engine| async move { engine.carry_out(&request).await })
                .await;
            if let Err(error) = fault!("engine::schedule::noted").doing("tell how a task ended") {
                return listen(Event::Trouble(crate::error::chain(&error)));
            }
            let (code, said) = match done {
                Ok(done) => (crate::TaskReport::exit_code(&done), done.summary()),
                Err(error) => (error.exit_code(), crate::error::chain(&error)),
            };
            listen(Event::Ended(job, code, said));
        });
    }
}

#[cfg(test)]
mod tests;
