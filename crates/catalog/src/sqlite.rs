//! Connections to a SQLite file: one that writes, and others that read beside it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The connection that writes, in the hand of one task at a time.
///
/// A pool takes connections back in tasks of their own, so that whoever comes next often comes too early; this one is
/// there at once.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    options: Arc<SqliteConnectOptions>,
    turn: Duration,
}

/// The connection, until it is dropped.
type Held = OwnedMutexGuard<Option<SqliteConnection>>;

impl Writer {
    /// Connects. Whoever wants the connection later waits for his turn at most so long.
    pub(crate) async fn connect(options: SqliteConnectOptions, turn: Duration) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            options: Arc::new(options),
            turn,
        })
    }

    async fn hold(&self) -> Result<Connected, sqlx::Error> {
        let turn = tokio::time::timeout(self.turn, self.connection.clone().lock_owned());
        let mut held = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        if held.is_none() {
            *held = Some(self.options.connect().await?);
        }
        Ok(Connected(held))
    }

    /// The connection, if nobody has it.
    fn try_hold(&self) -> Option<Connected> {
        let held = self.connection.clone().try_lock_owned().ok()?;
        held.is_some().then_some(Connected(held))
    }

    /// Starts a transaction by the statement that begins it.
    pub(crate) async fn begin(&self, statement: &'static str) -> Result<Writing, sqlx::Error> {
        // If this is dropped on the way, the transaction may have begun.
        let mut writing = Writing {
            connected: Some(self.hold().await?),
        };
        sqlx::raw_sql(statement).execute(writing.connection()).await?;
        Ok(writing)
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), sqlx::Error> {
        let mut connected = self.hold().await?;
        sqlx::raw_sql(text).execute(connected.get()).await?;
        Ok(())
    }

    pub(crate) async fn rows(&self, query: SqliteQuery) -> Result<Vec<SqliteRow>, sqlx::Error> {
        query.fetch_all(self.hold().await?.get()).await
    }

    /// Gives the number of rows that changed.
    pub(crate) async fn run(&self, query: SqliteQuery) -> Result<u64, sqlx::Error> {
        Ok(query.execute(self.hold().await?.get()).await?.rows_affected())
    }

    pub(crate) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            let _ = connection.close().await;
        }
    }
}

pub(crate) type SqliteQuery = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

/// A held connection that is there.
struct Connected(Held);

impl Connected {
    fn get(&mut self) -> &mut SqliteConnection {
        self.0.as_mut().expect("whoever holds it has connected it")
    }
}

/// A transaction of the connection that writes; dropped, it is rolled back before anybody else gets the connection.
pub(crate) struct Writing {
    /// Nothing once it is committed.
    connected: Option<Connected>,
}

impl Writing {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.connected.as_mut().expect("nothing runs after the commit").get()
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(self.connection()).await?;
        self.connected = None;
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut connected) = self.connected.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // Closed, a connection rolls back.
            connected.0.take();
            return;
        };
        runtime.spawn(async move {
            // After a commit that failed for want of space, the engine has rolled back by itself. Whatever else is the
            // reason, a new connection begins anew.
            if sqlx::raw_sql("ROLLBACK").execute(connected.get()).await.is_err() {
                connected.0.take();
            }
        });
    }
}

/// Connections that read.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pool: SqlitePool,
    /// One beside the pool, for statements that come one after the other. Whoever finds it taken asks the pool.
    kept: Arc<Mutex<Option<SqliteConnection>>>,
    writer: Writer,
}

impl Readers {
    pub(crate) fn new(pool: SqlitePool, writer: Writer) -> Self {
        Self {
            pool,
            kept: Arc::default(),
            writer,
        }
    }

    /// Where nothing is written at the same time, the connection that writes reads, too: opening another one takes as
    /// long as all statements of a short verb.
    pub(crate) async fn rows(&self, query: SqliteQuery) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let Ok(mut kept) = self.kept.try_lock() else {
            return query.fetch_all(&self.pool).await;
        };
        if kept.is_none() {
            if let Some(mut writer) = self.writer.try_hold() {
                return query.fetch_all(writer.get()).await;
            }
            *kept = Some(self.pool.connect_options().connect().await?);
        }
        match &mut *kept {
            Some(connection) => query.fetch_all(connection).await,
            None => query.fetch_all(&self.pool).await,
        }
    }

    pub(crate) async fn run(&self, query: SqliteQuery) -> Result<u64, sqlx::Error> {
        Ok(query.execute(&self.pool).await?.rows_affected())
    }

    /// A transaction that sees one state, whatever is written meanwhile.
    pub(crate) async fn begin(&self) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN DEFERRED").await
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(text).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        if let Some(connection) = self.kept.lock().await.take() {
            let _ = connection.close().await;
        }
        self.pool.close().await;
    }
}
