//! The staged entry directory, beside the live one.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chantal_model::RelPath;

use crate::error::PublishError;
use crate::files::{is_temporary, put, write_fresh};
use crate::site::{later_than, remove_aside};
use crate::sync::sync_directory;
use crate::{Site, Source};

/// A file of the entry directory.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub source: Source,
    /// For files of a fixed name the order in which they are replaced where directories cannot be exchanged, the
    /// highest last; `None` for files whose name changes with their content.
    pub rank: Option<u8>,
}

/// A complete entry directory that is not served yet. Dropped, it stays on disk until the next [`Site::recover`].
#[derive(Debug)]
pub struct Stage {
    pub(crate) directory: PathBuf,
    pub(crate) live: PathBuf,
    /// Names of fixed files in the order of their ranks.
    pub(crate) fixed: Vec<String>,
    /// Names of the other files of the new state.
    pub(crate) digest_named: Vec<String>,
}

impl Stage {
    /// Runs a check over the staged directory; the last point at which publishing can stop.
    pub fn verify(&self, check: &dyn Fn(&Path) -> Result<(), String>) -> Result<(), PublishError> {
        check(&self.directory).map_err(|reason| PublishError::Incomplete { reason })
    }
}

impl Site {
    /// The stage's directory: in the parent of the live one, so that one `fsync` makes the exchange durable.
    pub(crate) fn stage_directory(&self, tree: &RelPath, entry_dir: &RelPath) -> PathBuf {
        let live = entry_dir.below(&self.directory(tree));
        live.with_file_name(format!(".stage-{}", entry_dir.file_name()))
    }

    /// Removes what an interrupted run left: the stage is deleted unread, and renames that were under way are finished.
    pub fn recover(&self, tree: &RelPath, entry_dir: &RelPath) -> Result<(), PublishError> {
        self.finish_renames(tree, entry_dir)?;
        remove_aside(&self.stage_directory(tree, entry_dir))?;
        let base = self.directory(tree);
        let parent = base.parent().unwrap_or(&base).to_owned();
        for directory in [parent, base.clone(), entry_dir.below(&base)] {
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with(".gone-") || is_temporary(&name) && entry.path().is_file() {
                    let path = entry.path();
                    let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                }
            }
        }
        Ok(())
    }

    /// Builds the new entry directory. Files of the live one for which `carry` is true stay reachable in it.
    ///
    /// Entry files become fresh inodes whose mtime is newer, in whole seconds, than that of the file they replace.
    pub fn stage(
        &self,
        tree: &RelPath,
        entry_dir: &RelPath,
        files: Vec<Staged>,
        carry: &dyn Fn(&str) -> bool,
    ) -> Result<Stage, PublishError> {
        let live = entry_dir.below(&self.directory(tree));
        let directory = self.stage_directory(tree, entry_dir);
        remove_aside(&directory)?;
        self.make(&directory)?;
        let mut fixed: Vec<(u8, String)> = Vec::new();
        let mut digest_named = Vec::new();
        for file in &files {
            let target = directory.join(&file.name);
            if let Some(rank) = file.rank {
                let previous = std::fs::symlink_metadata(live.join(&file.name)).map_or(0, |meta| meta.mtime());
                write_fresh(&file.source, &target, Some(later_than(previous)))?;
                fixed.push((rank, file.name.clone()));
            } else {
                match &file.source {
                    Source::Link(source) => drop(put(self, source, &target, &no_renewal)?),
                    bytes @ Source::Bytes(_) => write_fresh(bytes, &target, None)?,
                }
                digest_named.push(file.name.clone());
            }
        }
        let new: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        carry_over(self, &live, &directory, &|name| !new.contains(name) && carry(name))?;
        sync_directory(&directory)?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        fixed.sort();
        Ok(Stage {
            directory,
            live,
            fixed: fixed.into_iter().map(|(_, name)| name).collect(),
            digest_named,
        })
    }
}

/// Metadata files are young; a file system that allows no more links to one is met by the error itself.
fn no_renewal(_: &Path) -> std::io::Result<()> {
    Err(std::io::Error::from_raw_os_error(31))
}

fn carry_over(site: &Site, live: &Path, stage: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<(), PublishError> {
    let entries = match std::fs::read_dir(live) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PublishError::io("read", live, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| PublishError::io("read", live, error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if wanted(name) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            put(site, &entry.path(), &stage.join(name), &no_renewal)?;
        }
    }
    Ok(())
}
