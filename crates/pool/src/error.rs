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
}

impl PoolError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// The stable exit code: 6 for a full disk, quota or descriptor table, 8 for a damaged or read-only one, 2 for
    /// permissions, else 1.
    pub fn exit_code(&self) -> u8 {
        let (Self::Io { source, .. } | Self::Barrier { source, .. }) = self;
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => 6,
            io::ErrorKind::ReadOnlyFilesystem => 8,
            io::ErrorKind::PermissionDenied => 2,
            // EIO; ENFILE and EMFILE.
            _ => match source.raw_os_error() {
                Some(5) => 8,
                Some(23 | 24) => 6,
                _ if matches!(self, Self::Barrier { .. }) => 8,
                _ => 1,
            },
        }
    }
}
