//! What is in the database.

use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError};

/// What is in the database.
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseStats {
    /// Its size in bytes.
    pub file_bytes: u64,
    /// Size of the write-ahead log of a file in bytes.
    pub log_bytes: u64,
    /// Its tables.
    pub tables: Vec<TableStats>,
    /// The raw records of packages and items, by part.
    pub records: Vec<RecordStats>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableStats {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

/// The raw records of a part.
#[derive(Clone, Debug, Serialize)]
pub struct RecordStats {
    /// Its number; 0 is the main one.
    pub part: u64,
    /// Records.
    pub records: u64,
    /// Their bytes, compressed.
    pub bytes: u64,
}

/// Rows that nothing needs.
#[derive(Clone, Debug, Serialize)]
pub struct OrphanedRows {
    /// `repository`, `blob`, `package`, `record` or `intent`.
    pub kind: &'static str,
    /// A repository's id.
    pub name: Option<String>,
    /// How many rows; of a repository its revisions.
    pub rows: u64,
    /// Bytes of the files that they stand for.
    pub bytes: u64,
    /// Why nothing needs them.
    pub reason: &'static str,
}

impl Engine {
    /// What is in the database.
    pub async fn database_stats(&self) -> Result<DatabaseStats, EngineError> {
        let tables = self.catalog.table_rows().await.doing("count rows")?;
        let records = self.catalog.pack_amounts().await.doing("count records")?;
        Ok(DatabaseStats {
            file_bytes: self.catalog.size_bytes().await.doing("tell its size")?,
            log_bytes: self.catalog.log_bytes(),
            tables: tables
                .into_iter()
                .map(|(table, rows)| TableStats {
                    table,
                    rows: rows as u64,
                })
                .collect(),
            records: records
                .into_iter()
                .map(|(part, amount)| RecordStats {
                    part: part as u64,
                    records: amount.count as u64,
                    bytes: amount.bytes as u64,
                })
                .collect(),
        })
    }

    /// Rows that nothing needs: repositories that the configuration has no more, and what no content refers to.
    pub async fn database_orphaned(&self) -> Result<Vec<OrphanedRows>, EngineError> {
        let mut rows = Vec::new();
        for known in self.catalog.repositories().await.doing("read repositories")? {
            if self.config.repositories.iter().any(|repo| repo.id == known.name) {
                continue;
            }
            let revisions = self.catalog.revisions(known.line).await.doing("read revisions")?;
            rows.push(OrphanedRows {
                kind: "repository",
                name: Some(known.name.to_string()),
                rows: revisions.len() as u64,
                bytes: revisions.last().map_or(0, |newest| newest.package_bytes as u64),
                reason: "not in the configuration",
            });
        }
        let found = self.catalog.unreferenced().await.doing("count rows")?;
        let (blobs, bytes) = (found.blobs.count, found.blobs.bytes as u64);
        for (kind, count, bytes, reason) in [
            ("blob", blobs, bytes, "no content names them"),
            ("package", found.packages, 0, "no revision holds them"),
            ("record", found.records, 0, "no revision holds them"),
            ("intent", found.intents, 0, "their task has ended"),
        ] {
            if count > 0 {
                rows.push(OrphanedRows {
                    kind,
                    name: None,
                    rows: count as u64,
                    bytes,
                    reason,
                });
            }
        }
        Ok(rows)
    }
}
