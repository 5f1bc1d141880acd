//! What every command needs: output, talk, configuration, engine.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use chantal_config::{Config, Diagnostic, Log, LogFormat, LogLevel};
use chantal_engine::{Access, Engine, Ports};
use chantal_model::{Progress, RepoId, SystemClock};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Globals;
use crate::configuration;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::progress::{self, About, Style};
use crate::talk::{self, Form, Manner, Talk};

/// One invocation.
pub(crate) struct App {
    globals: Globals,
    style: Style,
    /// Data.
    pub(crate) output: Output,
    /// Everything else that is said.
    pub(crate) talk: Arc<Talk>,
}

impl App {
    /// Settles output and talk.
    pub(crate) fn new(globals: Globals) -> Self {
        let style = globals.progress.settle(globals.quiet);
        let manner = Manner {
            quiet: globals.quiet,
            color: globals.color.on(std::io::stderr().is_terminal()),
            form: match (style, globals.format) {
                (Style::Json, _) => Form::Json,
                (_, Some(Format::Json)) => Form::JsonErrors,
                _ => Form::Text,
            },
        };
        Self {
            output: Output::new(globals.format, globals.color.on(std::io::stdout().is_terminal())),
            talk: Arc::new(Talk::new(manner)),
            style,
            globals,
        }
    }

    /// The words that make another run of this program say as much.
    pub(crate) fn loudness(&self) -> Vec<&'static str> {
        let quiet = self.globals.quiet.then_some("--quiet");
        quiet
            .into_iter()
            .chain((0..self.globals.verbose).map(|_| "--verbose"))
            .collect()
    }

    /// Sends the log to stderr, as the configuration says, with `-v` what happens, with `-vv` how; with `echo` every
    /// statement to the database, too, without the values of its parameters.
    pub(crate) fn log(&self, configured: Log, echo: bool) {
        let level = match (self.globals.quiet, self.globals.verbose) {
            (true, _) => "error",
            (_, 0) => level(configured.level),
            (_, 1) => "info",
            _ => "debug",
        };
        // The driver of PostgreSQL tells slow statements with their whole text, which is of no use here.
        let calm = if echo { ",sqlx=error,sql=debug" } else { ",sqlx=error" };
        // What is wrong with a server's certificate is said in words by whoever asked for it.
        let silent = match level {
            "debug" | "trace" => "",
            _ => ",rustls_platform_verifier=off",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("CHANTAL_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("{level}{calm}{silent}")));
        let talk = self.talk.clone();
        let log = tracing_subscriber::fmt::layer()
            .with_writer(move || talk::Log(talk.clone()))
            .with_ansi(self.globals.color.on(std::io::stderr().is_terminal()));
        let all = tracing_subscriber::registry().with(crate::log::Heard.with_filter(crate::log::Heard::filter()));
        // A second subscriber cannot be there: this is the start of the process.
        let _ = match (self.style, configured.format) {
            (Style::Json, _) => {
                let events = log.with_ansi(false).event_format(crate::log::Events);
                all.with(events.with_filter(filter)).try_init()
            }
            (_, LogFormat::Json) => {
                self.talk.log_lines();
                let lines = log
                    .with_ansi(false)
                    .event_format(crate::log::Lines)
                    .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new());
                all.with(lines.with_filter(filter)).try_init()
            }
            _ => all.with(log.with_filter(filter)).try_init(),
        };
    }

    /// Where the configuration is.
    pub(crate) fn config_path(&self) -> Result<PathBuf, Failure> {
        configuration::find(self.globals.config.as_deref(), &configuration::Surroundings::here())
    }

    /// Where `init` writes a configuration if there is none.
    pub(crate) fn config_path_for_init(&self) -> PathBuf {
        configuration::find_or_choose(self.globals.config.as_deref(), &configuration::Surroundings::here())
    }

    /// Loads the configuration; warnings are handed out, not told.
    pub(crate) fn load(&self) -> Result<(Config, Vec<Diagnostic>), Failure> {
        let path = self.config_path()?;
        let loaded = chantal_config::load(&path, &|name| std::env::var(name).ok())?;
        Ok((loaded.config, loaded.warnings))
    }

    /// The files of the configuration: the main one and those that it includes.
    pub(crate) fn config_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let path = self.config_path()?;
        Ok(chantal_config::load(&path, &|name| std::env::var(name).ok())?.files)
    }

    /// Loads the configuration. Keys without effect are told with `-v` only: `config validate` lists them, and
    /// commands on a repository that has one refuse to run.
    pub(crate) fn config(&self) -> Result<Arc<Config>, Failure> {
        let (config, warnings) = self.load()?;
        self.log(config.log, config.database.echo);
        if self.globals.verbose > 0 {
            for warning in &warnings {
                self.talk.warn(&warning.to_string());
            }
        }
        Ok(Arc::new(config))
    }

    /// Opens the engine on the configuration that was found.
    pub(crate) async fn engine(&self, access: Access) -> Result<Engine, Failure> {
        self.engine_on(self.config()?, access).await
    }

    /// Opens the engine to look at a repository, which the configuration need not have any more.
    pub(crate) async fn known_repository(&self, id: &RepoId) -> Result<Engine, Failure> {
        self.known_repositories(std::slice::from_ref(id)).await
    }

    /// Opens the engine to look at repositories, which the configuration need not have any more.
    pub(crate) async fn known_repositories(&self, ids: &[RepoId]) -> Result<Engine, Failure> {
        let config = self.config()?;
        let engine = self.engine_on(config.clone(), Access::Read).await?;
        for id in ids {
            if let Err(failure) = crate::select::find(&config, id)
                && !engine.repositories().await?.iter().any(|row| row.id == id.as_str())
            {
                return Err(failure);
            }
        }
        Ok(engine)
    }

    /// Opens the engine to work on a repository of the configuration that this version can work on.
    pub(crate) async fn configured_repository(&self, id: &RepoId, access: Access) -> Result<Engine, Failure> {
        let config = self.config()?;
        match crate::select::unusable(crate::select::find(&config, id)?) {
            Some(failure) => Err(failure),
            None => self.engine_on(config, access).await,
        }
    }

    /// Opens the engine on a configuration.
    pub(crate) async fn engine_on(&self, config: Arc<Config>, access: Access) -> Result<Engine, Failure> {
        Ok(Engine::open(config, access, self.ports()).await?)
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports {
            clock: Arc::new(SystemClock),
            progress: self.progress(About::default()),
        }
    }

    /// Where work on something reports how far it is.
    pub(crate) fn progress(&self, about: About) -> Arc<dyn Progress> {
        progress::port(self.style, &self.talk, about)
    }
}

fn level(configured: LogLevel) -> &'static str {
    match configured {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
