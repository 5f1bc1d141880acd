//! Statements, their values, and the rows that come back.
//!
//! Statements are the same text for both engines. Values are integers, texts and bytes; nothing else is stored. Marks that are
//! anonymous (`?`) in the text are numbered for PostgreSQL.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::{FromSql, ToSql, ToSqlOutput, Value as Bound, ValueRef};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{AssertSqlSafe, Postgres};

use super::{Error, Executor, Transaction};
use crate::sql;

/// Where the log has statements.
pub(crate) const STATEMENTS: &str = "sql";
/// Values of a statement that is worth another thread.
const MANY_VALUES: usize = 64;

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

    pub(super) fn postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_marks_are_numbered_and_numbered_ones_stay() {
        assert_eq!(numbered("VALUES (?, ?), (?, ?)"), "VALUES ($1, $2), ($3, $4)");
        assert_eq!(numbered("a = $1"), "a = $1");
    }
}
