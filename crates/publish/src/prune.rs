//! PRUNE: removes files that no served state needs any more.

use std::collections::HashSet;
use std::path::Path;

use chantal_model::RelPath;

use crate::Site;
use crate::error::PublishError;
use crate::files::is_temporary;

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files removed.
    pub removed: u64,
    /// Files kept.
    pub kept: u64,
}

impl Site {
    /// Removes every file of a tree for which `keep` is false, and directories that are empty then.
    ///
    /// Names that start with a dot are never touched: they are not part of what is published. Symbolic links are not
    /// followed. No barrier is needed: a file that comes back after a power cut is harmless.
    pub fn prune(&self, tree: &RelPath, keep: &mut dyn FnMut(&RelPath) -> bool) -> Result<Pruned, PublishError> {
        let base = self.directory(tree);
        let mut pruned = Pruned::default();
        if base.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            walk(&base, "", &mut |path, file| {
                if keep(path) {
                    pruned.kept += 1;
                    return Ok(());
                }
                std::fs::remove_file(file).map_err(|source| PublishError::io("remove", file, source))?;
                pruned.removed += 1;
                Ok(())
            })?;
            if pruned.removed > 0 {
                remove_empty(&base)?;
            }
        }
        Ok(pruned)
    }

    /// Every file of a tree.
    pub fn files(&self, tree: &RelPath) -> Result<HashSet<RelPath>, PublishError> {
        let base = self.directory(tree);
        let mut files = HashSet::new();
        if base.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            walk(&base, "", &mut |path, _| {
                files.insert(path.clone());
                Ok(())
            })?;
        }
        Ok(files)
    }
}

type Visit<'a> = dyn FnMut(&RelPath, &Path) -> Result<(), PublishError> + 'a;

fn walk(directory: &Path, prefix: &str, visit: &mut Visit<'_>) -> Result<(), PublishError> {
    let read = |source| PublishError::io("read", directory, source);
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with('.') && (prefix.is_empty() || is_temporary(name)) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), visit)?;
        } else if let Ok(path) = RelPath::parse(&path) {
            visit(&path, &entry.path())?;
        }
    }
    Ok(())
}

/// Removes directories without files; the tree itself stays.
fn remove_empty(directory: &Path) -> Result<(), PublishError> {
    let read = |source| PublishError::io("read", directory, source);
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.file_type().map_err(read)?.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            remove_empty(&entry.path())?;
            // Refused by the system unless it is empty, which is the test.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    Ok(())
}
