//! What is on this machine.

use std::path::{Path, PathBuf};

use super::Builder;
use crate::effective::{Backups, Storage};
use crate::raw;

impl Builder<'_> {
    pub(super) fn storage(&mut self, storage: Option<&raw::Storage>) -> Storage {
        let storage = storage.cloned().unwrap_or_default();
        let or = |text: Option<&String>, default: PathBuf| text.map_or(default, |text| self.path(text));
        let base_path = or(storage.base_path.as_ref(), "/var/lib/chantal".into());
        Storage {
            pool_path: or(storage.pool_path.as_ref(), base_path.join("pool")),
            published_path: or(storage.published_path.as_ref(), "/var/www/repos".into()),
            temp_path: or(storage.temp_path.as_ref(), base_path.join("tmp")),
            base_path,
            link_mode: storage.link_mode.unwrap_or_default(),
            durability: storage.durability.unwrap_or_default(),
        }
    }

    pub(super) fn backups(&self, backup: Option<&raw::Backup>, base_path: &Path) -> Backups {
        let directory = backup.and_then(|backup| backup.directory.as_deref());
        Backups {
            directory: directory.map_or_else(|| base_path.join("backups"), |text| self.path(text)),
            keep_last: backup.and_then(|backup| backup.keep_last),
        }
    }
}
