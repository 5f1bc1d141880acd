//! Backups: one archive of everything that the catalog knows and of the configuration, which either database restores.
//!
//! The pool is not in it: its files never change, and any copy of them that is at least as new fits. Whether it fits is
//! looked at when a backup is restored or verified.

mod archive;
mod error;
mod keep;
mod list;
mod load;
mod manifest;
mod restore;
mod rows;
mod upgrade;

use std::io::Write;
use std::path::{Path, PathBuf};

use chantal_catalog::{Catalog, Dump};
use chantal_config::Config;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Doing, EngineError};
use archive::Writer;
use manifest::{ConfigEntry, FORMAT, Manifest, Store, TableEntry, VERSION};

pub use error::BackupError;
pub use list::{BackupCheck, MissingBlob};
pub use list::{BackupFile, BackupInfo, BackupTable, backup_info, backup_list, verify_backup};
pub use manifest::Secrets;
pub use restore::{RestorePlan, RestoreReport, RestoreTable, plan_restore, restore};
pub use upgrade::{UpgradeReport, upgrade};

/// Level of zstd: packs of records are compressed already.
const LEVEL: i32 = 3;

/// What goes into a backup, and where.
#[derive(Clone, Debug, Default)]
pub struct BackupOptions {
    /// The archive; without it a new name in the directory of backups, where old ones then go by `backup.keep_last`.
    pub file: Option<PathBuf>,
    /// Files of the configuration.
    pub configuration: Vec<PathBuf>,
    /// Whether secrets that stand in them are kept.
    pub include_secrets: bool,
}

/// What was backed up.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// The archive.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was made, RFC 3339.
    pub created: String,
    /// `sqlite` or `postgresql`.
    pub database: String,
    /// The version of the schema.
    pub schema_version: i64,
    /// Rows of all tables.
    pub rows: u64,
    /// Blobs that the pool must have when this is restored.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Files of the configuration that are in it.
    pub configuration: Vec<String>,
    /// What became of their secrets.
    pub secrets: Secrets,
    /// Older archives that went by `backup.keep_last`.
    pub deleted: Vec<String>,
}

/// Writes a backup; whatever else runs goes on, and is in it as it was at one moment.
///
/// # Errors
/// Nothing is left under the archive's name unless it is whole.
pub async fn back_up(config: &Config, now: Timestamp, options: &BackupOptions) -> Result<BackupReport, EngineError> {
    let catalog = Catalog::open_any(&crate::location(config)).await.doing("be opened")?;
    let directory = &config.backup.directory;
    let path = match &options.file {
        Some(path) => path.clone(),
        None => keep::free_name(directory, &keep::name("backup", now))?,
    };
    let mut configuration = Vec::new();
    for path in &options.configuration {
        configuration.push((path.clone(), text_of(path, options.include_secrets)?));
    }
    let secrets = match (options.configuration.is_empty(), options.include_secrets) {
        (true, _) => Secrets::NoConfiguration,
        (false, true) => Secrets::Included,
        (false, false) => Secrets::LeftOut,
    };
    let written = write(config, &catalog, &path, now, &configuration, secrets).await;
    catalog.close().await;
    let manifest = written?;
    let deleted = match (&options.file, config.backup.keep_last) {
        (None, Some(most)) => keep::delete_old(directory, most as usize)?,
        _ => Vec::new(),
    };
    Ok(BackupReport {
        file: path.display().to_string(),
        bytes: manifest.bytes,
        rows: manifest.rows(),
        created: manifest.created_at,
        database: manifest.database,
        schema_version: manifest.schema_version,
        blobs: manifest.pool.blobs,
        blob_bytes: manifest.pool.bytes,
        configuration: manifest.configuration.into_iter().map(|file| file.path).collect(),
        secrets,
        deleted,
    })
}

fn text_of(path: &Path, include_secrets: bool) -> Result<String, EngineError> {
    let text = std::fs::read_to_string(path).map_err(|source| EngineError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    if include_secrets {
        return Ok(text);
    }
    chantal_config::without_secrets(&text)
        .map_err(|error| EngineError::request(format!("{}: {error}", path.display()), None))
}

/// Writes an archive under its name, in one go or not at all.
async fn write(
    config: &Config,
    catalog: &Catalog,
    path: &Path,
    now: Timestamp,
    configuration: &[(PathBuf, String)],
    secrets: Secrets,
) -> Result<Manifest, EngineError> {
    let new = keep::NewFile::beside(path)?;
    let mut dump = catalog.begin_dump().await.doing("be read")?;
    let mut manifest = outline(config, catalog, &mut dump, now).await?;
    manifest.secrets = secrets;
    for (place, (path, _)) in configuration.iter().enumerate() {
        manifest.configuration.push(ConfigEntry {
            path: path.display().to_string(),
            file: keep::member_name(place, path),
            bytes: 0,
            sha256: String::new(),
        });
    }
    let time = u64::try_from(now.as_second()).unwrap_or(0);
    let mut writer = Writer::new(new.handle()?, path, time, manifest.room())?;
    for place in 0..manifest.tables.len() {
        write_table(&mut writer, &mut dump, &mut manifest.tables[place], place, path).await?;
    }
    for (entry, (_, text)) in manifest.configuration.iter_mut().zip(configuration) {
        writer.begin()?;
        writer
            .write_all(text.as_bytes())
            .map_err(|source| unwritable(path, source))?;
        let (bytes, sum) = writer.end(&entry.file)?;
        (entry.bytes, entry.sha256) = (bytes, sum.hex());
    }
    manifest.bytes = writer.whole();
    writer.finish(&manifest)?;
    new.keep(path)?;
    Ok(manifest)
}

/// The manifest without what is only known when everything is written.
async fn outline(config: &Config, catalog: &Catalog, dump: &mut Dump, now: Timestamp) -> Result<Manifest, EngineError> {
    let blobs = dump.blobs().await.doing("be read")?;
    let tables = dump.tables().iter().enumerate();
    Ok(Manifest {
        format: FORMAT.to_owned(),
        format_version: VERSION,
        bytes: 0,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        schema_version: dump.version(),
        database: if catalog.is_file() { "sqlite" } else { "postgresql" }.to_owned(),
        created_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        host: chantal_catalog::host().to_owned(),
        pool: Store {
            path: config.storage.pool_path.display().to_string(),
            blobs: blobs.count as u64,
            bytes: blobs.bytes as u64,
        },
        secrets: Secrets::NoConfiguration,
        tables: tables.map(|(place, shape)| TableEntry::of(place, shape)).collect(),
        configuration: Vec::new(),
    })
}

async fn write_table(
    writer: &mut Writer,
    dump: &mut Dump,
    entry: &mut TableEntry,
    place: usize,
    path: &Path,
) -> Result<(), EngineError> {
    let shape = dump.tables()[place].clone();
    let failed = |source| unwritable(path, source);
    writer.begin()?;
    let mut lines = zstd::stream::write::Encoder::new(&mut *writer, LEVEL).map_err(failed)?;
    let mut last: Option<Vec<chantal_catalog::Cell>> = None;
    loop {
        let page = dump.page(&shape, last.as_deref()).await.doing("be read")?;
        for row in &page {
            lines.write_all(&rows::line(row)).map_err(failed)?;
        }
        entry.rows += page.len() as u64;
        match page.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => break,
        }
    }
    lines.finish().map_err(failed)?;
    let (bytes, sum) = writer.end(&entry.file)?;
    (entry.bytes, entry.sha256) = (bytes, sum.hex());
    Ok(())
}

fn unwritable(path: &Path, source: std::io::Error) -> EngineError {
    EngineError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    }
}
