//! What is in the pool: listing and verification.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chantal_model::{Digester, Landing, Sha256};

use crate::error::PoolError;
use crate::incoming::Incoming;
use crate::{Pool, read_directory};

/// Threads that read blobs.
const THREADS: usize = 2;
const BUFFER: usize = 1024 * 1024;

/// What is wrong with a file of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Its bytes do not have the digest that it is named after.
    Altered,
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
            Self::Foreign => "foreign",
            Self::Mode => "mode",
        }
    }
}

/// A file of the pool with which something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its path below the pool.
    pub name: String,
    /// The blob that it should be, if its name is one.
    pub sha256: Option<Sha256>,
    /// What is wrong.
    pub kind: DamageKind,
    /// Its size in bytes.
    pub size: u64,
}

impl Pool {
    /// Every blob with its size in bytes, and the paths of files that are no blobs. Temporary files are neither.
    pub fn list(&self) -> Result<(Vec<(Sha256, u64)>, Vec<PathBuf>), PoolError> {
        let mut blobs = Vec::new();
        let mut foreign = Vec::new();
        for entry in read_directory(self.root())? {
            let name = entry.file_name();
            let is_fan_out = name.len() == 2 && name.to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
            if name == "tmp" {
                continue;
            }
            if !is_fan_out || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                foreign.push(entry.path());
                continue;
            }
            for blob in read_directory(&entry.path())? {
                let file_name = blob.file_name();
                let parsed = file_name
                    .to_str()
                    .and_then(|text| text.parse::<Sha256>().ok().filter(|sha256| sha256.hex() == text));
                match (parsed, blob.metadata()) {
                    (Some(sha256), Ok(meta)) if meta.is_file() && self.path(&sha256) == blob.path() => {
                        blobs.push((sha256, meta.len()));
                    }
                    _ => foreign.push(blob.path()),
                }
            }
        }
        Ok((blobs, foreign))
    }

    /// Reads every blob and reports what is altered, foreign or of the wrong mode. Blobs that are not there at all are
    /// not known here.
    pub fn verify(&self) -> Result<Vec<Damage>, PoolError> {
        let (blobs, foreign) = self.list()?;
        let chunk = blobs.len().div_ceil(THREADS).max(1);
        let mut damages: Vec<Damage> = std::thread::scope(|scope| {
            let threads: Vec<_> = blobs
                .chunks(chunk)
                .map(|chunk| scope.spawn(move || self.verify_some(chunk)))
                .collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect::<Result<Vec<_>, _>>()
        })?
        .concat();
        damages.extend(foreign.into_iter().map(|path| Damage {
            name: self.shown(&path),
            sha256: None,
            kind: DamageKind::Foreign,
            size: std::fs::symlink_metadata(&path).map_or(0, |meta| meta.len()),
        }));
        Ok(damages)
    }

    fn verify_some(&self, blobs: &[(Sha256, u64)]) -> Result<Vec<Damage>, PoolError> {
        let mut damages = Vec::new();
        for (sha256, size) in blobs {
            let path = self.path(sha256);
            let mode = std::fs::symlink_metadata(&path).map(|meta| meta.permissions().mode() & 0o777);
            let kind = if digest(&path)? != *sha256 {
                DamageKind::Altered
            } else if mode.is_ok_and(|mode| mode != 0o444) {
                DamageKind::Mode
            } else {
                continue;
            };
            damages.push(Damage {
                name: self.shown(&path),
                sha256: Some(*sha256),
                kind,
                size: *size,
            });
        }
        Ok(damages)
    }

    fn shown(&self, path: &Path) -> String {
        let name = path.strip_prefix(self.root()).unwrap_or(path);
        match name.file_name().filter(|file| file.len() == 64) {
            Some(blob) => blob.to_string_lossy().into_owned(),
            None => name.display().to_string(),
        }
    }
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

pub(crate) fn copy(file: &mut File, incoming: &mut Incoming) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => Landing::write(incoming, &buffer[..n])?,
        }
    }
}
