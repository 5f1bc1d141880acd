//! Records in the order in which they came, in an unnamed file, compressed block by block.
//!
//! What was parsed once is read back for a small part of what parsing it again would cost.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zstd::bulk::{Compressor, Decompressor};

/// A block ends with the record that makes it so large, in bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// zstd level of blocks: they live as long as one sync.
const LEVEL: i32 = 1;
/// Bytes of the number in front of each record.
const HEAD_BYTES: usize = 4;

/// Takes records and gives them back in order. The file is made with the first of them.
#[derive(Default)]
pub(crate) struct Spool {
    work: PathBuf,
    file: Option<File>,
    blocks: Vec<Block>,
    /// The block that is being filled.
    open: Vec<u8>,
    /// Bytes in the file.
    written: u64,
    compressor: Option<Compressor<'static>>,
}

struct Block {
    packed_bytes: u32,
    plain_bytes: u32,
}

impl Spool {
    /// Makes an empty spool whose file will lie in `work`.
    pub(crate) fn new(work: &Path) -> Self {
        Self {
            work: work.to_owned(),
            ..Self::default()
        }
    }

    /// Takes the next record.
    pub(crate) fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let len = u32::try_from(record.len()).map_err(io::Error::other)?;
        self.open.extend_from_slice(&len.to_le_bytes());
        self.open.extend_from_slice(record);
        if self.open.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Call after the last record.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.open = Vec::new();
        self.compressor = None;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        let packed = compressor.compress(&self.open)?;
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(&self.work)?),
        };
        file.write_all_at(&packed, self.written)?;
        self.written += packed.len() as u64;
        self.blocks.push(Block {
            packed_bytes: u32::try_from(packed.len()).map_err(io::Error::other)?,
            plain_bytes: u32::try_from(self.open.len()).map_err(io::Error::other)?,
        });
        self.open.clear();
        Ok(())
    }

    /// Reads from the first record on.
    pub(crate) fn read(&self) -> Reader<'_> {
        Reader {
            spool: self,
            next: 0,
            offset: 0,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
            decompressor: None,
        }
    }
}

/// See [`Spool::read`].
pub(crate) struct Reader<'a> {
    spool: &'a Spool,
    /// The block that comes next, and where it is.
    next: usize,
    offset: u64,
    packed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    decompressor: Option<Decompressor<'static>>,
}

impl Reader<'_> {
    /// The next record; `None` after the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.at == self.plain.len() && !self.unpack()? {
            return Ok(None);
        }
        let damaged = || io::Error::other("a block of the spool is damaged");
        let rest = &self.plain[self.at..];
        let (head, rest) = rest.split_first_chunk::<HEAD_BYTES>().ok_or_else(damaged)?;
        let len = u32::from_le_bytes(*head) as usize;
        let record = rest.get(..len).ok_or_else(damaged)?;
        self.at += HEAD_BYTES + len;
        Ok(Some(record))
    }

    fn unpack(&mut self) -> io::Result<bool> {
        let (Some(block), Some(file)) = (self.spool.blocks.get(self.next), &self.spool.file) else {
            return Ok(false);
        };
        self.packed.resize(block.packed_bytes as usize, 0);
        file.read_exact_at(&mut self.packed, self.offset)?;
        self.plain.clear();
        self.plain.reserve(block.plain_bytes as usize);
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(&self.packed, &mut self.plain)?;
        self.at = 0;
        self.next += 1;
        self.offset += u64::from(block.packed_bytes);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_over_many_blocks() {
        let work = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(work.path());
        let record = |n: usize| vec![n as u8; if n == 7 { 3 * BLOCK_BYTES } else { n * 97 % 9000 }];
        for n in 0..400 {
            spool.push(&record(n)).unwrap();
        }
        spool.finish().unwrap();
        assert!(spool.blocks.len() > 3);
        for _ in 0..2 {
            let mut reader = spool.read();
            for n in 0..400 {
                assert_eq!(reader.next().unwrap(), Some(&*record(n)), "{n}");
            }
            assert_eq!(reader.next().unwrap(), None);
        }
        assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_records_there_is_no_file() {
        let mut spool = Spool::new(Path::new("/nonexistent"));
        spool.finish().unwrap();
        assert_eq!(spool.read().next().unwrap(), None);
    }
}
