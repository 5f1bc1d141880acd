//! The command `chantal`: mirrors package repositories, keeps every state of them, publishes plain files.

mod app;
mod args;
mod commands;
mod configuration;
#[cfg(test)]
mod docs;
mod exit;
mod failure;
mod log;
mod output;
mod progress;
#[cfg(test)]
mod schemas;
mod select;
mod signals;
mod talk;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::app::App;
use crate::args::{Cli, Color};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::talk::{Form, Manner, Talk};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Files that this process may have open, as far as the system allows.
const OPEN_FILES: u64 = 16_384;

fn main() -> ExitCode {
    chantal_model::fault::arm();
    std::panic::set_hook(Box::new(tell_bug));
    // The hook has told it; unwinding has rolled back.
    let code = std::panic::catch_unwind(start).unwrap_or(exit::INTERNAL);
    ExitCode::from(code)
}

fn tell_bug(panic: &std::panic::PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let what = text
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = panic
        .location()
        .map(|place| format!(" at {}:{}", place.file(), place.line()))
        .unwrap_or_default();
    let words: Vec<_> = std::env::args_os().collect();
    let form = if args::wants_json(&words) {
        Form::JsonErrors
    } else {
        Form::Text
    };
    let talk = Talk::new(Manner {
        form,
        ..Manner::default()
    });
    talk.fail(
        &Failure::new(exit::INTERNAL, format!("this is a bug in chantal: {what}{place}")).hint(format!(
            "please report it with the command line; this is version {}",
            env!("CARGO_PKG_VERSION")
        )),
    );
}

fn start() -> u8 {
    let words: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::of(&words) {
        Ok(cli) => cli,
        Err(error) => return told_by_clap(&error, &words),
    };
    let app = App::new(cli.globals);
    let outcome = run(&app, cli.command);
    outcome.unwrap_or_else(|failure| {
        app.talk.close_bars();
        app.talk.fail(&failure);
        failure.code
    })
}

/// Help and version go to stdout with 0, mistakes to stderr with 2.
fn told_by_clap(error: &clap::Error, words: &[std::ffi::OsString]) -> u8 {
    if error.use_stderr() && args::wants_json(words) {
        let text = error.render().to_string();
        let mut paragraphs = text.trim().split("\n\n");
        let message = paragraphs
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        let mut failure = Failure::usage(message);
        failure.hint = paragraphs.find_map(|text| text.trim().strip_prefix("tip: ").map(str::to_owned));
        Talk::new(Manner {
            form: Form::JsonErrors,
            ..Manner::default()
        })
        .fail(&failure);
    } else {
        // Whoever closed the stream does not want to read it.
        let _ = error.print();
    }
    error.exit_code() as u8
}

/// Several syncs at a time have more files open than the thousand that many systems allow a process at first.
fn open_more_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        // Where it is refused, the limit of before goes on to hold.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

fn run(app: &App, command: args::Command) -> Outcome {
    open_more_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, "cannot start the runtime").because(&error))?;
    let minds_signals = command.minds_signals();
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            failure = signals::stopped(), if !minds_signals => Err(failure),
            outcome = commands::run(app, command) => outcome,
        }
    });
    if outcome.is_ok() {
        // Whoever ends well has waited for all that it began.
        runtime.shutdown_background();
    } else {
        // Dropping the future has rolled back; threads that still compress or hash get a moment, not more.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    }
    outcome
}

impl Color {
    /// What clap makes of it.
    fn for_help(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }
}
