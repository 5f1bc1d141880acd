//! Files beside the blobs from which the catalog can be made again.
//!
//! A file is the line `chantal-manifest 1`, then chunks (one byte that says what it is, four bytes of length, little
//! endian, the bytes), then a chunk `E` with the SHA-256 of all before it. It gets its name only when it is durable, so a
//! torn one was damaged later; it is found by its digest and never believed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use chantal_model::{Digester, RelPath, Sha256};
use tempfile::NamedTempFile;

use crate::error::PoolError;
use crate::{Pool, make_directory, read_directory};

/// Where they are, below the pool.
pub(crate) const DIRECTORY: &str = "manifests";
/// Bytes read or written at a time,
const BUFFER: usize = 128 << 10;
/// and where only the beginning is looked at.
const PEEK: usize = 1 << 10;
const MAGIC: &[u8] = b"chantal-manifest 1\n";
const END: u8 = b'E';
/// The largest chunk in bytes; a bigger one was not written by this program.
const MAX_CHUNK: u32 = 1 << 30;

/// A manifest that is being written. Dropped without [`ManifestWriter::finish`], it leaves nothing behind.
pub struct ManifestWriter {
    file: BufWriter<NamedTempFile>,
    digester: Digester,
    root: PathBuf,
    path: PathBuf,
}

impl ManifestWriter {
    /// Writes a chunk.
    pub fn chunk(&mut self, kind: u8, body: &[u8]) -> Result<(), PoolError> {
        let len = u32::try_from(body.len()).ok().filter(|len| *len <= MAX_CHUNK);
        let Some(len) = len else {
            return Err(PoolError::io("write", &self.path, io::ErrorKind::FileTooLarge.into()));
        };
        self.put(&[kind])?;
        self.put(&len.to_le_bytes())?;
        self.put(body)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), PoolError> {
        self.digester.update(bytes);
        let written = self.file.write_all(bytes);
        written.map_err(|source| PoolError::io("write", &self.path, source))
    }

    /// Makes it durable under its name, in place of one that is there.
    pub fn finish(mut self) -> Result<(), PoolError> {
        let digest = self.digester.clone().finish().0;
        self.chunk(END, &digest.0)?;
        let io = |source| PoolError::io("write", &self.path, source);
        let file = self.file.into_inner().map_err(|error| io(error.into_error()))?;
        let barrier = |source| PoolError::barrier(&self.path, source);
        file.as_file().sync_all().map_err(barrier)?;
        let parent = self.path.parent().unwrap_or(&self.root);
        let missing: Vec<&Path> = parent.ancestors().take_while(|path| !path.exists()).collect();
        make_directory(parent, 0o755)?;
        file.persist(&self.path).map_err(|error| io(error.error))?;
        let above = missing.iter().filter_map(|made| made.parent());
        for directory in std::iter::once(parent).chain(above) {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(barrier)?;
        }
        Ok(())
    }
}

/// A manifest whose digest was checked.
pub struct ManifestReader {
    file: BufReader<File>,
    path: PathBuf,
}

impl ManifestReader {
    /// The next chunk; `None` after the last.
    pub fn next_chunk(&mut self) -> Result<Option<(u8, Vec<u8>)>, PoolError> {
        let read = chunk(&mut self.file).map_err(|source| PoolError::io("read", &self.path, source))?;
        Ok(read.filter(|(kind, _)| *kind != END))
    }
}

fn chunk(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [kind, len @ ..] = head;
    let len = u32::from_le_bytes(len);
    let mut body = Vec::new();
    from.take(u64::from(len)).read_to_end(&mut body)?;
    if body.len() as u64 != u64::from(len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((kind, body)))
}

impl Pool {
    fn manifest_path(&self, name: &RelPath) -> PathBuf {
        name.below(&self.root().join(DIRECTORY))
    }

    /// Starts a manifest under a name.
    pub fn write_manifest(&self, name: &RelPath) -> Result<ManifestWriter, PoolError> {
        let temporary = self.root().join("tmp");
        let file = tempfile::Builder::new()
            .prefix("manifest-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .tempfile_in(&temporary)
            .map_err(|source| PoolError::io("create a file in", &temporary, source))?;
        let mut writer = ManifestWriter {
            file: BufWriter::with_capacity(BUFFER, file),
            digester: Digester::new([]),
            root: self.root().to_owned(),
            path: self.manifest_path(name),
        };
        writer.put(MAGIC)?;
        Ok(writer)
    }

    /// Opens a manifest, after it has been read whole once and its digest checked; `None` if there is none.
    ///
    /// # Errors
    /// [`PoolError::Torn`] if it is not as it was written.
    pub fn read_manifest(&self, name: &RelPath) -> Result<Option<ManifestReader>, PoolError> {
        let path = self.manifest_path(name);
        let Some(mut file) = open(&path, BUFFER)? else {
            return Ok(None);
        };
        let torn = || PoolError::Torn { path: path.clone() };
        let len = file
            .get_ref()
            .metadata()
            .map_err(|source| PoolError::io("look at", &path, source))?
            .len();
        let tail = (5 + size_of::<Sha256>()) as u64;
        let body = len
            .checked_sub(tail)
            .filter(|body| *body >= MAGIC.len() as u64)
            .ok_or_else(torn)?;
        let io = |source| PoolError::io("read", &path, source);
        let mut digester = Digester::new([]);
        let mut buffer = vec![0; 256 * 1024];
        let mut left = body;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
            file.read_exact(&mut buffer[..part]).map_err(io)?;
            digester.update(&buffer[..part]);
            left -= part as u64;
        }
        match chunk(&mut file).map_err(io)? {
            Some((END, digest)) if digest == digester.finish().0.0 => {}
            _ => return Err(torn()),
        }
        let mut file = open(&path, BUFFER)?.ok_or_else(torn)?;
        let mut magic = vec![0; MAGIC.len()];
        file.read_exact(&mut magic).map_err(io)?;
        if magic != MAGIC {
            return Err(torn());
        }
        Ok(Some(ManifestReader { file, path }))
    }

    /// The first chunk of a manifest, whose digest is not checked; `None` if there is none that can be read.
    pub fn peek_manifest(&self, name: &RelPath) -> Option<Vec<u8>> {
        let mut file = open(&self.manifest_path(name), PEEK).ok()??;
        let mut magic = vec![0; MAGIC.len()];
        file.read_exact(&mut magic).ok()?;
        (magic == MAGIC).then_some(())?;
        chunk(&mut file).ok()?.map(|(_, body)| body)
    }

    /// Names and sizes in bytes of what lies in a directory of manifests, in order.
    pub fn manifests(&self, directory: Option<&RelPath>) -> Result<Vec<(String, u64)>, PoolError> {
        let all = self.root().join(DIRECTORY);
        let path = directory.map_or(all.clone(), |directory| directory.below(&all));
        if !path.is_dir() {
            return Ok(Vec::new());
        }
        let mut found: Vec<(String, u64)> = read_directory(&path)?
            .into_iter()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())))
            .collect();
        found.sort();
        Ok(found)
    }

    /// When a manifest was written, in seconds since 1970; `None` if there is none.
    pub fn manifest_written(&self, name: &RelPath) -> Option<i64> {
        let meta = std::fs::metadata(self.manifest_path(name)).ok()?;
        Some(std::os::unix::fs::MetadataExt::mtime(&meta))
    }

    /// Removes a manifest, or a directory of manifests; one that is not there is fine.
    pub fn remove_manifest(&self, name: &RelPath) -> Result<(), PoolError> {
        let path = self.manifest_path(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PoolError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }
}

fn open(path: &Path, buffer: usize) -> Result<Option<BufReader<File>>, PoolError> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(buffer, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PoolError::io("open", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolOptions;

    fn name() -> RelPath {
        RelPath::parse("r/one").unwrap()
    }

    fn written() -> (tempfile::TempDir, Pool) {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::open(directory.path(), PoolOptions::default()).unwrap();
        let mut writer = pool.write_manifest(&name()).unwrap();
        writer.chunk(b'H', b"head").unwrap();
        writer.chunk(b'B', &[7; 1000]).unwrap();
        writer.finish().unwrap();
        (directory, pool)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_directory, pool) = written();
        let mut reader = pool.read_manifest(&name()).unwrap().unwrap();
        assert_eq!(reader.next_chunk().unwrap().unwrap(), (b'H', b"head".to_vec()));
        assert_eq!(reader.next_chunk().unwrap().unwrap(), (b'B', vec![7; 1000]));
        assert!(reader.next_chunk().unwrap().is_none());
        assert_eq!(pool.peek_manifest(&name()).unwrap(), b"head");
        assert_eq!(pool.manifests(None).unwrap()[0].0, "r");
        assert!(pool.list().unwrap().1.is_empty(), "manifests are no foreign files");
        pool.remove_manifest(&name()).unwrap();
        assert!(pool.read_manifest(&name()).unwrap().is_none());
    }

    #[test]
    fn every_change_and_every_cut_is_found() {
        let (_directory, pool) = written();
        let path = pool.manifest_path(&name());
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            for bytes in [&bytes[..], &whole[..at]] {
                std::fs::write(&path, bytes).unwrap();
                assert!(pool.read_manifest(&name()).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn a_manifest_that_is_not_finished_leaves_nothing() {
        let (directory, pool) = written();
        pool.write_manifest(&RelPath::parse("r/two").unwrap()).unwrap();
        assert_eq!(pool.manifests(Some(&RelPath::parse("r").unwrap())).unwrap().len(), 1);
        assert_eq!(std::fs::read_dir(directory.path().join("tmp")).unwrap().count(), 0);
    }
}
