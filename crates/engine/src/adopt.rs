//! Takes the packages of another tree into the pool, so that syncs need not fetch them.
//!
//! Nothing names what was taken until a sync does; what no sync relies on is orphaned. Interrupted, what is settled
//! stays, and the next run goes on: blobs that share their inode with a file are not read again.

mod walk;

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chantal_catalog::{Lease, NewBlob};
use chantal_model::{Algorithm, Progress, Sha256, Step, fault};
use chantal_pool::{Adoption, Finding, PoolError, Sealed, Way};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use walk::walk;

/// Digests that feeds may promise beside SHA-256.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha1, Algorithm::Sha512];
/// Files that are settled together,
const CHUNK_FILES: usize = 256;
/// or so many bytes.
const CHUNK_BYTES: u64 = 256 * 1024 * 1024;
/// Threads that read files.
const THREADS: usize = 4;

/// How files come into the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdoptMode {
    /// As links where that is safe, else as copies.
    #[default]
    Link,
    /// As copies.
    Copy,
    /// As [`AdoptMode::Link`], and then the other name is removed.
    Move,
}

/// Tells which file names are meant.
pub type Names = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What to take over.
pub struct AdoptOptions {
    /// The tree.
    pub directory: PathBuf,
    /// How.
    pub mode: AdoptMode,
    /// Which file names are meant; none: those that a format knows as packages.
    pub names: Option<Names>,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// How long to wait for another process that takes files over.
    pub wait: Option<Duration>,
}

/// What was taken over.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct AdoptReport {
    /// The tree.
    pub directory: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Files that are packages by their name.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that share their bytes with the tree.
    pub linked: u64,
    /// Bytes of those.
    pub linked_bytes: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Bytes of those.
    pub copied_bytes: u64,
    /// Copied since links cannot go from there to the pool.
    pub copied_from_elsewhere: u64,
    /// Copied since somebody else owns them.
    pub copied_of_others: u64,
    /// Files whose mode became 0444, since they are links.
    pub modes_changed: u64,
    /// Files whose bytes the pool had.
    pub already_there: u64,
    /// Files that were removed from the tree, or would be.
    pub removed: u64,
    /// Files with other names, which were not looked at.
    pub other_files: u64,
    /// Those of them that may be packages of formats that are not here yet.
    pub foreign_files: u64,
    /// Files that were not taken.
    pub left_out: Vec<LeftOut>,
}

/// A file that was not taken.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LeftOut {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A file of the tree.
struct Candidate {
    path: PathBuf,
    size: u64,
    device: u64,
    inode: u64,
}

/// What became of a file.
enum Fate {
    Taken(Sealed, Way, bool),
    Would(Way, bool, u64),
    Held(NewBlob),
    Left(String),
}

impl Engine {
    /// See [`Engine::adopt`].
    pub(crate) async fn adopt_now(&self, options: &AdoptOptions) -> Result<AdoptReport, EngineError> {
        let lease = if options.dry_run {
            None
        } else {
            let lease = self.catalog.acquire("adopt", options.wait).await;
            Some(lease.doing("hold the right to take files over")?)
        };
        let report = self.adopt_held(options, lease.as_ref()).await;
        if let Some(lease) = lease {
            lease.release().await.doing("release the right to take files over")?;
        }
        report
    }

    async fn adopt_held(&self, options: &AdoptOptions, lease: Option<&Lease>) -> Result<AdoptReport, EngineError> {
        let mut report = AdoptReport {
            directory: options.directory.display().to_string(),
            dry_run: options.dry_run,
            ..AdoptReport::default()
        };
        let candidates = self.candidates(options, &mut report).await?;
        let known: HashSet<Sha256> = self
            .catalog
            .all_blobs()
            .await
            .doing("list its blobs")?
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let pool = self.pool.clone();
        let inodes = blocking(move || pool.inodes(&|name| known.contains(name)).doing("be listed")).await?;
        let (shared, candidates): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|one| inodes.contains(&(one.device, one.inode)));
        report.already_there += shared.len() as u64;
        self.check_space(options, &candidates)?;
        if options.mode == AdoptMode::Move && options.dry_run {
            report.removed += shared.len() as u64;
        } else if options.mode == AdoptMode::Move {
            report.removed += remove(shared.iter().map(|one| one.path.as_path()), &mut report.left_out);
        }
        let adoption = Arc::new(self.pool.adoption().doing("take files over")?);
        self.progress
            .begin(Step::Adopt, candidates.iter().map(|one| one.size).sum());
        let mut candidates = candidates.into_iter().peekable();
        while candidates.peek().is_some() {
            let mut bytes = 0;
            let mut chunk = Vec::new();
            while let Some(one) = candidates.next_if(|_| chunk.len() < CHUNK_FILES && bytes < CHUNK_BYTES) {
                bytes += one.size;
                chunk.push(one);
            }
            self.take_chunk(options, lease, &adoption, chunk, &mut report).await?;
        }
        self.progress.end(Step::Adopt);
        Ok(report)
    }

    /// The files of the tree that are meant, in the order of their paths. Symbolic links are not followed.
    async fn candidates(
        &self,
        options: &AdoptOptions,
        report: &mut AdoptReport,
    ) -> Result<Vec<Candidate>, EngineError> {
        let io = |what, path: &Path, source| EngineError::Io {
            what,
            path: path.to_owned(),
            source,
        };
        let root = options
            .directory
            .canonicalize()
            .map_err(|source| io("look at", &options.directory, source))?;
        let own = self.own_directories().await?;
        own.iter().try_for_each(|own| own.refuse(&root))?;
        let names = options.names.clone().unwrap_or_else(|| Arc::new(is_package_file));
        let walked = blocking(move || Ok(walk(root, &own, &*names))).await?;
        report.other_files = walked.others;
        report.foreign_files = walked.foreign;
        report.left_out.extend(walked.left_out);
        report.files = walked.found.len() as u64;
        report.bytes = walked.found.iter().map(|one| one.size).sum();
        Ok(walked.found)
    }

    /// What certainly has to be copied must fit.
    fn check_space(&self, options: &AdoptOptions, candidates: &[Candidate]) -> Result<(), EngineError> {
        let path = self.pool.root();
        let device = std::fs::metadata(path)
            .map(|meta| meta.dev())
            .map_err(|source| EngineError::Io {
                what: "look at",
                path: path.to_owned(),
                source,
            })?;
        let copied = candidates
            .iter()
            .filter(|one| options.mode == AdoptMode::Copy || one.device != device);
        let needed: u64 = copied.map(|one| one.size).sum();
        let (free, _) = self.pool.free_space().doing("find its free space")?;
        if needed + needed.div_ceil(20) > free && !options.dry_run {
            return Err(EngineError::Space {
                what: "not enough space in bytes",
                path: path.to_owned(),
                needed: needed + needed.div_ceil(20),
                free,
            });
        }
        Ok(())
    }

    async fn take_chunk(
        &self,
        options: &AdoptOptions,
        lease: Option<&Lease>,
        adoption: &Arc<Adoption>,
        chunk: Vec<Candidate>,
        report: &mut AdoptReport,
    ) -> Result<(), EngineError> {
        let worker = Worker {
            adoption: adoption.clone(),
            progress: self.progress.clone(),
            copy: options.mode == AdoptMode::Copy,
            dry_run: options.dry_run,
        };
        let (mut taken, sealed) = blocking(move || worker.chunk(&chunk)).await?;
        if let Some(lease) = lease {
            // What is there after this stays.
            let held = taken.blobs.iter().map(|blob| blob.sha256);
            let names: Vec<Sha256> = sealed.iter().map(|file| file.sha256).chain(held).collect();
            self.catalog
                .intend(lease, &names)
                .await
                .doing("note what is relied on")?;
            if let Some(gone) = taken
                .blobs
                .iter()
                .find(|blob| !self.pool.contains(&blob.sha256, blob.size))
            {
                return Err(EngineError::Collected {
                    what: format!("blob {}", gone.sha256.hex()),
                });
            }
        }
        fault!("engine::adopt::intended").doing("take files over")?;
        let pool = self.pool.clone();
        let settled = blocking(move || pool.settle(sealed).doing("store files")).await?;
        taken.blobs.extend(settled.into_iter().map(|settled| NewBlob {
            sha256: settled.sha256,
            size: settled.size,
            digests: settled.digests,
        }));
        let Taken {
            paths,
            blobs,
            report: part,
        } = taken;
        report.add(part);
        fault!("engine::adopt::settled").doing("take files over")?;
        if let Some(lease) = lease {
            self.catalog
                .add_blobs(lease, &blobs)
                .await
                .doing("record what was taken over")?;
            fault!("engine::adopt::recorded").doing("take files over")?;
            if options.mode == AdoptMode::Move {
                report.removed += remove(paths.iter().map(PathBuf::as_path), &mut report.left_out);
            }
        } else if options.mode == AdoptMode::Move {
            report.removed += paths.len() as u64;
        }
        Ok(())
    }
}

impl AdoptReport {
    fn add(&mut self, part: Self) {
        self.linked += part.linked;
        self.linked_bytes += part.linked_bytes;
        self.copied += part.copied;
        self.copied_bytes += part.copied_bytes;
        self.copied_from_elsewhere += part.copied_from_elsewhere;
        self.copied_of_others += part.copied_of_others;
        self.modes_changed += part.modes_changed;
        self.already_there += part.already_there;
        self.left_out.extend(part.left_out);
    }

    fn took(&mut self, way: Way, size: u64, changes_mode: bool) {
        if way == Way::Link {
            self.linked += 1;
            self.linked_bytes += size;
            self.modes_changed += u64::from(changes_mode);
            return;
        }
        self.copied += 1;
        self.copied_bytes += size;
        self.copied_from_elsewhere += u64::from(way == Way::CopyFromElsewhere);
        self.copied_of_others += u64::from(way == Way::CopyOfAnother);
    }
}

/// Reads files in threads.
struct Worker {
    adoption: Arc<Adoption>,
    progress: Arc<dyn Progress>,
    copy: bool,
    dry_run: bool,
}

/// What came of some files: those that the pool has or will have, the blobs that it had, and what to report.
struct Taken {
    paths: Vec<PathBuf>,
    blobs: Vec<NewBlob>,
    report: AdoptReport,
}

impl Worker {
    /// Gives the files that are to be stored as well.
    fn chunk(&self, chunk: &[Candidate]) -> Result<(Taken, Vec<Sealed>), EngineError> {
        let fates = self.fates(chunk).doing("take files over")?;
        let mut report = AdoptReport::default();
        let (mut paths, mut blobs, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
        for (one, fate) in chunk.iter().zip(fates) {
            match fate {
                Fate::Taken(file, way, changes_mode) => {
                    report.took(way, file.size, changes_mode);
                    sealed.push(file);
                }
                Fate::Would(way, changes_mode, size) => report.took(way, size, changes_mode),
                Fate::Held(blob) => {
                    report.already_there += 1;
                    blobs.push(blob);
                }
                Fate::Left(reason) => {
                    report.left_out.push(LeftOut {
                        path: one.path.display().to_string(),
                        reason,
                    });
                    continue;
                }
            }
            paths.push(one.path.clone());
        }
        Ok((Taken { paths, blobs, report }, sealed))
    }

    fn fates(&self, chunk: &[Candidate]) -> Result<Vec<Fate>, PoolError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut fates = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = chunk.get(index) else { return Ok(fates) };
                fates.push((index, self.fate(one)?));
            }
        };
        let mut fates: Vec<(usize, Fate)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            let mut all = Vec::with_capacity(chunk.len());
            for thread in threads {
                let part: Result<Vec<_>, PoolError> = match thread.join() {
                    Ok(part) => part,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                all.extend(part?);
            }
            Ok::<_, PoolError>(all)
        })?;
        fates.sort_by_key(|(index, _)| *index);
        Ok(fates.into_iter().map(|(_, fate)| fate).collect())
    }

    fn fate(&self, one: &Candidate) -> Result<Fate, PoolError> {
        let on_bytes = |bytes| self.progress.advance(Step::Adopt, bytes);
        match self.try_fate(one, &on_bytes) {
            // Of the pool or the machine, not of this file.
            Err(error) if error.exit_code() == 6 => Err(error),
            Err(error) => Ok(Fate::Left(reason(&error))),
            Ok(fate) => Ok(fate),
        }
    }

    fn try_fate(&self, one: &Candidate, on_bytes: &dyn Fn(u64)) -> Result<Fate, PoolError> {
        let found = self.adoption.read(&one.path, self.copy, &ALGORITHMS, on_bytes)?;
        let (size, changes_mode) = (found.size, found.changes_mode());
        let way = match found.finding {
            Finding::New(way) => way,
            Finding::Left(reason) => return Ok(Fate::Left(reason)),
            Finding::Held => {
                return Ok(Fate::Held(NewBlob {
                    sha256: found.sha256,
                    size,
                    digests: found.digests,
                }));
            }
        };
        if self.dry_run {
            return Ok(Fate::Would(way, changes_mode, size));
        }
        Ok(match self.adoption.take(&one.path, found, way)? {
            Ok((sealed, way)) => Fate::Taken(sealed, way, changes_mode),
            Err(reason) => Fate::Left(reason),
        })
    }
}

/// Whether any format takes a file of this name for a package.
fn is_package_file(name: &str) -> bool {
    chantal_formats::all().iter().any(|format| format.is_package_file(name))
}

fn remove<'p>(paths: impl Iterator<Item = &'p Path>, left_out: &mut Vec<LeftOut>) -> u64 {
    let mut removed = 0;
    for path in paths {
        match std::fs::remove_file(path) {
            Ok(()) => removed += 1,
            Err(error) => left_out.push(LeftOut {
                path: path.display().to_string(),
                reason: format!("it is in the pool now, but cannot be removed: {error}"),
            }),
        }
    }
    removed
}

fn reason(error: &PoolError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
