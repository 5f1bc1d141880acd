//! One thing wrong with a configuration, at its line.

use std::fmt;
use std::path::PathBuf;

/// Something wrong, or worth a warning, at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The line's text.
    pub excerpt: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file.display(),
            self.line,
            self.column,
            self.message
        )?;
        if !self.excerpt.is_empty() {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let (excerpt, indent) = self.window();
            write!(f, "\n{number} | {excerpt}\n{margin} | {}^", " ".repeat(indent))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Diagnostic {
    /// The part of the line around the column, and how far the column is from its start.
    fn window(&self) -> (String, usize) {
        const WIDTH: usize = 120;
        let at = self.column.saturating_sub(1);
        let length = self.excerpt.chars().count();
        let start = if length > WIDTH {
            at.min(length).saturating_sub(WIDTH / 2)
        } else {
            0
        };
        // A tab is as wide as the terminal likes; the caret must stand below its column.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let part = self.excerpt.chars().skip(start).take(WIDTH).map(plain);
        (part.collect(), at - start)
    }
}

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Everything that is wrong with it, in the order of files and lines.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Diagnostic>),
}
