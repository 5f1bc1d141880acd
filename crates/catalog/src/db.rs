//! One face over SQLite and PostgreSQL: statements, rows, pools and transactions.
//!
//! Statements are the same text for both. Values are integers, texts and bytes; nothing else is stored. Marks that are
//! anonymous (`?`) in the text are numbered for PostgreSQL.

use std::borrow::Cow;
use std::time::Duration;

use chantal_model::{fault, faulty};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Postgres, Sqlite};

use crate::sqlite::{Readers, SqliteQuery, Writer, Writing};

/// A transaction that is durable when it is committed, with all before it. Each says anew which kind it is, since a
/// connection stays with what it was told last.
const BEGIN: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
/// One that is not: its order among the others is kept, and no power cut leaves half of it.
const BEGIN_PASSING: &str = "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE";
/// How long a server has to answer at first.
const CONNECT: Duration = Duration::from_secs(10);

/// A value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! values {
    ($($from:ty => $value:ident($convert:expr)),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let convert: fn($from) -> _ = $convert;
                Self::$value(convert(value))
            }
        })+
    };
}

values! {
    i64 => Number(Some),
    &i64 => Number(|value| Some(*value)),
    Option<i64> => Number(|value| value),
    &str => Text(|value| Some(value.to_owned())),
    &&str => Text(|value| Some((*value).to_owned())),
    String => Text(Some),
    &String => Text(|value| Some(value.clone())),
    Option<String> => Text(|value| value),
    &Option<String> => Text(Clone::clone),
    Option<&str> => Text(|value| value.map(str::to_owned)),
    &[u8] => Bytes(|value| Some(value.to_vec())),
    Vec<u8> => Bytes(Some),
    Option<Vec<u8>> => Bytes(|value| value),
}

/// A statement with its values.
pub(crate) struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
    persistent: bool,
}

/// Starts a statement.
pub(crate) fn query(text: impl Into<Cow<'static, str>>) -> Query {
    Query {
        text: text.into(),
        values: Vec::new(),
        persistent: true,
    }
}

/// Starts a statement whose rows are tuples.
pub(crate) fn query_as<T: FromRow>(text: impl Into<Cow<'static, str>>) -> QueryAs<T> {
    QueryAs {
        query: query(text),
        rows: std::marker::PhantomData,
    }
}

impl Query {
    /// Adds the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Whether the connection keeps the prepared statement; not worth it for one whose text depends on the number of rows.
    pub(crate) fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Runs it; gives the number of rows that it changed.
    pub(crate) async fn execute(self, on: impl Executor) -> Result<u64, sqlx::Error> {
        on.run(self).await
    }

    pub(crate) async fn fetch_all(self, on: impl Executor) -> Result<Vec<Row>, sqlx::Error> {
        on.rows(self).await
    }

    pub(crate) async fn fetch_optional(self, on: impl Executor) -> Result<Option<Row>, sqlx::Error> {
        Ok(on.rows(self).await?.into_iter().next())
    }

    fn sqlite(self) -> SqliteQuery {
        let mut query = sqlx::query(AssertSqlSafe(self.text.into_owned())).persistent(self.persistent);
        for value in self.values {
            query = match value {
                Value::Number(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }

    fn postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let mut query = sqlx::query(AssertSqlSafe(numbered(&self.text))).persistent(self.persistent);
        for value in self.values {
            query = match value {
                Value::Number(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }
}

/// Numbers anonymous marks. No statement of this crate has a question mark anywhere else.
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 16);
    for (number, piece) in text.split('?').enumerate() {
        if number > 0 {
            numbered.push('$');
            numbered.push_str(&number.to_string());
        }
        numbered.push_str(piece);
    }
    numbered
}

/// A [`Query`] whose rows are tuples.
pub(crate) struct QueryAs<T> {
    query: Query,
    rows: std::marker::PhantomData<fn() -> T>,
}

impl<T: FromRow> QueryAs<T> {
    /// See [`Query::bind`].
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// See [`Query::persistent`].
    pub(crate) fn persistent(mut self, persistent: bool) -> Self {
        self.query = self.query.persistent(persistent);
        self
    }

    pub(crate) async fn fetch_all(self, on: impl Executor) -> Result<Vec<T>, sqlx::Error> {
        on.rows(self.query).await?.iter().map(T::from_row).collect()
    }

    pub(crate) async fn fetch_optional(self, on: impl Executor) -> Result<Option<T>, sqlx::Error> {
        on.rows(self.query).await?.first().map(T::from_row).transpose()
    }

    /// Inserts `rows` rows by a statement that ends with what it returns.
    ///
    /// Each returned row is a message between two threads. SQLite numbers the rows of one statement one after the other
    /// while nobody else writes, so where all of them were new, the first number says as much.
    pub(crate) async fn insert(mut self, on: &mut Transaction, rows: usize) -> Result<Inserted<T>, sqlx::Error> {
        let Transaction::Writing(transaction) = on else {
            return self.fetch_all(on).await.map(Inserted::Returned);
        };
        if let Some((insertion, _)) = self.query.text.split_once(RETURNING) {
            self.query.text = insertion.to_owned().into();
        }
        let done = self.query.sqlite().execute(transaction.connection()).await?;
        Ok(if done.rows_affected() == rows as u64 {
            Inserted::Numbered(done.last_insert_rowid() - rows as i64 + 1)
        } else {
            Inserted::Returned(Vec::new())
        })
    }

    pub(crate) async fn fetch_one(self, on: impl Executor) -> Result<T, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// Begins the end of a statement that returns rows.
const RETURNING: &str = " RETURNING ";

/// What came of an insertion.
pub(crate) enum Inserted<T> {
    /// All rows were new and have numbers from this one on, in order.
    Numbered(i64),
    /// What was returned of new rows. Those that are missing have to be looked up.
    Returned(Vec<T>),
}

/// A row of either engine.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both engines can read from a column.
pub(crate) trait Column<'r>:
    sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}

impl<'r, T> Column<'r> for T where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}

impl Row {
    /// Reads a column, counted from 0.
    pub(crate) fn try_get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => sqlx::Row::try_get(row, column),
            Self::Postgres(row) => sqlx::Row::try_get(row, column),
        }
    }
}

/// A tuple that is read from a row, column by column.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error>;
}

macro_rules! tuples {
    ($(($($name:ident $column:tt),+))+) => {
        $(impl<$($name),+> FromRow for ($($name,)+)
        where
            $($name: for<'r> Column<'r>,)+
        {
            fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
                Ok(($(row.try_get::<$name>($column)?,)+))
            }
        })+
    };
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
}

/// Connections to either engine. Clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    /// The connection to a file that writes.
    Writing(Writer),
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
    pub(crate) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_by(BEGIN).await
    }

    /// The same for what a power cut may take back: SQLite makes it durable with the next transaction of [`Self::begin`].
    pub(crate) async fn begin_passing(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_by(BEGIN_PASSING).await
    }

    async fn begin_by(&self, sqlite: &'static str) -> Result<Transaction, sqlx::Error> {
        fault!("catalog::begin")?;
        Ok(match self {
            Self::Writing(writer) => Transaction::Writing(writer.begin(sqlite).await?),
            Self::Reading(readers) => Transaction::Reading(readers.begin().await?),
            Self::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
                match begun {
                    Ok(transaction) => Transaction::Postgres(transaction),
                    Err(error) => return Err(reason(pool, error).await),
                }
            }
        })
    }

    /// Starts a transaction that only reads and sees one state, whatever is written meanwhile.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction, sqlx::Error> {
        Ok(match self {
            Self::Writing(writer) => Transaction::Writing(writer.begin("BEGIN DEFERRED").await?),
            Self::Reading(readers) => Transaction::Reading(readers.begin().await?),
            Self::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
                match begun {
                    Ok(transaction) => Transaction::Postgres(transaction),
                    Err(error) => return Err(reason(pool, error).await),
                }
            }
        })
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Writing(writer) => writer.raw(text).await,
            Self::Reading(readers) => readers.raw(text).await,
            Self::Postgres(pool) => match sqlx::raw_sql(text).execute(pool).await {
                Ok(_) => Ok(()),
                Err(error) => Err(reason(pool, error).await),
            },
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Writing(writer) => writer.close().await,
            Self::Reading(readers) => readers.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
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
    Writing(Writing),
    Reading(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Whether this is SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        !matches!(self, Self::Postgres(_))
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        faulty!(
            "catalog::commit",
            match self {
                Self::Writing(transaction) => transaction.commit().await,
                Self::Reading(transaction) => transaction.commit().await,
                Self::Postgres(transaction) => transaction.commit().await,
            }
        )
    }

    /// Makes whoever takes or frees a lease wait for the end of this transaction. On SQLite a writer is alone anyway.
    pub(crate) async fn hold_leases(&mut self) -> Result<(), sqlx::Error> {
        if self.is_sqlite() {
            return Ok(());
        }
        self.raw(crate::sql::POSTGRES_LOCK_LEASES).await
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(text);
        match self {
            Self::Writing(transaction) => {
                text.execute(transaction.connection()).await?;
            }
            Self::Reading(transaction) => {
                text.execute(&mut **transaction).await?;
            }
            Self::Postgres(transaction) => {
                text.execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }
}

/// Where statements run.
pub(crate) trait Executor: Send {
    /// Runs a statement; gives its rows.
    fn rows(self, query: Query) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;

    /// Runs a statement; gives the number of rows that it changed.
    fn run(self, query: Query) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

impl Executor for &Pool {
    async fn rows(self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Pool::Writing(writer) => sqlite_rows(writer.rows(query.sqlite()).await?),
            Pool::Reading(readers) => sqlite_rows(readers.rows(query.sqlite()).await?),
            Pool::Postgres(pool) => match query.postgres().fetch_all(pool).await {
                Ok(rows) => postgres_rows(rows),
                Err(error) => return Err(reason(pool, error).await),
            },
        })
    }

    async fn run(self, query: Query) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Pool::Writing(writer) => writer.run(query.sqlite()).await?,
            Pool::Reading(readers) => readers.run(query.sqlite()).await?,
            Pool::Postgres(pool) => match query.postgres().execute(pool).await {
                Ok(done) => done.rows_affected(),
                Err(error) => return Err(reason(pool, error).await),
            },
        })
    }
}

impl Executor for &mut Transaction {
    async fn rows(self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Transaction::Writing(on) => sqlite_rows(query.sqlite().fetch_all(on.connection()).await?),
            Transaction::Reading(on) => sqlite_rows(query.sqlite().fetch_all(&mut **on).await?),
            Transaction::Postgres(on) => postgres_rows(query.postgres().fetch_all(&mut **on).await?),
        })
    }

    async fn run(self, query: Query) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Transaction::Writing(on) => query.sqlite().execute(on.connection()).await?.rows_affected(),
            Transaction::Reading(on) => query.sqlite().execute(&mut **on).await?.rows_affected(),
            Transaction::Postgres(on) => query.postgres().execute(&mut **on).await?.rows_affected(),
        })
    }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_marks_are_numbered_and_numbered_ones_stay() {
        assert_eq!(numbered("VALUES (?, ?), (?, ?)"), "VALUES ($1, $2), ($3, $4)");
        assert_eq!(numbered("a = $1"), "a = $1");
    }
}
