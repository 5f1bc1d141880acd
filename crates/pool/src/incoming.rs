//! A file on its way into the pool.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chantal_model::{Algorithm, Digest, Digester, Landing, Sha256};

use crate::error::PoolError;

/// Bytes gathered before they are written; a small file costs one write.
const BUFFER: usize = 128 * 1024;

/// A temporary file in the pool's `tmp/` that hashes what is written. Dropped without [`Incoming::seal`], it is removed.
pub struct Incoming {
    temporary: Temporary,
    file: File,
    opened: Instant,
    buffer: Vec<u8>,
    algorithms: Vec<Algorithm>,
    digester: Digester,
}

/// A name that is removed unless it was given away.
pub(crate) struct Temporary {
    path: PathBuf,
    is_mine: bool,
}

impl Temporary {
    pub(crate) fn mine(path: PathBuf) -> Self {
        Self { path, is_mine: true }
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
        if self.is_mine {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Incoming {
    pub(crate) fn create(directory: &Path, algorithms: &[Algorithm]) -> Result<Self, PoolError> {
        let opened = Instant::now();
        let named = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .tempfile_in(directory)
            .map_err(|source| PoolError::io("create a file in", directory, source))?;
        let (file, path) = named
            .keep()
            .map_err(|error| PoolError::io("create a file in", directory, error.error))?;
        Ok(Self {
            temporary: Temporary { path, is_mine: true },
            file,
            opened,
            buffer: Vec::new(),
            algorithms: algorithms.to_vec(),
            digester: Digester::new(algorithms.iter().copied()),
        })
    }

    fn drain(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Ends writing: the file is readable by everybody and writable by nobody, whatever the umask.
    pub fn seal(mut self) -> Result<Sealed, PoolError> {
        let path = self.temporary.path().to_owned();
        self.drain().map_err(|source| PoolError::io("write", &path, source))?;
        self.file
            .set_permissions(std::fs::Permissions::from_mode(0o444))
            .map_err(|source| PoolError::io("set the mode of", &path, source))?;
        let size = self.digester.len_bytes();
        let (sha256, digests) = self.digester.finish();
        Ok(Sealed {
            sha256,
            size,
            digests,
            temporary: self.temporary,
            file: self.file,
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
            return self.file.write_all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.digester = Digester::new(self.algorithms.iter().copied());
        Ok(())
    }

    fn digests(&self) -> (Sha256, Vec<Digest>) {
        self.digester.clone().finish()
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
    pub(crate) file: File,
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
