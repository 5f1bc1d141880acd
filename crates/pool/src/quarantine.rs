//! What is damaged or foreign is put aside, never deleted.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chantal_model::Sha256;

use crate::error::PoolError;
use crate::incoming::MODE;
use crate::{Pool, make_directory};

/// Where it is put, below the pool.
pub(crate) const DIRECTORY: &str = "quarantine";

/// Something that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it is now.
    pub path: PathBuf,
    /// Device and inode, if it is a file.
    pub inode: Option<(u64, u64)>,
    /// Its mtime, if it is a file.
    pub modified: Option<SystemTime>,
}

/// What was done about a blob's mode or owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// It was set.
    Set,
    /// That is not allowed, so the blob got an inode of its own; other names keep the old one.
    Copied,
}

impl Pool {
    /// Puts what lies under a blob's name aside. A file keeps its name in the pool as well until another one takes it, or
    /// until [`Pool::remove`]; anything else loses it. `None` if nothing is there.
    pub fn put_blob_aside(&self, sha256: &Sha256) -> Result<Option<Aside>, PoolError> {
        let from = self.path(sha256);
        let Ok(meta) = std::fs::symlink_metadata(&from) else {
            return Ok(None);
        };
        let to = self.free_place(&sha256.hex())?;
        if meta.is_file() {
            match std::fs::hard_link(&from, &to) {
                Ok(()) => {}
                // Its inode has all the names that it can have, or belongs to somebody else.
                Err(error) if matches!(error.raw_os_error(), Some(31 | 1)) => rename(&from, &to)?,
                Err(error) => return Err(PoolError::io("link to", &to, error)),
            }
        } else {
            rename(&from, &to)?;
        }
        Ok(Some(Aside {
            path: to,
            inode: meta.is_file().then(|| (meta.dev(), meta.ino())),
            modified: meta.is_file().then(|| meta.modified().ok()).flatten(),
        }))
    }

    /// Moves a foreign file or directory, named by its path below the pool, aside; gives where it is now.
    pub fn put_foreign_aside(&self, name: &str) -> Result<PathBuf, PoolError> {
        let from = self.root().join(name);
        let to = self.free_place(&name.replace('/', "_"))?;
        rename(&from, &to)?;
        Ok(to)
    }

    /// Gives a blob its mode and owner back.
    ///
    /// # Errors
    /// [`PoolError::Altered`] if its bytes are not those of its name, which could not be read before.
    pub fn fix_blob(&self, sha256: &Sha256) -> Result<Fixed, PoolError> {
        let path = self.path(sha256);
        let root = std::fs::metadata(self.root()).map_err(|source| PoolError::io("look at", self.root(), source))?;
        let own = |meta: &std::fs::Metadata| {
            let user = rustix::process::geteuid();
            meta.uid() == root.uid() || (!user.is_root() && meta.uid() == user.as_raw())
        };
        let meta = std::fs::symlink_metadata(&path).map_err(|source| PoolError::io("look at", &path, source))?;
        let owned = own(&meta) || std::os::unix::fs::chown(&path, Some(root.uid()), Some(root.gid())).is_ok();
        let opened = owned && std::fs::set_permissions(&path, Permissions::from_mode(MODE)).is_ok();
        if self.is_whole(sha256) == Some(false) {
            return Err(PoolError::Altered { path });
        }
        if opened {
            return Ok(Fixed::Set);
        }
        self.second_inode(sha256)?;
        Ok(Fixed::Copied)
    }

    /// Gives a blob the mtime of the file that it replaces, so that web servers tell of it as of that one.
    pub fn set_modified(&self, sha256: &Sha256, time: SystemTime) -> Result<(), PoolError> {
        let path = self.path(sha256);
        let set = self.open_blob(sha256)?.set_modified(time);
        set.map_err(|source| PoolError::io("set the time of", &path, source))
    }

    /// How many names a file has that was put aside, other than there.
    pub fn other_names(aside: &Aside) -> u64 {
        let meta = std::fs::symlink_metadata(&aside.path);
        meta.map_or(0, |meta| {
            if meta.is_file() {
                meta.nlink().saturating_sub(1)
            } else {
                0
            }
        })
    }

    /// A path in the quarantine that nothing has.
    fn free_place(&self, name: &str) -> Result<PathBuf, PoolError> {
        let directory = self.root().join(DIRECTORY);
        make_directory(&directory, 0o700)?;
        let end = (0..=name.len().min(200)).rev().find(|&end| name.is_char_boundary(end));
        let name = &name[..end.unwrap_or(0)];
        let first = directory.join(name);
        let numbered = (1..u32::MAX).map(|number| directory.join(format!("{name}.{number}")));
        Ok(std::iter::once(first)
            .chain(numbered)
            .find(|path| path.symlink_metadata().is_err())
            .unwrap_or(directory))
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), PoolError> {
    std::fs::rename(from, to).map_err(|source: io::Error| PoolError::io("rename to", to, source))
}
