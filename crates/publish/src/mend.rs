//! Looks whether a tree's files are what they must be, and mends those that are not.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chantal_model::{Digester, RelPath, Sha256};
use rustix::fs::{FileType, Stat};

use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{Origin, copy, new_name, put, write_fresh};
use crate::site::joined;
use crate::{LinkMode, Site, Source};

/// What clients need of a file.
const READABLE: u32 = 0o444;
const WRITABLE: u32 = 0o222;

/// A file as a tree must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Where it is published, below the tree.
    pub path: RelPath,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// A file with the same bytes, whose link it may be.
    pub source: PathBuf,
    /// Whether it has an inode of its own in any case, as entry files have.
    pub is_own: bool,
}

/// What is wrong with a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// It has other bytes, or is no file.
    Altered,
    /// It can be written, or not be read by everybody.
    Mode,
}

impl Site {
    /// Compares the files of a tree with what they must be.
    ///
    /// A link to its source is as whole as that and is not read. Any other file is read if `reads` says so, each inode
    /// once. Quickest when paths come in order.
    pub fn inspect(
        &self,
        tree: &RelPath,
        files: &mut dyn Iterator<Item = Due>,
        reads: &dyn Fn(&Sha256) -> bool,
        flawed: &mut dyn FnMut(Due, Flaw),
    ) -> Result<(), PublishError> {
        let mut current: (Option<RelPath>, Option<Dir>) = (None, self.dir(Some(tree))?);
        let mut known: HashMap<(u64, u64), Sha256> = HashMap::new();
        for due in files {
            let parent = due.path.parent();
            if parent != current.0 {
                current = (parent.clone(), self.parent(tree, parent.as_ref())?);
            }
            let flaw = match &current.1 {
                None => Some(Flaw::Missing),
                Some(dir) => flaw(dir, &due, reads, &mut known)?,
            };
            if let Some(flaw) = flaw {
                flawed(due, flaw);
            }
        }
        Ok(())
    }

    /// The directory of a file below a tree; `None` if there is none, or something else in its place.
    fn parent(&self, tree: &RelPath, parent: Option<&RelPath>) -> Result<Option<Dir>, PublishError> {
        let path = match parent {
            Some(parent) => joined(tree, parent)?,
            None => tree.clone(),
        };
        match self.dir(Some(&path)) {
            Err(PublishError::InTheWay { .. }) => Ok(None),
            found => found,
        }
    }

    /// Puts files of a tree right, each by rename, and makes that durable. A file that is written anew keeps its mtime.
    /// Gives those that could not be put right, and why. Whoever calls holds the lock.
    ///
    /// `renew` is called as for [`Site::add`].
    pub fn mend(
        &self,
        tree: &RelPath,
        files: Vec<Due>,
        renew: &dyn Fn(&Path) -> io::Result<()>,
    ) -> Result<Vec<(Due, PublishError)>, PublishError> {
        let mut failed = Vec::new();
        let mut directories = Vec::new();
        for due in files {
            match self.mend_one(tree, &due, renew) {
                Ok(()) => directories.push(match due.path.parent() {
                    Some(parent) => joined(tree, &parent)?,
                    None => tree.clone(),
                }),
                Err(error) => failed.push((due, error)),
            }
        }
        self.sync(directories.into_iter().map(Some))?;
        Ok(failed)
    }

    fn mend_one(&self, tree: &RelPath, due: &Due, renew: &dyn Fn(&Path) -> io::Result<()>) -> Result<(), PublishError> {
        let dir = self.make_below(tree, due.path.parent().as_ref())?;
        let name = due.path.file_name();
        if !due.is_own {
            let origin = Origin::Path(&due.source);
            return match self.link_mode() {
                LinkMode::Hardlink => put(LinkMode::Hardlink, origin, &dir, name, Some(renew)).map(drop),
                // A copy with the size and stamp of its origin would be taken for whole.
                mode => copy(mode, origin, &dir, name),
            };
        }
        let mtime = dir.stat(name)?.map(|there| there.st_mtime);
        let temporary = new_name(name);
        dir.remove_file(&temporary)?;
        write_fresh(&Source::Link(due.source.clone()), &dir, &temporary, mtime)?;
        dir.rename(&temporary, &dir, name)
    }

    /// Files of a tree that are other names of these inodes, by device and number.
    pub fn names_of(
        &self,
        tree: &RelPath,
        inodes: &HashMap<(u64, u64), Sha256>,
    ) -> Result<Vec<(RelPath, Sha256)>, PublishError> {
        let mut found = Vec::new();
        let mut current: (Option<RelPath>, Option<Dir>) = (None, self.dir(Some(tree))?);
        let mut paths: Vec<RelPath> = self.files(tree)?.into_iter().collect();
        paths.sort_unstable();
        for path in paths {
            let parent = path.parent();
            if parent != current.0 {
                current = (parent.clone(), self.parent(tree, parent.as_ref())?);
            }
            let Some(dir) = &current.1 else { continue };
            let inode = dir.stat(path.file_name())?.map(|stat| (stat.st_dev, stat.st_ino));
            if let Some(sha256) = inode.and_then(|inode| inodes.get(&inode)) {
                found.push((path, *sha256));
            }
        }
        Ok(found)
    }
}

fn is_file(stat: Option<&Stat>) -> bool {
    stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

fn flaw(
    dir: &Dir,
    due: &Due,
    reads: &dyn Fn(&Sha256) -> bool,
    known: &mut HashMap<(u64, u64), Sha256>,
) -> Result<Option<Flaw>, PublishError> {
    let name = due.path.file_name();
    let Some(there) = dir.stat(name)? else {
        return Ok(Some(Flaw::Missing));
    };
    if !is_file(Some(&there)) {
        return Ok(Some(Flaw::Altered));
    }
    let inode = (there.st_dev, there.st_ino);
    let source = std::fs::symlink_metadata(&due.source).ok();
    if source.is_some_and(|meta| (meta.dev(), meta.ino()) == inode) {
        return Ok(None);
    }
    if there.st_size as u64 != due.size {
        return Ok(Some(Flaw::Altered));
    }
    if reads(&due.sha256) {
        if !known.contains_key(&inode)
            && let Some(found) = digest(dir, name)?
        {
            known.insert(inode, found);
        }
        if known.get(&inode) != Some(&due.sha256) {
            return Ok(Some(Flaw::Altered));
        }
    }
    let is_open = there.st_mode & (READABLE | WRITABLE) == READABLE;
    Ok((!is_open).then_some(Flaw::Mode))
}

/// The SHA-256 of a file; `None` if it is none any more.
fn digest(dir: &Dir, name: &str) -> Result<Option<Sha256>, PublishError> {
    use std::io::Read;
    let Some(mut file) = dir.open_file(name)? else {
        return Ok(None);
    };
    let mut digester = Digester::new([]);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(digester.finish().0)),
            Ok(n) => digester.update(&buffer[..n]),
            // A disk that gives its bytes no more has lost them.
            Err(error) if error.raw_os_error() == Some(5) => return Ok(None),
            Err(error) => return Err(PublishError::io("read", &dir.at(name), error)),
        }
    }
}
