//! Content-addressed blobs: take in, settle durably, open, verify.
//!
//! A blob is `<pool>/<first two hex digits>/<sha256>`, mode 0444, and never modified. It gets its name only after its
//! bytes are durable, so a file of the right name and size is whole, also after a power cut. Temporary files are in
//! `<pool>/tmp`, what was found damaged or foreign is in `<pool>/quarantine`.

mod adopt;
mod batch;
mod device;
mod error;
mod incoming;
mod inspect;
mod manifest;
mod part;
mod quarantine;
mod settle;
mod turn;

pub use adopt::{Adoption, Examined, Finding, Way};
pub use batch::Batch;
pub use error::PoolError;
pub use incoming::{Incoming, Sealed, Settled};
pub use inspect::{Damage, DamageKind, Listed, Looking, Lying, Survey};
pub use manifest::{ManifestReader, ManifestWriter};
pub use part::KEPT_PART_BYTES;
pub use quarantine::{Aside, Fixed};
pub use turn::Turn;

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chantal_model::{Algorithm, Promise, Sha256, faulty};
use rustix::fs::{AtFlags, FileType, statat};

/// How bytes are made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// One `syncfs` for a batch of files. Before Linux 5.8, where it does not report errors, the other one is used.
    #[default]
    Batch,
    /// `fsync` of each file, from eight threads.
    EachFile,
}

/// How to keep blobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolOptions {
    /// How bytes are made durable.
    pub durability: Durability,
}

/// What lies in the pool's directory beside the blobs. A pool may be the root of its own file system.
const BESIDE: [&str; 5] = [
    "tmp",
    "lost+found",
    quarantine::DIRECTORY,
    turn::POSITION,
    manifest::DIRECTORY,
];

/// Temporary files older than this belong to no living process.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// Parts of large files wait so long for a run that goes on with them.
const STALE_PARTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// A directory of blobs. Clones share it.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    temporary: PathBuf,
    /// The root's descriptor, open as long as the pool, so that no write error passes unseen.
    directory: File,
    durability: Durability,
    barriers: AtomicU64,
}

impl Pool {
    /// Opens a pool; makes its directories where they are missing.
    ///
    /// # Errors
    /// [`PoolError::Exposed`] if everybody may write to it.
    pub fn open(root: &Path, options: PoolOptions) -> Result<Self, PoolError> {
        let temporary = root.join("tmp");
        let missing: Vec<&Path> = temporary.ancestors().take_while(|path| !path.exists()).collect();
        make_directory(root, 0o755)?;
        make_directory(&temporary, 0o700)?;
        for path in [root, &temporary] {
            let mode = std::fs::metadata(path)
                .map_err(|source| PoolError::io("look at", path, source))?
                .permissions()
                .mode();
            if mode & 0o002 != 0 {
                return Err(PoolError::Exposed {
                    path: path.to_owned(),
                    mode: mode & 0o7777,
                });
            }
        }
        for made in missing {
            let above = made
                .parent()
                .filter(|above| !above.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let synced = File::open(above).and_then(|directory| directory.sync_all());
            synced.map_err(|source| PoolError::barrier(above, source))?;
        }
        let durability = if device::syncfs_reports_errors() {
            options.durability
        } else {
            Durability::EachFile
        };
        let directory = File::open(root).map_err(|source| PoolError::io("open", root, source))?;
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                temporary,
                directory,
                durability,
                barriers: AtomicU64::new(0),
            }),
        })
    }

    /// The pool's directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Where a blob is, whether it is there or not.
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        self.inner.root.join(name_in_root(sha256))
    }

    /// The directory that a blob is in.
    fn directory(&self, sha256: &Sha256) -> PathBuf {
        self.inner.root.join(&sha256.hex()[..2])
    }

    /// Whether a blob is there in its size. Its bytes are not read.
    pub fn contains(&self, sha256: &Sha256, size: u64) -> bool {
        self.inode(sha256, size).is_some()
    }

    /// Device and inode of a blob that is there in its size. Its bytes are not read.
    pub fn inode(&self, sha256: &Sha256, size: u64) -> Option<(u64, u64)> {
        // From the directory that is open, since a sync asks for every package and then for every file that came.
        let found = statat(&self.inner.directory, name_in_root(sha256), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_it = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_size as u64 == size;
        is_it.then_some((found.st_dev, found.st_ino))
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, sha256: &Sha256) -> Result<File, PoolError> {
        let path = self.path(sha256);
        File::open(&path).map_err(|source| PoolError::io("open", &path, source))
    }

    /// Starts a file that computes SHA-256 and `algorithms` while it is written.
    pub fn incoming(&self, algorithms: &[Algorithm]) -> Incoming {
        Incoming::create(&self.inner.temporary, algorithms)
    }

    /// Starts a file that computes SHA-256 and the promised digests while it is written.
    ///
    /// Of a large file under a digest that is not weak it may hold what an earlier run left, which is read whole; see
    /// [`chantal_model::Landing::note`]. Such a file keeps its part when it is dropped, from [`KEPT_PART_BYTES`] on.
    pub fn resume(&self, promise: &Promise) -> Result<Incoming, PoolError> {
        Incoming::resume(&self.inner.temporary, promise)
    }

    /// Removes a blob; one that is not there is fine. The caller knows that nobody relies on it.
    pub fn remove(&self, sha256: &Sha256) -> Result<(), PoolError> {
        let path = self.path(sha256);
        match faulty!("pool::unlink", std::fs::remove_file(&path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PoolError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// When a blob was last written, named or linked, in seconds since 1970; `None` if it is not there.
    pub fn touched(&self, sha256: &Sha256) -> Option<i64> {
        let meta = std::fs::symlink_metadata(self.path(sha256)).ok()?;
        Some(meta.ctime().max(meta.mtime()))
    }

    /// Opens a file without a name that is gone as soon as it is closed, by a crash as well.
    pub fn scratch(&self) -> Result<File, PoolError> {
        let directory = &self.inner.temporary;
        tempfile::tempfile_in(directory).map_err(|source| PoolError::io("make a file in", directory, source))
    }

    /// Starts a batch.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// How many calls of the fsync class this pool has made since it was opened.
    pub fn barriers(&self) -> u64 {
        self.inner.barriers.load(Ordering::Relaxed)
    }

    /// Gives a blob a second inode, where a file system allows no more links to the first: existing links keep the old
    /// one, new links get the copy.
    ///
    /// # Errors
    /// [`PoolError::Altered`] if the first inode's bytes are not the blob's; it stays as it is.
    pub fn second_inode(&self, sha256: &Sha256) -> Result<(), PoolError> {
        let path = self.path(sha256);
        let mut incoming = self.incoming(&[]);
        let mut file = self.open_blob(sha256)?;
        std::io::copy(&mut file, &mut incoming).map_err(|source| PoolError::io("copy", &path, source))?;
        let mut sealed = incoming.seal()?;
        if sealed.sha256 != *sha256 {
            return Err(PoolError::Altered { path });
        }
        self.sync_sealed(&sealed)?;
        std::fs::rename(sealed.temporary.path(), &path).map_err(|source| PoolError::io("replace", &path, source))?;
        sealed.temporary.give_away();
        Ok(())
    }

    /// Removes temporary files that no living process can own: those that are older than a day, and parts of large
    /// files that nobody went on with for a week. Gives how many.
    pub fn sweep_stale(&self) -> Result<u64, PoolError> {
        let now = SystemTime::now();
        self.sweep_each(now - STALE, now - STALE_PARTS)
    }

    /// Removes temporary files that were last written before `older_than`, parts included. Gives how many.
    pub fn sweep(&self, older_than: SystemTime) -> Result<u64, PoolError> {
        self.sweep_each(older_than, older_than)
    }

    fn sweep_each(&self, files: SystemTime, parts: SystemTime) -> Result<u64, PoolError> {
        let mut removed = adopt::sweep(&self.inner.temporary, files)?;
        for entry in read_directory(&self.inner.temporary)? {
            let path = entry.path();
            let older_than = if part::is_part(&path) { parts } else { files };
            let written = entry.metadata().and_then(|meta| meta.modified());
            if written.is_ok_and(|written| written < older_than) && std::fs::remove_file(path).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    pub(crate) fn count_barrier(&self) {
        self.inner.barriers.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where a blob is, seen from the root.
fn name_in_root(sha256: &Sha256) -> String {
    let hex = sha256.hex();
    let mut name = String::with_capacity(hex.len() + 3);
    name.push_str(&hex[..2]);
    name.push('/');
    name.push_str(&hex);
    name
}

pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), PoolError> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| PoolError::io("create", path, source))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|source| PoolError::io("set the mode of", path, source))
}

pub(crate) fn read_directory(path: &Path) -> Result<Vec<std::fs::DirEntry>, PoolError> {
    std::fs::read_dir(path)
        .and_then(Iterator::collect)
        .map_err(|source| PoolError::io("read", path, source))
}

#[cfg(test)]
mod tests;
