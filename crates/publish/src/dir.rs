//! Directories as open descriptors: below a published root no symbolic link is ever followed, whoever puts one there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use chantal_model::{fault, faulty};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::error::PublishError;
use crate::files::gone_name;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// What clients need of a directory.
const OPEN_TO_ALL: u32 = 0o055;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// What lies in a directory.
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: FileType,
}

impl Entry {
    /// The name of a file that can be published.
    pub(crate) fn file(&self) -> Option<&str> {
        if self.kind == FileType::RegularFile {
            self.name.to_str()
        } else {
            None
        }
    }
}

impl Dir {
    /// Opens a published root. It and what is above it may be reached through symbolic links.
    pub(crate) fn root(path: &Path) -> Result<Self, PublishError> {
        let fd = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty());
        Ok(Self {
            fd: fd.map_err(|error| PublishError::io("open", path, error))?,
            path: path.to_owned(),
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, for messages.
    pub(crate) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    fn error(&self, what: &'static str, name: impl AsRef<OsStr>, error: impl Into<io::Error>) -> PublishError {
        PublishError::io(what, &self.at(name), error)
    }

    /// Opens a directory in it; `None` if nothing has that name.
    pub(crate) fn child(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>, PublishError> {
        let name = name.as_ref();
        match rustix::fs::openat(&self.fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Some(Self {
                fd,
                path: self.at(name),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(PublishError::InTheWay {
                path: self.at(name),
                reason: "it is not a directory",
            }),
            Err(error) => Err(self.error("open", name, error)),
        }
    }

    /// Opens a directory in it, and makes it where it is missing: mode 0755 whatever the umask.
    pub(crate) fn make_child(&self, name: impl AsRef<OsStr>) -> Result<Self, PublishError> {
        let name = name.as_ref();
        let made = || rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o755)).map_err(io::Error::from);
        let is_new = match faulty!("publish::mkdir", made()) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(self.error("create", name, error)),
        };
        let child = self
            .child(name)?
            .ok_or_else(|| self.error("open", name, Errno::NOENT))?;
        if is_new {
            child.set_mode()?;
        }
        Ok(child)
    }

    /// Lets clients in where a run was killed before it could.
    pub(crate) fn open_to_all(&self) -> Result<(), PublishError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|error| PublishError::io("look at", &self.path, error))?;
        if stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL {
            Ok(())
        } else {
            self.set_mode()
        }
    }

    fn set_mode(&self) -> Result<(), PublishError> {
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(0o755))
            .map_err(|error| PublishError::io("set the mode of", &self.path, error))
    }

    /// What has a name in it; `None` if nothing has.
    pub(crate) fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>, PublishError> {
        let name = name.as_ref();
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error("look at", name, error)),
        }
    }

    /// Opens a regular file in it; `None` if there is nothing or something else.
    pub(crate) fn open_file(&self, name: impl AsRef<OsStr>) -> Result<Option<File>, PublishError> {
        let name = name.as_ref();
        // Without NONBLOCK a named pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(self.error("open", name, error)),
        };
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        Ok(is_file.then_some(file))
    }

    /// Creates a file that only its owner can use until its mode is set.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        fault!("publish::create")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            &self.fd,
            name,
            flags,
            Mode::from_raw_mode(0o600),
        )?))
    }

    /// Opens the lock file.
    pub(crate) fn lock_file(&self, name: &str) -> Result<File, PublishError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(|error| self.error("open", name, error))
    }

    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> Result<(), PublishError> {
        let renamed = || rustix::fs::renameat(&self.fd, from, &to.fd, name).map_err(io::Error::from);
        faulty!("publish::rename", renamed()).map_err(|error| to.error("rename to", name, error))
    }

    pub(crate) fn exchange(&self, one: &str, other: &str) -> Result<(), Errno> {
        rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE)
    }

    /// Removes a file or link; one that is not there is fine.
    pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<(), PublishError> {
        let name = name.as_ref();
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => fault!("publish::unlink").map_err(|error| self.error("remove", name, error)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    /// Removes a directory if it is empty; says whether it is gone.
    pub(crate) fn remove_empty(&self, name: impl AsRef<OsStr>) -> bool {
        rustix::fs::unlinkat(&self.fd, name.as_ref(), AtFlags::REMOVEDIR).is_ok()
    }

    /// Removes whatever has a name, with all that is in it; nothing there is fine.
    pub(crate) fn remove_all(&self, name: impl AsRef<OsStr>) -> Result<(), PublishError> {
        let name = name.as_ref();
        let Some(stat) = self.stat(name)? else { return Ok(()) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.remove_file(name);
        }
        let Some(child) = self.child(name)? else { return Ok(()) };
        for entry in child.entries()? {
            if entry.kind == FileType::Directory {
                child.remove_all(&entry.name)?;
            } else {
                child.remove_file(&entry.name)?;
            }
        }
        fault!("publish::rmdir").map_err(|error| self.error("remove", name, error))?;
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    /// Takes something out of sight in one rename, makes that durable, then removes it; nothing there is fine.
    pub(crate) fn discard(&self, name: &str) -> Result<(), PublishError> {
        let gone = gone_name(name);
        self.remove_all(&gone)?;
        if self.stat(name)?.is_none() {
            return Ok(());
        }
        self.rename(name, self, &gone)?;
        fault!("publish::discard").map_err(|error| self.error("remove", name, error))?;
        self.sync()?;
        self.remove_all(&gone)
    }

    /// All that is in it, in no order.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, PublishError> {
        let read = |error| PublishError::io("read", &self.path, error);
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.stat(&name)? {
                    Some(stat) => FileType::from_raw_mode(stat.st_mode),
                    None => continue,
                },
                kind => kind,
            };
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    /// Makes its names durable.
    pub(crate) fn sync(&self) -> Result<(), PublishError> {
        faulty!("publish::fsync", rustix::fs::fsync(&self.fd).map_err(io::Error::from))
            .map_err(|error| PublishError::io("make durable", &self.path, error))
    }

    /// Makes everything on its file system durable.
    pub(crate) fn sync_file_system(&self) -> Result<(), PublishError> {
        rustix::fs::syncfs(&self.fd).map_err(|error| PublishError::io("make durable", &self.path, error))
    }
}
