//! SWITCH: the staged entry directory becomes the served one.

use std::path::{Path, PathBuf};

use chantal_model::RelPath;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::PublishError;
use crate::files::write_fresh;
use crate::site::remove_aside;
use crate::stage::Stage;
use crate::sync::sync_directory;
use crate::{Site, Source};

/// Name of the record, inside the stage, that renames are under way.
const INTENT: &str = ".renaming";

impl Site {
    /// Makes a stage the served state and makes that durable. The old state's carried files stay reachable.
    pub fn switch(&self, stage: Stage) -> Result<(), PublishError> {
        let parent = stage.live.parent().map(Path::to_owned).unwrap_or_default();
        if stage.live.symlink_metadata().is_err() {
            rename(&stage.directory, &stage.live)?;
            return sync_directory(&parent);
        }
        if !self.can_exchange() {
            return self.rename_files(&stage);
        }
        renameat_with(CWD, &stage.directory, CWD, &stage.live, RenameFlags::EXCHANGE)
            .map_err(|error| PublishError::io("exchange", &stage.live, error.into()))?;
        sync_directory(&parent)?;
        remove_aside(&stage.directory)
    }

    /// The way of file systems without the exchange: digest-named files first, then fixed ones in order, the entry last.
    /// The intent record lets the next run finish what a crash cut short.
    fn rename_files(&self, stage: &Stage) -> Result<(), PublishError> {
        for name in &stage.digest_named {
            let target = stage.live.join(name);
            if target.symlink_metadata().is_err() {
                rename(&stage.directory.join(name), &target)?;
            }
        }
        sync_directory(&stage.live)?;
        let names = stage.fixed.join("\n");
        let intent = stage.directory.join(INTENT);
        write_fresh(&Source::Bytes(names.into_bytes()), &intent, None)?;
        sync_directory(&stage.directory)?;
        rename_fixed(&stage.directory, &stage.live, &stage.fixed)?;
        remove_aside(&stage.directory)
    }

    /// Finishes renames that an interrupted run began.
    pub(crate) fn finish_renames(&self, tree: &RelPath, entry_dir: &RelPath) -> Result<(), PublishError> {
        let stage = self.stage_directory(tree, entry_dir);
        let live = entry_dir.below(&self.directory(tree));
        let Ok(names) = std::fs::read_to_string(stage.join(INTENT)) else {
            return Ok(());
        };
        let left: Vec<String> = names
            .lines()
            .filter(|name| !name.contains('/') && stage.join(name).symlink_metadata().is_ok())
            .map(str::to_owned)
            .collect();
        rename_fixed(&stage, &live, &left)?;
        remove_aside(&stage)
    }
}

fn rename_fixed(stage: &Path, live: &Path, names: &[String]) -> Result<(), PublishError> {
    for name in names {
        rename(&stage.join(name), &live.join(name))?;
    }
    sync_directory(live)
}

fn rename(from: &Path, to: &PathBuf) -> Result<(), PublishError> {
    std::fs::rename(from, to).map_err(|source| PublishError::io("rename to", to, source))
}
