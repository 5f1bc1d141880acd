//! One face over SQLite and PostgreSQL: statements, rows, pools and transactions.
//!
//! Statements are the same text for both. Values are integers, texts and bytes; nothing else is stored. Marks that are
//! anonymous (`?`) in the text are numbered for PostgreSQL.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chantal_model::{fault, faulty};
use rusqlite::types::{FromSql, ToSql, ToSqlOutput, Value as Bound, ValueRef};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Postgres};

use crate::sql;
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
/// Where the log has statements.
pub(crate) const STATEMENTS: &str = "sql";
/// Values of a statement that is worth another thread.
const MANY_VALUES: usize = 64;

/// Why an engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused, or is away.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
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

    /// What PostgreSQL says.
    pub(crate) fn postgres(&self) -> Option<&sqlx::postgres::PgDatabaseError> {
        match self {
            Self::Postgres(sqlx::Error::Database(error)) => error.try_downcast_ref(),
            _ => None,
        }
    }
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Number(value) => value.map(ValueRef::Integer),
            Self::Text(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.as_ref().map(|bytes| ValueRef::Blob(bytes)),
        };
        Ok(value.map_or(ToSqlOutput::Owned(Bound::Null), ToSqlOutput::Borrowed))
    }
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

/// What a statement says.
enum Text {
    /// All of it.
    Whole(Cow<'static, str>),
    /// An insertion of rows; see [`sql::values`].
    Rows((&'static str, usize, &'static str)),
    /// A question about each of some values; see [`sql::list`].
    Among((&'static str, &'static str)),
}

/// A statement with its values.
pub(crate) struct Query {
    text: Text,
    values: Vec<Value>,
    is_kept: bool,
    /// Whether SQLite runs it on a thread that may wait.
    pub(crate) is_apart: bool,
}

/// Starts a statement.
pub(crate) fn query(text: impl Into<Cow<'static, str>>) -> Query {
    Query::new(Text::Whole(text.into()))
}

/// Starts a statement whose rows are tuples.
pub(crate) fn query_as<T: FromRow>(text: impl Into<Cow<'static, str>>) -> QueryAs<T> {
    QueryAs::new(query(text))
}

/// Starts an insertion of rows; each is as many values as there are columns. SQLite takes them one by one, PostgreSQL all
/// in one statement.
pub(crate) fn insertion(parts: (&'static str, usize, &'static str)) -> Query {
    Query::new(Text::Rows(parts))
}

/// The same that returns rows.
pub(crate) fn insertion_as<T: FromRow>(parts: (&'static str, usize, &'static str)) -> QueryAs<T> {
    QueryAs::new(insertion(parts))
}

/// Starts a question about each of some values, which are different. SQLite is asked one by one, PostgreSQL all in one
/// statement.
pub(crate) fn among(parts: (&'static str, &'static str)) -> Query {
    Query::new(Text::Among(parts))
}

/// The same whose rows are tuples.
pub(crate) fn among_as<T: FromRow>(parts: (&'static str, &'static str)) -> QueryAs<T> {
    QueryAs::new(among(parts))
}

impl Query {
    fn new(text: Text) -> Self {
        Self {
            text,
            values: Vec::new(),
            is_kept: true,
            is_apart: false,
        }
    }

    /// Adds the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.add(value);
        self
    }

    /// The same in a loop.
    pub(crate) fn add(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        self.is_apart |= self.values.len() > MANY_VALUES;
    }

    /// Whether the connection keeps the prepared statement; not worth it for one whose text depends on the number of rows.
    pub(crate) fn persistent(mut self, persistent: bool) -> Self {
        self.is_kept = persistent;
        self
    }

    /// Says that it takes long, so that no task but the one that asks has to wait for it.
    pub(crate) fn apart(mut self) -> Self {
        self.is_apart = true;
        self
    }

    /// Runs it; gives the number of rows that it changed.
    pub(crate) async fn execute(self, on: impl Executor) -> Result<u64, Error> {
        on.run(self).await
    }

    /// Runs it and reads each of its rows.
    pub(crate) async fn read_all<T, E, R>(self, on: impl Executor, read: R) -> Result<Vec<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        R: Fn(&Row<'_>) -> Result<T, E> + Send + 'static,
    {
        let found = Arc::new(Mutex::new((Vec::new(), None)));
        let kept = found.clone();
        on.each(
            self,
            Box::new(move |row| {
                let (rows, wrong) = &mut *kept.lock().unwrap_or_else(PoisonError::into_inner);
                match read(row) {
                    Ok(row) => rows.push(row),
                    Err(error) => *wrong = Some(error),
                }
                wrong.is_none()
            }),
        )
        .await?;
        let (rows, wrong) = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        wrong.map_or(Ok(rows), Err)
    }

    /// Runs it and reads the first of its rows.
    pub(crate) async fn read_optional<T, E, R>(self, on: impl Executor, read: R) -> Result<Option<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        R: Fn(&Row<'_>) -> Result<T, E> + Send + 'static,
    {
        Ok(self.read_all(on, read).await?.into_iter().next())
    }

    /// Whether a connection of SQLite keeps the prepared statement.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept || !matches!(self.text, Text::Whole(_))
    }

    /// What SQLite runs for each of [`Self::rounds`].
    pub(crate) fn text_of_round(&self) -> Cow<'_, str> {
        match &self.text {
            Text::Whole(text) => Cow::Borrowed(text),
            Text::Rows(parts) => sql::values(*parts, 1).into(),
            Text::Among(parts) => sql::list(*parts, 1).into(),
        }
    }

    /// The values of each round.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = &[Value]> {
        let width = match self.text {
            Text::Whole(_) => self.values.len(),
            Text::Rows((_, columns, _)) => columns,
            Text::Among(_) => 1,
        };
        let once = (width == 0).then_some(&[][..]);
        once.into_iter().chain(self.values.chunks(width.max(1)))
    }

    fn postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let text = match self.text {
            Text::Whole(text) => numbered(&text),
            Text::Rows(parts) => numbered(&sql::values(parts, self.values.len() / parts.1)),
            Text::Among(parts) => numbered(&sql::list(parts, self.values.len())),
        };
        tracing::debug!(target: STATEMENTS, statement = text);
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(self.is_kept);
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
    fn new(query: Query) -> Self {
        Self {
            query,
            rows: std::marker::PhantomData,
        }
    }

    /// See [`Query::bind`].
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.query.add(value);
        self
    }

    /// See [`Query::persistent`].
    pub(crate) fn persistent(mut self, persistent: bool) -> Self {
        self.query = self.query.persistent(persistent);
        self
    }

    /// See [`Query::apart`].
    pub(crate) fn apart(mut self) -> Self {
        self.query = self.query.apart();
        self
    }

    /// Runs it without reading its rows.
    pub(crate) async fn execute(self, on: impl Executor) -> Result<u64, Error> {
        self.query.execute(on).await
    }

    pub(crate) async fn fetch_all(self, on: impl Executor) -> Result<Vec<T>, Error> {
        self.query.read_all(on, T::from_row).await
    }

    pub(crate) async fn fetch_optional(self, on: impl Executor) -> Result<Option<T>, Error> {
        self.query.read_optional(on, T::from_row).await
    }

    pub(crate) async fn fetch_one(self, on: impl Executor) -> Result<T, Error> {
        self.fetch_optional(on).await?.ok_or(Error::NoRow)
    }

    /// Inserts rows by a statement that ends with what it returns.
    pub(crate) async fn insert(self, on: &mut Transaction) -> Result<Inserted<T>, Error> {
        match on {
            Transaction::File(open) => Ok(Inserted::Numbered(open.insert(self.query).await?)),
            Transaction::Postgres(_) => self.fetch_all(on).await.map(Inserted::Returned),
        }
    }
}

/// Begins the end of a statement that returns rows.
pub(crate) const RETURNING: &str = " RETURNING ";

/// What came of an insertion.
pub(crate) enum Inserted<T> {
    /// The number of each row, in order, that was new.
    Numbered(Vec<Option<i64>>),
    /// What was returned of new rows. Those that are missing have to be looked up.
    Returned(Vec<T>),
}

/// A row of either engine.
pub(crate) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a PgRow),
}

/// What both engines can read from a column.
pub(crate) trait Column: FromSql + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> {}

impl<T> Column for T where T: FromSql + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> {}

impl Row<'_> {
    /// Reads a column, counted from 0.
    pub(crate) fn try_get<T: Column>(&self, column: usize) -> Result<T, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.get(column)?,
            Self::Postgres(row) => sqlx::Row::try_get(*row, column)?,
        })
    }
}

/// A tuple that is read from a row, column by column.
pub(crate) trait FromRow: Sized + Send + 'static {
    fn from_row(row: &Row<'_>) -> Result<Self, Error>;
}

macro_rules! tuples {
    ($(($($name:ident $column:tt),+))+) => {
        $(impl<$($name),+> FromRow for ($($name,)+)
        where
            $($name: Column + Send + 'static,)+
        {
            fn from_row(row: &Row<'_>) -> Result<Self, Error> {
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
            Self::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
                match begun {
                    Ok(transaction) => Transaction::Postgres(transaction),
                    Err(error) => return Err(reason(pool, error).await.into()),
                }
            }
        })
    }

    /// Starts a transaction that only reads and sees one state, whatever is written meanwhile.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Writing(writer) => Transaction::File(writer.begin("BEGIN DEFERRED").await?),
            Self::Reading(readers) => Transaction::File(readers.begin().await?),
            Self::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
                match begun {
                    Ok(transaction) => Transaction::Postgres(transaction),
                    Err(error) => return Err(reason(pool, error).await.into()),
                }
            }
        })
    }

    /// Runs statements that have no values, in a row.
    pub(crate) async fn raw(&self, text: &'static str) -> Result<(), Error> {
        match self {
            Self::Writing(writer) => writer.raw(text).await,
            Self::Reading(readers) => readers.raw(text).await,
            Self::Postgres(pool) => match sqlx::raw_sql(text).execute(pool).await {
                Ok(_) => Ok(()),
                Err(error) => Err(reason(pool, error).await.into()),
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
                Self::Postgres(transaction) => transaction.commit().await.map_err(Error::from),
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
                sqlx::raw_sql(text).execute(&mut **transaction).await?;
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
            Pool::Postgres(pool) => match query.postgres().fetch_all(pool).await {
                Ok(rows) => {
                    hand_out(&rows, take);
                    Ok(())
                }
                Err(error) => Err(reason(pool, error).await.into()),
            },
        }
    }

    async fn run(self, query: Query) -> Result<u64, Error> {
        match self {
            Pool::Writing(writer) => writer.run(query).await,
            Pool::Reading(readers) => readers.run(query).await,
            Pool::Postgres(pool) => match query.postgres().execute(pool).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(reason(pool, error).await.into()),
            },
        }
    }
}

impl Executor for &mut Transaction {
    async fn each(self, query: Query, take: Take) -> Result<(), Error> {
        match self {
            Transaction::File(on) => on.each(query, take).await,
            Transaction::Postgres(on) => {
                let rows = query.postgres().fetch_all(&mut **on).await?;
                hand_out(&rows, take);
                Ok(())
            }
        }
    }

    async fn run(self, query: Query) -> Result<u64, Error> {
        match self {
            Transaction::File(on) => on.change(query).await,
            Transaction::Postgres(on) => Ok(query.postgres().execute(&mut **on).await?.rows_affected()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_marks_are_numbered_and_numbered_ones_stay() {
        assert_eq!(numbered("VALUES (?, ?), (?, ?)"), "VALUES ($1, $2), ($3, $4)");
        assert_eq!(numbered("a = $1"), "a = $1");
    }
}
