//! A published root and what its file system can do.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chantal_model::{Digester, RelPath, Sha256};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use crate::Source;
use crate::error::PublishError;
use crate::files::{beside, write_fresh};
use crate::sync::sync_directory;

/// How files get from the pool into a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkMode {
    /// One inode with many names; needs one file system.
    #[default]
    Hardlink,
    /// Clones that share blocks; needs one file system that can do it.
    Reflink,
    /// Bytes twice on disk.
    Copy,
}

/// How the entry directory is switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SwitchMode {
    /// Tries the exchange on two directories and falls back to renames where it does not work.
    #[default]
    Probe,
    /// One call exchanges both directories.
    Exchange,
    /// File by file, the entry last.
    Rename,
}

/// How to publish below a root.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteOptions {
    /// How files get into a tree.
    pub link_mode: LinkMode,
    /// How the entry directory is switched.
    pub switch: SwitchMode,
}

/// A published root. Clones share it.
#[derive(Clone, Debug)]
pub struct Site {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    link_mode: LinkMode,
    can_exchange: bool,
}

/// Keeps other publishers away from a tree while it lives. The kernel gives it up when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The entry file that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveEntry {
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Its mtime in seconds since 1970.
    pub mtime: i64,
}

impl Site {
    /// Opens a published root; makes it where it is missing, and finds out whether directories can be exchanged there.
    pub fn open(root: &Path, options: SiteOptions) -> Result<Self, PublishError> {
        make_directories(root, root)?;
        let can_exchange = match options.switch {
            SwitchMode::Exchange => true,
            SwitchMode::Rename => false,
            SwitchMode::Probe => probe(root)?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                link_mode: options.link_mode,
                can_exchange,
            }),
        })
    }

    /// The root's directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Whether the entry directory is switched in one call.
    pub fn can_exchange(&self) -> bool {
        self.inner.can_exchange
    }

    pub(crate) fn link_mode(&self) -> LinkMode {
        self.inner.link_mode
    }

    pub(crate) fn directory(&self, tree: &RelPath) -> PathBuf {
        tree.below(&self.inner.root)
    }

    /// Makes a directory below the root, mode 0755 whatever the umask; symbolic links on the way are refused.
    pub(crate) fn make(&self, path: &Path) -> Result<Vec<PathBuf>, PublishError> {
        make_directories(&self.inner.root, path)
    }

    /// Takes the lock of a tree.
    ///
    /// # Errors
    /// [`PublishError::Busy`] at once if another process has it.
    pub fn lock(&self, tree: &RelPath) -> Result<Lock, PublishError> {
        let directory = self.directory(tree);
        self.make(&directory)?;
        let path = directory.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(|source| PublishError::io("open", &path, source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(PublishError::Busy { path: directory }),
            Err(error) => Err(PublishError::io("lock", &path, error.into())),
        }
    }

    /// The entry file that lies in a tree.
    pub fn live_entry(&self, tree: &RelPath, entry: &RelPath) -> Result<Option<LiveEntry>, PublishError> {
        let path = entry.below(&self.directory(tree));
        let io = |source| PublishError::io("read", &path, source);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut digester = Digester::new([]);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer).map_err(io)? {
                0 => break,
                n => digester.update(&buffer[..n]),
            }
        }
        Ok(Some(LiveEntry {
            sha256: digester.finish().0,
            mtime: file.metadata().map_err(io)?.mtime(),
        }))
    }

    /// Writes a single file by rename. The same bytes again leave it as it is.
    pub fn write_file(&self, path: &RelPath, bytes: &[u8]) -> Result<(), PublishError> {
        let target = path.below(&self.inner.root);
        if std::fs::read(&target).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let parent = target.parent().unwrap_or(&self.inner.root).to_owned();
        self.make(&parent)?;
        // Web servers answer 304 by mtime in whole seconds, so it must rise.
        let mtime = std::fs::metadata(&target).ok().map(|meta| later_than(meta.mtime()));
        let temporary = beside(&target);
        let _ = std::fs::remove_file(&temporary);
        write_fresh(&Source::Bytes(bytes.to_vec()), &temporary, mtime)?;
        std::fs::rename(&temporary, &target).map_err(|source| PublishError::io("replace", &target, source))?;
        sync_directory(&parent)
    }

    /// Removes a single file; one that is not there is fine.
    pub fn remove_file(&self, path: &RelPath) -> Result<(), PublishError> {
        let target = path.below(&self.inner.root);
        match std::fs::remove_file(&target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(PublishError::io("remove", &target, error))
            }
            _ => Ok(()),
        }
    }

    /// Takes a tree down: out of sight in one rename, then deleted.
    pub fn remove(&self, tree: &RelPath) -> Result<(), PublishError> {
        remove_aside(&self.directory(tree))
    }
}

/// Renames a directory out of sight and deletes it; one that is not there is fine.
pub(crate) fn remove_aside(directory: &Path) -> Result<(), PublishError> {
    if directory.symlink_metadata().is_err() {
        return Ok(());
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let aside = directory.with_file_name(format!(".gone-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&aside);
    std::fs::rename(directory, &aside).map_err(|source| PublishError::io("rename", directory, source))?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent)?;
    }
    std::fs::remove_dir_all(&aside).map_err(|source| PublishError::io("remove", &aside, source))
}

/// The mtime of a file that replaces one with `previous`, in seconds since 1970: now, or a second later than that.
pub(crate) fn later_than(previous: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (now as i64).max(previous + 1)
}

/// Makes a directory and those above it; gives the ones made, outermost first. `root` and what is above it may be
/// reached through symbolic links, what is below may not.
fn make_directories(root: &Path, path: &Path) -> Result<Vec<PathBuf>, PublishError> {
    let mut made = Vec::new();
    if let Ok(meta) = path.symlink_metadata() {
        if meta.is_dir() || path == root && path.is_dir() {
            return Ok(made);
        }
        return Err(PublishError::InTheWay {
            path: path.to_owned(),
            reason: "it is not a directory",
        });
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        made = make_directories(root, parent)?;
    }
    let io = |source| PublishError::io("create", path, source);
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(made),
        result => result.map_err(io)?,
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(io)?;
    made.push(path.to_owned());
    Ok(made)
}

/// Exchanges two directories that are not empty and looks whether they changed place: some file systems refuse, some
/// ignore the flag.
fn probe(root: &Path) -> Result<bool, PublishError> {
    let base = root.join(format!(".stage-probe-{}", std::process::id()));
    let (one, other) = (base.join("one"), base.join("other"));
    let prepare = || -> std::io::Result<()> {
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(one.join("a"))?;
        std::fs::create_dir_all(other.join("b"))
    };
    prepare().map_err(|source| PublishError::io("create a directory in", root, source))?;
    let exchanged = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok()
        && one.join("b").is_dir()
        && other.join("a").is_dir();
    std::fs::remove_dir_all(&base).map_err(|source| PublishError::io("remove", &base, source))?;
    Ok(exchanged)
}
