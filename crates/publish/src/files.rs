//! Putting single files in place, whatever the link mode.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chantal_model::{Sha256, fault, faulty};
use rustix::fs::{AtFlags, CWD, FileType, Stat};
use rustix::io::Errno;

use crate::Source;
use crate::dir::Dir;
use crate::error::{PublishError, mount_point};
use crate::site::LinkMode;

/// Begin the names of unfinished work: a file, a staged directory, a directory on its way out.
const NEW: &str = ".new-";
const STAGE: &str = ".stage-";
const GONE: &str = ".gone-";

/// What happened to a file that was to be put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Same,
    Replaced,
}

/// Called when a file system allows no more links to a source; gives the source a new inode.
pub(crate) type Renew<'a> = dyn Fn(&Path) -> io::Result<()> + 'a;

/// A file that is to get another name.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Outside of published trees.
    Path(&'a Path),
    /// In a published tree.
    In(&'a Dir, &'a str),
}

impl Origin<'_> {
    fn at(&self) -> (BorrowedFd<'_>, &Path) {
        match self {
            Self::Path(path) => (CWD, path),
            Self::In(dir, name) => (dir.fd(), Path::new(name)),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.to_path_buf(),
            Self::In(dir, name) => dir.at(name),
        }
    }

    fn stat(&self) -> Result<Stat, PublishError> {
        let (fd, name) = self.at();
        rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| PublishError::io("look at", &self.path(), error))
    }

    fn open(&self) -> Result<File, PublishError> {
        match self {
            Self::Path(path) => File::open(path).map_err(|error| PublishError::io("open", path, error)),
            Self::In(dir, name) => dir
                .open_file(name)?
                .ok_or_else(|| PublishError::io("open", &dir.at(name), Errno::NOENT)),
        }
    }

    /// The mtime of a copy. It tells later runs which origin a copy has, so that they need not read both: the seconds
    /// are the origin's, the nanoseconds come from its path, which in a pool names its content.
    fn stamp(&self, meta: &std::fs::Metadata) -> SystemTime {
        let nanoseconds = match self {
            Self::Path(path) => path_stamp(path),
            Self::In(..) => meta.mtime_nsec() as u32,
        };
        UNIX_EPOCH + Duration::new(meta.mtime().max(0) as u64, nanoseconds)
    }
}

fn path_stamp(path: &Path) -> u32 {
    let Sha256([a, b, c, d, ..]) = Sha256::of(path.as_os_str().as_bytes());
    u32::from_be_bytes([a, b, c, d]) % 1_000_000_000
}

/// Puts a file in place: a new name at once, an existing one by rename.
pub(crate) fn put(
    mode: LinkMode,
    origin: Origin<'_>,
    dir: &Dir,
    name: &str,
    renew: Option<&Renew<'_>>,
) -> Result<Put, PublishError> {
    let is_new = match mode {
        LinkMode::Hardlink => link(origin, dir, name, renew)?,
        LinkMode::Reflink | LinkMode::Copy => dir.stat(name)?.is_none(),
    };
    if is_new {
        if mode != LinkMode::Hardlink {
            copy(mode, origin, dir, name)?;
        }
        return Ok(Put::New);
    }
    if is_same(mode, origin, dir, name)? {
        return Ok(Put::Same);
    }
    if mode == LinkMode::Hardlink {
        let temporary = new_name(name);
        dir.remove_file(&temporary)?;
        if !link(origin, dir, &temporary, renew)? {
            return Err(PublishError::io("link", &dir.at(&temporary), Errno::EXIST));
        }
        dir.rename(&temporary, dir, name)?;
    } else {
        copy(mode, origin, dir, name)?;
    }
    Ok(Put::Replaced)
}

/// Makes a hard link; `false` if the name is taken. A file that can have no more links gets a new inode: the origin's
/// own, where somebody can renew it, else a copy in the tree.
fn link(origin: Origin<'_>, dir: &Dir, name: &str, renew: Option<&Renew<'_>>) -> Result<bool, PublishError> {
    let linked = || {
        let (fd, from) = origin.at();
        let linked = || rustix::fs::linkat(fd, from, dir.fd(), name, AtFlags::empty()).map_err(io::Error::from);
        faulty!("publish::link", linked()).map_err(|error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    // Where somebody else puts equal bytes in the origin's place just now, the old inode has no name any more and the
    // system says that there is no file.
    let first = match linked() {
        Err(Errno::NOENT) => linked(),
        result => result,
    };
    let result = match (first, renew, origin) {
        (Err(Errno::MLINK), Some(renew), Origin::Path(path)) => {
            renew(path).map_err(|error| PublishError::io("give a second inode to", path, error))?;
            linked()
        }
        (result, _, _) => result,
    };
    match result {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(Errno::MLINK) => copy(LinkMode::Copy, origin, dir, name).map(|()| true),
        Err(Errno::XDEV) => Err(crosses(LinkMode::Hardlink, origin, dir, name)),
        Err(error) => Err(PublishError::io("link", &dir.at(name), error)),
    }
}

fn crosses(mode: LinkMode, origin: Origin<'_>, dir: &Dir, name: &str) -> PublishError {
    let from = origin.path();
    PublishError::CrossDevice {
        from_mount: mount_point(&from),
        from,
        to: dir.at(name),
        to_mount: mount_point(dir.path()),
        link_mode: match mode {
            LinkMode::Hardlink => "link_mode hardlink",
            LinkMode::Reflink => "link_mode reflink",
            LinkMode::Copy => "link_mode copy",
        },
    }
}

/// Copies or clones to a temporary name, so that the final one is never seen half written.
pub(crate) fn copy(mode: LinkMode, origin: Origin<'_>, dir: &Dir, name: &str) -> Result<(), PublishError> {
    let temporary = new_name(name);
    dir.remove_file(&temporary)?;
    let io = |error| PublishError::io("write", &dir.at(name), error);
    let mut from = origin.open()?;
    let meta = from
        .metadata()
        .map_err(|error| PublishError::io("look at", &origin.path(), error))?;
    let mut to = dir.create_file(&temporary).map_err(io)?;
    let written = if mode == LinkMode::Reflink {
        rustix::fs::ioctl_ficlone(&to, &from).map_err(|error| match error {
            Errno::XDEV => crosses(mode, origin, dir, name),
            Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL => PublishError::NoReflink { path: dir.at(name) },
            error => io(error.into()),
        })
    } else {
        io::copy(&mut from, &mut to).map(drop).map_err(io)
    };
    let done = written.and_then(|()| finish(&to, Some(origin.stamp(&meta))).map_err(io));
    if done.is_err() {
        let _ = dir.remove_file(&temporary);
    }
    done?;
    dir.rename(&temporary, dir, name)
}

/// Mode, mtime, and bytes on disk.
fn finish(file: &File, mtime: Option<SystemTime>) -> io::Result<()> {
    fault!("publish::written")?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    if let Some(mtime) = mtime {
        file.set_modified(mtime)?;
    }
    faulty!("publish::fsync_file", file.sync_all())
}

/// Whether a name is a link to a file by its device and inode.
pub(crate) fn is_link_to(inode: (u64, u64), dir: &Dir, name: &str) -> Result<bool, PublishError> {
    Ok(dir.stat(name)?.is_some_and(|to| (to.st_dev, to.st_ino) == inode))
}

/// Whether the file that is there has the origin's bytes: one inode, or in other link modes equal size and stamp, or
/// equal bytes.
fn is_same(mode: LinkMode, origin: Origin<'_>, dir: &Dir, name: &str) -> Result<bool, PublishError> {
    let from = origin.stat()?;
    let Some(to) = dir.stat(name)? else { return Ok(false) };
    match FileType::from_raw_mode(to.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => {
            return Err(PublishError::InTheWay {
                path: dir.at(name),
                reason: "a directory stands where a file belongs",
            });
        }
        _ => return Ok(false),
    }
    if (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino) {
        return Ok(true);
    }
    if from.st_size != to.st_size || mode == LinkMode::Hardlink {
        return Ok(false);
    }
    let Some(there) = dir.open_file(name)? else {
        return Ok(false);
    };
    let from = origin.open()?;
    let look = |file: &File| {
        file.metadata()
            .map_err(|error| PublishError::io("look at", &dir.at(name), error))
    };
    let stamp = origin.stamp(&look(&from)?);
    if look(&there)?.modified().is_ok_and(|modified| modified == stamp) {
        return Ok(true);
    }
    let same = equal_bytes(&from, &there).map_err(|error| PublishError::io("read", &dir.at(name), error))?;
    if same {
        // Only saves reading next time, so it may fail.
        let _ = there.set_modified(stamp);
    }
    Ok(same)
}

fn equal_bytes(one: &File, other: &File) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let mut one = BufReader::with_capacity(256 * 1024, one);
    let mut other = BufReader::with_capacity(256 * 1024, other);
    loop {
        let (a, b) = (one.fill_buf()?, other.fill_buf()?);
        let n = a.len().min(b.len());
        if n == 0 {
            return Ok(a.len() == b.len());
        }
        if a[..n] != b[..n] {
            return Ok(false);
        }
        one.consume(n);
        other.consume(n);
    }
}

/// A name in the same directory for a file that is not complete yet.
pub(crate) fn new_name(name: &str) -> String {
    prefixed(NEW, name)
}

/// A name in the same directory for its successor.
pub(crate) fn stage_name(name: &str) -> String {
    prefixed(STAGE, name)
}

/// A name in the same directory for something that is being removed.
pub(crate) fn gone_name(name: &str) -> String {
    prefixed(GONE, name)
}

/// A name may have 255 bytes, so a long one loses its end. Who holds a tree's lock works on one file after the other,
/// so equal names do no harm.
fn prefixed(prefix: &str, name: &str) -> String {
    let end = (0..=name.len().min(200))
        .rev()
        .find(|&end| name.is_char_boundary(end))
        .unwrap_or(0);
    format!("{prefix}{}", &name[..end])
}

/// Whether a name is one of ours for unfinished work.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with(NEW) || name.starts_with(STAGE) || name.starts_with(GONE)
}

/// Writes a file as a fresh inode and makes its bytes durable; `mtime` in whole seconds since 1970 where given.
pub(crate) fn write_fresh(source: &Source, dir: &Dir, name: &str, mtime: Option<i64>) -> Result<(), PublishError> {
    let io = |error| PublishError::io("write", &dir.at(name), error);
    let mut to = dir.create_file(name).map_err(io)?;
    match source {
        Source::Bytes(bytes) => to.write_all(bytes).map_err(io)?,
        Source::Link(path) | Source::Seen(path, _) => {
            let mut from = File::open(path).map_err(|error| PublishError::io("open", path, error))?;
            io::copy(&mut from, &mut to).map_err(io)?;
        }
    }
    let mtime = mtime.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds.max(0) as u64));
    finish(&to, mtime).map_err(io)
}

/// Writes a file under its final name by rename.
pub(crate) fn write_over(bytes: &[u8], dir: &Dir, name: &str, mtime: Option<i64>) -> Result<(), PublishError> {
    let temporary = new_name(name);
    dir.remove_file(&temporary)?;
    write_fresh(&Source::Bytes(bytes.to_vec()), dir, &temporary, mtime)?;
    dir.rename(&temporary, dir, name)
}

/// The mtime of a file that replaces one with `previous`, in seconds since 1970: now, or a second later than that.
pub(crate) fn later_than(previous: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (now as i64).max(previous.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_unfinished_work_fit_and_are_recognized() {
        for name in ["x", &"x".repeat(255), &"é".repeat(127), &"あ".repeat(85)] {
            for unfinished in [new_name(name), stage_name(name), gone_name(&stage_name(name))] {
                assert!(unfinished.len() <= 255 && is_unfinished(&unfinished), "{unfinished}");
            }
            assert!(!is_unfinished(name));
        }
    }
}
