//! Why the catalog could not do its work.

use std::path::PathBuf;

use crate::db;

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
    /// The server cannot be reached or does not let us in.
    #[error("the database {shown} cannot be opened")]
    Connect {
        /// Its URL without the password.
        shown: String,
        /// The cause.
        #[source]
        source: db::Error,
    },
    /// A certificate or key that the server's URL names cannot be read.
    #[error("cannot read {path}, which `database.url` names")]
    Certificate {
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
    /// A catalog that is to be filled knows something.
    #[error("the database is not empty: it knows {repositories} repositories")]
    NotEmpty {
        /// How many repositories.
        repositories: i64,
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
    /// A revision is not held any more.
    #[error("revision r{revision} is not there, or was retired")]
    Retired {
        /// Its number.
        revision: i64,
    },
    /// The database engine refused a statement.
    #[error("the database refused")]
    Sql {
        /// The cause.
        #[source]
        source: db::Error,
    },
    /// Something recorded cannot be what was written.
    #[error("the database holds something that cannot be read: {what}")]
    Corrupt {
        /// Which row and what is wrong with it.
        what: String,
    },
}

impl From<db::Error> for CatalogError {
    fn from(source: db::Error) -> Self {
        Self::Sql { source }
    }
}

impl CatalogError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// The engine's extended result code, where it has one.
    fn sqlite_code(&self) -> Option<i32> {
        match self {
            Self::Sql { source } => source.sqlite_code(),
            _ => None,
        }
    }

    /// The five characters with which PostgreSQL names an error.
    fn postgres_code(&self) -> Option<String> {
        let (Self::Sql { source } | Self::Connect { source, .. }) = self else {
            return None;
        };
        source.postgres().map(|error| error.code().to_owned())
    }

    /// The exit code of an error of PostgreSQL, by its class.
    fn postgres_exit_code(&self) -> Option<u8> {
        let code = self.postgres_code()?;
        Some(match code.as_str() {
            // Invalid authorization, no such database, insufficient privilege.
            code if code.starts_with("28") || code == "3D000" || code == "42501" => 2,
            // Disk full, out of memory, too many connections.
            code if code.starts_with("53") => 6,
            // Serialization failure, deadlock, lock not available.
            "40001" | "40P01" | "55P03" => 7,
            // Read-only, I/O error, data corrupted, shut down.
            "25006" | "58030" | "XX001" | "XX002" | "57P01" | "57P02" | "57P03" => 8,
            _ => 1,
        })
    }

    /// Whether the server ended, or cannot be reached any more.
    fn is_server_away(&self) -> bool {
        let Self::Sql { source } = self else { return false };
        let ended = |code: String| matches!(code.as_str(), "57P01" | "57P02" | "57P03");
        is_away(source) || self.postgres_code().is_some_and(ended)
    }

    fn postgres_hint(&self) -> Option<&'static str> {
        Some(match self.postgres_code()?.as_str() {
            "25006" => "the server only reads: does `database.url` name a standby?",
            "53300" => "the server's `max_connections` must be above what all its clients open",
            code if code.starts_with("53") => "the server lacks disk space or memory",
            "42501" => "the role must own the database, or its schema",
            _ if self.exit_code() == 8 => "the server's own log says what is damaged; restore it from a backup",
            _ => return None,
        })
    }

    /// Whether the engine could not open one of its files.
    pub(crate) fn is_unopenable(&self) -> bool {
        self.sqlite_code().is_some_and(|code| code & 0xff == 14)
    }

    /// Whether the file is damaged or no database.
    pub fn is_damage(&self) -> bool {
        self.sqlite_code().is_some_and(|code| matches!(code & 0xff, 11 | 26))
    }

    /// Whether a row was refused for what it says: it refers to none, its key comes twice, it holds what cannot be held.
    pub fn is_misfit(&self) -> bool {
        // SQLite has one code for all constraints; PostgreSQL a class for them, and one for values.
        self.sqlite_code().is_some_and(|code| code & 0xff == 19)
            || self
                .postgres_code()
                .is_some_and(|code| code.starts_with("23") || code.starts_with("22"))
    }

    /// The stable exit code: 2 schema or missing, 6 full, 7 busy, 8 damaged or read-only, else 1.
    pub fn exit_code(&self) -> u8 {
        if let Some(code) = self.postgres_exit_code() {
            return code;
        }
        match self {
            Self::Connect {
                source: db::Error::Postgres(sqlx::Error::Configuration(_)),
                ..
            }
            | Self::Absent { .. }
            | Self::NotEmpty { .. }
            | Self::Certificate { .. }
            | Self::Schema { .. } => 2,
            Self::Open { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound => 2,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => 6,
                _ => 8,
            },
            Self::Busy { .. } | Self::LostLease { .. } | Self::Retired { .. } => 7,
            Self::Corrupt { .. } | Self::Connect { .. } => 8,
            Self::Sql { .. } if self.sqlite_code() == Some(NO_ROOM_FOR_INDEX) => 6,
            Self::Sql { source } => match self.sqlite_code().map(|code| code & 0xff) {
                // BUSY and LOCKED; FULL; READONLY, IOERR, CORRUPT, CANTOPEN and NOTADB.
                Some(5 | 6) => 7,
                Some(13) => 6,
                Some(8 | 10 | 11 | 14 | 26) => 8,
                _ if matches!(source, db::Error::Turn | db::Error::Postgres(sqlx::Error::PoolTimedOut)) => 7,
                _ if is_away(source) => 8,
                _ => 1,
            },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Absent { .. } => {
                    "`chantal init` makes one; `chantal db rebuild` makes a lost one again from the pool"
                }
                Self::Schema { found, needed } if found < needed => "`chantal db upgrade` brings it up to date",
                Self::Schema { .. } => "a newer version of chantal wrote it: use that version",
                Self::Busy { .. } => {
                    "`--wait` waits for it; `chantal repo sync-status` shows what runs and how far it is"
                }
                Self::Corrupt { .. } => "`chantal db verify` says what is damaged",
                Self::Connect { .. } if self.exit_code() == 2 => {
                    "`database.url` must name a user, a password and a database that the server knows"
                }
                Self::Connect { .. } if self.exit_code() == 6 => return self.postgres_hint().map(str::to_owned),
                Self::Certificate { .. } => "sslrootcert, sslcert and sslkey are files, relative to the configuration",
                Self::Connect { .. } => "is the server running, and does `database.url` name its host and port?",
                Self::Sql { .. } if self.is_server_away() => {
                    "is the server running? once it is, the same command goes on where this one ended"
                }
                Self::Sql { .. } if self.postgres_code().is_some() => return self.postgres_hint().map(str::to_owned),
                Self::Sql { source } if source.is_busy() => {
                    "another program holds the file of the database (`fuser` names it); try again once it lets go"
                }
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

/// Whether nothing reaches the server.
fn is_away(error: &db::Error) -> bool {
    matches!(
        error,
        db::Error::Postgres(sqlx::Error::Io(_) | sqlx::Error::Tls(_)) | db::Error::Io(_)
    )
}
