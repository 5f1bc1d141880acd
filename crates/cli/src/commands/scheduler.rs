//! `chantal scheduler`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chantal_config::Config;
use chantal_engine::{Access, Command, Event, Listen, SchedulerRow};
use chantal_model::RepoId;
use clap::{Args, Subcommand};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::endpoint::{Endpoint, Vital};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Syncs repositories by themselves, as their `schedule:` says.
#[derive(Debug, Subcommand)]
pub(crate) enum Scheduler {
    Start(Start),
    /// Stops the schedulers of this host; what they are at work on ends or is rolled back within ten seconds
    Stop,
    /// Lists the scheduler processes, of all hosts that share the database
    Status,
    /// Lists schedules: when each job is next, and how it went last
    List,
}

/// Runs the scheduler, until SIGTERM or SIGINT
///
/// Every repository with `schedule: {enabled: true}` is synced when its time has come, and `scheduler.cleanup` says when the
/// pool is cleaned up; `repo sync --background` leaves a sync to it. What was missed while no scheduler ran is done once.
/// SIGHUP reads the configuration again; one that is wrong is told, and the old one stays in use. Several schedulers may
/// share a database, on one host or on many: each task is one's alone, and the task of one that is gone is started again by
/// another.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal scheduler start
  chantal scheduler start --daemon --workers 4")]
pub(crate) struct Start {
    /// Goes into the background; what it says goes into `scheduler.log` below `storage.base_path`
    #[arg(long)]
    daemon: bool,
    /// Works on so many repositories at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
}

const STATUS: &[Column] = &[
    column("Host", "host", Show::Text),
    column("Process", "pid", Show::Text),
    column("Since", "since", Show::Time),
];

const LISTED: &[Column] = &[
    column("Job", "job", Show::Text),
    column("When", "cron", Show::Text),
    column("Time zone", "time_zone", Show::Text),
    column("Then", "chain", Show::List),
    column("Next", "next", Show::Time),
    column("Running", "running", Show::Flag),
    column("Task", "task", Show::CsvOnly),
    column("Last", "last", Show::Time),
    column("Status", "status", Show::Text),
    column("Exit code", "exit_code", Show::Count),
    column("Error", "error", Show::Text),
];

/// How long a scheduler may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

impl Scheduler {
    /// Whether signals are the command's own affair.
    pub(crate) fn minds_signals(&self) -> bool {
        matches!(self, Self::Start(start) if !start.daemon)
    }

    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::Start(start) if start.daemon => start.in_background(app).await,
            Self::Start(start) => start.here(app).await,
            Self::Stop => stop(app).await,
            Self::Status => {
                let rows = app.engine(Access::Read).await?.schedulers().await?;
                app.output.rows(&rows, STATUS)?;
                if rows.is_empty() {
                    app.talk.say("no scheduler runs");
                }
                Ok(exit::OK)
            }
            Self::List => {
                let rows = app.engine(Access::Read).await?.schedules().await?;
                app.output.rows(&rows, LISTED)?;
                if rows.is_empty() {
                    app.talk.say("nothing is scheduled");
                }
                Ok(exit::OK)
            }
        }
    }
}

impl Start {
    async fn here(self, app: &App) -> Outcome {
        let mut config = app.config()?;
        let mut signals = Signals::new()?;
        let engine = app.engine_on(config.clone(), Access::Write).await?;
        let vital = Vital::new(engine.clone());
        let mut endpoint = None;
        if let Some(address) = config.listen {
            endpoint = Some(open(app, address, &vital).await?);
        }
        let (send, mut receive) = mpsc::channel(4);
        let listen = told(app, vital.clone());
        let mut work = Box::pin(engine.run_scheduler(usize::from(self.workers), &mut receive, listen));
        let ended = loop {
            let command = tokio::select! {
                ended = &mut work => break ended,
                _ = signals.hangup.recv() => {
                    let command = reload(app, &mut config, &vital).await;
                    endpoint = moved(app, endpoint, config.listen, &vital).await;
                    command
                }
                _ = signals.interrupt.recv() => Some(Command::Stop),
                _ = signals.terminate.recv() => Some(Command::Stop),
            };
            if let Some(command) = command {
                // Nobody listens any more where it ends just now.
                let _ = send.try_send(command);
            }
        };
        if let Some(endpoint) = endpoint {
            endpoint.close().await;
        }
        ended?;
        app.talk.say("stopped");
        Ok(exit::OK)
    }

    async fn in_background(self, app: &App) -> Outcome {
        let config = app.config()?;
        let engine = app.engine_on(config.clone(), Access::Write).await?;
        let path = config.storage.base_path.join("scheduler.log");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|error| Failure::file("open", &path, &error))?;
        let also = log.try_clone().map_err(|error| Failure::file("open", &path, &error))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(exit::INTERNAL, "cannot find this program").because(&error))?;
        let mut child = Process::new(program)
            .arg("--config")
            .arg(app.config_path()?)
            .args(app.loudness())
            .args(["scheduler", "start", "--workers", &self.workers.to_string()])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also)
            // Ctrl-C in the terminal is not for it.
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(exit::INTERNAL, "cannot start the scheduler").because(&error))?;
        let pid = i64::from(child.id());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if own(&engine.schedulers().await?).any(|row| row.pid == pid) {
                app.talk.say(&format!(
                    "process {pid} runs; it says what it does in {}",
                    path.display()
                ));
                return Ok(exit::OK);
            }
            if let Ok(Some(status)) = child.try_wait() {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                let hint = format!("{} says why", path.display());
                return Err(Failure::new(code.unwrap_or(exit::INTERNAL), "the scheduler ended at once").hint(hint));
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::new(
            exit::INTERNAL,
            format!("process {pid} did not begin in time"),
        ))
    }
}

fn own(rows: &[SchedulerRow]) -> impl Iterator<Item = &SchedulerRow> {
    rows.iter().filter(|row| row.host == chantal_catalog::host())
}

async fn stop(app: &App) -> Outcome {
    let engine = app.engine(Access::Read).await?;
    let rows = engine.schedulers().await?;
    let pids: Vec<i64> = own(&rows).map(|row| row.pid).collect();
    if pids.is_empty() {
        return Err(Failure::usage("no scheduler runs on this host"));
    }
    for pid in &pids {
        let process = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw);
        let Some(process) = process else { continue };
        rustix::process::kill_process(process, rustix::process::Signal::TERM).map_err(|error| {
            Failure::usage(format!("process {pid} cannot be told to stop")).because(&std::io::Error::from(error))
        })?;
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let left = engine.schedulers().await?;
        if !own(&left).any(|row| pids.contains(&row.pid)) {
            app.talk
                .say(&format!("{} stopped", counted(pids.len() as u64, "scheduler")));
            return Ok(exit::OK);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Failure::new(7, "it has not ended yet").hint("`chantal scheduler status` shows when it has"))
}

/// The repository that a job is of, if it is of one.
fn id(job: &str) -> Option<RepoId> {
    job.parse().ok()
}

/// Says what the scheduler does, to people and to systemd.
fn told(app: &App, vital: Arc<Vital>) -> Listen {
    let talk = app.talk.clone();
    Arc::new(move |event| match event {
        Event::Ready(count) => {
            let line = format!("looks after {}", counted(count as u64, "scheduled job"));
            notify(&[NotifyState::Ready, NotifyState::Status(&line)]);
            talk.say(&line);
        }
        Event::Beat(running) => {
            let line = match running {
                0 => "waits".to_owned(),
                some => format!("does {}", counted(some as u64, "job")),
            };
            vital.beat();
            notify(&[NotifyState::Watchdog, NotifyState::Status(&line)]);
        }
        Event::Started {
            job,
            task,
            asked_by,
            again,
        } => {
            let by = if asked_by == "schedule" {
                "its schedule"
            } else {
                "a person"
            };
            let again = if again { " again, since its process is gone" } else { "" };
            talk.say_of(
                id(&job).as_ref(),
                &format!("{job}: started by {by}{again} (task {task})"),
            );
        }
        Event::Ended(job, 0, said) => talk.say_of(id(&job).as_ref(), &format!("{job}: {said}")),
        Event::Ended(job, code, said) => talk.warn_of(id(&job).as_ref(), &format!("{job}: exit {code}: {said}")),
        Event::Trouble(said) => talk.warn(&said),
        Event::Stopping(running) => {
            notify(&[NotifyState::Stopping]);
            if running > 0 {
                talk.say(&format!("waits for {} to end", counted(running as u64, "job")));
            }
        }
    })
}

async fn open(app: &App, address: SocketAddr, vital: &Arc<Vital>) -> Result<Endpoint, Failure> {
    let endpoint = Endpoint::open(address, vital.clone()).await?;
    app.talk
        .say(&format!("metrics are at http://{}/metrics", endpoint.address()));
    Ok(endpoint)
}

/// Listens where the configuration says now. Where that cannot be had, it goes on where it was.
async fn moved(app: &App, old: Option<Endpoint>, wanted: Option<SocketAddr>, vital: &Arc<Vital>) -> Option<Endpoint> {
    if old.as_ref().map(Endpoint::wanted) == wanted {
        return old;
    }
    let new = match wanted {
        Some(address) => match open(app, address, vital).await {
            Ok(endpoint) => Some(endpoint),
            Err(failure) => {
                app.talk.fail(&failure);
                return old;
            }
        },
        None => None,
    };
    if let Some(old) = old {
        old.close().await;
    }
    new
}

/// Without systemd there is nobody to tell.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Reads the configuration again and says what is new in it. What cannot be used is told and left alone.
async fn reload(app: &App, config: &mut Arc<Config>, vital: &Vital) -> Option<Command> {
    notify(&[NotifyState::Reloading]);
    let engine = match app.load() {
        Ok((new, _)) => {
            let new = Arc::new(new);
            app.engine_on(new.clone(), Access::Write)
                .await
                .map(|engine| (engine, new))
        }
        Err(failure) => Err(failure),
    };
    match engine {
        Ok((engine, new)) => {
            for line in changes(config, &new) {
                app.talk.say(&line);
            }
            *config = new;
            vital.replace(engine.clone());
            Some(Command::Reload(Box::new(engine)))
        }
        Err(failure) => {
            notify(&[NotifyState::Ready]);
            app.talk.fail(&failure);
            app.talk.warn("the configuration stays as it was");
            None
        }
    }
}

/// What differs between two configurations.
fn changes(old: &Config, new: &Config) -> Vec<String> {
    let shown = |config: &Config| {
        let value = config.to_value();
        let repositories = value["repositories"].as_array().cloned().unwrap_or_default();
        let ids = config.repositories.iter().map(|repo| repo.id.clone());
        ids.zip(repositories).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (shown(old), shown(new));
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        after
            .keys()
            .filter(|id| !before.contains_key(*id))
            .map(|id| format!("{id}: new")),
    );
    lines.extend(
        before
            .keys()
            .filter(|id| !after.contains_key(*id))
            .map(|id| format!("{id}: gone")),
    );
    let changed = after
        .iter()
        .filter(|(id, value)| before.get(*id).is_some_and(|old| old != *value));
    lines.extend(changed.map(|(id, _)| format!("{id}: changed")));
    if lines.is_empty() {
        lines.push("no repository has changed".to_owned());
    }
    lines
}

/// The signals that matter to a scheduler, caught from the start.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(exit::INTERNAL, "cannot listen for signals").because(&error))
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![("scheduler-status", STATUS), ("scheduler-list", LISTED)]
}
