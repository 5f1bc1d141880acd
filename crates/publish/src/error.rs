//! Why a tree could not be changed.

use std::io;
use std::path::{Path, PathBuf};

/// Why a tree could not be changed. What was served is still served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or directory could not be used.
    #[error("cannot {what} {path}")]
    Io {
        /// `link`, `create`, `rename` and so on.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process publishes there.
    #[error("another process is publishing at {path}")]
    Busy {
        /// The tree.
        path: PathBuf,
    },
    /// A link cannot go from the pool to the tree.
    #[error("{from} and {to} are on different file systems, which hard links cannot cross")]
    CrossDevice {
        /// The blob.
        from: PathBuf,
        /// Where the link was to be.
        to: PathBuf,
    },
    /// The staged state is not what it should be.
    #[error("the staged state is incomplete: {reason}")]
    Incomplete {
        /// What is wrong.
        reason: String,
    },
    /// Something that is no file of ours is in the way.
    #[error("{path} is in the way: {reason}")]
    InTheWay {
        /// What.
        path: PathBuf,
        /// Why it cannot be there.
        reason: &'static str,
    },
}

impl PublishError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// The stable exit code: 2 configuration, 6 full, 7 busy, 8 damaged, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Busy { .. } => 7,
            Self::CrossDevice { .. } | Self::InTheWay { .. } => 2,
            Self::Incomplete { .. } => 8,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => 6,
                io::ErrorKind::ReadOnlyFilesystem => 8,
                io::ErrorKind::PermissionDenied => 2,
                _ => match source.raw_os_error() {
                    Some(5) => 8,
                    Some(23 | 24) => 6,
                    _ => 1,
                },
            },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { .. } => Some("`--wait` waits for it".into()),
            Self::CrossDevice { .. } => {
                Some("put pool and published root on one file system, or set `storage.link_mode: reflink` or `copy`".into())
            }
            Self::InTheWay { .. } => Some("move it away; only files that chantal publishes may be there".into()),
            _ => None,
        }
    }
}
