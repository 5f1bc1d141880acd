//! From an archive into a database.

use std::io::BufReader;
use std::path::Path;

use chantal_catalog::{Access, Catalog, Location, Restore};
use chantal_config::Config;
use chantal_pool::Pool;

use super::archive::Archive;
use super::error::BackupError;
use super::list::MissingBlob;
use super::manifest::TableEntry;
use super::rows;
use crate::error::{Doing, EngineError};

/// Rows that are handed over at a time.
const PAGE: usize = 500;

/// Puts the content of an archive in the place of everything, up to the point where only [`Restore::finish`] is missing.
pub(super) async fn load(archive: &Archive, path: &Path, restore: &mut Restore) -> Result<(), EngineError> {
    let manifest = &archive.manifest;
    let version = manifest.schema_version;
    let because = |source| EngineError::Backup {
        path: path.to_owned(),
        source,
    };
    let misfit = |what| because(BackupError::Misfit { version, what });
    restore.empty(version).await.doing("be emptied")?;
    fits(&manifest.tables, restore).map_err(misfit)?;
    for (place, table) in manifest.tables.iter().enumerate() {
        let columns = table.columns();
        let lines = zstd::stream::read::Decoder::new(archive.member(place)?);
        let mut lines = lines
            .map(BufReader::new)
            .map_err(|error| because(BackupError::Altered(format!("{}: {error}", table.file))))?;
        let mut count = 0;
        loop {
            let mut page = Vec::with_capacity(PAGE);
            while page.len() < PAGE
                && let Some(row) = rows::next(&mut lines, &columns)
                    .map_err(|what| because(BackupError::Altered(format!("{}: {what}", table.file))))?
            {
                page.push(row);
            }
            if page.is_empty() {
                break;
            }
            count += page.len() as u64;
            match restore.add(&table.name, &columns, &page).await {
                Err(error) if error.is_misfit() => {
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    return Err(misfit(format!("table {}: {}", table.name, why.unwrap_or_default())));
                }
                added => added.doing("take the rows of a backup")?,
            }
        }
        if count != table.rows {
            let what = format!("{} has {count} rows, its manifest says {}", table.file, table.rows);
            return Err(because(BackupError::Altered(what)));
        }
    }
    Ok(())
}

/// Whether an archive has the tables of a schema with their columns, and no others.
fn fits(tables: &[TableEntry], restore: &Restore) -> Result<(), String> {
    let shapes = restore.tables();
    if let Some(table) = tables
        .iter()
        .find(|table| shapes.iter().all(|shape| shape.name != table.name))
    {
        return Err(format!("it has no table {}", table.name));
    }
    let mut place = 0;
    for shape in shapes {
        let found = tables.get(place).filter(|table| table.name == shape.name);
        let Some(table) = found else {
            return Err(format!("table {} is missing, or not in its place", shape.name));
        };
        let sorted = |columns: &[chantal_catalog::Column]| {
            let mut names: Vec<_> = columns.iter().map(|one| (one.name.clone(), one.kind as u8)).collect();
            names.sort();
            names
        };
        if sorted(&table.columns()) != sorted(&shape.columns) {
            return Err(format!("table {} has other columns", shape.name));
        }
        place += 1;
    }
    if place == tables.len() {
        Ok(())
    } else {
        Err("a table comes twice".into())
    }
}

/// A database that is made of an archive and thrown away.
pub(super) struct Scratch {
    pub(super) catalog: Catalog,
    _directory: tempfile::TempDir,
}

impl Scratch {
    /// Loads an archive, whatever database it came from.
    pub(super) async fn load(config: &Config, archive: &Archive, path: &Path) -> Result<Self, EngineError> {
        let parent = &config.storage.temp_path;
        crate::make_directory(&config.storage.base_path, 0o755)?;
        crate::make_directory(parent, 0o700)?;
        let made = tempfile::Builder::new().prefix("backup-").tempdir_in(parent);
        let directory = made.map_err(|source| EngineError::Io {
            what: "write in",
            path: parent.clone(),
            source,
        })?;
        let location = Location::File(directory.path().join("scratch.db"));
        let catalog = Catalog::open_at(&location, Access::Replace).await.doing("be opened")?;
        let begun = catalog.begin_restore().await.doing("be opened")?;
        let mut restore = begun.expect("nobody works on a database that was just made");
        load(archive, path, &mut restore).await?;
        restore.finish().await.doing("take the rows of a backup")?;
        Ok(Self {
            catalog,
            _directory: directory,
        })
    }
}

/// Blobs that a catalog names and the pool lacks.
pub(super) async fn missing(config: &Config, catalog: &Catalog) -> Result<Vec<MissingBlob>, EngineError> {
    let blobs = catalog.all_blobs().await.doing("list its blobs")?;
    let root = &config.storage.pool_path;
    // Opened, a pool that is not there would be made.
    let pool = if root.is_dir() {
        Some(Pool::open(root, crate::pool_options(config)).doing("be opened")?)
    } else {
        None
    };
    let lacks = |sha256: &chantal_model::Sha256, size| pool.as_ref().is_none_or(|pool| !pool.contains(sha256, size));
    Ok(blobs
        .into_iter()
        .filter(|(sha256, size)| lacks(sha256, *size))
        .map(|(sha256, bytes)| MissingBlob {
            blob: sha256.hex(),
            bytes,
        })
        .collect())
}
