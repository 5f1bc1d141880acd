//! Modes and revisions.

use std::fmt;
use std::str::FromStr;

/// The number of a revision: 1 for the first, then one more for each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RevisionNumber(pub i64);

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("r{}", self.0))
    }
}

impl FromStr for RevisionNumber {
    type Err = std::num::ParseIntError;

    /// Accepts `r12` and `12`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('r').unwrap_or(text).parse().map(Self)
    }
}

/// How a repository's content and metadata come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All that upstream lists, upstream's metadata byte for byte.
    Mirror,
    /// What filters choose, metadata generated.
    Filtered,
    /// Uploaded by the user, metadata generated.
    Hosted,
}

impl Mode {
    /// The name that configuration and catalog use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Filtered => "filtered",
            Self::Hosted => "hosted",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is no mode.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mode: expected mirror, filtered or hosted")]
pub struct ParseModeError(String);

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mirror" => Ok(Self::Mirror),
            "filtered" => Ok(Self::Filtered),
            "hosted" => Ok(Self::Hosted),
            _ => Err(ParseModeError(text.to_owned())),
        }
    }
}
