//! Restoring: the archive is verified whole, then everything happens in one transaction.
//!
//! So nobody ever sees a state in between, and a killed restoration leaves what was there. Only a SQLite file that is
//! damaged is put aside first: there is nothing in it to go on with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chantal_catalog::{Access, Catalog, Location, files_of};
use chantal_config::Config;
use jiff::Timestamp;
use serde::Serialize;

use super::archive::Archive;
use super::list::MissingBlob;
use super::load::{self, load};
use super::{BackupError, keep};
use crate::error::{Doing, EngineError};

/// What restoring would do.
#[derive(Clone, Debug, Serialize)]
pub struct RestorePlan {
    /// The archive.
    pub file: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The database whose content goes: its file, or its URL without the password.
    pub database: String,
    /// Whether there is one.
    pub exists: bool,
    /// Why its content cannot be read, if so.
    pub damage: Option<String>,
    /// The version of the archive's schema.
    pub schema_version: i64,
    /// Rows here and there.
    pub tables: Vec<RestoreTable>,
}

/// The rows of a table.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreTable {
    /// Its name.
    pub table: String,
    /// In the archive.
    pub backup_rows: u64,
    /// In the database now.
    pub database_rows: u64,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// What was planned.
    #[serde(flatten)]
    pub plan: RestorePlan,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Where the previous content is: a copy of the file, or an archive.
    pub previous: Option<String>,
    /// The version of the schema now.
    pub upgraded_to: i64,
    /// Blobs that the catalog names.
    pub blobs: u64,
    /// Those that the pool lacks.
    pub missing: Vec<MissingBlob>,
}

/// What is at the database's place.
enum Found {
    Nothing,
    Damaged(String),
    Database(Catalog),
}

async fn found(location: &Location) -> Result<Found, EngineError> {
    if let Location::File(path) = location
        && !std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
    {
        return Ok(Found::Nothing);
    }
    let catalog = match Catalog::open_at(location, Access::Replace).await {
        Ok(catalog) => catalog,
        Err(error) if error.is_damage() => return Ok(Found::Damaged(error.to_string())),
        Err(error) => return Err(error).doing("be opened"),
    };
    let problems = match catalog.quick_check().await {
        Ok(problems) => problems,
        Err(error) if error.is_damage() => vec![error.to_string()],
        Err(error) => return Err(error).doing("be checked"),
    };
    if problems.is_empty() {
        return Ok(Found::Database(catalog));
    }
    catalog.close().await;
    Ok(Found::Damaged(problems.join("; ")))
}

/// Verifies an archive whole and compares it with what is in the database. Nothing is changed.
pub async fn plan_restore(config: &Config, path: &Path) -> Result<RestorePlan, EngineError> {
    let archive = Archive::open(path)?;
    plan(config, path, &archive).await
}

async fn plan(config: &Config, path: &Path, archive: &Archive) -> Result<RestorePlan, EngineError> {
    let location = crate::location(config);
    let (exists, damage, counts) = match found(&location).await? {
        Found::Nothing => (false, None, Vec::new()),
        Found::Damaged(why) => (true, Some(why), Vec::new()),
        Found::Database(catalog) => {
            let counts = catalog.row_counts().await.doing("be counted")?;
            catalog.close().await;
            (!counts.is_empty(), None, counts)
        }
    };
    let mut tables: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for table in &archive.manifest.tables {
        tables.entry(&table.name).or_default().0 = table.rows;
    }
    for (name, rows) in &counts {
        tables.entry(name).or_default().1 = *rows;
    }
    let tables = tables
        .into_iter()
        .map(|(table, (backup_rows, database_rows))| RestoreTable {
            table: table.to_owned(),
            backup_rows,
            database_rows,
        });
    Ok(RestorePlan {
        file: path.display().to_string(),
        created: archive.manifest.created_at.clone(),
        database: match &location {
            Location::File(path) => path.display().to_string(),
            Location::Server(server) => server.shown.clone(),
        },
        exists,
        damage,
        schema_version: archive.manifest.schema_version,
        tables: tables.collect(),
    })
}

/// Puts the content of an archive in the place of the database's. What was there is kept under another name.
///
/// # Errors
/// Busy while anything is at work. Whatever fails, the database is as it was, but for a damaged file that was put aside.
pub async fn restore(config: &Config, path: &Path, now: Timestamp) -> Result<RestoreReport, EngineError> {
    let archive = Archive::open(path)?;
    let plan = plan(config, path, &archive).await?;
    let location = crate::location(config);
    let mut previous = None;
    if let (Some(_), Location::File(database)) = (&plan.damage, &location) {
        previous = Some(put_aside(database, now)?);
    }
    if let Location::File(database) = &location
        && let Some(above) = database.parent()
    {
        crate::make_directory(above, 0o755)?;
    }
    let catalog = Catalog::open_at(&location, Access::Replace).await.doing("be opened")?;
    let begun = catalog.begin_restore().await.doing("be emptied")?;
    let mut running = begun.map_err(|refused| EngineError::InUse {
        who: refused
            .0
            .iter()
            .map(|lease| format!("{} ({})", lease.name, lease.holder))
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    if plan.exists && plan.damage.is_none() {
        // Nobody takes a lease meanwhile, so that this is what was there last.
        previous = Some(keep::keep_previous(config, &catalog, "restore", now).await?);
    }
    load(&archive, path, &mut running).await?;
    running.finish().await.doing("be restored")?;
    catalog.tidy().await;
    let missing = load::missing(config, &catalog).await?;
    catalog.close().await;
    Ok(RestoreReport {
        plan,
        dry_run: false,
        previous: previous.map(|path| path.display().to_string()),
        upgraded_to: Catalog::latest_schema(),
        blobs: archive.manifest.pool.blobs,
        missing,
    })
}

impl RestoreReport {
    /// What restoring would come to, after the archive was loaded into a database that was thrown away.
    pub async fn of_dry_run(config: &Config, path: &Path) -> Result<Self, EngineError> {
        let plan = plan_restore(config, path).await?;
        let check = super::verify_backup(config, path, true).await?;
        if let Some(what) = check.problems.into_iter().next() {
            return Err(EngineError::Backup {
                path: path.to_owned(),
                source: BackupError::Altered(what),
            });
        }
        Ok(Self {
            plan,
            dry_run: true,
            previous: None,
            upgraded_to: Catalog::latest_schema(),
            blobs: check.blobs,
            missing: check.missing,
        })
    }
}

/// Renames the files of a database that cannot be read, its own last.
fn put_aside(database: &Path, now: Timestamp) -> Result<PathBuf, EngineError> {
    let aside = keep::beside(database, "restore", now);
    for from in files_of(database).iter().rev() {
        let ending = &from.as_os_str().to_string_lossy()[database.as_os_str().len()..];
        let mut to = aside.as_os_str().to_owned();
        to.push(ending);
        std::fs::rename(from, &to).map_err(|source| EngineError::Io {
            what: "rename",
            path: from.clone(),
            source,
        })?;
    }
    Ok(aside)
}
