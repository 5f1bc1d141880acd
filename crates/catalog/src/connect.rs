//! Opening the database.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::db::{self, Pool, Transaction};
use crate::error::CatalogError;
use crate::sqlite::{Connections, LARGE_LOG_BYTES, Options, Patience, Readers, log_bytes};
use crate::{schema, sql};

/// What the database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading what every schema has, to look after the database; an older one is good enough.
    Look,
    /// Reading.
    Read,
    /// Reading and writing an existing database.
    Write,
    /// Reading and writing; a missing or empty database is created.
    Create,
    /// Replacing everything; an older schema, none, or no database are good enough.
    Replace,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Server),
}

/// A database on a PostgreSQL server.
#[derive(Clone)]
pub struct Server {
    /// `postgresql://[user[:password]@][host][:port]/database[?parameter=value]`.
    pub url: String,
    /// The same for people, without the password.
    pub shown: String,
    /// Connections at most.
    pub connections: u32,
    /// Certificates and keys that the URL names.
    pub files: Vec<PathBuf>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The catalog. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) writer: Pool,
    pub(crate) reader: Pool,
    /// The file, unless it is on a server.
    path: Option<PathBuf>,
    /// A lease that is not renewed ends after so many seconds.
    pub(crate) lease_seconds: i64,
    /// Leases that were taken through this and not given back, where somebody keeps an account of them.
    pub(crate) taken: Option<Account>,
    /// Whether the schema is the one that this program writes.
    pub(crate) is_current: bool,
}

/// Names and fences of leases.
pub(crate) type Account = Arc<Mutex<Vec<(String, i64)>>>;

/// A lease that is not renewed ends after so many seconds, unless the configuration says otherwise.
const LEASE_SECONDS: i64 = 60;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// Page cache of the writing connection, in negative KiB. The indexes of a hundred thousand packages are written at
/// random places; the kernel's cache holds the rest.
const WRITER_CACHE: &str = "-6144";
/// Page cache of a reading connection, in negative KiB.
const READER_CACHE: &str = "-2048";
/// Pages in the log before they go into the database. Indexes over digests are written at random places, so that the
/// same pages come again and again: a rare checkpoint writes each once.
const CHECKPOINT_PAGES: &str = "8000";
/// How long a run waits for another program that holds the file, or for a server that is away.
const BUSY: Duration = Duration::from_secs(60);
/// How long a task waits for the writing connection while other tasks of this process have it. Each of them ends, or
/// fails by [`BUSY`], so this only has to be longer than all of them together.
const TURN: Duration = Duration::from_secs(3600);

/// Finds out whether the file can be read.
const LOOK: &str = "PRAGMA schema_version";

impl Catalog {
    /// Opens the database; it is readable by its owner only.
    pub async fn open(path: &Path, access: Access) -> Result<Self, CatalogError> {
        Self::open_waiting(path, access, BUSY).await
    }

    /// Where another program holds the file, now or later, it is waited for so long.
    pub(crate) async fn open_waiting(path: &Path, access: Access, wait: Duration) -> Result<Self, CatalogError> {
        prepare(path, access)?;
        let patience = Patience::new(path, wait);
        let options = |begin| Options {
            path: path.to_owned(),
            is_read_only: false,
            begin,
            patience: patience.clone(),
            busy: wait,
        };
        if !has_log(path) {
            // Turning the log on writes into the file, which may be a newer program's or another one's.
            let plain = Options {
                is_read_only: true,
                ..options(LOOK.to_owned())
            };
            let plain = Pool::Writing(Connections::new(plain, 1, BUSY));
            let found = schema::version(&plain).await;
            plain.close().await;
            refuse_newer(found.map_err(|error| unopened(path, error))?)?;
        }
        let writer = Connections::new(options(pragmas(WRITER_CACHE)), 1, TURN);
        writer.open().await.map_err(|source| opening(path, source))?;
        let readers = Connections::new(options(pragmas(READER_CACHE)), READERS, BUSY);
        let catalog = Self {
            reader: Pool::Reading(Readers::new(readers, writer.clone())),
            writer: Pool::Writing(writer),
            path: Some(path.to_owned()),
            lease_seconds: LEASE_SECONDS,
            taken: None,
            is_current: true,
        };
        catalog.at_schema(access).await
    }

    /// Opens a database on a PostgreSQL server; tables are made in its current schema.
    pub async fn connect(server: &Server, access: Access) -> Result<Self, CatalogError> {
        Self::connect_waiting(server, access, BUSY).await
    }

    /// Where the server goes away later, statements wait so long for it to come back.
    pub(crate) async fn connect_waiting(server: &Server, access: Access, wait: Duration) -> Result<Self, CatalogError> {
        let refused = |source: sqlx::Error| CatalogError::Connect {
            shown: server.shown.clone(),
            source: source.into(),
        };
        for path in &server.files {
            std::fs::File::open(path).map_err(|source| CatalogError::Certificate {
                path: path.clone(),
                source,
            })?;
        }
        let options: PgConnectOptions = server.url.parse().map_err(refused)?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("chantal"),
        };
        // The pool would ask a server that refuses connections again and again.
        let first = db::connect(&options).await.map_err(refused)?;
        first.close().await.map_err(refused)?;
        let pool = PgPoolOptions::new()
            .max_connections(server.connections.max(2))
            .acquire_timeout(wait)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(sql::POSTGRES_IDLE).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        let catalog = Self {
            writer: Pool::Postgres(pool.clone()),
            reader: Pool::Postgres(pool),
            path: None,
            lease_seconds: LEASE_SECONDS,
            taken: None,
            is_current: true,
        };
        catalog.at_schema(access).await
    }

    /// Makes the schema, or refuses one of another version.
    async fn at_schema(self, access: Access) -> Result<Self, CatalogError> {
        let mut catalog = self;
        let found = schema::version(&catalog.writer).await?;
        catalog.is_current = found.is_none_or(|found| found == schema::LATEST);
        match found {
            None if access == Access::Create => {
                schema::upgrade(&catalog).await?;
            }
            None if access == Access::Replace => {}
            None => {
                return Err(CatalogError::Schema {
                    found: 0,
                    needed: schema::LATEST,
                });
            }
            Some(found) if found == schema::LATEST => {}
            Some(found) if found < schema::LATEST && matches!(access, Access::Look | Access::Replace) => {}
            Some(found) => {
                return Err(CatalogError::Schema {
                    found,
                    needed: schema::LATEST,
                });
            }
        }
        Ok(catalog)
    }

    /// The same, with leases that end so many seconds after they were last renewed.
    #[must_use]
    pub fn with_lease_seconds(self, seconds: u32) -> Self {
        Self {
            lease_seconds: i64::from(seconds),
            ..self
        }
    }

    /// How long a lease lasts that is not renewed.
    pub fn lease_length(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.unsigned_abs())
    }

    /// Whether the schema is the one that this program writes; an older one can only be read.
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// Whether this is a file rather than a server.
    pub fn is_sqlite(&self) -> bool {
        self.writer.is_sqlite()
    }

    /// The same connections, with an account of the leases that are taken through them.
    #[must_use]
    pub fn with_account(&self) -> Self {
        Self {
            taken: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// Opens a database wherever it is.
    pub async fn open_at(location: &Location, access: Access) -> Result<Self, CatalogError> {
        match location {
            Location::File(path) => Self::open(path, access).await,
            Location::Server(server) => Self::connect(server, access).await,
        }
    }

    /// Opens a database of any schema, for the commands that look after it.
    pub async fn open_any(location: &Location) -> Result<Self, CatalogError> {
        match Self::open_at(location, Access::Look).await {
            Err(CatalogError::Schema { found, needed }) if found > needed => {
                Err(CatalogError::Schema { found, needed })
            }
            other => other,
        }
    }

    /// Size of the database in bytes, without its log.
    pub async fn size_bytes(&self) -> Result<u64, CatalogError> {
        if let Some(path) = &self.path {
            return Ok(std::fs::metadata(path).map_or(0, |meta| meta.len()));
        }
        let (bytes,): (i64,) = db::query_as(sql::POSTGRES_SIZE).fetch_one(&self.reader).await?;
        Ok(bytes as u64)
    }

    /// Size in bytes of the write-ahead log of a file, whose content is not in the file yet.
    pub fn log_bytes(&self) -> u64 {
        self.path.as_deref().map_or(0, log_bytes)
    }

    /// Seconds since 1970 by the clock that all who share the database go by: leases are compared by it.
    pub(crate) async fn now(&self) -> Result<i64, CatalogError> {
        if self.reader.is_sqlite() {
            return Ok(crate::process::now());
        }
        let (now,): (i64,) = db::query_as(sql::POSTGRES_CLOCK).fetch_one(&self.reader).await?;
        Ok(now)
    }

    /// Closes all connections; what is in the log goes into the database.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Moves a large log into the database: whoever opens it next has to read the log whole. Best effort, since the next
    /// who ends something large does it otherwise.
    pub async fn tidy(&self) {
        let Some(path) = &self.path else { return };
        if log_bytes(path) > LARGE_LOG_BYTES
            && let Err(error) = self.writer.raw(sql::SQLITE_EMPTY_LOG).await
        {
            tracing::debug!(%error, "the log of the database stays for now");
        }
    }

    /// Moves most of a large log into the database while others read and write, so that [`Self::tidy`] has little left to
    /// do. Best effort.
    pub async fn ease(&self) {
        let Some(path) = &self.path else { return };
        if log_bytes(path) > LARGE_LOG_BYTES
            && let Err(error) = self.reader.raw(sql::SQLITE_SHORTEN_LOG).await
        {
            tracing::debug!(%error, "the log of the database stays for now");
        }
    }

    /// A transaction; on SQLite it has the write lock from its start.
    pub(crate) async fn begin(&self) -> Result<Transaction, CatalogError> {
        Ok(self.writer.begin().await?)
    }

    /// A transaction for what only matters while its process lives, or what a later transaction makes durable. On SQLite
    /// a commit of it costs no barrier.
    pub(crate) async fn begin_passing(&self) -> Result<Transaction, CatalogError> {
        Ok(self.writer.begin_passing().await?)
    }
}

fn refuse_newer(found: Option<i64>) -> Result<(), CatalogError> {
    match found {
        Some(found) if found > schema::LATEST => Err(CatalogError::Schema {
            found,
            needed: schema::LATEST,
        }),
        _ => Ok(()),
    }
}

/// Whether a SQLite file is written by way of a log already, as its header says (its bytes 18 and 19), or holds nothing
/// that could be spoilt. Where a process was killed, its journal must be played back first, which is writing.
fn has_log(path: &Path) -> bool {
    use std::io::Read;
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    if Path::new(&journal).exists() {
        return true;
    }
    let mut header = [0; 20];
    match std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => header[18] == 2,
        Err(_) => true,
    }
}

/// Statements that a connection begins with. How durable a transaction is, each says for itself; see [`Pool::begin`].
fn pragmas(cache: &str) -> String {
    // What a statement over many rows keeps for its own undoing would go to a file, page by page.
    format!(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA cache_size = {cache}"
    )
}

/// What became of a file that was only looked at.
fn unopened(path: &Path, error: CatalogError) -> CatalogError {
    match error {
        CatalogError::Sql { source } => opening(path, source),
        other => other,
    }
}

/// SQLite says only that a file cannot be opened; that no inode is left for its log is found out here.
fn opening(path: &Path, source: db::Error) -> CatalogError {
    let error = CatalogError::from(source);
    let inodes_are_gone = || rustix::fs::statvfs(path).is_ok_and(|stat| stat.f_files > 0 && stat.f_favail == 0);
    if error.is_unopenable() && inodes_are_gone() {
        return CatalogError::Open {
            path: path.to_owned(),
            source: rustix::io::Errno::NOSPC.into(),
        };
    }
    error
}

/// Makes sure that the database file is there, readable by its owner only.
fn prepare(path: &Path, access: Access) -> Result<(), CatalogError> {
    let exists = std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0);
    if !exists {
        if !matches!(access, Access::Create | Access::Replace) {
            return Err(CatalogError::Absent { path: path.to_owned() });
        }
        let made = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        made.map_err(|source| CatalogError::Open {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}
