//! What is in the pool: listing and verification.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chantal_model::{Digester, Sha256};

use crate::error::PoolError;
use crate::{Pool, read_directory};

/// Threads that read blobs where the caller does not say how many.
const THREADS: usize = 2;
const BUFFER: usize = 1024 * 1024;

/// What is wrong with a file of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DamageKind {
    /// Its bytes do not have the digest that it is named after; a truncated blob is one of these.
    Altered,
    /// It cannot be read.
    Unreadable,
    /// It is no blob and no temporary file.
    Foreign,
    /// It can be written, or not be read by everybody.
    Mode,
}

impl DamageKind {
    /// The word for listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
            Self::Foreign => "foreign",
            Self::Mode => "mode",
        }
    }
}

/// A file of the pool with which something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// A blob's digest, or the path of another file below the pool.
    pub name: String,
    /// The blob that it should be, if its name is one.
    pub sha256: Option<Sha256>,
    /// What is wrong.
    pub kind: DamageKind,
    /// Its size in bytes.
    pub size: u64,
}

/// Blobs with their sizes in bytes, and paths of files that are no blobs.
pub type Listed = (Vec<(Sha256, u64)>, Vec<PathBuf>);

impl Pool {
    /// Every blob with its size in bytes, and the paths of files that are no blobs. Temporary files are neither.
    pub fn list(&self) -> Result<Listed, PoolError> {
        let mut blobs = Vec::new();
        let mut foreign = Vec::new();
        for entry in read_directory(self.root())? {
            let name = entry.file_name();
            // A pool may be the root of its own file system.
            if name == "tmp" || name == "lost+found" {
                continue;
            }
            if !is_fan_out(&name.to_string_lossy()) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                foreign.push(entry.path());
                continue;
            }
            for blob in read_directory(&entry.path())? {
                let named = blob.file_name().to_str().and_then(|text| text.parse::<Sha256>().ok());
                let named = named.filter(|sha256| self.path(sha256) == blob.path());
                match (named, blob.metadata()) {
                    (Some(sha256), Ok(meta)) if meta.is_file() => blobs.push((sha256, meta.len())),
                    // Collected in the meantime.
                    (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                    _ => foreign.push(blob.path()),
                }
            }
        }
        Ok((blobs, foreign))
    }

    /// Reads every blob and reports what is altered, unreadable, foreign or of the wrong mode. Blobs that are not there
    /// at all are not known here.
    pub fn verify(&self) -> Result<Vec<Damage>, PoolError> {
        self.verify_with(THREADS, &|_| {})
    }

    /// As [`Pool::verify`], from so many threads; `on_blob` is told the size of each blob when it has been read.
    pub fn verify_with(&self, threads: usize, on_blob: &(dyn Fn(u64) + Sync)) -> Result<Vec<Damage>, PoolError> {
        let (blobs, foreign) = self.list()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut damages = Vec::new();
            while let Some((sha256, size)) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                damages.extend(self.verify_one(sha256, *size)?);
                on_blob(*size);
            }
            Ok(damages)
        };
        let mut damages: Vec<Damage> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect::<Result<Vec<_>, PoolError>>()
        })?
        .concat();
        damages.extend(foreign.into_iter().map(|path| Damage {
            name: path.strip_prefix(self.root()).unwrap_or(&path).display().to_string(),
            sha256: None,
            kind: DamageKind::Foreign,
            size: std::fs::symlink_metadata(&path).map_or(0, |meta| meta.len()),
        }));
        damages.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        Ok(damages)
    }

    /// # Errors
    /// What is not this blob's fault: no descriptor or no permission is left for reading.
    fn verify_one(&self, sha256: &Sha256, size: u64) -> Result<Option<Damage>, PoolError> {
        let path = self.path(sha256);
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            return Ok(None);
        };
        let kind = match digest(&path) {
            Ok(found) if found != *sha256 => DamageKind::Altered,
            Ok(_) if meta.permissions().mode() & 0o7777 != 0o444 => DamageKind::Mode,
            Ok(_) => return Ok(None),
            Err(error) if matches!(error.exit_code(), 2 | 6) => return Err(error),
            Err(_) if path.symlink_metadata().is_err() => return Ok(None),
            Err(_) => DamageKind::Unreadable,
        };
        Ok(Some(Damage {
            name: sha256.hex(),
            sha256: Some(*sha256),
            kind,
            size,
        }))
    }
}

fn is_fan_out(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> Result<Sha256, PoolError> {
    let io = |source| PoolError::io("read", path, source);
    let mut file = File::open(path).map_err(io)?;
    let mut buffer = vec![0; BUFFER];
    let mut digester = Digester::new([]);
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(digester.finish().0),
            n => digester.update(&buffer[..n]),
        }
    }
}
