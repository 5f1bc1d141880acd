//! Why the catalog could not do its work.

use std::path::PathBuf;

/// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log could not grow. SQLite reports a full disk as `SQLITE_FULL`
/// everywhere but there, and a broken disk shows elsewhere first.
const NO_ROOM_FOR_INDEX: i32 = 4874;

/// Why the catalog could not do its work. A transaction that failed left nothing behind.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no database yet.
    #[error("there is no database at {path}")]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file could not be made or opened.
    #[error("cannot open the database {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The schema is of another version.
    #[error("the database has schema version {found}, this program needs {needed}")]
    Schema {
        /// What the database has.
        found: i64,
        /// What this program writes.
        needed: i64,
    },
    /// Somebody else holds a lease.
    #[error("{name} is held by {holder} since {since}")]
    Busy {
        /// The lease.
        name: String,
        /// Host and process id.
        holder: String,
        /// RFC 3339.
        since: String,
    },
    /// The lease expired or was taken over; nothing was written.
    #[error("the lease {name} was lost")]
    LostLease {
        /// The lease.
        name: String,
    },
    /// The database engine refused a statement.
    #[error("the database refused")]
    Sql {
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Something recorded cannot be what was written.
    #[error("the database holds something that cannot be read: {what}")]
    Corrupt {
        /// Which row and what is wrong with it.
        what: String,
    },
}

impl From<sqlx::Error> for CatalogError {
    fn from(source: sqlx::Error) -> Self {
        Self::Sql { source }
    }
}

impl CatalogError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// The engine's extended result code, where it has one.
    fn sqlite_code(&self) -> Option<i32> {
        let Self::Sql {
            source: sqlx::Error::Database(error),
        } = self
        else {
            return None;
        };
        error.code().and_then(|code| code.parse().ok())
    }

    /// Whether the engine could not open one of its files.
    pub(crate) fn is_unopenable(&self) -> bool {
        self.sqlite_code().is_some_and(|code| code & 0xff == 14)
    }

    /// The stable exit code: 2 schema or missing, 6 full, 7 busy, 8 damaged or read-only, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Absent { .. } | Self::Schema { .. } => 2,
            Self::Open { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound => 2,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => 6,
                _ => 8,
            },
            Self::Busy { .. } | Self::LostLease { .. } => 7,
            Self::Corrupt { .. } => 8,
            Self::Sql { .. } if self.sqlite_code() == Some(NO_ROOM_FOR_INDEX) => 6,
            Self::Sql { source } => match self.sqlite_code().map(|code| code & 0xff) {
                // BUSY and LOCKED; FULL; READONLY, IOERR, CORRUPT, CANTOPEN and NOTADB.
                Some(5 | 6) => 7,
                Some(13) => 6,
                Some(8 | 10 | 11 | 14 | 26) => 8,
                _ if matches!(source, sqlx::Error::PoolTimedOut) => 7,
                _ => 1,
            },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Absent { .. } => "`chantal init` makes one",
                Self::Schema { found, needed } if found < needed => "`chantal db upgrade` brings it up to date",
                Self::Schema { .. } => "a newer version of chantal wrote it: use that version",
                Self::Busy { .. } => {
                    "`--wait` waits for it; `chantal repo sync-status` shows what runs and how far it is"
                }
                Self::Corrupt { .. } => "`chantal db verify` says what is damaged",
                Self::Open { .. } | Self::Sql { .. } if self.exit_code() == 6 => {
                    "free some space on the file system of the database"
                }
                Self::Sql { .. } if self.exit_code() == 8 => {
                    "the file is damaged, read-only or no database; restore it from a backup"
                }
                _ => return None,
            }
            .to_owned(),
        )
    }
}
