//! A file on its way into the pool.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chantal_model::{Algorithm, Digest, Digester, Landing, Note, Promise, Sha256, fault, faulty};

use crate::error::PoolError;
use crate::part::{self, Part};

/// Bytes gathered before they are written; a small file costs one write.
const BUFFER: usize = 128 * 1024;
/// Readable by everybody and writable by nobody.
pub(crate) const MODE: u32 = 0o444;

/// A temporary file in the pool's `tmp/` that hashes what is written. Dropped without [`Incoming::seal`], it is removed,
/// unless it is a part that is worth keeping.
pub struct Incoming {
    temporary: Temporary,
    file: File,
    opened: Instant,
    buffer: Vec<u8>,
    /// Bytes that were written, those in the buffer not counted.
    written_bytes: u64,
    algorithms: Vec<Algorithm>,
    digester: Digester,
}

/// A name that is removed unless it was given away.
pub(crate) struct Temporary {
    path: PathBuf,
    is_mine: bool,
    part: Option<Part>,
}

impl Temporary {
    pub(crate) fn mine(path: PathBuf) -> Self {
        Self {
            path,
            is_mine: true,
            part: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file has another name now.
    pub(crate) fn give_away(&mut self) {
        self.is_mine = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_mine && !self.part.as_ref().is_some_and(Part::is_kept) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Incoming {
    pub(crate) fn create(directory: &Path, algorithms: &[Algorithm]) -> Result<Self, PoolError> {
        let opened = Instant::now();
        fault!("pool::create").map_err(|source| PoolError::io("create a file in", directory, source))?;
        let named = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .permissions(std::fs::Permissions::from_mode(MODE))
            .tempfile_in(directory)
            .map_err(|source| PoolError::io("create a file in", directory, source))?;
        let (file, path) = named
            .keep()
            .map_err(|error| PoolError::io("create a file in", directory, error.error))?;
        Ok(Self {
            temporary: Temporary {
                path,
                is_mine: true,
                part: None,
            },
            file,
            opened,
            buffer: Vec::new(),
            written_bytes: 0,
            algorithms: algorithms.to_vec(),
            digester: Digester::new(algorithms.iter().copied()),
        })
    }

    /// A file that may go on with what an earlier run left of it. Reads that whole.
    pub(crate) fn resume(directory: &Path, promise: &Promise) -> Result<Self, PoolError> {
        let algorithms: Vec<_> = promise.algorithms().collect();
        let Some(key) = part::key(promise) else {
            return Self::create(directory, &algorithms);
        };
        let opened = Instant::now();
        let mut digester = Digester::new(algorithms.iter().copied());
        let found = part::open(directory, &key, &mut digester)
            .map_err(|source| PoolError::io("go on with a part in", directory, source))?;
        let Some(part::Opened { path, file, part }) = found else {
            return Self::create(directory, &algorithms);
        };
        Ok(Self {
            temporary: Temporary {
                path,
                is_mine: true,
                part: Some(part),
            },
            file,
            opened,
            buffer: Vec::new(),
            written_bytes: digester.len_bytes(),
            algorithms,
            digester,
        })
    }

    fn drain(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            faulty!("pool::write", self.file.write_all(bytes))?;
            self.written_bytes += bytes.len() as u64;
            if let Some(part) = &mut self.temporary.part {
                part.keep(self.written_bytes);
            }
        }
        Ok(())
    }

    /// A file is made with this mode, which the umask may have narrowed; a change costs a write of its inode.
    fn open_to_readers(&self) -> io::Result<()> {
        fault!("pool::seal")?;
        if self.file.metadata()?.permissions().mode() & 0o7777 != MODE {
            self.file.set_permissions(std::fs::Permissions::from_mode(MODE))?;
        }
        Ok(())
    }

    /// Ends writing: the file is readable by everybody and writable by nobody, whatever the umask.
    pub fn seal(mut self) -> Result<Sealed, PoolError> {
        let path = self.temporary.path().to_owned();
        self.drain().map_err(|source| PoolError::io("write", &path, source))?;
        self.open_to_readers()
            .map_err(|source| PoolError::io("set the mode of", &path, source))?;
        if let Some(part) = &mut self.temporary.part {
            part.forget();
        }
        let size = self.digester.len_bytes();
        let (sha256, digests) = self.digester.finish();
        Ok(Sealed {
            sha256,
            size,
            digests,
            temporary: self.temporary,
            file: Some(self.file),
            opened: self.opened,
        })
    }
}

impl Landing for Incoming {
    fn len_bytes(&self) -> u64 {
        self.digester.len_bytes()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digester.update(bytes);
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain()?;
        }
        if bytes.len() >= BUFFER {
            return self.put(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.written_bytes = 0;
        if let Some(part) = &mut self.temporary.part {
            part.forget();
        }
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.digester = Digester::new(self.algorithms.iter().copied());
        Ok(())
    }

    fn digests(&self) -> (Sha256, Vec<Digest>) {
        self.digester.clone().finish()
    }

    fn note(&self) -> Option<Note> {
        self.temporary.part.as_ref().and_then(Part::note).cloned()
    }

    fn set_note(&mut self, note: Option<Note>) {
        if let Some(part) = &mut self.temporary.part {
            part.set_note(note, self.written_bytes);
        }
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Landing::write(self, bytes).map(|()| bytes.len())
    }

    /// Does nothing: [`Incoming::seal`] writes what is gathered.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A complete temporary file, not durable yet.
pub struct Sealed {
    /// Its digest, which will be its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests under the algorithms that were asked for.
    pub digests: Vec<Digest>,
    pub(crate) temporary: Temporary,
    /// `None` once it waits among many others, for which one barrier serves.
    pub(crate) file: Option<File>,
    pub(crate) opened: Instant,
}

/// A blob that is durable in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests under the algorithms that were asked for.
    pub digests: Vec<Digest>,
    /// Whether the pool had it before.
    pub was_there: bool,
}
