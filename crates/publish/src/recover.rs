//! What an interrupted run left: finished where it must be, else removed unread.

use chantal_model::RelPath;
use rustix::fs::FileType;

use crate::Site;
use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{gone_name, is_unfinished};
use crate::site::joined;

impl Site {
    /// Removes what an interrupted run left: the stage is deleted unread, and renames that were under way are finished.
    ///
    /// The caller holds the tree's lock.
    pub fn recover(&self, tree: &RelPath, entry_dir: &RelPath) -> Result<(), PublishError> {
        // Beside the tree others may be at work, so only what bears its own name goes.
        if let Some(beside) = self.dir(tree.parent().as_ref())? {
            beside.remove_all(gone_name(tree.file_name()))?;
        }
        let Some(home) = self.home(tree, entry_dir)? else {
            return Ok(());
        };
        Self::finish_renames(&home)?;
        home.parent.discard(&home.stage)?;
        remove_unfinished(&home.parent)?;
        for path in [tree.clone(), joined(tree, entry_dir)?] {
            if let Some(dir) = self.dir(Some(&path))? {
                remove_unfinished(&dir)?;
            }
        }
        Ok(())
    }
}

/// Removes unfinished work from a directory that nobody else writes to.
pub(crate) fn remove_unfinished(dir: &Dir) -> Result<(), PublishError> {
    for entry in dir.entries()? {
        let is_ours = matches!(entry.kind, FileType::Directory | FileType::RegularFile);
        if is_ours && is_unfinished(&entry.name.to_string_lossy()) {
            dir.remove_all(&entry.name)?;
        }
    }
    Ok(())
}
