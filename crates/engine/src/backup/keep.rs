//! Where backups lie: their names, how one comes into being, which of them go, and how the state is kept that something
//! else is about to take the place of.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chantal_catalog::{Catalog, Location};
use chantal_config::Config;
use jiff::Timestamp;

use super::archive::Archive;
use super::manifest::Secrets;
use crate::error::{Doing, EngineError};

/// Before the names of files that are being written.
const NEW: &str = ".new-";
/// Such a file belongs to no living process when it is older, in seconds.
const STALE_SECONDS: u64 = 24 * 3600;

fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> EngineError {
    move |source| EngineError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// A time as names have it.
fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The name of an archive.
pub(super) fn name(what: &str, now: Timestamp) -> String {
    format!("chantal-{what}-{}.tar", stamp(now))
}

/// The path of that name, or with a number where it is taken; the directory is made where it is missing.
pub(super) fn free_name(directory: &Path, name: &str) -> Result<PathBuf, EngineError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(io("create", directory))?;
    let path = directory.join(name);
    let stem = name.trim_end_matches(".tar");
    let mut numbered = (2..).map(|number| directory.join(format!("{stem}-{number}.tar")));
    Ok(if path.exists() {
        numbered
            .find(|path| !path.exists())
            .expect("there is no end to numbers")
    } else {
        path
    })
}

/// The name in the archive of a file of the configuration.
pub(super) fn member_name(place: usize, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(plain).take(60).collect();
    format!("config/{place:04}-{name}")
}

/// A file that gets its name when it is whole. Dropped before that, it goes.
pub(super) struct NewFile(tempfile::NamedTempFile);

impl NewFile {
    /// Makes one beside the path that it is to have, for its owner only.
    pub(super) fn beside(path: &Path) -> Result<Self, EngineError> {
        if path.exists() {
            let message = format!("{} is there already", path.display());
            return Err(EngineError::request(
                message,
                Some("a backup never takes the place of a file"),
            ));
        }
        let directory = above(path);
        sweep(directory);
        let made = tempfile::Builder::new().prefix(NEW).tempfile_in(directory);
        made.map(Self).map_err(io("write in", directory))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn handle(&self) -> Result<File, EngineError> {
        self.0.as_file().try_clone().map_err(io("open", self.path()))
    }

    /// Gives it its name, durably.
    pub(super) fn keep(self, path: &Path) -> Result<(), EngineError> {
        self.0.as_file().sync_all().map_err(io("write", path))?;
        self.0
            .persist_noclobber(path)
            .map_err(|error| io("write", path)(error.error))?;
        let directory = above(path);
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(io("make durable", directory))
    }
}

fn above(path: &Path) -> &Path {
    path.parent()
        .filter(|above| !above.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Removes what a killed process left. Best effort: it only takes space.
fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_new = entry.file_name().to_string_lossy().starts_with(NEW);
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .map(|at| at.elapsed().unwrap_or_default());
        if is_new && age.is_ok_and(|age| age.as_secs() > STALE_SECONDS) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// When a file was last written: of two archives of one second, which is the newer.
pub(super) fn written(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// Deletes all but the newest archives that `db backup` named; gives the paths.
pub(super) fn delete_old(directory: &Path, most: usize) -> Result<Vec<String>, EngineError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io("read", directory))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let is_named = name.starts_with("chantal-backup-") && path.extension().is_some_and(|ending| ending == "tar");
        if is_named && let Ok((manifest, _)) = Archive::look(&path) {
            found.push((manifest.created_at, written(&path), path));
        }
    }
    found.sort();
    let mut deleted = Vec::new();
    for (_, _, path) in found.iter().take(found.len().saturating_sub(most)) {
        std::fs::remove_file(path).map_err(io("delete", path))?;
        deleted.push(path.display().to_string());
    }
    Ok(deleted)
}

/// Keeps the state of the database under a name of its own before something takes its place: a copy beside a SQLite file,
/// an archive of what is on a server.
pub(super) async fn keep_previous(
    config: &Config,
    catalog: &Catalog,
    what: &str,
    now: Timestamp,
) -> Result<PathBuf, EngineError> {
    let Location::File(database) = crate::location(config) else {
        let path = free_name(&config.backup.directory, &name(&format!("before-{what}"), now))?;
        super::write(config, catalog, &path, now, &[], Secrets::NoConfiguration).await?;
        return Ok(path);
    };
    let path = beside(&database, what, now);
    let new = NewFile::beside(&path)?;
    catalog.copy_file(new.path()).await.doing("be copied")?;
    new.keep(&path)?;
    Ok(path)
}

/// The name that a file of the database gets when something takes its place.
pub(super) fn beside(database: &Path, what: &str, now: Timestamp) -> PathBuf {
    let named = |number: usize| {
        let mut name = database.as_os_str().to_owned();
        name.push(format!(".before-{what}-{}", stamp(now)));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let mut free = (1..).map(named).filter(|path| !path.exists());
    free.next().expect("there is no end to numbers")
}
