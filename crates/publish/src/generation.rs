//! Immutable generations beside a tree: a client that was told one base URL makes all its requests in one state.

use std::path::{Path, PathBuf};

use chantal_model::RelPath;

use crate::Site;
use crate::error::PublishError;
use crate::files::put;
use crate::site::remove_aside;
use crate::sync::sync_directory;

impl Site {
    /// Makes `gen/<number>` beside a tree: links to the live entry directory's files, and a symbolic link for each other
    /// top-level entry of the tree. One that is there is left as it is. Gives its path below the root.
    ///
    /// These are the only symbolic links below a published root, and they are relative.
    pub fn generation(&self, tree: &RelPath, entry_dir: &RelPath, number: i64) -> Result<RelPath, PublishError> {
        let tree_directory = self.directory(tree);
        let generations = generations(&tree_directory);
        let directory = generations.join(number.to_string());
        let path = match tree.parent() {
            Some(parent) => format!("{parent}/gen/{number}"),
            None => format!("gen/{number}"),
        };
        let path = RelPath::parse(&path).map_err(|error| PublishError::Incomplete {
            reason: error.to_string(),
        })?;
        if directory.symlink_metadata().is_ok() {
            return Ok(path);
        }
        let stage = generations.join(format!(".stage-{number}"));
        remove_aside(&stage)?;
        let entries = entry_dir.below(&stage);
        self.make(&entries)?;
        let live = entry_dir.below(&tree_directory);
        let read = |source| PublishError::io("read", &live, source);
        for entry in std::fs::read_dir(&live).map_err(read)? {
            let entry = entry.map_err(read)?;
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                put(self, &entry.path(), &entries.join(entry.file_name()), &|_| {
                    Err(std::io::Error::from_raw_os_error(31))
                })?;
            }
        }
        link_others(&tree_directory, entry_dir, &stage)?;
        sync_directory(&entries)?;
        sync_directory(&stage)?;
        std::fs::rename(&stage, &directory).map_err(|source| PublishError::io("rename to", &directory, source))?;
        sync_directory(&generations)?;
        Ok(path)
    }

    /// Removes generations for which `keep` is false; gives how many.
    pub fn prune_generations(&self, tree: &RelPath, keep: &dyn Fn(i64) -> bool) -> Result<u64, PublishError> {
        let directory = generations(&self.directory(tree));
        let Ok(entries) = std::fs::read_dir(&directory) else {
            return Ok(0);
        };
        let mut removed = 0;
        for entry in entries.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<i64>().ok());
            if number.is_some_and(|number| !keep(number)) {
                remove_aside(&entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the list that names the current generation, then all generations.
    pub fn remove_generations(&self, tree: &RelPath) -> Result<(), PublishError> {
        let directory = generations(&self.directory(tree));
        let list = directory.with_file_name("mirrorlist");
        match std::fs::remove_file(&list) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PublishError::io("remove", &list, error));
            }
            _ => {}
        }
        remove_aside(&directory)
    }
}

fn generations(tree: &Path) -> PathBuf {
    tree.with_file_name("gen")
}

fn link_others(tree: &Path, entry_dir: &RelPath, stage: &Path) -> Result<(), PublishError> {
    let tree_name = tree.file_name().unwrap_or_default();
    let read = |source| PublishError::io("read", tree, source);
    for entry in std::fs::read_dir(tree).map_err(read)? {
        let name = entry.map_err(read)?.file_name();
        if name.to_string_lossy().starts_with('.') || name == entry_dir.top() {
            continue;
        }
        let target = Path::new("../..").join(tree_name).join(&name);
        let link = stage.join(&name);
        std::os::unix::fs::symlink(&target, &link).map_err(|source| PublishError::io("create", &link, source))?;
    }
    Ok(())
}
