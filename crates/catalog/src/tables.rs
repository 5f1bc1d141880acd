//! Every table, in an order in which rows can be added: what a row refers to is in a table before it.
//!
//! A backup is driven by this list, and a test compares it with the schema of both engines. Columns and their kinds are
//! read from the database itself, for an older schema has fewer.

use crate::db::{self, Executor, Transaction};
use crate::error::CatalogError;
use crate::sql;

/// What a backup does with the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are kept.
    Kept,
    /// They are about processes that run, and mean nothing later.
    Left,
    /// Migrations write them.
    Made,
}

/// A table of the newest schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its primary key.
    pub(crate) key: &'static [&'static str],
    pub(crate) fate: Fate,
    /// What makes rows fit a time in which nothing of what ran runs any more; a statement for the newest schema.
    pub(crate) settle: Option<&'static str>,
}

const fn kept(name: &'static str, key: &'static [&'static str]) -> Table {
    Table {
        name,
        key,
        fate: Fate::Kept,
        settle: None,
    }
}

const fn settled(name: &'static str, key: &'static [&'static str], settle: &'static str) -> Table {
    Table {
        settle: Some(settle),
        ..kept(name, key)
    }
}

const fn other(name: &'static str, key: &'static [&'static str], fate: Fate) -> Table {
    Table {
        fate,
        ..kept(name, key)
    }
}

/// Every table, those first that others refer to.
pub(crate) const TABLES: &[Table] = &[
    other("schema_version", &["version"], Fate::Made),
    kept("repository", &["id"]),
    kept("line", &["id"]),
    kept("revision", &["line_id", "number"]),
    kept("blob", &["id"]),
    kept("blob_digest", &["algorithm", "digest"]),
    kept("package", &["id"]),
    kept("pack", &["id"]),
    kept("record", &["id"]),
    kept("member", &["id"]),
    kept("snapshot", &["id"]),
    kept("pin", &["snapshot_id", "position"]),
    kept("publication", &["path"]),
    kept("publication_state", &["id"]),
    kept("stray", &["path", "file"]),
    kept("rendered", &["render_key", "path"]),
    kept("feed_state", &["repository_id"]),
    // The fences count on.
    settled("lease", &["name"], sql::SETTLE_LEASES),
    other("intent", &[], Fate::Left),
    settled("history", &["id"], sql::SETTLE_HISTORY),
    kept("hold", &["sha256"]),
    kept("tally", &["verb", "repository", "exit_code"]),
    settled("task", &["id"], sql::SETTLE_TASKS),
    kept("task_log", &["task_id", "number"]),
    kept("schedule", &["repository"]),
];

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers of 64 bits.
    Number,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A column as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

/// A table as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The places of its key's columns.
    pub(crate) key: Vec<usize>,
}

impl Shape {
    /// Whether the database numbers its rows.
    pub(crate) fn is_numbered(&self) -> bool {
        matches!(self.key[..], [at] if self.columns[at].name == "id")
    }
}

/// The tables of the list that the database has, with their columns; those whose rows are not kept are left out.
pub(crate) async fn shapes(transaction: &mut Transaction) -> Result<Vec<Shape>, CatalogError> {
    let text = if transaction.is_sqlite() {
        sql::SQLITE_COLUMNS
    } else {
        sql::POSTGRES_COLUMNS
    };
    let rows: Vec<(String, String, String)> = db::query_as(text).fetch_all(transaction).await?;
    let mut shapes = Vec::new();
    for table in TABLES.iter().filter(|table| table.fate == Fate::Kept) {
        let columns: Vec<Column> = rows
            .iter()
            .filter(|(name, _, _)| name == table.name)
            .map(|(_, column, kind)| {
                Ok(Column {
                    name: column.clone(),
                    kind: kind_of(table.name, column, kind)?,
                })
            })
            .collect::<Result<_, CatalogError>>()?;
        if columns.is_empty() {
            continue;
        }
        let place = |key: &&str| columns.iter().position(|column| column.name == *key);
        let key: Option<Vec<usize>> = table.key.iter().map(place).collect();
        let key = key.ok_or_else(|| CatalogError::corrupt(format!("table {} lacks its key", table.name)))?;
        shapes.push(Shape {
            name: table.name,
            columns,
            key,
        });
    }
    Ok(shapes)
}

fn kind_of(table: &str, column: &str, kind: &str) -> Result<ColumnKind, CatalogError> {
    match kind.to_ascii_uppercase().as_str() {
        "INTEGER" | "BIGINT" => Ok(ColumnKind::Number),
        "TEXT" => Ok(ColumnKind::Text),
        "BLOB" | "BYTEA" => Ok(ColumnKind::Bytes),
        other => Err(CatalogError::corrupt(format!("{table}.{column} holds {other:?}"))),
    }
}

/// The names of all tables that the database has, ours or not.
pub(crate) async fn names(is_sqlite: bool, on: impl Executor) -> Result<Vec<String>, CatalogError> {
    let text = if is_sqlite {
        sql::SQLITE_TABLE_NAMES
    } else {
        sql::POSTGRES_TABLE_NAMES
    };
    let rows: Vec<(String,)> = db::query_as(text).fetch_all(on).await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::Bench;

    /// A table that is missing in the list would be missing in every backup.
    #[tokio::test]
    pub(crate) async fn the_list_has_every_table_and_its_key() {
        let bench = Bench::new().await;
        let pool = &bench.catalog.reader;
        let mut there = names(pool.is_sqlite(), pool).await.unwrap();
        let mut listed: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        there.sort();
        listed.sort_unstable();
        assert_eq!(there, listed);
        if !pool.is_sqlite() {
            return;
        }
        for table in TABLES {
            let keys: Vec<(String,)> = db::query_as("SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk")
                .bind(table.name)
                .fetch_all(pool)
                .await
                .unwrap();
            let keys: Vec<String> = keys.into_iter().map(|(name,)| name).collect();
            assert_eq!(keys, table.key, "{}", table.name);
            let parents: Vec<(String,)> = db::query_as("SELECT \"table\" FROM pragma_foreign_key_list($1)")
                .bind(table.name)
                .fetch_all(pool)
                .await
                .unwrap();
            let place = |name: &str| TABLES.iter().position(|table| table.name == name).unwrap();
            for (parent,) in parents {
                assert!(
                    place(&parent) < place(table.name),
                    "{} refers to {parent}, which comes later",
                    table.name
                );
            }
        }
    }
}
