//! What is in the pool: listing and verification.

use std::fs::{DirEntry, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chantal_model::{Digester, Sha256};

use crate::error::PoolError;
use crate::incoming::MODE;
use crate::{BESIDE, Pool, read_directory};

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
    /// It is a directory, a link or something else that is no file, under the name of a blob.
    NotAFile,
    /// It is no blob and no temporary file.
    Foreign,
    /// It can be written, or not be read by everybody.
    Mode,
    /// It belongs neither to the owner of the pool nor to this user.
    Owner,
}

impl DamageKind {
    /// The word for listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
            Self::NotAFile => "not-a-file",
            Self::Foreign => "foreign",
            Self::Mode => "mode",
            Self::Owner => "owner",
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

/// A blob as it lies in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lying {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its permissions.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
}

/// What lies in the pool; temporary files and what is kept beside the blobs left out.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Regular files under the names of blobs.
    pub blobs: Vec<Lying>,
    /// Anything else under the name of a blob.
    pub not_files: Vec<Sha256>,
    /// Everything else.
    pub foreign: Vec<PathBuf>,
}

/// How to look at blobs.
pub struct Looking<'a> {
    /// Threads that read.
    pub threads: usize,
    /// Which blobs are read and compared with their names; the others are only looked at.
    pub reads: &'a (dyn Fn(&Sha256) -> bool + Sync),
    /// Told the size of each blob in bytes when it has been read.
    pub on_blob: &'a (dyn Fn(u64) + Sync),
}

impl Pool {
    /// Every blob with its size in bytes, and the paths of files that are no blobs. Temporary files are neither.
    pub fn list(&self) -> Result<Listed, PoolError> {
        let survey = self.survey()?;
        let blobs = survey.blobs.iter().map(|blob| (blob.sha256, blob.size)).collect();
        let not_files = survey.not_files.iter().map(|name| self.path(name));
        Ok((blobs, survey.foreign.into_iter().chain(not_files).collect()))
    }

    /// Looks at everything that lies in the pool and reads nothing.
    pub fn survey(&self) -> Result<Survey, PoolError> {
        let mut survey = Survey::default();
        for entry in read_directory(self.root())? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if BESIDE.contains(&&*name) {
                continue;
            }
            if !is_fan_out(&name) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                survey.foreign.push(entry.path());
                continue;
            }
            for blob in read_directory(&entry.path())? {
                self.look_at(&blob, &mut survey);
            }
        }
        Ok(survey)
    }

    fn look_at(&self, entry: &DirEntry, survey: &mut Survey) {
        let named = entry.file_name().to_str().and_then(|text| text.parse::<Sha256>().ok());
        let named = named.filter(|sha256| self.path(sha256) == entry.path());
        match (named, entry.metadata()) {
            (Some(sha256), Ok(meta)) if meta.is_file() => survey.blobs.push(Lying {
                sha256,
                size: meta.len(),
                mode: meta.permissions().mode() & 0o7777,
                owner: meta.uid(),
            }),
            // Collected in the meantime.
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (Some(sha256), Ok(_)) => survey.not_files.push(sha256),
            _ => survey.foreign.push(entry.path()),
        }
    }

    /// Reads every blob and reports what is altered, unreadable, foreign, or of the wrong kind, mode or owner. Blobs that
    /// are not there at all are not known here.
    pub fn verify(&self) -> Result<Vec<Damage>, PoolError> {
        self.verify_survey(
            &self.survey()?,
            &Looking {
                threads: THREADS,
                reads: &|_| true,
                on_blob: &|_| {},
            },
        )
    }

    /// As [`Pool::verify`], for what a survey found.
    pub fn verify_survey(&self, survey: &Survey, looking: &Looking<'_>) -> Result<Vec<Damage>, PoolError> {
        let owners = self.owners()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut damages = Vec::new();
            while let Some(blob) = survey.blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                damages.extend(self.verify_one(blob, &owners, looking)?);
            }
            Ok(damages)
        };
        let mut damages: Vec<Damage> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..looking.threads.max(1)).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect::<Result<Vec<_>, PoolError>>()
        })?
        .concat();
        damages.extend(survey.not_files.iter().map(|sha256| Damage {
            name: sha256.hex(),
            sha256: Some(*sha256),
            kind: DamageKind::NotAFile,
            size: size_of(&self.path(sha256)),
        }));
        damages.extend(survey.foreign.iter().map(|path| Damage {
            name: path.strip_prefix(self.root()).unwrap_or(path).display().to_string(),
            sha256: None,
            kind: DamageKind::Foreign,
            size: size_of(path),
        }));
        damages.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        Ok(damages)
    }

    /// The users to whom blobs may belong: the owner of the pool, and this user unless it may do everything anyway.
    fn owners(&self) -> Result<Vec<u32>, PoolError> {
        let meta = std::fs::metadata(self.root()).map_err(|source| PoolError::io("look at", self.root(), source))?;
        let own = rustix::process::geteuid();
        let own = (!own.is_root()).then(|| own.as_raw());
        Ok(own.into_iter().chain([meta.uid()]).collect())
    }

    /// # Errors
    /// What is not this blob's fault: no descriptor or no permission is left for reading.
    fn verify_one(&self, blob: &Lying, owners: &[u32], looking: &Looking<'_>) -> Result<Option<Damage>, PoolError> {
        let path = self.path(&blob.sha256);
        let is_wrong_mode = blob.mode != MODE;
        let found = (looking.reads)(&blob.sha256).then(|| digest(&path));
        if found.is_some() {
            (looking.on_blob)(blob.size);
        }
        let kind = match found {
            Some(Ok(found)) if found != blob.sha256 => DamageKind::Altered,
            Some(Err(_)) if path.symlink_metadata().is_err() => return Ok(None),
            // Its own mode keeps readers out.
            Some(Err(error)) if error.exit_code() == 2 && is_wrong_mode => DamageKind::Mode,
            Some(Err(error)) if matches!(error.exit_code(), 2 | 6) => return Err(error),
            Some(Err(_)) => DamageKind::Unreadable,
            Some(Ok(_)) | None if is_wrong_mode => DamageKind::Mode,
            Some(Ok(_)) | None if !owners.contains(&blob.owner) => DamageKind::Owner,
            Some(Ok(_)) | None => return Ok(None),
        };
        Ok(Some(Damage {
            name: blob.sha256.hex(),
            sha256: Some(blob.sha256),
            kind,
            size: blob.size,
        }))
    }

    /// Whether a blob has the bytes that it is named after; `None` if nothing is there that can be read.
    pub fn is_whole(&self, sha256: &Sha256) -> Option<bool> {
        let path = self.path(sha256);
        if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
            return None;
        }
        digest(&path).ok().map(|found| found == *sha256)
    }
}

fn size_of(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |meta| meta.len())
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
