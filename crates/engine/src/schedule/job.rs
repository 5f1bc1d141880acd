//! What a scheduler can do: the jobs of the configuration, and what a queued task asks for.

use std::time::Duration;

use chantal_catalog::{Cleaned, NewTask, ScheduleRow};
use chantal_config::{Config, Repository, Scheduled};
use chantal_model::{RepoId, Schedule, SnapshotName};
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::collect::{CollectOptions, CollectReport};
use crate::error::{Doing, EngineError, ExitClass};
use crate::report::{SyncOptions, SyncReport};
use crate::task::TaskReport;

/// The name of the cleanup, which no repository can have.
const CLEANUP: &str = "pool cleanup";
/// How long nothing must have referred to a blob before it goes.
const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);

/// Something that is done by itself.
pub(crate) struct Job {
    /// The repository's id, or [`CLEANUP`].
    pub(super) name: String,
    /// Differs where the schedule or what is done differs.
    pub(super) spec: String,
    pub(super) schedule: Schedule,
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

    pub(super) fn next(&self, now: i64, chance: u64) -> Result<i64, EngineError> {
        let next = self.schedule.next(now, chance);
        next.map_err(|error| EngineError::request(format!("{}: {error}", self.name), None))
    }

    pub(super) fn chain(&self) -> Vec<&'static str> {
        let Work::Sync(_, scheduled) = &self.work else {
            return Vec::new();
        };
        let snapshot = scheduled.snapshot.as_ref().map(|_| "snapshot");
        snapshot
            .into_iter()
            .chain(scheduled.publish.then_some("publish"))
            .collect()
    }

    pub(super) fn task(&self, at: i64) -> NewTask {
        let (verb, subject) = match &self.work {
            Work::Sync(id, _) => ("repo sync", Some(id.to_string())),
            Work::Cleanup => (CLEANUP, None),
        };
        NewTask {
            verb: verb.to_owned(),
            subject,
            asked_by: "schedule",
            at,
        }
    }

    pub(super) fn request(&self) -> Request {
        Request::Scheduled { job: self.name.clone() }
    }
}

/// What a queued task asks for, as its row keeps it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// What the configuration of whoever does it says under this name.
    Scheduled {
        /// The name of the job.
        job: String,
    },
    /// A sync with these options.
    Sync {
        /// The repository.
        repo: String,
        force: bool,
        force_removals: bool,
        publish: bool,
        snapshot: Option<String>,
    },
}

impl Request {
    pub(crate) fn sync(id: &RepoId, options: &SyncOptions) -> Self {
        Self::Sync {
            repo: id.to_string(),
            force: options.force,
            force_removals: options.force_removals,
            publish: options.publish,
            snapshot: options.snapshot.as_ref().map(ToString::to_string),
        }
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and flags are JSON")
    }

    /// `None` for what this version does not know.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// What came of a request.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Done {
    Sync(Box<SyncReport>),
    Cleanup {
        pool: CollectReport,
        /// None where syncs ran; the next cleanup finds the rows.
        database: Option<Cleaned>,
    },
}

impl TaskReport for Done {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Sync(report) => report.exit_code(),
            Self::Cleanup { pool, .. } => pool.exit_code(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        match self {
            Self::Sync(report) => report.warnings(),
            Self::Cleanup { pool, .. } => pool.warnings(),
        }
    }
}

impl Done {
    /// What to tell in a line.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Sync(report) => summary(report),
            Self::Cleanup { pool, database } => {
                let said = format!("freed {} bytes: {} unused blobs", pool.freed_bytes, pool.unused);
                match database {
                    Some(cleaned) => format!("{said}, {} raw records", cleaned.records),
                    None => said,
                }
            }
        }
    }
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
    pub(super) fn jobs(&self) -> Vec<Job> {
        jobs(&self.config)
    }

    /// Whether the configuration has what a request is about.
    pub(super) fn can_do(&self, request: &Request) -> bool {
        match request {
            Request::Scheduled { job } => self.jobs().iter().any(|one| one.name == *job),
            Request::Sync { repo, .. } => repo.parse().is_ok_and(|id| self.ready(&id).is_ok()),
        }
    }

    /// Does what a request asks for.
    pub(super) async fn carry_out(&self, request: &Request) -> Result<Done, EngineError> {
        match request {
            Request::Scheduled { job } => {
                let job = self.jobs().into_iter().find(|one| one.name == *job);
                let job = job.ok_or_else(|| EngineError::request("its schedule is gone", None))?;
                match &job.work {
                    Work::Sync(id, scheduled) => self.run_scheduled(id, scheduled).await,
                    Work::Cleanup => self.clean_up().await,
                }
            }
            Request::Sync {
                repo,
                force,
                force_removals,
                publish,
                snapshot,
            } => {
                let wrong = |error: &dyn std::fmt::Display| EngineError::request(error.to_string(), None);
                let id: RepoId = repo.parse().map_err(|error| wrong(&error))?;
                let snapshot = snapshot.as_ref().map(|name| name.parse());
                let options = SyncOptions {
                    force: *force,
                    force_removals: *force_removals,
                    publish: *publish,
                    snapshot: snapshot
                        .transpose()
                        .map_err(|error: chantal_model::NameError| wrong(&error))?,
                    ..self.queued()
                };
                Ok(Done::Sync(Box::new(self.sync(&id, &options).await?)))
            }
        }
    }

    /// Whoever held a repository and is gone keeps it for the length of a lease, unless that was on this host.
    fn queued(&self) -> SyncOptions {
        SyncOptions {
            wait: Some(self.catalog.lease_length()),
            ..SyncOptions::default()
        }
    }

    async fn clean_up(&self) -> Result<Done, EngineError> {
        let options = CollectOptions {
            keep_for: KEEP_FOR,
            wait: Some(self.catalog.lease_length()),
        };
        let pool = self.collect(options).await?;
        let database = match self.clean_rows(CollectOptions { wait: None, ..options }).await {
            Ok(cleaned) => Some(cleaned),
            Err(error) if error.class() == ExitClass::Busy => None,
            Err(error) => return Err(error),
        };
        Ok(Done::Cleanup { pool, database })
    }

    /// What a scheduled run does.
    async fn run_scheduled(&self, id: &RepoId, scheduled: &Scheduled) -> Result<Done, EngineError> {
        let options = SyncOptions {
            publish: scheduled.publish,
            snapshot: self.scheduled_name(id, scheduled).await?,
            ..self.queued()
        };
        Ok(Done::Sync(Box::new(self.sync(id, &options).await?)))
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
