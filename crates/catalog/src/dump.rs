//! Reading every row that a backup keeps, as of one moment.

use crate::connect::Catalog;
use crate::counting::Amount;
use crate::db::{self, Row, Transaction, Value};
use crate::error::CatalogError;
use crate::tables::{ColumnKind, Shape, shapes};
use crate::{schema, sql};

/// Rows read at a time: a pack of records is some ten KiB.
const PAGE: i64 = 200;

/// A value of a row, the same on both engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    pub(crate) fn value(&self, kind: ColumnKind) -> Value {
        match (self, kind) {
            (Self::Null, ColumnKind::Number) => Value::Number(None),
            (Self::Null, ColumnKind::Text) => Value::Text(None),
            (Self::Null, ColumnKind::Bytes) => Value::Bytes(None),
            (Self::Number(value), _) => Value::Number(Some(*value)),
            (Self::Text(value), _) => Value::Text(Some(value.clone())),
            (Self::Bytes(value), _) => Value::Bytes(Some(value.clone())),
        }
    }

    /// Bytes that it takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Number(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// One state of the database, whatever is written meanwhile.
pub struct Dump {
    transaction: Transaction,
    version: i64,
    tables: Vec<Shape>,
}

impl Catalog {
    /// Takes hold of the state as it is now.
    pub async fn begin_dump(&self) -> Result<Dump, CatalogError> {
        let mut transaction = self.reader.begin_reading().await?;
        // The first statement fixes the state that is seen.
        let (version,): (Option<i64>,) = db::query_as(sql::SCHEMA_VERSION).fetch_one(&mut transaction).await?;
        let tables = shapes(&mut transaction).await?;
        Ok(Dump {
            version: version.unwrap_or(0),
            tables,
            transaction,
        })
    }

    /// Writes a copy of the database's file, as of one moment; `path` is absent or empty. Only of SQLite.
    pub async fn copy_file(&self, path: &std::path::Path) -> Result<(), CatalogError> {
        db::query(sql::SQLITE_COPY)
            .bind(path.display().to_string())
            .apart()
            .execute(&self.reader)
            .await?;
        Ok(())
    }

    /// Whether the database is a SQLite file.
    pub fn is_file(&self) -> bool {
        self.reader.is_sqlite()
    }

    /// The newest version of the schema.
    pub fn latest_schema() -> i64 {
        schema::LATEST
    }
}

impl Dump {
    /// The version of the schema.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The tables, those first that others refer to.
    pub fn tables(&self) -> &[Shape] {
        &self.tables
    }

    /// Number and bytes of the blobs that the pool must have.
    pub async fn blobs(&mut self) -> Result<Amount, CatalogError> {
        let (count, bytes): (i64, i64) = db::query_as(sql::BLOBS_AMOUNT).fetch_one(&mut self.transaction).await?;
        Ok(Amount { count, bytes })
    }

    /// The next rows of a table by its key, after `last` if that is given; none at the end.
    pub async fn page(&mut self, table: &Shape, last: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, CatalogError> {
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let key: Vec<&str> = table.key.iter().map(|at| columns[*at]).collect();
        let mut query = db::query(sql::page(table.name, &columns, &key, last.is_none()));
        for at in last.into_iter().flat_map(|_| &table.key) {
            let cell = last.and_then(|row| row.get(*at)).unwrap_or(&Cell::Null);
            query = query.bind(cell.value(table.columns[*at].kind));
        }
        let kinds: Vec<ColumnKind> = table.columns.iter().map(|column| column.kind).collect();
        query
            .bind(PAGE)
            .read_all(&mut self.transaction, move |row| cells(row, &kinds))
            .await
    }
}

fn cells(row: &Row<'_>, kinds: &[ColumnKind]) -> Result<Vec<Cell>, CatalogError> {
    let mut cells = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let cell = match kind {
            ColumnKind::Number => row.try_get::<Option<i64>>(at)?.map(Cell::Number),
            ColumnKind::Text => row.try_get::<Option<String>>(at)?.map(Cell::Text),
            ColumnKind::Bytes => row.try_get::<Option<Vec<u8>>>(at)?.map(Cell::Bytes),
        };
        cells.push(cell.unwrap_or(Cell::Null));
    }
    Ok(cells)
}
