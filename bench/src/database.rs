//! Counts in a catalog, read from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, Params, params_from_iter};

/// An open connection. While it is open, nobody who closes the database empties its log.
pub(crate) struct Database {
    path: PathBuf,
    connection: Connection,
}

/// How long it waits for another process.
const BUSY: Duration = Duration::from_secs(60);
const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

impl Database {
    /// Opens a catalog.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).with_context(|| format!("open {}", path.display()))?;
        connection.busy_timeout(BUSY)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    fn ask(&self, text: &str, values: impl Params) -> Result<i64> {
        self.connection
            .query_row(text, values, |row| row.get(0))
            .with_context(|| format!("ask {} for {text}", self.path.display()))
    }

    fn figure(&mut self, text: &str) -> Result<i64> {
        self.ask(text, [])
    }

    /// One figure that a query with whole numbers as its values gives.
    pub(crate) fn count(&mut self, text: &str, values: &[i64]) -> Result<i64> {
        self.ask(text, params_from_iter(values))
    }

    /// Rows of each table.
    pub(crate) fn rows(&mut self) -> Result<BTreeMap<String, i64>> {
        let tables = self.texts("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", 0)?;
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
        self.texts(&format!("EXPLAIN QUERY PLAN {statement}"), 3)
            .with_context(|| format!("plan {statement}"))
    }

    /// A column of every row.
    fn texts(&self, text: &str, column: usize) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(text)?;
        // Values stay nothing: a plan does not depend on them.
        let rows = statement
            .raw_query()
            .mapped(|row| row.get(column))
            .collect::<Result<_, _>>()?;
        Ok(rows)
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
