//! Why a tree could not be changed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

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
    #[error(
        "{from} (on {from_mount}) and {to} (on {to_mount}) are on different file systems, which {link_mode} cannot cross"
    )]
    CrossDevice {
        /// The blob.
        from: PathBuf,
        /// Where the blob's file system is mounted.
        from_mount: PathBuf,
        /// Where the link was to be.
        to: PathBuf,
        /// Where its file system is mounted.
        to_mount: PathBuf,
        /// The link mode, as the configuration calls it.
        link_mode: &'static str,
    },
    /// The file system cannot clone files.
    #[error("the file system of {path} cannot clone files, which link_mode reflink needs")]
    NoReflink {
        /// Where the clone was to be.
        path: PathBuf,
    },
    /// Everybody may write to the published root, so nothing in it can be trusted.
    #[error("everybody may write to {path} (mode {mode:04o})")]
    Exposed {
        /// The root.
        path: PathBuf,
        /// Its mode.
        mode: u32,
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
    /// A path that cannot be published, whatever is there.
    #[error("{path} cannot be published: {reason}")]
    BadName {
        /// Which.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

impl PublishError {
    pub(crate) fn io(what: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The stable exit code: 2 configuration, 6 full, 7 busy, 8 damaged, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Busy { .. } => 7,
            Self::CrossDevice { .. }
            | Self::NoReflink { .. }
            | Self::Exposed { .. }
            | Self::InTheWay { .. }
            | Self::BadName { .. } => 2,
            Self::Incomplete { .. } => 8,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => 6,
                io::ErrorKind::ReadOnlyFilesystem => 8,
                io::ErrorKind::PermissionDenied => 2,
                _ => match source.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::IO) => 8,
                    Some(Errno::MFILE | Errno::NFILE) => 6,
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
                Some("put pool and published root on one file system, or set `storage.link_mode: copy`".into())
            }
            Self::NoReflink { .. } => Some("set `storage.link_mode: copy` or `hardlink`".into()),
            Self::Exposed { path, .. } => Some(format!("`chmod o-w {}`", path.display())),
            Self::InTheWay { .. } => Some("move it away; only files that chantal publishes may be there".into()),
            _ => None,
        }
    }
}

/// The topmost directory on a path's file system.
pub(crate) fn mount_point(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let device = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.dev());
    let own = device(&path);
    let topmost = path.ancestors().take_while(|above| device(above) == own).last();
    topmost.unwrap_or(&path).to_owned()
}
