//! What went wrong, ready to be told: message, causes, hint, exit code.

use std::error::Error;

use chantal_catalog::CatalogError;
use chantal_config::{Diagnostic, LoadError};
use chantal_engine::EngineError;
use serde::Serialize;

use crate::exit;

/// A failure as users see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What could not be done.
    pub(crate) message: String,
    /// Why, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Errors in the configuration file, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<Place>,
}

/// An error in a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column, from 1.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: Option<String>,
    /// The line with a mark below the offending text, ready for a terminal.
    #[serde(skip)]
    pub(crate) text: String,
}

impl Failure {
    /// A failure with a code of its own.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            diagnostics: Vec::new(),
        }
    }

    /// A mistake in the command line or the configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Adds advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the causes of an error, leaving out those that say nothing new.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            let last = self.causes.last().unwrap_or(&self.message);
            if !last.contains(&text) {
                self.causes.push(text);
            }
            cause = error.source();
        }
        self
    }

    /// A local file could not be used.
    pub(crate) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::usage(format!("cannot {what} {}", path.display())).because(error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let failure = Self {
            hint: error.hint(),
            ..Self::new(error.exit_code(), error.to_string())
        };
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let failure = Self {
            hint: error.hint(),
            ..Self::new(error.exit_code(), error.to_string())
        };
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let LoadError::Invalid(diagnostics) = &error else {
            let failure = Self::usage(error.to_string());
            return match error.source() {
                Some(source) => failure.because(source),
                None => failure,
            };
        };
        let count = diagnostics.len();
        let noun = if count == 1 { "error" } else { "errors" };
        let mut failure = Self::usage(format!("the configuration has {count} {noun}"));
        failure.diagnostics = diagnostics.iter().map(Place::from).collect();
        failure
    }
}

impl From<&Diagnostic> for Place {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            file: diagnostic.file.display().to_string(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
            text: diagnostic.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_repeat_the_message_are_left_out() {
        let io = std::io::Error::other("disk on fire");
        let failure = Failure::usage("cannot read x: disk on fire").because(&io);
        assert!(failure.causes.is_empty());
        let failure = Failure::usage("cannot read x").because(&io);
        assert_eq!(failure.causes, ["disk on fire"]);
    }
}
