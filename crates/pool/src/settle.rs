//! Makes files durable and gives them their names: barrier, renames, barrier.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::PoolError;
use crate::incoming::{Sealed, Settled};
use crate::{Durability, Pool, inspect, make_directory};

/// Threads that call `fsync` where each file gets its own.
const FSYNC_THREADS: usize = 8;

impl Pool {
    /// Stores sealed files, in order. When it returns, all are durable under their names.
    ///
    /// # Errors
    /// No file that is not durable has a name. Those that were not renamed are removed.
    pub fn settle(&self, files: Vec<Sealed>) -> Result<Vec<Settled>, PoolError> {
        let mut settled = Vec::with_capacity(files.len());
        let mut new = Vec::new();
        let mut named = BTreeSet::new();
        for sealed in files {
            let was_there = !named.insert(sealed.sha256) || self.holds(&sealed)?;
            settled.push(Settled {
                sha256: sealed.sha256,
                size: sealed.size,
                digests: sealed.digests.clone(),
                was_there,
            });
            if !was_there {
                new.push(sealed);
            }
        }
        if new.is_empty() {
            return Ok(settled);
        }
        self.sync_data(&new)?;
        let mut directories = BTreeSet::new();
        for sealed in new {
            self.name(sealed, &mut directories)?;
        }
        self.sync_directories(&directories)?;
        Ok(settled)
    }

    /// Whether the pool has the same bytes already. A file of another size is no blob: it is replaced.
    fn holds(&self, sealed: &Sealed) -> Result<bool, PoolError> {
        let path = self.path(&sealed.sha256);
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() == sealed.size => {
                // An altered blob heals when its bytes come again.
                inspect::digest(&path).map(|found| found == sealed.sha256)
            }
            _ => Ok(false),
        }
    }

    fn name(&self, mut sealed: Sealed, directories: &mut BTreeSet<PathBuf>) -> Result<(), PoolError> {
        let path = self.path(&sealed.sha256);
        let directory = path.parent().expect("a blob lies in a directory of the pool").to_owned();
        if !directory.is_dir() {
            make_directory(&directory, 0o755)?;
            directories.insert(self.root().to_owned());
        }
        std::fs::rename(sealed.temporary.path(), &path).map_err(|source| PoolError::io("rename to", &path, source))?;
        sealed.temporary.give_away();
        directories.insert(directory);
        Ok(())
    }

    fn sync_data(&self, files: &[Sealed]) -> Result<(), PoolError> {
        // Up to here one fsync each is cheaper than a barrier for the whole file system.
        if self.inner.options.durability == Durability::Batch && files.len() > FSYNC_THREADS {
            return self.sync_file_system();
        }
        let chunk = files.len().div_ceil(FSYNC_THREADS).max(1);
        std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .chunks(chunk)
                .map(|chunk| scope.spawn(move || chunk.iter().try_for_each(|sealed| self.sync_file(sealed))))
                .collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn sync_file(&self, sealed: &Sealed) -> Result<(), PoolError> {
        self.count_barrier();
        sealed.file.sync_all().map_err(|source| PoolError::Barrier {
            path: sealed.temporary.path().to_owned(),
            source,
        })
    }

    fn sync_directories(&self, directories: &BTreeSet<PathBuf>) -> Result<(), PoolError> {
        if self.inner.options.durability == Durability::Batch && directories.len() > FSYNC_THREADS {
            return self.sync_file_system();
        }
        directories.iter().try_for_each(|directory| {
            self.count_barrier();
            sync_directory(directory)
        })
    }

    /// Makes everything durable that was written to the pool's file system so far. A commit that relies on blobs which
    /// an earlier run settled without recording them needs it: that run may have been killed before its last barrier.
    pub fn barrier(&self) -> Result<(), PoolError> {
        self.sync_file_system()
    }

    fn sync_file_system(&self) -> Result<(), PoolError> {
        self.count_barrier();
        let root = self.root();
        let barrier = |source: std::io::Error| PoolError::Barrier {
            path: root.to_owned(),
            source,
        };
        let directory = File::open(root).map_err(barrier)?;
        rustix::fs::syncfs(&directory).map_err(|error| barrier(error.into()))
    }
}

fn sync_directory(path: &Path) -> Result<(), PoolError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| PoolError::Barrier {
        path: path.to_owned(),
        source,
    })
}
