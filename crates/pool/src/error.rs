//! Why the pool could not do its work.

use std::io;
use std::path::{Path, PathBuf};

/// Why the pool could not do its work. Temporary files of a failed batch are removed; blobs that were there stay.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A file or directory of the pool could not be used.
    #[error("cannot {what} {path}")]
    Io {
        /// `create`, `write`, `rename` and so on.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Bytes could not be made durable. They are dropped; a second try on the same files would prove nothing.
    #[error("cannot make {path} durable")]
    Barrier {
        /// The file or file system.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A blob's bytes are not those that it is named after.
    #[error("{path} is altered: its bytes have another digest than its name says")]
    Altered {
        /// Which.
        path: PathBuf,
    },
    /// A manifest is not as it was written.
    #[error("{path} is torn or altered: its digest is another one")]
    Torn {
        /// Which.
        path: PathBuf,
    },
    /// Everybody may write to the pool, so nothing in it can be trusted.
    #[error("everybody may write to {path} (mode {mode:04o})")]
    Exposed {
        /// The pool's directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl PoolError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn barrier(path: &Path, source: io::Error) -> Self {
        Self::Barrier {
            path: path.to_owned(),
            source,
        }
    }

    /// The stable exit code: 6 for a full disk, quota or descriptor table, 8 for a damaged or read-only one or a
    /// directory in a blob's place, 2 for permissions, else 1.
    pub fn exit_code(&self) -> u8 {
        let (Self::Io { source, .. } | Self::Barrier { source, .. }) = self else {
            let is_damage = matches!(self, Self::Altered { .. } | Self::Torn { .. });
            return if is_damage { 8 } else { 2 };
        };
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => 6,
            // Somebody put a directory where a blob belongs, or a file where a directory does.
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => 8,
            io::ErrorKind::PermissionDenied => 2,
            _ => match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::IO) => 8,
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => 6,
                _ if matches!(self, Self::Barrier { .. }) => 8,
                _ => 1,
            },
        }
    }
}

impl From<PoolError> for io::Error {
    /// The system's own error where there is one, so that it still tells a full disk from a broken one.
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Io { source, .. } | PoolError::Barrier { source, .. } => source,
            other => Self::other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_full_disk_and_a_broken_one_are_told_apart() {
        for (errno, io, barrier) in [
            (Errno::NOSPC, 6, 6),
            (Errno::DQUOT, 6, 6),
            (Errno::MFILE, 6, 6),
            (Errno::NFILE, 6, 6),
            (Errno::FBIG, 6, 6),
            (Errno::IO, 8, 8),
            (Errno::ROFS, 8, 8),
            (Errno::ISDIR, 8, 8),
            (Errno::NOTDIR, 8, 8),
            (Errno::ACCESS, 2, 2),
            (Errno::INVAL, 1, 8),
        ] {
            let path = Path::new("x");
            assert_eq!(PoolError::io("write", path, errno.into()).exit_code(), io, "{errno:?}");
            assert_eq!(PoolError::barrier(path, errno.into()).exit_code(), barrier, "{errno:?}");
        }
    }
}
