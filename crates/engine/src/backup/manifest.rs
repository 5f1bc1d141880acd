//! What an archive says about itself.

use chantal_catalog::{Column, ColumnKind, Shape};
use serde::{Deserialize, Serialize};

/// The word by which an archive is known.
pub(super) const FORMAT: &str = "chantal-backup";
/// The version of the archive's form.
pub(super) const VERSION: u32 = 1;

/// What every version of the form begins with.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) format_version: u32,
    pub(super) schema_version: i64,
    pub(super) bytes: u64,
}

/// The manifest. Fields that this program does not know are refused: what they ask for would not be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) format_version: u32,
    /// Bytes of the archive.
    pub(super) bytes: u64,
    pub(super) program_version: String,
    pub(super) schema_version: i64,
    /// `sqlite` or `postgresql`.
    pub(super) database: String,
    /// RFC 3339.
    pub(super) created_at: String,
    pub(super) host: String,
    pub(super) pool: Store,
    pub(super) secrets: Secrets,
    pub(super) tables: Vec<TableEntry>,
    pub(super) configuration: Vec<ConfigEntry>,
}

/// What the pool must have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) path: String,
    pub(super) blobs: u64,
    pub(super) bytes: u64,
}

/// What became of the secrets of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrets {
    /// There is no configuration in it.
    NoConfiguration,
    /// They were left out.
    LeftOut,
    /// They are in it.
    Included,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableEntry {
    pub(super) name: String,
    /// Name and kind of each column, in the order of the values in a row.
    pub(super) columns: Vec<(String, Kind)>,
    pub(super) rows: u64,
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigEntry {
    /// Where it was.
    pub(super) path: String,
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest is plain data")
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| format!("its manifest cannot be read: {error}"))
    }

    /// Bytes that it takes at most, however large its numbers become.
    pub(super) fn room(&self) -> u64 {
        let mut longest = self.clone();
        let sum = "0".repeat(64);
        longest.bytes = u64::MAX;
        (longest.pool.blobs, longest.pool.bytes) = (u64::MAX, u64::MAX);
        for table in &mut longest.tables {
            (table.rows, table.bytes) = (u64::MAX, u64::MAX);
            table.sha256.clone_from(&sum);
        }
        for file in &mut longest.configuration {
            file.bytes = u64::MAX;
            file.sha256.clone_from(&sum);
        }
        longest.to_json().len() as u64 + 1
    }

    /// Name, bytes and digest of each member between manifest and sum.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, u64, &String)> {
        let tables = self
            .tables
            .iter()
            .map(|one| (one.file.as_str(), one.bytes, &one.sha256));
        let files = self.configuration.iter();
        tables.chain(files.map(|one| (one.file.as_str(), one.bytes, &one.sha256)))
    }

    /// Rows of all tables. Nobody has counted them yet, so that they may be any numbers.
    pub(super) fn rows(&self) -> u64 {
        let rows = self.tables.iter().map(|table| table.rows);
        rows.fold(0, u64::saturating_add)
    }
}

impl TableEntry {
    /// An entry whose numbers are not known yet.
    pub(super) fn of(place: usize, shape: &Shape) -> Self {
        let kind = |column: &Column| match column.kind {
            ColumnKind::Number => Kind::Number,
            ColumnKind::Text => Kind::Text,
            ColumnKind::Bytes => Kind::Bytes,
        };
        Self {
            name: shape.name.to_owned(),
            columns: shape.columns.iter().map(|one| (one.name.clone(), kind(one))).collect(),
            rows: 0,
            file: format!("tables/{place:02}-{}.jsonl.zst", shape.name),
            bytes: 0,
            sha256: String::new(),
        }
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let kind = |kind: &Kind| match kind {
            Kind::Number => ColumnKind::Number,
            Kind::Text => ColumnKind::Text,
            Kind::Bytes => ColumnKind::Bytes,
        };
        let columns = self.columns.iter();
        columns
            .map(|(name, of)| Column {
                name: name.clone(),
                kind: kind(of),
            })
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A manifest of no tables and one file.
    pub(in super::super) fn small() -> Manifest {
        Manifest {
            format: FORMAT.into(),
            format_version: VERSION,
            bytes: 0,
            program_version: "1".into(),
            schema_version: 1,
            database: "sqlite".into(),
            created_at: String::new(),
            host: "h".into(),
            pool: Store {
                path: "/p".into(),
                blobs: 0,
                bytes: 0,
            },
            secrets: Secrets::LeftOut,
            tables: Vec::new(),
            configuration: vec![ConfigEntry {
                path: "/c".into(),
                file: "config/0000-c".into(),
                bytes: 0,
                sha256: String::new(),
            }],
        }
    }

    #[test]
    fn the_room_for_a_manifest_is_enough_for_the_largest_numbers() {
        let mut manifest = small();
        let room = manifest.room();
        manifest.bytes = u64::MAX;
        manifest.configuration[0].bytes = u64::MAX;
        manifest.configuration[0].sha256 = "f".repeat(64);
        assert!((manifest.to_json().len() as u64) < room);
    }
}
