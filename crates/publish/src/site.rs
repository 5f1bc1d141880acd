//! A published root and what its file system can do.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chantal_model::{Digester, RelPath, Sha256};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{later_than, stage_name, write_over};

/// From so many directories on, one `syncfs` is cheaper than an `fsync` of each.
const MANY: usize = 1000;
/// The lock file of a tree, in the tree: who may publish may not be allowed to write beside it.
const LOCK: &str = ".lock";

/// Where a mirror without a configuration keeps what it remembers, in its tree.
const STATE: &str = ".chantal";

/// Whether a name at the top of a tree is that of its lock or of the program's state, which no published file can have.
pub(crate) fn is_own(name: &str) -> bool {
    name == LOCK || name == STATE
}
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

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
    /// Tries the exchange on two directories before the first switch, and falls back to renames where it does not work.
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
    options: SiteOptions,
    can_exchange: OnceLock<bool>,
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
    /// Opens a published root and makes it where it is missing. Nothing is written to one that is there.
    ///
    /// # Errors
    /// [`PublishError::Exposed`] if everybody may write to it; with the sticky bit, as `/tmp` has it, that is fine.
    pub fn open(root: &Path, options: SiteOptions) -> Result<Self, PublishError> {
        make_root(root)?;
        let mode = std::fs::metadata(root)
            .map_err(|error| PublishError::io("look at", root, error))?
            .mode();
        if mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0 {
            return Err(PublishError::Exposed {
                path: root.to_owned(),
                mode: mode & 0o7777,
            });
        }
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                options,
                can_exchange: OnceLock::new(),
            }),
        })
    }

    /// The root's directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    pub(crate) fn link_mode(&self) -> LinkMode {
        self.inner.options.link_mode
    }

    /// Whether directories below the root can be exchanged, so that a tree is switched in one step.
    pub fn exchanges(&self) -> Result<bool, PublishError> {
        self.can_exchange(&Dir::root(self.root())?)
    }

    /// Whether directories in `parent` can be exchanged. Found out once for the whole site.
    pub(crate) fn can_exchange(&self, parent: &Dir) -> Result<bool, PublishError> {
        match self.inner.options.switch {
            SwitchMode::Exchange => return Ok(true),
            SwitchMode::Rename => return Ok(false),
            SwitchMode::Probe => {}
        }
        if let Some(known) = self.inner.can_exchange.get() {
            return Ok(*known);
        }
        let found = probe(parent)?;
        Ok(*self.inner.can_exchange.get_or_init(|| found))
    }

    /// Opens a directory below the root; `None` if it is not there.
    pub(crate) fn dir(&self, path: Option<&RelPath>) -> Result<Option<Dir>, PublishError> {
        let mut dir = Dir::root(&self.inner.root)?;
        for segment in segments(path) {
            match dir.child(segment)? {
                Some(child) => dir = child,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }

    /// Opens a directory below the root and makes it where it is missing, mode 0755 whatever the umask.
    pub(crate) fn make(&self, path: Option<&RelPath>) -> Result<Dir, PublishError> {
        segments(path).try_fold(Dir::root(&self.inner.root)?, |dir, segment| dir.make_child(segment))
    }

    /// Makes directories durable, children before parents, up to the root: each may hold a name that a killed run made.
    /// `None` is the root.
    pub(crate) fn sync(&self, directories: impl IntoIterator<Item = Option<RelPath>>) -> Result<(), PublishError> {
        let root = Dir::root(&self.inner.root)?;
        let mut all = BTreeSet::new();
        for mut directory in directories {
            while let Some(path) = directory {
                directory = path.parent();
                if !all.insert(path) {
                    break;
                }
            }
        }
        if all.len() > MANY {
            return root.sync_file_system();
        }
        // In byte order a directory comes before what it holds.
        for path in all.into_iter().rev() {
            if let Some(dir) = self.dir(Some(&path))? {
                dir.sync()?;
            }
        }
        root.sync()
    }

    /// Takes the lock of a tree.
    ///
    /// # Errors
    /// [`PublishError::Busy`] at once if another process has it.
    pub fn lock(&self, tree: &RelPath) -> Result<Lock, PublishError> {
        loop {
            let dir = self.make(Some(tree))?;
            let file = dir.lock_file(LOCK)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(PublishError::Busy {
                        path: dir.path().to_owned(),
                    });
                }
                Err(error) => return Err(PublishError::io("lock", &dir.at(LOCK), error)),
            }
            // A tree that was removed in between took its lock file along.
            let mine = file
                .metadata()
                .map_err(|error| PublishError::io("look at", &dir.at(LOCK), error))?;
            let there = self.dir(Some(tree))?.map(|dir| dir.stat(LOCK)).transpose()?.flatten();
            if there.is_some_and(|there| (there.st_dev, there.st_ino) == (mine.dev(), mine.ino())) {
                return Ok(Lock { _file: file });
            }
        }
    }

    /// The entry file that lies in a tree.
    pub fn live_entry(&self, tree: &RelPath, entry: &RelPath) -> Result<Option<LiveEntry>, PublishError> {
        let path = joined(tree, entry)?;
        let Some(dir) = self.dir(path.parent().as_ref())? else {
            return Ok(None);
        };
        let Some(mut file) = dir.open_file(path.file_name())? else {
            return Ok(None);
        };
        let io = |error| PublishError::io("read", &dir.at(path.file_name()), error);
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

    /// Writes a single file by rename and makes it durable. The same bytes again leave it as it is.
    pub fn write_file(&self, path: &RelPath, bytes: &[u8]) -> Result<(), PublishError> {
        let parent = path.parent();
        let dir = self.make(parent.as_ref())?;
        let name = path.file_name();
        if !holds(&dir, name, bytes)? {
            // Web servers answer 304 by mtime in whole seconds, so it must rise.
            let mtime = dir.stat(name)?.map(|there| later_than(there.st_mtime));
            write_over(bytes, &dir, name, mtime)?;
        }
        self.sync([parent])
    }

    /// Removes a single file; one that is not there is fine.
    pub fn remove_file(&self, path: &RelPath) -> Result<(), PublishError> {
        match self.dir(path.parent().as_ref())? {
            Some(dir) => dir.remove_file(path.file_name()),
            None => Ok(()),
        }
    }

    /// Takes a tree down: out of sight in one rename, then deleted. One that is not there is fine.
    pub fn remove(&self, tree: &RelPath) -> Result<(), PublishError> {
        match self.dir(tree.parent().as_ref())? {
            Some(dir) => dir.discard(tree.file_name()),
            None => Ok(()),
        }
    }
}

fn segments(path: Option<&RelPath>) -> impl Iterator<Item = &str> {
    path.into_iter().flat_map(|path| path.as_str().split('/'))
}

/// A path below a tree, from the root.
pub(crate) fn joined(tree: &RelPath, path: &RelPath) -> Result<RelPath, PublishError> {
    tree.join(path).map_err(|error| PublishError::BadName {
        path: error.path,
        reason: error.reason,
    })
}

/// Whether a file in a directory has exactly these bytes.
pub(crate) fn holds(dir: &Dir, name: &str, bytes: &[u8]) -> Result<bool, PublishError> {
    let Some(mut file) = dir.open_file(name)? else {
        return Ok(false);
    };
    let io = |error| PublishError::io("read", &dir.at(name), error);
    if file.metadata().map_err(io)?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut there = Vec::new();
    file.read_to_end(&mut there).map_err(io)?;
    Ok(there == bytes)
}

/// Makes the root and what is above it, durably.
fn make_root(root: &Path) -> Result<(), PublishError> {
    let missing: Vec<&Path> = root
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o755).create(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            result => result.map_err(|error| PublishError::io("create", path, error))?,
        }
        std::fs::set_permissions(path, Permissions::from_mode(0o755))
            .map_err(|error| PublishError::io("set the mode of", path, error))?;
        let above = path
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        Dir::root(above)?.sync()?;
    }
    Ok(())
}

/// Exchanges two directories that are not empty and looks whether they changed place: some file systems refuse, some
/// ignore the flag.
fn probe(parent: &Dir) -> Result<bool, PublishError> {
    let name = stage_name("probe");
    parent.remove_all(&name)?;
    let base = parent.make_child(&name)?;
    base.make_child("one")?.make_child("a")?;
    base.make_child("other")?.make_child("b")?;
    let holds = |dir: &str, name: &str| -> Result<bool, PublishError> {
        Ok(base
            .child(dir)?
            .map(|dir| dir.stat(name))
            .transpose()?
            .flatten()
            .is_some())
    };
    let exchanged = base.exchange("one", "other").is_ok() && holds("one", "b")? && holds("other", "a")?;
    parent.remove_all(&name)?;
    Ok(exchanged)
}
