//! Values that are never printed.

use std::fmt;
use std::path::PathBuf;

/// A secret: in clear, or by reference to an environment variable or a file, read when it is needed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Literal(String),
    Variable(String),
    File(PathBuf),
}

/// A reference that leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("cannot read the secret from {path}: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Secret {
    /// Reads `env:NAME`, `file:PATH` (relative to `base`) or the secret itself.
    pub fn new(text: &str, base: &std::path::Path) -> Self {
        Self(if let Some(name) = text.strip_prefix("env:") {
            Source::Variable(name.to_owned())
        } else if let Some(path) = text.strip_prefix("file:") {
            Source::File(base.join(path))
        } else {
            Source::Literal(text.to_owned())
        })
    }

    /// The secret itself, whatever it looks like.
    pub(crate) fn literal(text: String) -> Self {
        Self(Source::Literal(text))
    }

    /// The secret's value; of a file its first line.
    pub fn reveal(&self) -> Result<String, SecretError> {
        match &self.0 {
            Source::Literal(text) => Ok(text.clone()),
            Source::Variable(name) => std::env::var(name).map_err(|_| SecretError::Unset(name.clone())),
            Source::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(text.lines().next().unwrap_or_default().to_owned()),
                Err(error) => Err(SecretError::Unreadable {
                    path: path.clone(),
                    reason: error.to_string(),
                }),
            },
        }
    }

    /// What may be shown: the reference, or stars in place of a secret in clear.
    pub fn shown(&self) -> String {
        match &self.0 {
            Source::Literal(_) => "***".to_owned(),
            Source::Variable(name) => format!("env:{name}"),
            Source::File(path) => format!("file:{}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
