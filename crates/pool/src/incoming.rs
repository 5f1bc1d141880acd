//! A file on its way into the pool.

use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
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
///
/// The file is made with the first bytes that are written to it, so that an answer without any makes none.
pub struct Incoming {
    directory: PathBuf,
    made: Option<Made>,
    buffer: Vec<u8>,
    /// How many bytes are promised.
    promised_bytes: Option<u64>,
    /// Bytes that were written, those in the buffer not counted.
    written_bytes: u64,
    algorithms: Vec<Algorithm>,
    digester: Digester,
}

/// A file that is there.
struct Made {
    temporary: Temporary,
    file: File,
    opened: Instant,
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

/// What the system said, without the path that is told beside it.
fn bare(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(std::error::Error::source);
    let number = inner.and_then(|inner| inner.downcast_ref::<io::Error>()?.raw_os_error());
    number.map_or(error, io::Error::from_raw_os_error)
}

impl Made {
    fn create(directory: &Path) -> io::Result<Self> {
        let opened = Instant::now();
        fault!("pool::create")?;
        let named = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .permissions(std::fs::Permissions::from_mode(MODE))
            .tempfile_in(directory)
            .map_err(bare)?;
        let (file, path) = named.keep().map_err(|error| error.error)?;
        Ok(Self {
            temporary: Temporary::mine(path),
            file,
            opened,
        })
    }

    /// A file is made with this mode, which the umask may have narrowed; a change costs a write of its inode.
    fn open_to_readers(&self) -> io::Result<()> {
        fault!("pool::seal")?;
        if self.file.metadata()?.permissions().mode() & 0o7777 != MODE {
            self.file.set_permissions(std::fs::Permissions::from_mode(MODE))?;
        }
        Ok(())
    }
}

impl Incoming {
    pub(crate) fn create(directory: &Path, algorithms: &[Algorithm]) -> Self {
        Self {
            directory: directory.to_owned(),
            made: None,
            buffer: Vec::new(),
            promised_bytes: None,
            written_bytes: 0,
            algorithms: algorithms.to_vec(),
            digester: Digester::new(algorithms.iter().copied()),
        }
    }

    /// A file that may go on with what an earlier run left of it. Reads that whole.
    pub(crate) fn resume(directory: &Path, promise: &Promise) -> Result<Self, PoolError> {
        let algorithms: Vec<_> = promise.algorithms().collect();
        let Some(key) = part::key(promise) else {
            return Ok(Self {
                promised_bytes: promise.size,
                ..Self::create(directory, &algorithms)
            });
        };
        let opened = Instant::now();
        let mut digester = Digester::new(algorithms.iter().copied());
        let found = part::open(directory, &key, &mut digester)
            .map_err(|source| PoolError::io("go on with a part in", directory, source))?;
        let Some(part::Opened { path, file, part }) = found else {
            return Ok(Self {
                promised_bytes: promise.size,
                ..Self::create(directory, &algorithms)
            });
        };
        Ok(Self {
            directory: directory.to_owned(),
            made: Some(Made {
                temporary: Temporary {
                    path,
                    is_mine: true,
                    part: Some(part),
                },
                file,
                opened,
            }),
            buffer: Vec::new(),
            promised_bytes: promise.size,
            written_bytes: digester.len_bytes(),
            algorithms,
            digester,
        })
    }

    /// Writes what is gathered, and more bytes after it.
    fn drain(&mut self, more: &[u8]) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer, more)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, first: &[u8], then: &[u8]) -> io::Result<()> {
        let len = first.len() + then.len();
        if len > 0 {
            let made = match &mut self.made {
                Some(made) => made,
                none => none.insert(Made::create(&self.directory)?),
            };
            faulty!("pool::write", write_both(&mut made.file, first, then))?;
            self.written_bytes += len as u64;
            if let Some(part) = &mut made.temporary.part {
                part.keep(self.written_bytes);
            }
        }
        Ok(())
    }

    fn part(&self) -> Option<&Part> {
        self.made.as_ref()?.temporary.part.as_ref()
    }

    fn part_mut(&mut self) -> Option<&mut Part> {
        self.made.as_mut()?.temporary.part.as_mut()
    }

    /// Ends writing: the file is readable by everybody and writable by nobody, whatever the umask.
    pub fn seal(mut self) -> Result<Sealed, PoolError> {
        self.drain(&[]).map_err(|source| match &self.made {
            Some(made) => PoolError::io("write", made.temporary.path(), source),
            None => PoolError::io("create a file in", &self.directory, source),
        })?;
        let mut made = match self.made {
            Some(made) => made,
            // Of no bytes.
            None => Made::create(&self.directory)
                .map_err(|source| PoolError::io("create a file in", &self.directory, source))?,
        };
        made.open_to_readers()
            .map_err(|source| PoolError::io("set the mode of", made.temporary.path(), source))?;
        if let Some(part) = &mut made.temporary.part {
            part.forget();
        }
        let size = self.digester.len_bytes();
        let (sha256, digests) = self.digester.finish();
        Ok(Sealed {
            sha256,
            size,
            digests,
            temporary: made.temporary,
            file: Some(made.file),
            opened: made.opened,
        })
    }
}

/// Writes both, in one call where the system takes all of it.
fn write_both(file: &mut File, first: &[u8], then: &[u8]) -> io::Result<()> {
    if first.is_empty() || then.is_empty() {
        file.write_all(first)?;
        return file.write_all(then);
    }
    let written = loop {
        match file.write_vectored(&[IoSlice::new(first), IoSlice::new(then)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => break written?,
        }
    };
    file.write_all(first.get(written..).unwrap_or_default())?;
    file.write_all(&then[written.saturating_sub(first.len())..])
}

impl Landing for Incoming {
    fn len_bytes(&self) -> u64 {
        self.digester.len_bytes()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digester.update(bytes);
        let is_last = self.promised_bytes == Some(self.digester.len_bytes());
        if is_last || self.buffer.len() + bytes.len() > BUFFER {
            return self.drain(bytes);
        }
        if self.buffer.is_empty() {
            let left = self
                .promised_bytes
                .map_or(0, |all| all.saturating_sub(self.written_bytes));
            self.buffer.reserve_exact(left.min(BUFFER as u64) as usize);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.written_bytes = 0;
        if let Some(made) = &mut self.made {
            if let Some(part) = &mut made.temporary.part {
                part.forget();
            }
            made.file.set_len(0)?;
            made.file.seek(SeekFrom::Start(0))?;
        }
        self.digester = Digester::new(self.algorithms.iter().copied());
        Ok(())
    }

    fn digests(&self) -> (Sha256, Vec<Digest>) {
        self.digester.clone().finish()
    }

    fn note(&self) -> Option<Note> {
        self.part().and_then(Part::note).cloned()
    }

    fn set_note(&mut self, note: Option<Note>) {
        let written_bytes = self.written_bytes;
        if let Some(part) = self.part_mut() {
            part.set_note(note, written_bytes);
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
