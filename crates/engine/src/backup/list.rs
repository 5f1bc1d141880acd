//! Which backups there are, what is in one, and whether it could be restored.

use std::path::Path;

use chantal_config::Config;
use serde::Serialize;

use super::BackupError;
use super::archive::Archive;
use super::keep;
use super::load::{self, Scratch};
use super::manifest::{Manifest, Secrets};
use crate::error::{Doing, EngineError};

/// An archive in a directory.
#[derive(Clone, Debug, Serialize)]
pub struct BackupFile {
    /// The archive.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// `sqlite` or `postgresql`.
    pub database: Option<String>,
    /// The version of the schema.
    pub schema_version: Option<i64>,
    /// Rows of all tables.
    pub rows: Option<u64>,
    /// What became of the configuration's secrets.
    pub secrets: Option<Secrets>,
    /// Why it cannot be used, as far as its beginning and its size tell.
    pub problem: Option<String>,
}

/// What an archive says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct BackupInfo {
    /// The archive.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Where.
    pub host: String,
    /// The program's version.
    pub program_version: String,
    /// `sqlite` or `postgresql`.
    pub database: String,
    /// The version of the schema.
    pub schema_version: i64,
    /// Rows of all tables.
    pub rows: u64,
    /// Where the pool was.
    pub pool: String,
    /// Blobs that it must have.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// What became of the configuration's secrets.
    pub secrets: Secrets,
    /// Files of the configuration, where they were.
    pub configuration: Vec<String>,
    /// Its tables.
    pub tables: Vec<BackupTable>,
}

/// A table of an archive.
#[derive(Clone, Debug, Serialize)]
pub struct BackupTable {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Their bytes in the archive.
    pub bytes: u64,
}

/// What verifying an archive found.
#[derive(Clone, Debug, Serialize)]
pub struct BackupCheck {
    /// The archive.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The version of the schema.
    pub schema_version: i64,
    /// Rows that were loaded.
    pub rows: u64,
    /// What is wrong with what they say.
    pub problems: Vec<String>,
    /// Blobs that the pool must have.
    pub blobs: u64,
    /// Whether it was asked for them.
    pub pool_checked: bool,
    /// Those that it lacks.
    pub missing: Vec<MissingBlob>,
}

/// A blob that the pool lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingBlob {
    /// Its name.
    pub blob: String,
    /// Its size.
    pub bytes: u64,
}

fn cut(manifest: &Manifest, length: u64) -> Option<BackupError> {
    let expected = manifest.bytes;
    (length < expected).then_some(BackupError::Truncated {
        found: length,
        expected,
    })
}

/// What an archive says about itself; of the rest only the size is looked at.
pub fn backup_info(path: &Path) -> Result<BackupInfo, EngineError> {
    let (manifest, length) = Archive::look(path)?;
    if let Some(source) = cut(&manifest, length) {
        let path = path.to_owned();
        return Err(EngineError::Backup { path, source });
    }
    let tables = manifest.tables.iter().map(|table| BackupTable {
        table: table.name.clone(),
        rows: table.rows,
        bytes: table.bytes,
    });
    Ok(BackupInfo {
        file: path.display().to_string(),
        bytes: length,
        rows: manifest.rows(),
        tables: tables.collect(),
        created: manifest.created_at,
        host: manifest.host,
        program_version: manifest.program_version,
        database: manifest.database,
        schema_version: manifest.schema_version,
        pool: manifest.pool.path,
        blobs: manifest.pool.blobs,
        blob_bytes: manifest.pool.bytes,
        secrets: manifest.secrets,
        configuration: manifest.configuration.into_iter().map(|file| file.path).collect(),
    })
}

/// The archives in a directory, oldest first; other files are passed over. A directory that is not there has none.
pub fn backup_list(directory: &Path) -> Result<Vec<BackupFile>, EngineError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(EngineError::Io {
                what: "read",
                path: directory.to_owned(),
                source,
            });
        }
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "tar") && path.is_file())
        .filter_map(|path| Some((keep::written(&path), listed(&path)?)))
        .collect();
    files.sort_by(|(one_at, one), (other_at, other)| (&one.created, one_at).cmp(&(&other.created, other_at)));
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

fn listed(path: &Path) -> Option<BackupFile> {
    let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let file = path.display().to_string();
    match Archive::look(path) {
        Ok((manifest, length)) => Some(BackupFile {
            file,
            bytes,
            rows: Some(manifest.rows()),
            problem: cut(&manifest, length).map(|problem| problem.to_string()),
            created: Some(manifest.created_at),
            database: Some(manifest.database),
            schema_version: Some(manifest.schema_version),
            secrets: Some(manifest.secrets),
        }),
        Err(EngineError::Backup {
            source: BackupError::Foreign,
            ..
        }) => None,
        Err(error) => Some(BackupFile {
            file,
            bytes,
            created: None,
            database: None,
            schema_version: None,
            rows: None,
            secrets: None,
            problem: Some(match error {
                EngineError::Backup { source, .. } => source.to_string(),
                other => crate::error::chain(&other),
            }),
        }),
    }
}

/// Reads every byte of an archive, loads it into a database that is thrown away, and checks that; with `pool` also
/// whether the pool has what it names.
///
/// # Errors
/// The archive is damaged, or of another kind.
pub async fn verify_backup(config: &Config, path: &Path, pool: bool) -> Result<BackupCheck, EngineError> {
    let archive = Archive::open(path)?;
    let scratch = Scratch::load(config, &archive, path).await?;
    let problems = scratch.catalog.verify().await.doing("be checked")?;
    let missing = if pool {
        load::missing(config, &scratch.catalog).await?
    } else {
        Vec::new()
    };
    scratch.catalog.close().await;
    let manifest = archive.manifest;
    Ok(BackupCheck {
        file: path.display().to_string(),
        bytes: manifest.bytes,
        rows: manifest.rows(),
        created: manifest.created_at,
        schema_version: manifest.schema_version,
        problems,
        blobs: manifest.pool.blobs,
        pool_checked: pool,
        missing,
    })
}
