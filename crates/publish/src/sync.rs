//! Durability of directories and files.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::PublishError;

/// From so many directories on, one `syncfs` is cheaper than an `fsync` of each.
const MANY: usize = 1000;

pub(crate) fn sync_directory(path: &Path) -> Result<(), PublishError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| PublishError::io("make durable", path, source))
}

/// Makes directories durable, children before parents.
pub(crate) fn sync_directories(directories: &BTreeSet<PathBuf>) -> Result<(), PublishError> {
    if directories.len() > MANY
        && let Some(any) = directories.first()
    {
        let file = File::open(any).map_err(|source| PublishError::io("open", any, source))?;
        return rustix::fs::syncfs(&file).map_err(|error| PublishError::io("make durable", any, error.into()));
    }
    // In byte order a directory comes before what it holds.
    directories.iter().rev().try_for_each(|directory| sync_directory(directory))
}
