//! Makes files durable and gives them their names: barrier, renames, barrier.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use chantal_model::{fault, faulty, skipped};

use crate::error::PoolError;
use crate::incoming::{Sealed, Settled};
use crate::{Durability, Pool, inspect, make_directory};

/// Threads that call `fsync` where each file gets its own.
const FSYNC_THREADS: usize = 8;
/// Up to so many files one `fsync` each is cheaper than a barrier for the whole file system.
pub(crate) const FEW: usize = 4;

/// Files on their way to their names.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) settled: Vec<Settled>,
    /// Those that the pool does not hold.
    pub(crate) new: Vec<Sealed>,
    /// The directories whose entries must become durable.
    pub(crate) directories: BTreeSet<PathBuf>,
}

impl Pool {
    /// Stores sealed files, in order. When it returns, all are durable under their names, those that the pool had
    /// before included.
    ///
    /// # Errors
    /// No file whose bytes are not durable has a name. Those that were not renamed are removed.
    pub fn settle(&self, files: Vec<Sealed>) -> Result<Vec<Settled>, PoolError> {
        let mut sorted = self.sort(files)?;
        if sorted.settled.is_empty() {
            return Ok(sorted.settled);
        }
        let witness = self.witness(&sorted.new)?;
        self.sync_data(&sorted.new, &witness)?;
        fault!("pool::settle::named").map_err(|source| PoolError::barrier(self.root(), source))?;
        self.name_all(&mut sorted)?;
        self.sync_directories(&sorted.directories, &witness)?;
        Ok(sorted.settled)
    }

    /// Finds out which files are new.
    pub(crate) fn sort(&self, files: Vec<Sealed>) -> Result<Sorted, PoolError> {
        let mut sorted = Sorted::default();
        let mut named = HashSet::new();
        for sealed in files {
            let was_there = !named.insert(sealed.sha256) || self.holds(&sealed)?;
            // A run that was killed after its renames may have left names that are not durable, so hits count too.
            sorted.directories.insert(self.directory(&sealed.sha256));
            sorted.settled.push(Settled {
                sha256: sealed.sha256,
                size: sealed.size,
                digests: sealed.digests.clone(),
                was_there,
            });
            if !was_there {
                sorted.new.push(sealed);
            }
        }
        sorted.directories.insert(self.root().to_owned());
        Ok(sorted)
    }

    /// Gives new files their names, which are not durable yet.
    pub(crate) fn name_all(&self, sorted: &mut Sorted) -> Result<(), PoolError> {
        std::mem::take(&mut sorted.new)
            .into_iter()
            .try_for_each(|sealed| self.name(sealed))
    }

    /// Makes everything durable that was written to the pool's file system so far. A commit that relies on blobs which
    /// an earlier run settled without recording them needs it: that run may have been killed before its last barrier.
    pub fn barrier(&self) -> Result<(), PoolError> {
        self.sync_file_system(&self.inner.directory)
    }

    /// A descriptor that is told of every write error since the first of these files was opened: `syncfs` reports to
    /// each descriptor what happened since that one was opened, and an error that another process was told of is not
    /// reported to a younger one.
    pub(crate) fn witness(&self, files: &[Sealed]) -> Result<File, PoolError> {
        let oldest = files.iter().min_by_key(|sealed| sealed.opened);
        let file = oldest.and_then(|sealed| sealed.file.as_ref());
        let file = file.unwrap_or(&self.inner.directory);
        file.try_clone()
            .map_err(|source| PoolError::barrier(self.root(), source))
    }

    /// Whether the pool has the same bytes already. An altered, truncated or unreadable blob heals when its bytes come
    /// again: it is replaced.
    fn holds(&self, sealed: &Sealed) -> Result<bool, PoolError> {
        if !self.contains(&sealed.sha256, sealed.size) {
            return Ok(false);
        }
        match inspect::digest(&self.path(&sealed.sha256)) {
            Err(error) if error.exit_code() == 6 => Err(error),
            found => Ok(found.is_ok_and(|found| found == sealed.sha256)),
        }
    }

    fn name(&self, mut sealed: Sealed) -> Result<(), PoolError> {
        let path = self.path(&sealed.sha256);
        let mut renamed = faulty!("pool::rename", std::fs::rename(sealed.temporary.path(), &path));
        if renamed
            .as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        {
            fault!("pool::mkdir").map_err(|source| PoolError::io("create a directory for", &path, source))?;
            make_directory(&self.directory(&sealed.sha256), 0o755)?;
            renamed = std::fs::rename(sealed.temporary.path(), &path);
        }
        renamed.map_err(|source| PoolError::io("rename to", &path, source))?;
        sealed.temporary.give_away();
        Ok(())
    }

    /// Makes the bytes of files durable; `true` if everything else on the file system is durable too.
    pub(crate) fn sync_data(&self, files: &[Sealed], witness: &File) -> Result<bool, PoolError> {
        let are_many = files.len() > FEW || files.iter().any(|sealed| sealed.file.is_none());
        if self.inner.durability == Durability::Batch && are_many {
            self.sync_file_system(witness)?;
            return Ok(true);
        }
        in_threads(files, |sealed| self.sync_sealed(sealed))?;
        Ok(false)
    }

    pub(crate) fn sync_sealed(&self, sealed: &Sealed) -> Result<(), PoolError> {
        let path = sealed.temporary.path();
        if let Some(file) = &sealed.file {
            return self.sync_file(file, path);
        }
        let file = File::open(path).map_err(|source| PoolError::barrier(path, source))?;
        self.sync_file(&file, path)
    }

    pub(crate) fn sync_directories(&self, directories: &BTreeSet<PathBuf>, witness: &File) -> Result<(), PoolError> {
        if self.inner.durability == Durability::Batch && directories.len() > FEW {
            return self.sync_file_system(witness);
        }
        let directories: Vec<&PathBuf> = directories.iter().collect();
        in_threads(&directories, |path| {
            let directory = File::open(path).map_err(|source| PoolError::barrier(path, source))?;
            self.sync_file(&directory, path)
        })
    }

    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<(), PoolError> {
        self.count_barrier();
        if skipped!("pool::skip") {
            return Ok(());
        }
        faulty!("pool::fsync", file.sync_all()).map_err(|source| PoolError::barrier(path, source))
    }

    fn sync_file_system(&self, witness: &File) -> Result<(), PoolError> {
        self.count_barrier();
        if skipped!("pool::skip_all") {
            return Ok(());
        }
        faulty!(
            "pool::syncfs",
            rustix::fs::syncfs(witness).map_err(std::io::Error::from)
        )
        .map_err(|source| PoolError::barrier(self.root(), source))
    }
}

/// Does something to each item, from a few threads; the first error is the answer.
fn in_threads<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), PoolError> + Sync) -> Result<(), PoolError> {
    let work = &work;
    let chunk = items.len().div_ceil(FSYNC_THREADS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(chunk)
            .map(|chunk| scope.spawn(move || chunk.iter().try_for_each(work)))
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
