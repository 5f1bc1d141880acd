//! Talk on stderr: what a command says beside its data.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chantal_model::RepoId;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Place};
use crate::output::clean;

/// How much is said, and in which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Only warnings and errors.
    pub(crate) quiet: bool,
    /// Colours on stderr.
    pub(crate) color: bool,
    /// In which form.
    pub(crate) form: Form,
}

/// The form of talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines for people.
    #[default]
    Text,
    /// Lines for people, but errors as one JSON object per line.
    JsonErrors,
    /// Everything as one JSON object per line.
    Json,
}

/// Says things on stderr, beside bars if there are any.
#[derive(Debug)]
pub(crate) struct Talk {
    manner: Manner,
    /// Whether everything that is said is a line of a log in JSON: `log.format`, which is known once it was read.
    logs: AtomicBool,
    bars: MultiProgress,
}

impl Talk {
    /// Talks in a manner.
    pub(crate) fn new(manner: Manner) -> Self {
        Self {
            manner,
            logs: AtomicBool::new(false),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
        }
    }

    /// From now on everything that is said is a line of a log in JSON.
    pub(crate) fn log_lines(&self) {
        self.logs.store(true, Ordering::Relaxed);
    }

    fn logs(&self) -> bool {
        self.manner.form != Form::Json && self.logs.load(Ordering::Relaxed)
    }

    /// Writes a line of a log in JSON.
    fn record(&self, level: &str, message: &str, repo: Option<&RepoId>, mut fields: Map<String, Value>) {
        if let Some(repo) = repo {
            fields.insert("repo.id".to_owned(), json!(repo));
        }
        self.event(&crate::log::line(level, "chantal", message, fields));
    }

    /// Where bars are drawn, so that lines do not run through them.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Takes all bars away: what still runs is being stopped.
    pub(crate) fn close_bars(&self) {
        // Where they cannot be drawn, there are none.
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Says a line, unless quiet.
    pub(crate) fn say(&self, line: &str) {
        self.say_of(None, line);
    }

    /// Says a line that is about a repository, which only events name.
    pub(crate) fn say_of(&self, repo: Option<&RepoId>, line: &str) {
        if self.manner.quiet {
            return;
        }
        let line = clean::line(line);
        match (self.manner.form, repo) {
            (Form::Json, Some(repo)) => self.event(&json!({"event": "message", "text": line, "repo": repo})),
            (Form::Json, None) => self.event(&json!({"event": "message", "text": line})),
            _ if self.logs() => self.record("info", &line, repo, Map::new()),
            _ => self.write(&line),
        }
    }

    /// Shows a table that people see beside the data; events carry the same in lines of their own.
    pub(crate) fn show(&self, table: &str) {
        if !self.manner.quiet && self.manner.form != Form::Json && !self.logs() {
            self.write(table.trim_end());
        }
    }

    /// Whether there are colours on stderr.
    pub(crate) fn has_colors(&self) -> bool {
        self.manner.color
    }

    /// Says a line that quiet users see too.
    pub(crate) fn warn(&self, line: &str) {
        self.warn_of(None, line);
    }

    /// The same about a repository, which only lines of a log name.
    pub(crate) fn warn_of(&self, repo: Option<&RepoId>, line: &str) {
        if self.logs() {
            self.record("warn", &clean::line(line), repo, Map::new());
        } else if self.manner.form == Form::Json {
            self.event(&json!({"event": "warning", "text": line}));
        } else {
            self.write(&format!("{} {}", self.paint("33;1", "warning:"), clean::text(line)));
        }
    }

    /// Tells what went wrong.
    pub(crate) fn fail(&self, failure: &Failure) {
        self.fail_of(None, failure);
    }

    /// The same about a repository, which only lines of a log name.
    pub(crate) fn fail_of(&self, repo: Option<&RepoId>, failure: &Failure) {
        match self.manner.form {
            Form::Text if self.logs() => {
                let mut fields = Map::new();
                fields.insert("exit_code".to_owned(), json!(failure.code));
                fields.insert("causes".to_owned(), json!(failure.causes));
                fields.insert("hint".to_owned(), json!(failure.hint));
                self.record("error", &failure.message, repo, fields);
            }
            Form::Text => self.write(&self.told(failure)),
            Form::JsonErrors | Form::Json => self.event(&json!({ "error": failure })),
        }
    }

    /// Writes a JSON object on a line of its own.
    pub(crate) fn event(&self, event: &Value) {
        self.write(&event.to_string());
    }

    fn told(&self, failure: &Failure) -> String {
        let mut text = format!("{} {}", self.paint("31;1", "error:"), clean::text(&failure.message));
        for cause in &failure.causes {
            let _ = write!(text, "\n  caused by: {}", clean::text(cause));
        }
        for Place { text: place, .. } in &failure.diagnostics {
            let _ = write!(text, "\n\n{}", clean::text(place.trim_end()));
        }
        if let Some(hint) = &failure.hint {
            let _ = write!(text, "\n{} {}", self.paint("36", "hint:"), clean::text(hint));
        }
        text
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.manner.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Nobody can be told that stderr is gone, so that is not an error.
    fn write(&self, text: &str) {
        self.bars.suspend(|| {
            let mut line = text.to_owned();
            line.push('\n');
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        });
    }
}

/// Takes log lines, one at a time, so that they do not run through bars or into each other.
pub(crate) struct Log(pub(crate) Arc<Talk>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.bars.suspend(|| std::io::stderr().lock().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_a_hint() {
        let failure = Failure::new(3, "repository a: cannot fetch\u{1b}[2J x")
            .because(&std::io::Error::other("no route to host"))
            .hint("try again");
        insta::assert_snapshot!(Talk::new(Manner::default()).told(&failure), @r"
        error: repository a: cannot fetch x
          caused by: no route to host
        hint: try again
        ");
    }
}
