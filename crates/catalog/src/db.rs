//! One face over SQLite and PostgreSQL: pools, transactions, and where [statements](statement) run.
//!
//! What talks to a server is boxed: it would make the futures of all who run a statement on either engine kilobytes large.

mod statement;

use std::time::Duration;

use chantal_model::{fault, faulty};
use sqlx::ConnectOptions as _;
use sqlx::Postgres;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgPool, PgRow};

pub(crate) use statement::*;

use crate::sqlite::{Connections, Open, Readers};

/// A transaction that is durable when it is committed, with all before it. Each says anew which kind it is, since a
/// connection stays with what it was told last.
const BEGIN: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
/// One that is not: its order among the others is kept, and no power cut leaves half of it.
const BEGIN_PASSING: &str = "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE";
/// One that is durable, in which SQLite does not look whether the rows that others name are there, and what undoes that.
const BEGIN_UNCHECKED: &str = "PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
const END_UNCHECKED: &str = "PRAGMA foreign_keys = ON";
/// How long a server has to answer at first.
const CONNECT: Duration = Duration::from_secs(10);

/// Why an engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL is away, or nobody understands it.
    #[error(transparent)]
    Postgres(sqlx::Error),
    /// PostgreSQL refused. The whole of its text has a line of its source code in it, which nobody can use.
    #[error("{}", .0.message())]
    Refused(Box<PgDatabaseError>),
    /// Other tasks had all connections for too long.
    #[error("no connection to the database was free for a long time")]
    Turn,
    /// A statement that always has a row had none.
    #[error("a row that must be there is missing")]
    NoRow,
    /// A statement has more marks than values.
    #[error("a statement got too few values")]
    Values,
    /// The program ends.
    #[error("the program ends")]
    Ended,
    /// Whatever a test injects.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// What SQLite says of the kind of the error, and the extended code.
    fn sqlite(&self) -> Option<&rusqlite::ffi::Error> {
        match self {
            Self::Sqlite(error) => error.sqlite_error(),
            _ => None,
        }
    }

    /// SQLite's extended result code.
    pub(crate) fn sqlite_code(&self) -> Option<i32> {
        self.sqlite().map(|error| error.extended_code)
    }

    /// Whether another program has the SQLite file.
    pub(crate) fn is_busy(&self) -> bool {
        // The lowest byte of an extended code is the plain one; BUSY.
        self.sqlite_code().is_some_and(|code| code & 0xff == 5)
    }

    /// What PostgreSQL says.
    pub(crate) fn postgres(&self) -> Option<&PgDatabaseError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(error) = error else {
            return Self::Postgres(error);
        };
        match error.try_downcast() {
            Ok(refused) => Self::Refused(refused),
            Err(other) => Self::Postgres(sqlx::Error::Database(other)),
        }
    }
}

/// Connections to either engine. Clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    /// The connection to a file that writes.
    Writing(Connections),
    /// Connections to a file that read.
    Reading(Readers),
    Postgres(PgPool),
}

impl Pool {
    /// Whether this is SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        !matches!(self, Self::Postgres(_))
    }

    /// Starts a transaction. On SQLite it has the write lock from its start; on PostgreSQL each statement sees what was
    /// committed before it, whatever the server's default.
    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        self.begin_by(BEGIN, "").await
    }

    /// The same for somebody who finds out for himself whether what rows name is there. PostgreSQL looks anyway.
    pub(crate) async fn begin_unchecked(&self) -> Result<Transaction, Error> {
        self.begin_by(BEGIN_UNCHECKED, END_UNCHECKED).await
    }

    /// The same for what a power cut may take back: SQLite makes it durable with the next transaction of [`Self::begin`].
    pub(crate) async fn begin_passing(&self) -> Result<Transaction, Error> {
        self.begin_by(BEGIN_PASSING, "").await
    }

    async fn begin_by(&self, begin: &'static str, end: &'static str) -> Result<Transaction, Error> {
        fault!("catalog::begin")?;
        Ok(match self {
            Self::Writing(writer) => Transaction::File(writer.begin_between(begin, end).await?),
            Self::Reading(readers) => Transaction::File(readers.begin().await?),
            Self::Postgres(pool) => Box::pin(begin_postgres(pool, "BEGIN ISOLATION LEVEL READ COMMITTED")).await?,
        })
    }

    /// Starts a transaction that only reads and sees one state, whatever is written meanwhile.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Writing(writer) => Transaction::File(writer.begin("BEGIN DEFERRED").await?),
            Self::Reading(readers) => Transaction::File(readers.begin().await?),
            Self::Postgres(pool) => {
                Box::pin(begin_postgres(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?
            }
        })
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), Error> {
        match self {
            Self::Writing(writer) => writer.raw(text).await,
            Self::Reading(readers) => readers.raw(text).await,
            Self::Postgres(pool) => {
                let done = Box::pin(sqlx::raw_sql(text).execute(pool)).await;
                told(pool, done).await.map(drop)
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Writing(writer) => writer.close().await,
            Self::Reading(readers) => readers.close().await,
            Self::Postgres(pool) => Box::pin(pool.close()).await,
        }
    }
}

async fn begin_postgres(pool: &PgPool, statement: &'static str) -> Result<Transaction, Error> {
    let begun = pool.begin_with(statement).await;
    Ok(Transaction::Postgres(told(pool, begun).await?))
}

/// What the server gave, or why it gave nothing.
async fn told<T>(pool: &PgPool, given: Result<T, sqlx::Error>) -> Result<T, Error> {
    match given {
        Ok(given) => Ok(given),
        Err(error) => Err(Box::pin(reason(pool, error)).await.into()),
    }
}

/// Why no connection was to be had: the pool only says that it waited, also where the server is gone or lets nobody in.
async fn reason(pool: &PgPool, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    connect(&pool.connect_options()).await.err().unwrap_or(error)
}

/// Connects to a server that has to answer soon.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    tokio::time::timeout(CONNECT, options.connect())
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// A transaction of either engine; dropped, it is rolled back.
pub(crate) enum Transaction {
    File(Open),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Whether this is SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        !matches!(self, Self::Postgres(_))
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        faulty!(
            "catalog::commit",
            match self {
                Self::File(transaction) => transaction.commit().await,
                Self::Postgres(transaction) => Box::pin(transaction.commit()).await.map_err(Error::from),
            }
        )
    }

    /// Makes whoever takes or frees a lease wait for the end of this transaction. On SQLite a writer is alone anyway.
    pub(crate) async fn hold_leases(&mut self) -> Result<(), Error> {
        if self.is_sqlite() {
            return Ok(());
        }
        self.raw(crate::sql::POSTGRES_LOCK_LEASES).await
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&mut self, text: &'static str) -> Result<(), Error> {
        match self {
            Self::File(transaction) => transaction.raw(text).await,
            Self::Postgres(transaction) => {
                Box::pin(sqlx::raw_sql(text).execute(&mut **transaction)).await?;
                Ok(())
            }
        }
    }
}

/// Takes the rows of a statement one after the other, until it says that it wants no more. It reads them where the
/// statement runs: no row is kept as the engine has it.
pub(crate) type Take = Box<dyn FnMut(&Row<'_>) -> bool + Send>;

/// Where statements run.
pub(crate) trait Executor: Send {
    /// Runs a statement and hands out its rows.
    fn each(self, query: Query, take: Take) -> impl Future<Output = Result<(), Error>> + Send;

    /// Runs a statement; gives the number of rows that it changed.
    fn run(self, query: Query) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl Executor for &Pool {
    async fn each(self, query: Query, take: Take) -> Result<(), Error> {
        match self {
            Pool::Writing(writer) => writer.each(query, take).await,
            Pool::Reading(readers) => readers.each(query, take).await,
            Pool::Postgres(pool) => {
                let rows = Box::pin(query.postgres().fetch_all(pool)).await;
                hand_out(&told(pool, rows).await?, take);
                Ok(())
            }
        }
    }

    async fn run(self, query: Query) -> Result<u64, Error> {
        match self {
            Pool::Writing(writer) => writer.run(query).await,
            Pool::Reading(readers) => readers.run(query).await,
            Pool::Postgres(pool) => {
                let done = Box::pin(query.postgres().execute(pool)).await;
                Ok(told(pool, done).await?.rows_affected())
            }
        }
    }
}

impl Executor for &mut Transaction {
    async fn each(self, query: Query, take: Take) -> Result<(), Error> {
        match self {
            Transaction::File(on) => on.each(query, take).await,
            Transaction::Postgres(on) => {
                let rows = Box::pin(query.postgres().fetch_all(&mut **on)).await?;
                hand_out(&rows, take);
                Ok(())
            }
        }
    }

    async fn run(self, query: Query) -> Result<u64, Error> {
        match self {
            Transaction::File(on) => on.change(query).await,
            Transaction::Postgres(on) => {
                let done = Box::pin(query.postgres().execute(&mut **on)).await?;
                Ok(done.rows_affected())
            }
        }
    }
}

fn hand_out(rows: &[PgRow], mut take: Take) {
    for row in rows {
        if !take(&Row::Postgres(row)) {
            break;
        }
    }
}
