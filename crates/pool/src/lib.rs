//! Content-addressed blobs: take in, settle durably, open, verify.
//!
//! A blob is `<pool>/<first two hex digits>/<sha256>`, mode 0444, and never modified. It gets its name only after its
//! bytes are durable, so a file of the right name and size is whole, also after a power cut. Temporary files are in
//! `<pool>/tmp`.

mod batch;
mod error;
mod incoming;
mod inspect;
mod settle;

pub use batch::Batch;
pub use error::PoolError;
pub use incoming::{Incoming, Sealed, Settled};
pub use inspect::{Damage, DamageKind};

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chantal_model::{Algorithm, Sha256};

/// How bytes are made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// One `syncfs` for a batch of files. Needs Linux 5.8, where it reports errors.
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

/// Temporary files older than this belong to no living process.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// A directory of blobs. Clones share it.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    temporary: PathBuf,
    options: PoolOptions,
    barriers: AtomicU64,
}

impl Pool {
    /// Opens a pool; makes its directories where they are missing.
    pub fn open(root: &Path, options: PoolOptions) -> Result<Self, PoolError> {
        let temporary = root.join("tmp");
        make_directory(root, 0o755)?;
        make_directory(&temporary, 0o700)?;
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                temporary,
                options,
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
        let hex = sha256.hex();
        self.inner.root.join(&hex[..2]).join(hex)
    }

    /// Whether a blob is there in its size. Its bytes are not read.
    pub fn contains(&self, sha256: &Sha256, size: u64) -> bool {
        std::fs::symlink_metadata(self.path(sha256)).is_ok_and(|meta| meta.is_file() && meta.len() == size)
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, sha256: &Sha256) -> Result<File, PoolError> {
        let path = self.path(sha256);
        File::open(&path).map_err(|source| PoolError::io("open", &path, source))
    }

    /// Starts a file that computes SHA-256 and `algorithms` while it is written.
    pub fn incoming(&self, algorithms: &[Algorithm]) -> Result<Incoming, PoolError> {
        Incoming::create(&self.inner.temporary, algorithms)
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
    pub fn second_inode(&self, sha256: &Sha256) -> Result<(), PoolError> {
        let path = self.path(sha256);
        let mut incoming = self.incoming(&[])?;
        let mut file = self.open_blob(sha256)?;
        inspect::copy(&mut file, &mut incoming).map_err(|source| PoolError::io("copy", &path, source))?;
        let mut sealed = incoming.seal()?;
        sealed.file.sync_all().map_err(|source| PoolError::Barrier {
            path: path.clone(),
            source,
        })?;
        std::fs::rename(sealed.temporary.path(), &path).map_err(|source| PoolError::io("replace", &path, source))?;
        sealed.temporary.give_away();
        self.count_barrier();
        Ok(())
    }

    /// Removes temporary files that no living process can own: those that are older than a day.
    pub fn sweep_stale(&self) -> Result<u64, PoolError> {
        let directory = &self.inner.temporary;
        let now = SystemTime::now();
        let mut removed = 0;
        for entry in read_directory(directory)? {
            let age = entry.metadata().ok().and_then(|meta| meta.modified().ok()).and_then(|at| now.duration_since(at).ok());
            if age.is_some_and(|age| age > STALE) && std::fs::remove_file(entry.path()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Free bytes and inodes for an ordinary user. File systems without a fixed number of inodes have very many.
    pub fn free_space(&self) -> Result<(u64, u64), PoolError> {
        let root = &self.inner.root;
        let stat = rustix::fs::statvfs(root).map_err(|source| PoolError::io("ask for the free space of", root, source.into()))?;
        let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), inodes))
    }

    /// `None` if hard links can go from here to `other`; else the mount points of both.
    pub fn shares_file_system(&self, other: &Path) -> Result<Option<(PathBuf, PathBuf)>, PoolError> {
        let device = |path: &Path| {
            std::fs::metadata(path).map(|meta| meta.dev()).map_err(|source| PoolError::io("look at", path, source))
        };
        let root = &self.inner.root;
        if device(root)? == device(other)? {
            return Ok(None);
        }
        Ok(Some((mount_point(root), mount_point(other))))
    }

    pub(crate) fn count_barrier(&self) {
        self.inner.barriers.fetch_add(1, Ordering::Relaxed);
    }
}

/// The topmost directory on the same device.
fn mount_point(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let device = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.dev());
    let own = device(&path);
    path.ancestors().take_while(|ancestor| device(ancestor) == own).last().unwrap_or(&path).to_owned()
}

pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), PoolError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| PoolError::io("create", path, source))?;
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
