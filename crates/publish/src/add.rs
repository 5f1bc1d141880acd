//! ADD: links files into the live tree. Nothing that is served changes.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use chantal_model::RelPath;

use crate::error::PublishError;
use crate::files::{Put, beside, put, write_fresh};
use crate::sync::sync_directories;
use crate::{Site, Source};

/// What adding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Files that were not there.
    pub linked: u64,
    /// Files that were there with the same bytes.
    pub unchanged: u64,
    /// Files that were there with other bytes.
    pub replaced: u64,
}

impl Site {
    /// Links files into a tree; when it returns, names and directories are durable.
    ///
    /// `renew` is called with a source of which the file system allows no more links and must give it a new inode.
    pub fn add(
        &self,
        tree: &RelPath,
        files: &mut dyn Iterator<Item = (RelPath, Source)>,
        renew: &dyn Fn(&Path) -> io::Result<()>,
        on_file: &dyn Fn(),
    ) -> Result<Added, PublishError> {
        let base = self.directory(tree);
        let mut touched: BTreeSet<PathBuf> = BTreeSet::new();
        let mut known: HashSet<PathBuf> = HashSet::new();
        let mut added = Added::default();
        self.prepare(&base, &mut known, &mut touched)?;
        for (path, source) in files {
            let target = path.below(&base);
            let parent = target.parent().unwrap_or(&base).to_owned();
            self.prepare(&parent, &mut known, &mut touched)?;
            let result = match &source {
                Source::Link(source) => put(self, source, &target, renew)?,
                Source::Bytes(bytes) => put_bytes(bytes, &target)?,
            };
            match result {
                Put::Same => added.unchanged += 1,
                Put::New => added.linked += 1,
                Put::Replaced => added.replaced += 1,
            }
            if result != Put::Same && !touched.contains(&parent) {
                touched.insert(parent);
            }
            on_file();
        }
        sync_directories(&touched)?;
        Ok(added)
    }

    /// Makes a directory once and remembers what must become durable with it.
    fn prepare(
        &self,
        directory: &Path,
        known: &mut HashSet<PathBuf>,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<(), PublishError> {
        if known.contains(directory) {
            return Ok(());
        }
        for made in self.make(directory)? {
            touched.extend(made.parent().map(Path::to_owned));
            touched.insert(made);
        }
        known.insert(directory.to_owned());
        Ok(())
    }
}

fn put_bytes(bytes: &[u8], target: &Path) -> Result<Put, PublishError> {
    let was_there = target.symlink_metadata().is_ok();
    if was_there && std::fs::read(target).is_ok_and(|there| there == bytes) {
        return Ok(Put::Same);
    }
    let temporary = beside(target);
    let _ = std::fs::remove_file(&temporary);
    write_fresh(&Source::Bytes(bytes.to_vec()), &temporary, None)?;
    std::fs::rename(&temporary, target).map_err(|source| PublishError::io("replace", target, source))?;
    Ok(if was_there { Put::Replaced } else { Put::New })
}
