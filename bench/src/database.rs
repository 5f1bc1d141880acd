//! Counts in a catalog, read from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::runtime::Runtime;

/// An open connection. While it is open, nobody who closes the database empties its log.
pub(crate) struct Database {
    path: PathBuf,
    runtime: Runtime,
    connection: SqliteConnection,
}

const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

impl Database {
    /// Opens a catalog.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = SqliteConnectOptions::new().filename(path);
        let connection = runtime
            .block_on(SqliteConnection::connect_with(&options))
            .with_context(|| format!("open {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            runtime,
            connection,
        })
    }

    fn figure(&mut self, text: &str) -> Result<i64> {
        let query = sqlx::query_scalar(AssertSqlSafe(text.to_owned()));
        self.runtime
            .block_on(query.fetch_one(&mut self.connection))
            .with_context(|| format!("ask {} for {text}", self.path.display()))
    }

    /// One figure that a query with whole numbers as its values gives.
    pub(crate) fn count(&mut self, text: &str, values: &[i64]) -> Result<i64> {
        let mut query = sqlx::query_scalar(AssertSqlSafe(text.to_owned()));
        for value in values {
            query = query.bind(value);
        }
        self.runtime
            .block_on(query.fetch_one(&mut self.connection))
            .with_context(|| format!("ask {} for {text}", self.path.display()))
    }

    /// Rows of each table.
    pub(crate) fn rows(&mut self) -> Result<BTreeMap<String, i64>> {
        let query = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
        let tables: Vec<String> = self.runtime.block_on(query.fetch_all(&mut self.connection))?;
        tables
            .into_iter()
            .map(|table| {
                let rows = self.figure(&format!("SELECT count(*) FROM \"{table}\""))?;
                Ok((table, rows))
            })
            .collect()
    }

    /// The plan of a statement, one line for each step.
    pub(crate) fn plan(&mut self, statement: &str) -> Result<Vec<String>> {
        let query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let rows = self
            .runtime
            .block_on(query.fetch_all(&mut self.connection))
            .with_context(|| format!("plan {statement}"))?;
        rows.iter().map(|row| Ok(row.try_get::<String, _>(3)?)).collect()
    }

    /// Puts the log into the database and empties it.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        self.figure("PRAGMA wal_checkpoint(TRUNCATE)").map(drop)
    }

    /// Pages in the log.
    pub(crate) fn wal_pages(&mut self) -> Result<u64> {
        let page = self.figure("PRAGMA page_size")? as u64;
        let mut path = self.path.clone().into_os_string();
        path.push("-wal");
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(bytes.saturating_sub(WAL_HEADER) / (page + FRAME_HEADER))
    }

    /// Bytes of the pages that are in use.
    pub(crate) fn bytes(&mut self) -> Result<i64> {
        self.checkpoint()?;
        let used = self.figure("PRAGMA page_count")? - self.figure("PRAGMA freelist_count")?;
        Ok(used * self.figure("PRAGMA page_size")?)
    }
}

/// Rows that are more after than before, over all tables.
pub(crate) fn added(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> i64 {
    let of = |table: &String| before.get(table).copied().unwrap_or(0);
    after.iter().map(|(table, rows)| (rows - of(table)).max(0)).sum()
}
