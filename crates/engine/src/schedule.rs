//! What happens by itself: the scheduler's loop. Any number of them share one catalog; each run is one's alone.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chantal_catalog::{CatalogError, Lease, ScheduleRow, ScheduledEnd};
use chantal_config::{Config, Repository, Scheduled};
use chantal_model::{NoProgress, RepoId, Schedule, SnapshotName, fault};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Engine;
use crate::collect::CollectOptions;
use crate::end::Telling;
use crate::error::{Doing, EngineError, ExitClass};
use crate::query::time;
use crate::report::{SyncOptions, SyncReport};

/// The longest pause between two looks at what is due.
const PAUSE: Duration = Duration::from_secs(15);
/// How long running work may go on when the scheduler is to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How often the file of metrics is written although nothing has ended: ages and room change by themselves.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Before the names of scheduler processes' leases.
pub(crate) const PROCESS: &str = "scheduler:";
/// The name of the cleanup, which no repository can have.
const CLEANUP: &str = "pool cleanup";
/// How long nothing must have referred to a blob before it goes.
const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);

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
    /// It begins with a repository, or with the cleanup.
    Started(String),
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
    /// When it last started, RFC 3339.
    pub last: Option<String>,
    /// `succeeded`, `partial`, `failed`, `busy`, or `killed` where its scheduler is gone.
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

/// What is done by itself.
pub(crate) fn jobs(config: &Config) -> Vec<Job> {
    let ready = |repo: &&Repository| repo.enabled && repo.unbuilt.is_empty();
    let repositories = config.repositories.iter().filter(ready);
    let syncs = repositories.filter_map(|repo| {
        let scheduled = repo.schedule.clone()?;
        Some(Job {
            name: repo.id.to_string(),
            spec: scheduled.spec(),
            schedule: scheduled.schedule.clone(),
            work: Work::Sync(repo.id.clone(), Box::new(scheduled)),
        })
    });
    let cleanup = config.cleanup.as_ref().map(|schedule| Job {
        name: CLEANUP.to_owned(),
        spec: schedule.cron.as_str().to_owned(),
        schedule: schedule.clone(),
        work: Work::Cleanup,
    });
    syncs.chain(cleanup).collect()
}

impl Engine {
    fn jobs(&self) -> Vec<Job> {
        jobs(&self.config)
    }

    /// Every job, in the order of the configuration, with what the catalog knows about it.
    pub(crate) async fn scheduled(&self) -> Result<Vec<Planned>, EngineError> {
        let mut rows = self.schedule_rows().await?;
        let held = self.catalog.living_leases().await.doing("read leases")?;
        let now = self.clock.now().as_second();
        let mut planned = Vec::new();
        for job in self.jobs() {
            let row = rows.remove(&job.name).filter(|row| row.spec == job.spec);
            planned.push(Planned {
                next: match &row {
                    Some(row) => row.next_at,
                    None => job.next(now, 0)?,
                },
                is_held: held.iter().any(|lease| lease.name == job.lease()),
                row,
                job,
            });
        }
        Ok(planned)
    }

    /// Every schedule, in the order of the configuration.
    pub async fn schedules(&self) -> Result<Vec<ScheduleListing>, EngineError> {
        let mut listed = Vec::new();
        for planned in self.scheduled().await? {
            let Planned { job, row, next, .. } = &planned;
            let row = row.as_ref();
            listed.push(ScheduleListing {
                cron: job.schedule.cron.as_str().to_owned(),
                time_zone: job.schedule.time_zone.iana_name().unwrap_or("local").to_owned(),
                chain: job.chain(),
                next: time(*next),
                running: planned.is_running(),
                last: row.and_then(|row| row.started_at).map(time),
                status: if planned.was_killed() {
                    Some("killed".to_owned())
                } else {
                    row.and_then(|row| row.status.clone())
                },
                exit_code: row.and_then(|row| row.exit_code),
                error: row.and_then(|row| row.error.clone()),
                job: job.name.clone(),
            });
        }
        Ok(listed)
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

    /// Runs what is due, until told to stop. What runs then gets a moment to end, and is rolled back after that; the next
    /// scheduler starts it again.
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
            written: None,
            listen,
        };
        scheduler.work(commands).await;
        scheduler.end().await;
        lease.release().await.doing("sign the scheduler off")
    }

    /// The same engine for a process that does several things at a time and does not end after each.
    fn at_work_alone(&self) -> Self {
        Self {
            // Several jobs at a time would draw over each other; `repo sync-status` shows how far each is.
            progress: Arc::new(NoProgress),
            telling: Telling::Beside(Arc::default()),
            ..self.clone()
        }
    }

    async fn schedule_rows(&self) -> Result<HashMap<String, ScheduleRow>, EngineError> {
        let rows = self.catalog.schedules().await.doing("read schedules")?;
        Ok(rows.into_iter().map(|row| (row.repository.clone(), row)).collect())
    }

    /// What a scheduled run does.
    async fn run_scheduled(&self, id: &RepoId, scheduled: &Scheduled) -> Result<SyncReport, EngineError> {
        let options = SyncOptions {
            publish: scheduled.publish,
            snapshot: self.scheduled_name(id, scheduled).await?,
            ..SyncOptions::default()
        };
        self.sync(id, &options).await
    }

    /// The name of the snapshot; one that is taken gets a number.
    async fn scheduled_name(&self, id: &RepoId, scheduled: &Scheduled) -> Result<Option<SnapshotName>, EngineError> {
        let Some(template) = &scheduled.snapshot else {
            return Ok(None);
        };
        let at = self.clock.now().to_zoned(scheduled.schedule.time_zone.clone());
        let wrong = |error: &dyn std::fmt::Display| EngineError::request(error.to_string(), None);
        let name = template.name(id, &at).map_err(|error| wrong(&error))?;
        let row = self.catalog.repository(id).await.doing("find the repository")?;
        let taken = match row {
            Some(row) => self.catalog.snapshots(row.id).await.doing("read snapshots")?,
            None => Vec::new(),
        };
        let is_free = |name: &SnapshotName| taken.iter().all(|snapshot| snapshot.name != *name);
        if is_free(&name) {
            return Ok(Some(name));
        }
        for number in 2_u64.. {
            let numbered: SnapshotName = format!("{name}-{number}").parse().map_err(|error| wrong(&error))?;
            if is_free(&numbered) {
                return Ok(Some(numbered));
            }
        }
        Ok(None)
    }
}

struct Scheduler {
    engine: Engine,
    workers: usize,
    runs: JoinSet<()>,
    chance: RandomState,
    /// When the file of metrics was last written.
    written: Option<Instant>,
    listen: Listen,
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
        let all = async {
            while self.runs.join_next().await.is_some() {}
            self.engine.all_told().await;
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            // What is dropped rolls back; its lease ends with this process, and whoever looks next starts it again.
            self.runs.shutdown().await;
        }
    }

    /// Starts what is due; gives how long nothing else is.
    async fn look(&mut self) -> Result<Duration, EngineError> {
        let now = self.engine.clock.now().as_second();
        let rows = self.engine.schedule_rows().await?;
        let jobs = self.engine.jobs();
        let mut soonest = now + PAUSE.as_secs() as i64;
        for gone in rows.keys().filter(|name| jobs.iter().all(|job| job.name != **name)) {
            let dropped = self.engine.catalog.drop_schedule(gone).await;
            dropped.doing("forget a schedule")?;
        }
        for job in jobs {
            let next = match job.next(now, self.chance.hash_one((&job.name, now))) {
                Ok(next) => next,
                Err(error) => {
                    (self.listen)(Event::Trouble(crate::error::chain(&error)));
                    continue;
                }
            };
            let Some(row) = rows.get(&job.name).filter(|row| row.spec == job.spec) else {
                let planned = self.engine.catalog.plan_schedule(&job.name, &job.spec, next).await;
                planned.doing("plan the next run")?;
                soonest = soonest.min(next);
                continue;
            };
            if !row.is_running && row.next_at > now {
                soonest = soonest.min(row.next_at);
            } else if self.runs.len() < self.workers {
                self.start(job, row, (now, next)).await?;
            }
        }
        Ok(Duration::from_secs(
            (soonest - now).clamp(1, PAUSE.as_secs() as i64) as u64
        ))
    }

    /// Starts a run, unless somebody else has it.
    async fn start(&mut self, job: Job, row: &ScheduleRow, (now, next): (i64, i64)) -> Result<(), EngineError> {
        let catalog = &self.engine.catalog;
        let lease = match catalog.acquire(&job.lease(), None).await {
            Ok(lease) => lease,
            Err(CatalogError::Busy { .. }) => return Ok(()),
            Err(error) => return Err(error).doing("hold the schedule"),
        };
        // A run that its scheduler did not end is done again now, and the next one stays when it was.
        let next = if row.next_at > now { row.next_at } else { next };
        let is_mine = catalog.start_scheduled(&lease, row, next, now).await;
        if !is_mine.doing("start a scheduled run")? {
            return lease.release().await.doing("release the schedule");
        }
        (self.listen)(Event::Started(job.name.clone()));
        let (engine, listen) = (self.engine.clone(), self.listen.clone());
        self.runs.spawn(async move {
            if let Err(error) = carry_out(&engine, &job, lease, &listen).await {
                listen(Event::Trouble(format!("{}: {}", job.name, crate::error::chain(&error))));
            }
        });
        Ok(())
    }
}

/// Does the work and notes how it ended.
async fn carry_out(engine: &Engine, job: &Job, lease: Lease, listen: &Listen) -> Result<(), EngineError> {
    fault!("engine::schedule::started").doing("start a scheduled run")?;
    let done = engine.work(job).await;
    fault!("engine::schedule::worked").doing("note how a run ended")?;
    let (status, code, said) = match &done {
        Ok((said, true)) => ("succeeded", 0, said.clone()),
        Ok((said, false)) => ("partial", 9, said.clone()),
        Err(error) if error.class() == ExitClass::Busy => ("busy", error.exit_code(), crate::error::chain(error)),
        Err(error) => ("failed", error.exit_code(), crate::error::chain(error)),
    };
    let end = ScheduledEnd {
        status: status.to_owned(),
        exit_code: i64::from(code),
        error: done.is_err().then(|| said.clone()),
    };
    let at = engine.clock.now().as_second();
    let noted = engine.catalog.end_scheduled(&lease, &job.name, &end, at).await;
    fault!("engine::schedule::noted").doing("release the schedule")?;
    lease.release().await.doing("release the schedule")?;
    noted.doing("note how a run ended")?;
    listen(Event::Ended(job.name.clone(), code, said));
    Ok(())
}

/// A job with what the catalog knows about it.
pub(crate) struct Planned {
    job: Job,
    /// `None` if no scheduler has seen the job as it is configured now.
    pub(crate) row: Option<ScheduleRow>,
    /// When it starts next; of a job that no scheduler has seen, when it would.
    pub(crate) next: i64,
    is_held: bool,
}

impl Planned {
    pub(crate) fn name(&self) -> &str {
        &self.job.name
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_held && self.row.as_ref().is_some_and(|row| row.is_running)
    }

    /// Whether it was begun by a scheduler that is gone.
    pub(crate) fn was_killed(&self) -> bool {
        !self.is_held && self.row.as_ref().is_some_and(|row| row.is_running)
    }
}

/// Something that is done by itself.
pub(crate) struct Job {
    /// The repository's id, or [`CLEANUP`].
    name: String,
    /// Differs where the schedule or what is done differs.
    spec: String,
    schedule: Schedule,
    work: Work,
}

enum Work {
    Sync(RepoId, Box<Scheduled>),
    Cleanup,
}

impl Job {
    /// Whether a row is about this job as it is configured now.
    pub(crate) fn is(&self, row: &ScheduleRow) -> bool {
        row.repository == self.name && row.spec == self.spec
    }

    fn lease(&self) -> String {
        format!("schedule:{}", self.name)
    }

    fn next(&self, now: i64, chance: u64) -> Result<i64, EngineError> {
        let next = self.schedule.next(now, chance);
        next.map_err(|error| EngineError::request(format!("{}: {error}", self.name), None))
    }

    fn chain(&self) -> Vec<&'static str> {
        let Work::Sync(_, scheduled) = &self.work else {
            return Vec::new();
        };
        let snapshot = scheduled.snapshot.as_ref().map(|_| "snapshot");
        snapshot
            .into_iter()
            .chain(scheduled.publish.then_some("publish"))
            .collect()
    }
}

impl Engine {
    /// Does a job; gives what to tell, and whether nothing was left out.
    async fn work(&self, job: &Job) -> Result<(String, bool), EngineError> {
        match &job.work {
            Work::Sync(id, scheduled) => {
                let report = self.run_scheduled(id, scheduled).await?;
                let is_whole = report.unread == 0 && report.failed.is_empty();
                Ok((summary(&report), is_whole))
            }
            Work::Cleanup => {
                let options = CollectOptions {
                    keep_for: KEEP_FOR,
                    wait: None,
                };
                let report = self.collect(options).await?;
                let said = format!("freed {} bytes: {} unused blobs", report.freed_bytes, report.unused);
                let is_whole = !report.failed;
                match self.clean_rows(options).await {
                    Ok(cleaned) => Ok((format!("{said}, {} raw records", cleaned.records), is_whole)),
                    // Syncs run; the next cleanup finds the rows.
                    Err(error) if error.class() == ExitClass::Busy => Ok((said, is_whole)),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

fn summary(report: &SyncReport) -> String {
    let revision = report
        .revision
        .map_or_else(|| "nothing".to_owned(), |revision| revision.to_string());
    let what = if report.recorded {
        format!("recorded {revision}")
    } else {
        format!("{revision} is up to date")
    };
    match &report.snapshot {
        Some(name) => format!("{what}, snapshot {name}"),
        None => what,
    }
}
