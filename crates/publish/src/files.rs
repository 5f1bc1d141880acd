//! Putting single files in place, whatever the link mode.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::PublishError;
use crate::site::LinkMode;
use crate::{Site, Source};

/// What happened to a file that was to be put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Same,
    Replaced,
}

/// Called when a file system allows no more links to a source; gives the source a new inode.
pub(crate) type Renew<'a> = dyn Fn(&Path) -> io::Result<()> + 'a;

const EXDEV: i32 = 18;
const EMLINK: i32 = 31;

/// Puts a file in place: a new name at once, an existing one by rename.
pub(crate) fn put(site: &Site, source: &Path, target: &Path, renew: &Renew<'_>) -> Result<Put, PublishError> {
    match place(site, source, target, renew) {
        Ok(()) => Ok(Put::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_same(site, source, target)? {
                return Ok(Put::Same);
            }
            let temporary = beside(target);
            let _ = std::fs::remove_file(&temporary);
            place(site, source, &temporary, renew).map_err(|error| failed(source, &temporary, error))?;
            std::fs::rename(&temporary, target).map_err(|error| PublishError::io("replace", target, error))?;
            Ok(Put::Replaced)
        }
        Err(error) => Err(failed(source, target, error)),
    }
}

fn failed(source: &Path, target: &Path, error: io::Error) -> PublishError {
    if error.raw_os_error() == Some(EXDEV) {
        return PublishError::CrossDevice {
            from: source.to_owned(),
            to: target.to_owned(),
        };
    }
    PublishError::io("link", target, error)
}

fn place(site: &Site, source: &Path, target: &Path, renew: &Renew<'_>) -> io::Result<()> {
    match site.link_mode() {
        LinkMode::Hardlink => match std::fs::hard_link(source, target) {
            Err(error) if error.raw_os_error() == Some(EMLINK) => {
                renew(source)?;
                std::fs::hard_link(source, target)
            }
            result => result,
        },
        LinkMode::Reflink => copy(source, target, true),
        LinkMode::Copy => copy(source, target, false),
    }
}

fn copy(source: &Path, target: &Path, reflink: bool) -> io::Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // Under its final name a file must never be seen half written.
    let temporary = beside(target);
    let _ = std::fs::remove_file(&temporary);
    let mut from = File::open(source)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let copied = if reflink {
        rustix::fs::ioctl_ficlone(&to, &from).map_err(io::Error::from)
    } else {
        io::copy(&mut from, &mut to).map(drop)
    };
    let done = copied
        .and_then(|()| to.set_permissions(Permissions::from_mode(0o444)))
        .and_then(|()| to.sync_all())
        .and_then(|()| std::fs::rename(&temporary, target));
    if done.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    done
}

/// Whether the file that is there has the source's bytes: one inode, or in other link modes equal size and bytes.
fn is_same(site: &Site, source: &Path, target: &Path) -> Result<bool, PublishError> {
    let look = |path: &Path| std::fs::symlink_metadata(path).map_err(|error| PublishError::io("look at", path, error));
    let (from, to) = (look(source)?, look(target)?);
    if to.is_dir() {
        return Err(PublishError::InTheWay {
            path: target.to_owned(),
            reason: "a directory stands where a file belongs",
        });
    }
    if !to.is_file() || from.len() != to.len() {
        return Ok(false);
    }
    if site.link_mode() == LinkMode::Hardlink {
        return Ok((from.dev(), from.ino()) == (to.dev(), to.ino()));
    }
    equal_bytes(source, target).map_err(|error| PublishError::io("read", target, error))
}

fn equal_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let mut one = BufReader::with_capacity(256 * 1024, File::open(one)?);
    let mut other = BufReader::with_capacity(256 * 1024, File::open(other)?);
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
pub(crate) fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // A name may have 255 bytes: a long one is cut at its end.
    let cut: String = name.chars().take(100).collect();
    target.with_file_name(format!(".new-{}-{cut}", std::process::id()))
}

/// Whether a name is one of ours for unfinished work.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(".new-") || name.starts_with(".stage-") || name.starts_with(".gone-")
}

/// Writes a file as a fresh inode and makes its bytes durable; `mtime` in whole seconds since 1970 where given.
pub(crate) fn write_fresh(source: &Source, target: &Path, mtime: Option<i64>) -> Result<(), PublishError> {
    let io = |error| PublishError::io("write", target, error);
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(io)?;
    match source {
        Source::Bytes(bytes) => to.write_all(bytes).map_err(io)?,
        Source::Link(path) => {
            let mut from = File::open(path).map_err(|error| PublishError::io("open", path, error))?;
            io::copy(&mut from, &mut to).map_err(io)?;
        }
    }
    to.set_permissions(Permissions::from_mode(0o444)).map_err(io)?;
    if let Some(seconds) = mtime {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.max(0) as u64);
        to.set_modified(time).map_err(io)?;
    }
    to.sync_all().map_err(io)
}
