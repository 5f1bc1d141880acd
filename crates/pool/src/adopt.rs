//! Takes files of another tree into the pool, by a hard link where that is safe.
//!
//! A hard link shares the inode with the other tree, and with it the mode, which becomes 0444, and the bytes: a program
//! that later writes into the file in place alters the blob, which [`Pool::verify`] finds. So a file is linked only if
//! this user owns it; another one's is copied, since its owner could make it writable again.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chantal_model::{Algorithm, Digest, Digester, Sha256};
use tempfile::TempDir;

use crate::error::PoolError;
use crate::incoming::{Sealed, Temporary};
use crate::{Pool, inspect, read_directory};

const BUFFER: usize = 1024 * 1024;

/// How a file gets its bytes into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As a second name of the same inode.
    Link,
    /// As a file of its own, as asked.
    Copy,
    /// As a file of its own, since links cannot go there.
    CopyFromElsewhere,
    /// As a file of its own, since somebody else owns the other one.
    CopyOfAnother,
}

/// What there is to do about a file.
#[derive(Debug)]
pub enum Finding {
    /// The pool does not have it.
    New(Way),
    /// The pool has the same bytes.
    Held,
    /// It is not taken.
    Left(String),
}

/// A file that was read through.
#[derive(Debug)]
pub struct Examined {
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests under the algorithms that were asked for.
    pub digests: Vec<Digest>,
    /// What there is to do.
    pub finding: Finding,
    file: File,
    meta: Metadata,
}

/// A run that takes files over. Dropped, it leaves nothing behind that has no name in the pool.
pub struct Adoption {
    pool: Pool,
    links: TempDir,
    next: AtomicU64,
    device: u64,
    user: u32,
}

impl Pool {
    /// Starts to take files over.
    pub fn adoption(&self) -> Result<Adoption, PoolError> {
        let temporary = self.root().join("tmp");
        let links = tempfile::Builder::new()
            .prefix("adopt-")
            .tempdir_in(&temporary)
            .map_err(|source| PoolError::io("create a directory in", &temporary, source))?;
        let device = std::fs::metadata(links.path())
            .map_err(|source| PoolError::io("look at", links.path(), source))?
            .dev();
        Ok(Adoption {
            pool: self.clone(),
            links,
            next: AtomicU64::new(0),
            device,
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// Device and inode of every blob that is wanted.
    pub fn inodes(&self, wanted: &dyn Fn(&Sha256) -> bool) -> Result<HashSet<(u64, u64)>, PoolError> {
        let (blobs, _) = self.list()?;
        let wanted = blobs.iter().filter(|(sha256, _)| wanted(sha256));
        Ok(wanted
            .filter_map(|(sha256, _)| std::fs::symlink_metadata(self.path(sha256)).ok())
            .map(|meta| (meta.dev(), meta.ino()))
            .collect())
    }
}

impl Adoption {
    /// Reads a file and finds out what there is to do; changes nothing. `on_bytes` is told what was read.
    ///
    /// # Errors
    /// What is not this file's fault: no descriptor is left. One that cannot be read is [`Finding::Left`].
    pub fn read(
        &self,
        path: &Path,
        copy: bool,
        algorithms: &[Algorithm],
        on_bytes: &dyn Fn(u64),
    ) -> Result<Examined, PoolError> {
        let io = |source| PoolError::io("read", path, source);
        let mut file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let mut digester = Digester::new(algorithms.iter().copied());
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).map_err(io)? {
                0 => break,
                n => {
                    digester.update(&buffer[..n]);
                    on_bytes(n as u64);
                }
            }
        }
        let size = digester.len_bytes();
        let (sha256, digests) = digester.finish();
        let after = file.metadata().map_err(io)?;
        let finding = match promised(path) {
            Some(name) if name != sha256 => Finding::Left(format!(
                "altered: its name promises another digest than {}",
                sha256.hex()
            )),
            _ if !meta.is_file() => Finding::Left("it is no file".to_owned()),
            _ if stamp(&after) != stamp(&meta) || size != meta.len() => Finding::Left(CHANGED.to_owned()),
            _ if self.holds(&sha256, size)? => Finding::Held,
            _ => Finding::New(self.way(&meta, copy)),
        };
        Ok(Examined {
            sha256,
            size,
            digests,
            finding,
            file,
            meta,
        })
    }

    fn way(&self, meta: &Metadata, copy: bool) -> Way {
        if copy {
            Way::Copy
        } else if meta.dev() != self.device {
            Way::CopyFromElsewhere
        } else if meta.uid() == self.user {
            Way::Link
        } else {
            Way::CopyOfAnother
        }
    }

    fn holds(&self, sha256: &Sha256, size: u64) -> Result<bool, PoolError> {
        if !self.pool.contains(sha256, size) {
            return Ok(false);
        }
        match inspect::digest(&self.pool.path(sha256)) {
            Err(error) if error.exit_code() == 6 => Err(error),
            found => Ok(found.is_ok_and(|found| found == *sha256)),
        }
    }

    /// Makes a file that was read ready to be settled, and says how; the inner error is why it is left.
    pub fn take(&self, path: &Path, read: Examined, way: Way) -> Result<Result<(Sealed, Way), String>, PoolError> {
        if way == Way::Link {
            match self.link(path, &read) {
                Ok(temporary) => return Ok(Ok((sealed(read, temporary), way))),
                Err(Refused::Changed) => return Ok(Err(CHANGED.to_owned())),
                Err(Refused::Link) => {}
                Err(Refused::Mode(source)) => return Ok(Err(format!("its mode cannot be set: {source}"))),
            }
        }
        let way = if way == Way::Link { Way::CopyFromElsewhere } else { way };
        let algorithms: Vec<Algorithm> = read.digests.iter().map(Digest::algorithm).collect();
        let mut incoming = self.pool.incoming(&algorithms);
        let mut source = File::open(path).map_err(|source| PoolError::io("read", path, source))?;
        io::copy(&mut source, &mut incoming).map_err(|source| PoolError::io("copy", path, source))?;
        let sealed = incoming.seal()?;
        if sealed.sha256 != read.sha256 {
            return Ok(Err(CHANGED.to_owned()));
        }
        Ok(Ok((sealed, way)))
    }

    fn link(&self, path: &Path, read: &Examined) -> Result<Temporary, Refused> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let link = self.links.path().join(name);
        std::fs::hard_link(path, &link).map_err(|_| Refused::Link)?;
        let temporary = Temporary::mine(link);
        let linked = std::fs::symlink_metadata(temporary.path()).map_err(|_| Refused::Changed)?;
        let same = (
            linked.dev(),
            linked.ino(),
            linked.len(),
            linked.mtime(),
            linked.mtime_nsec(),
        );
        let meta = &read.meta;
        if same != (meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()) {
            return Err(Refused::Changed);
        }
        if linked.permissions().mode() & 0o7777 != 0o444 {
            let mode = std::fs::Permissions::from_mode(0o444);
            read.file.set_permissions(mode).map_err(Refused::Mode)?;
        }
        Ok(temporary)
    }
}

impl Examined {
    /// Whether taking it by a link changes its mode.
    pub fn changes_mode(&self) -> bool {
        self.meta.permissions().mode() & 0o7777 != 0o444
    }
}

const CHANGED: &str = "it changed while it was read";

enum Refused {
    /// No link can be made; it can be copied.
    Link,
    Changed,
    Mode(io::Error),
}

fn sealed(read: Examined, temporary: Temporary) -> Sealed {
    Sealed {
        sha256: read.sha256,
        size: read.size,
        digests: read.digests,
        temporary,
        file: Some(read.file),
        opened: Instant::now(),
    }
}

fn stamp(meta: &Metadata) -> (u64, i64, i64, i64, i64) {
    (
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    )
}

/// The digest that a name such as `<sha256>_<file name>` promises.
fn promised(path: &Path) -> Option<Sha256> {
    let name = path.file_name()?.to_str()?;
    name.split_once('_')?.0.parse().ok()
}

/// Removes what killed runs left, once it is old. Its files are links of other trees, whose own age says nothing.
pub(crate) fn sweep(temporary: &Path, older_than: std::time::SystemTime) -> Result<u64, PoolError> {
    let mut removed = 0;
    for entry in read_directory(temporary)? {
        let is_ours = entry.file_name().to_string_lossy().starts_with("adopt-");
        let meta = entry.metadata().ok().filter(Metadata::is_dir);
        let made = meta.and_then(|meta| meta.modified().ok());
        if is_ours && made.is_some_and(|made| made < older_than) && std::fs::remove_dir_all(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolOptions;

    fn setting() -> (TempDir, Pool) {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::open(&directory.path().join("pool"), PoolOptions::default()).unwrap();
        (directory, pool)
    }

    fn read(adoption: &Adoption, path: &Path, copy: bool) -> Examined {
        adoption.read(path, copy, &[Algorithm::Sha512], &|_| {}).unwrap()
    }

    fn inode(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_file_is_linked_or_copied_and_its_blob_is_read_only() {
        for copy in [false, true] {
            let (directory, pool) = setting();
            let file = directory.path().join("a.package");
            std::fs::write(&file, b"abc").unwrap();
            let adoption = pool.adoption().unwrap();
            let found = read(&adoption, &file, copy);
            let Finding::New(way) = found.finding else {
                panic!("{found:?}")
            };
            let (sealed, way) = adoption.take(&file, found, way).unwrap().unwrap();
            assert_eq!(way == Way::Link, !copy);
            let settled = pool.settle(vec![sealed]).unwrap().remove(0);
            assert_eq!(settled.digests.len(), 1);
            let blob = pool.path(&Sha256::of(b"abc"));
            assert_eq!(std::fs::metadata(&blob).unwrap().permissions().mode() & 0o7777, 0o444);
            assert_eq!(inode(&blob) == inode(&file), !copy);
            assert!(matches!(read(&adoption, &file, copy).finding, Finding::Held));
            assert_eq!(pool.inodes(&|_| true).unwrap().len(), 1);
            drop(adoption);
            assert_eq!(std::fs::read_dir(pool.root().join("tmp")).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_name_that_promises_another_digest_is_left() {
        let (directory, pool) = setting();
        let adoption = pool.adoption().unwrap();
        for (promised, is_left) in [(Sha256::of(b"abc"), false), (Sha256::of(b"abd"), true)] {
            let file = directory.path().join(format!("{}_a.package", promised.hex()));
            std::fs::write(&file, b"abc").unwrap();
            let found = read(&adoption, &file, false);
            assert_eq!(matches!(found.finding, Finding::Left(_)), is_left, "{found:?}");
        }
    }

    #[test]
    fn a_file_that_changes_after_it_was_read_is_left() {
        for copy in [false, true] {
            let (directory, pool) = setting();
            let adoption = pool.adoption().unwrap();
            let file = directory.path().join("a.package");
            std::fs::write(&file, b"abc").unwrap();
            let found = read(&adoption, &file, copy);
            std::fs::write(&file, b"other").unwrap();
            let way = if copy { Way::Copy } else { Way::Link };
            assert_eq!(
                adoption.take(&file, found, way).unwrap().err(),
                Some(CHANGED.to_owned())
            );
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o200, 0o200);
        }
    }

    #[test]
    fn links_of_an_old_file_are_swept_by_their_directory() {
        let (directory, pool) = setting();
        let file = directory.path().join("a.package");
        std::fs::write(&file, b"abc").unwrap();
        let left = pool.root().join("tmp/adopt-x");
        std::fs::create_dir(&left).unwrap();
        std::fs::hard_link(&file, left.join("0")).unwrap();
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        assert_eq!(pool.sweep(yesterday).unwrap(), 0);
        File::open(&left)
            .unwrap()
            .set_modified(yesterday - std::time::Duration::from_secs(9))
            .unwrap();
        assert_eq!(pool.sweep(yesterday).unwrap(), 1);
        assert!(file.exists() && !left.exists());
    }
}
