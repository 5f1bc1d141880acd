//! Connections to a SQLite file: one that writes, and others that read beside it.
//!
//! Statements run where they are asked for: a message to another thread and back takes longer than most of them. Those
//! that take long say so ([`Query::apart`](crate::db::Query::apart)) and run on a thread that may wait.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Statement};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::{Error, Query, RETURNING, Row, STATEMENTS, Take};

mod patience;

pub(crate) use patience::Patience;

/// A log of more bytes is put into the database at the end of a verb: whoever opens it next has to read it whole.
pub(crate) const LARGE_LOG_BYTES: u64 = 256 << 10;
/// Statements that a connection keeps prepared.
const PREPARED: usize = 64;

/// How connections to a file are made.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The file, which has to be there.
    pub(crate) path: PathBuf,
    /// Whether nothing can be written.
    pub(crate) is_read_only: bool,
    /// Statements that each connection begins with.
    pub(crate) begin: String,
    /// How long a connection or a transaction waits for another program that has the file.
    pub(crate) patience: Patience,
    /// How long a statement of its own waits, where it finds another program in its way.
    pub(crate) busy: Duration,
}

impl Options {
    fn connect(&self) -> Result<Connection, Error> {
        let access = if self.is_read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        // Whoever has a connection has it alone.
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        keep_log(&connection, true)?;
        self.at_once(&connection, &self.begin)?;
        Ok(connection)
    }

    /// The same once no other program is in its way.
    async fn connect_waiting(&self) -> Result<Connection, Error> {
        let mut wait = self.patience.wait();
        loop {
            let connected = self.connect();
            if !wait.is_worth_it(connected.as_ref().err()).await {
                return connected;
            }
        }
    }

    /// Runs statements that find out at once whether another program is in their way.
    fn at_once(&self, connection: &Connection, statements: &str) -> Result<(), Error> {
        connection.busy_timeout(Duration::ZERO)?;
        let done = connection.execute_batch(statements);
        connection.busy_timeout(self.busy)?;
        Ok(done?)
    }
}

/// Connections of one kind, each in the hand of one task at a time. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    options: Options,
    /// One for each connection that may be taken.
    turns: Arc<Semaphore>,
    count: u32,
    /// How long a task waits for its turn.
    wait: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl Shelf {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // What was pushed or popped is whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let is_kept = log_bytes(&self.options.path) <= LARGE_LOG_BYTES;
        for connection in self.idle().drain(..) {
            // Where that fails, whoever opens it next has more to read.
            let _ = keep_log(&connection, is_kept);
        }
    }
}

/// Whether the log stays where this is the last connection that anybody closes. It is as durable as the database; putting
/// it there and beginning a new one takes four flushes, and as long as all else that a short verb does.
fn keep_log(connection: &Connection, is_kept: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_kept)
        .map(drop)
}

/// Size of the log in bytes.
pub(crate) fn log_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |meta| meta.len())
}

impl Connections {
    /// None is open yet. At most `count` are, and whoever finds them taken waits for his turn at most so long.
    pub(crate) fn new(options: Options, count: u32, wait: Duration) -> Self {
        Self(Arc::new(Shelf {
            options,
            turns: Arc::new(Semaphore::new(count as usize)),
            count,
            wait,
            idle: Mutex::default(),
        }))
    }

    /// Opens one, which is there for whoever comes first.
    pub(crate) async fn open(&self) -> Result<(), Error> {
        let connection = self.0.options.connect_waiting().await?;
        self.0.idle().push(connection);
        Ok(())
    }

    async fn take(&self) -> Result<Taken, Error> {
        let turn = tokio::time::timeout(self.0.wait, self.0.turns.clone().acquire_owned());
        let turn = turn.await.ok().and_then(Result::ok).ok_or(Error::Turn)?;
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.0.options.connect_waiting().await?,
        };
        Ok(Taken {
            connection: Some(connection),
            shelf: self.0.clone(),
            _turn: turn,
        })
    }

    /// One that is open and that nobody has.
    fn try_take(&self) -> Option<Taken> {
        let turn = self.0.turns.clone().try_acquire_owned().ok()?;
        let connection = self.0.idle().pop()?;
        Some(Taken {
            connection: Some(connection),
            shelf: self.0.clone(),
            _turn: turn,
        })
    }

    /// Waits until nobody has one, and closes them: the last one that anybody has puts what is in the log into the
    /// database. Whoever comes later opens one again.
    pub(crate) async fn close(&self) {
        let all = self.0.turns.clone().acquire_many_owned(self.0.count).await;
        for connection in self.0.idle().drain(..) {
            let closed = keep_log(&connection, false).and_then(|()| connection.close().map_err(|(_, error)| error));
            if let Err(error) = closed {
                tracing::debug!(%error, "a connection to the database could not be closed");
            }
        }
        drop(all);
    }

    /// Starts a transaction by the statement that begins it.
    pub(crate) async fn begin(&self, statement: &'static str) -> Result<Open, Error> {
        self.begin_between(statement, "").await
    }

    /// The same; whatever becomes of it, the connection runs `end` before anybody else gets it.
    pub(crate) async fn begin_between(&self, statement: &'static str, end: &'static str) -> Result<Open, Error> {
        let open = Open {
            taken: Some(self.take().await?),
            is_large: false,
            end,
        };
        let mut wait = self.0.options.patience.wait();
        loop {
            let begun = self.0.options.at_once(open.connection(), statement);
            if !wait.is_worth_it(begun.as_ref().err()).await {
                return begun.map(|()| open);
            }
        }
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), Error> {
        let mut taken = self.take().await?;
        let mut wait = self.0.options.patience.wait();
        loop {
            let options = self.0.options.clone();
            let (back, done) = taken
                .run(true, move |connection| options.at_once(connection, text))
                .await?;
            if !wait.is_worth_it(done.as_ref().err()).await {
                return done;
            }
            taken = back;
        }
    }

    /// Runs a statement and hands out its rows.
    pub(crate) async fn each(&self, query: Query, take: Take) -> Result<(), Error> {
        self.take().await?.each(query, take).await
    }

    /// Runs a statement; gives the number of rows that changed.
    pub(crate) async fn run(&self, query: Query) -> Result<u64, Error> {
        let (_, changed) = self.take().await?.change(query).await?;
        changed
    }
}

/// A connection in the hand of one task; dropped, it goes back.
struct Taken {
    /// Nothing if it is not to go back.
    connection: Option<Connection>,
    shelf: Arc<Shelf>,
    /// Dropped after the connection went back.
    _turn: OwnedSemaphorePermit,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shelf.idle().push(connection);
        }
    }
}

impl Taken {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until it goes back")
    }

    /// Does some work with it, here or on a thread that may wait.
    async fn run<T: Send + 'static>(
        self,
        is_apart: bool,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<(Self, T), Error> {
        apart(is_apart, self, |taken| work(taken.connection())).await
    }

    async fn each(self, query: Query, take: Take) -> Result<(), Error> {
        let is_apart = query.is_apart;
        let (_, done) = self
            .run(is_apart, move |connection| each(connection, &query, take))
            .await?;
        done
    }

    async fn change(self, query: Query) -> Result<(Self, Result<u64, Error>), Error> {
        let is_apart = query.is_apart;
        self.run(is_apart, move |connection| change(connection, &query)).await
    }
}

/// Runs work on what is moved there and back: should the task that asked be dropped, it is dropped where it is.
async fn apart<S: Send + 'static, T: Send + 'static>(
    is_apart: bool,
    subject: S,
    work: impl FnOnce(&S) -> T + Send + 'static,
) -> Result<(S, T), Error> {
    if !is_apart {
        let done = work(&subject);
        return Ok((subject, done));
    }
    let working = tokio::task::spawn_blocking(move || {
        let done = work(&subject);
        (subject, done)
    });
    match working.await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Ended),
    }
}

/// A transaction; dropped, it is rolled back before anybody else gets the connection.
pub(crate) struct Open {
    /// Nothing once it is committed.
    taken: Option<Taken>,
    /// Whether something ran apart, so that the commit takes long, too.
    is_large: bool,
    /// What runs after the end.
    end: &'static str,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(taken) = &mut self.taken else { return };
        let is_open = !taken.connection().is_autocommit();
        // After a commit that failed for want of space, the engine has rolled back by itself. Whatever else is the reason,
        // a new connection begins anew.
        let is_over = !is_open || taken.connection().execute_batch("ROLLBACK").is_ok();
        let is_as_before = self.end.is_empty() || taken.connection().execute_batch(self.end).is_ok();
        if !is_over || !is_as_before {
            taken.connection = None;
        }
    }
}

impl Open {
    async fn run<T: Send + 'static>(
        &mut self,
        is_apart: bool,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let open = Self {
            taken: self.taken.take(),
            is_large: self.is_large || is_apart,
            end: self.end,
        };
        let (open, done) = apart(is_apart, open, |open| work(open.connection())).await?;
        *self = open;
        Ok(done)
    }

    fn connection(&self) -> &Connection {
        self.taken.as_ref().expect("nothing runs after the end").connection()
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        let is_large = self.is_large;
        self.run(is_large, |connection| connection.execute_batch("COMMIT"))
            .await??;
        Ok(())
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&mut self, text: &'static str) -> Result<(), Error> {
        Ok(self
            .run(false, move |connection| connection.execute_batch(text))
            .await??)
    }

    /// Runs a statement and hands out its rows.
    pub(crate) async fn each(&mut self, query: Query, take: Take) -> Result<(), Error> {
        let is_apart = query.is_apart;
        self.run(is_apart, move |connection| each(connection, &query, take))
            .await?
    }

    /// Runs a statement; gives the number of rows that changed.
    pub(crate) async fn change(&mut self, query: Query) -> Result<u64, Error> {
        let is_apart = query.is_apart;
        self.run(is_apart, move |connection| change(connection, &query)).await?
    }

    /// Inserts rows; gives the number of each that was new.
    pub(crate) async fn insert(&mut self, query: Query) -> Result<Vec<Option<i64>>, Error> {
        let is_apart = query.is_apart;
        self.run(is_apart, move |connection| insert(connection, &query)).await?
    }
}

/// Prepares a statement and runs `work` for the values of each round.
fn rounds(
    connection: &Connection,
    query: &Query,
    text: &str,
    mut work: impl FnMut(&mut Statement<'_>) -> Result<(), rusqlite::Error>,
) -> Result<(), Error> {
    tracing::debug!(target: STATEMENTS, statement = text);
    let mut cached;
    let mut once;
    let statement: &mut Statement<'_> = if query.is_kept() {
        cached = connection.prepare_cached(text)?;
        &mut cached
    } else {
        once = connection.prepare(text)?;
        &mut once
    };
    // The number of a value is in the name of its mark, unless it has none: SQLite counts names as they come.
    let places: Vec<usize> = (1..=statement.parameter_count())
        .map(|index| match statement.parameter_name(index) {
            Some(name) => name[1..].parse().expect("names are numbers"),
            None => index,
        })
        .collect();
    for values in query.rounds() {
        for (index, place) in (1..).zip(&places) {
            statement.raw_bind_parameter(index, values.get(place - 1).ok_or(Error::Values)?)?;
        }
        work(statement)?;
    }
    Ok(())
}

fn each(connection: &Connection, query: &Query, mut take: Take) -> Result<(), Error> {
    let mut wants_more = true;
    rounds(connection, query, &query.text_of_round(), |statement| {
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            // What writes goes on to its end.
            wants_more = wants_more && take(&Row::Sqlite(row));
        }
        Ok(())
    })
}

fn change(connection: &Connection, query: &Query) -> Result<u64, Error> {
    let mut changed = 0;
    rounds(connection, query, &query.text_of_round(), |statement| {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        drop(rows);
        changed += connection.changes();
        Ok(())
    })?;
    Ok(changed)
}

fn insert(connection: &Connection, query: &Query) -> Result<Vec<Option<i64>>, Error> {
    let mut numbers = Vec::new();
    let text = query.text_of_round();
    // What it would return of a row is known without.
    let text = text.split_once(RETURNING).map_or(&*text, |(insertion, _)| insertion);
    rounds(connection, query, text, |statement| {
        let is_new = statement.raw_execute()? > 0;
        numbers.push(is_new.then(|| connection.last_insert_rowid()));
        Ok(())
    })?;
    Ok(numbers)
}

/// Connections that read, beside the one that writes.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    own: Connections,
    writer: Connections,
}

impl Readers {
    pub(crate) fn new(own: Connections, writer: Connections) -> Self {
        Self { own, writer }
    }

    /// Where nothing is written at the same time, the connection that writes reads, too: opening another one takes as
    /// long as all statements of a short verb.
    async fn take(&self) -> Result<Taken, Error> {
        match self.own.try_take().or_else(|| self.writer.try_take()) {
            Some(taken) => Ok(taken),
            None => self.own.take().await,
        }
    }

    /// See [`Connections::each`].
    pub(crate) async fn each(&self, query: Query, take: Take) -> Result<(), Error> {
        self.take().await?.each(query, take).await
    }

    /// See [`Connections::run`].
    pub(crate) async fn run(&self, query: Query) -> Result<u64, Error> {
        let (_, changed) = self.own.take().await?.change(query).await?;
        changed
    }

    /// A transaction that sees one state, whatever is written meanwhile.
    pub(crate) async fn begin(&self) -> Result<Open, Error> {
        self.own.begin("BEGIN DEFERRED").await
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), Error> {
        self.own.raw(text).await
    }

    pub(crate) async fn close(&self) {
        self.own.close().await;
    }
}

#[cfg(test)]
mod tests;
