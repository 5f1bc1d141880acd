//! The container: a plain tar, written once and read strictly. `docs/reference/backup-format.md` specifies it.
//!
//! The first member is the manifest, the last one the SHA-256 of every byte before it. So each byte of the file is either
//! summed or known beforehand, and whatever was changed or cut off is noticed before anything is believed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chantal_model::{Digester, Sha256};

use super::error::BackupError;
use super::manifest::{Head, Manifest};
use crate::error::EngineError;

/// The first member's name.
pub(super) const MANIFEST: &str = "manifest.json";
/// The last member's name.
const SUM: &str = "SHA256";
/// Of the members' headers, and what members are filled up to.
const BLOCK: u64 = 512;
/// Header and content of the sum, and the two empty blocks that end a tar.
const TRAILER: u64 = 4 * BLOCK;
/// A larger manifest is none of ours.
const LARGEST_MANIFEST: u64 = 64 << 20;
const BUFFER: usize = 256 * 1024;
/// Sizes that need more octal digits are written as GNU tar does.
const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// Writes an archive; members are begun and ended one after another.
pub(super) struct Writer {
    out: BufWriter<File>,
    path: PathBuf,
    /// Bytes written so far.
    at: u64,
    /// Seconds since 1970, in every header.
    time: u64,
    /// Room for the manifest, in bytes.
    room: u64,
    /// Where the member's header is, and the digest of its bytes so far.
    member: Option<(u64, Digester)>,
}

impl Writer {
    /// Leaves room for the manifest, which is written last.
    pub(super) fn new(file: File, path: &Path, time: u64, room: u64) -> Result<Self, EngineError> {
        let mut writer = Self {
            out: BufWriter::with_capacity(BUFFER, file),
            path: path.to_owned(),
            at: 0,
            time,
            room,
            member: None,
        };
        let empty = vec![0; (BLOCK + filled(room)) as usize];
        writer.write_all(&empty).map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    fn failed(&self, source: io::Error) -> EngineError {
        EngineError::Io {
            what: "write",
            path: self.path.clone(),
            source,
        }
    }

    /// Begins a member, whose bytes are then written.
    pub(super) fn begin(&mut self) -> Result<(), EngineError> {
        let at = self.at;
        self.write_all(&[0; BLOCK as usize])
            .map_err(|error| self.failed(error))?;
        self.member = Some((at, Digester::new(std::iter::empty())));
        Ok(())
    }

    /// Ends it; gives its size and digest.
    pub(super) fn end(&mut self, name: &str) -> Result<(u64, Sha256), EngineError> {
        let (start, digester) = self.member.take().expect("a member was begun");
        let size = self.at - start - BLOCK;
        let sum = digester.finish().0;
        let mut ended = || {
            let fill = filled(size) - size;
            self.write_all(&vec![0; fill as usize])?;
            let end = self.at;
            self.out.seek(SeekFrom::Start(start))?;
            self.out.write_all(&header(name, size, self.time))?;
            self.out.seek(SeekFrom::Start(end)).map(|_| ())
        };
        ended().map_err(|error| self.failed(error))?;
        Ok((size, sum))
    }

    /// Bytes that the archive will have.
    pub(super) fn whole(&self) -> u64 {
        self.at + TRAILER
    }

    /// Writes manifest and sum, and makes everything durable.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<(), EngineError> {
        let mut text = manifest.to_json();
        assert!(text.len() as u64 <= self.room, "room was left for the longest manifest");
        // Blanks after JSON are JSON.
        text.resize(self.room as usize - 1, b' ');
        text.push(b'\n');
        let end = self.at;
        let mut finish = || {
            self.out.seek(SeekFrom::Start(0))?;
            self.out.write_all(&header(MANIFEST, self.room, self.time))?;
            self.out.write_all(&text)?;
            self.out.flush()?;
            let file = self.out.get_mut();
            file.seek(SeekFrom::Start(0))?;
            let mut digester = Digester::new(std::iter::empty());
            each_chunk(&mut file.take(end), &mut |chunk| digester.update(chunk))?;
            file.seek(SeekFrom::Start(end))?;
            file.write_all(&trailer(&digester.finish().0, self.time))?;
            file.sync_all()
        };
        finish().map_err(|error| self.failed(error))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        if let Some((_, digester)) = &mut self.member {
            digester.update(&bytes[..written]);
        }
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An archive whose every byte is as it was written.
pub(super) struct Archive {
    path: PathBuf,
    pub(super) manifest: Manifest,
    /// Where the bytes of each member begin, in the manifest's order.
    starts: Vec<u64>,
}

impl Archive {
    /// Reads the manifest alone; the rest of the file may be damaged.
    pub(super) fn look(path: &Path) -> Result<(Manifest, u64), EngineError> {
        let (mut file, length) = open(path)?;
        let head = read_head(&mut file, path, length)?;
        known(path, &head)?;
        let manifest = Manifest::parse(&head.text).map_err(|what| altered(path, what))?;
        Ok((manifest, length))
    }

    /// Reads every byte and compares it with the sums.
    pub(super) fn open(path: &Path) -> Result<Self, EngineError> {
        let (mut file, length) = open(path)?;
        let head = read_head(&mut file, path, length)?;
        let is_whole = length > TRAILER && sum_fits(&mut file, path, length, head.time)?;
        if !is_whole {
            let expected = head.head.bytes;
            return Err(EngineError::Backup {
                path: path.to_owned(),
                source: if length < expected {
                    BackupError::Truncated {
                        found: length,
                        expected,
                    }
                } else {
                    BackupError::Altered("its bytes do not have the sum that it ends with".into())
                },
            });
        }
        known(path, &head)?;
        let manifest = Manifest::parse(&head.text).map_err(|what| altered(path, what))?;
        let starts = members(&mut file, path, &manifest, &head)?;
        let (path, end) = (path.to_owned(), length);
        if manifest.bytes != end {
            return Err(altered(
                &path,
                format!("it has {end} bytes, its manifest says {}", manifest.bytes),
            ));
        }
        Ok(Self { path, manifest, starts })
    }

    /// The bytes of a member, by its place in the manifest.
    pub(super) fn member(&self, place: usize) -> Result<io::Take<File>, EngineError> {
        let (mut file, _) = open(&self.path)?;
        file.seek(SeekFrom::Start(self.starts[place]))
            .map_err(|source| unreadable(&self.path, source))?;
        let size = self.manifest.members().nth(place).map_or(0, |member| member.1);
        Ok(file.take(size))
    }
}

fn altered(path: &Path, what: impl Into<String>) -> EngineError {
    EngineError::Backup {
        path: path.to_owned(),
        source: BackupError::Altered(what.into()),
    }
}

fn unreadable(path: &Path, source: io::Error) -> EngineError {
    EngineError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    }
}

fn open(path: &Path) -> Result<(File, u64), EngineError> {
    let opened = File::open(path).and_then(|file| {
        let meta = file.metadata()?;
        Ok((file, meta))
    });
    let (file, meta) = opened.map_err(|source| unreadable(path, source))?;
    if !meta.is_file() {
        return Err(EngineError::Backup {
            path: path.to_owned(),
            source: BackupError::Foreign,
        });
    }
    Ok((file, meta.len()))
}

/// The beginning of an archive.
struct Beginning {
    head: Head,
    text: Vec<u8>,
    time: u64,
    /// Bytes of header and manifest.
    size: u64,
}

fn read_head(file: &mut File, path: &Path, length: u64) -> Result<Beginning, EngineError> {
    let because = |source| EngineError::Backup {
        path: path.to_owned(),
        source,
    };
    let mut block = Vec::new();
    let read = file.take(BLOCK).read_to_end(&mut block);
    read.map_err(|source| unreadable(path, source))?;
    let is_ours = block.starts_with(b"manifest.json\0") || block.len() > 262 && block[257..262] == *b"ustar";
    let (Some(size), Some(time)) = (number(&block, 124, 12), number(&block, 136, 12)) else {
        return Err(because(if is_ours {
            BackupError::Altered("its first header cannot be read".into())
        } else {
            BackupError::Foreign
        }));
    };
    if block.get(..BLOCK as usize) != Some(&header(MANIFEST, size, time)[..]) || size > LARGEST_MANIFEST {
        return Err(because(BackupError::Foreign));
    }
    if length < BLOCK + size {
        return Err(because(BackupError::Truncated {
            found: length,
            expected: BLOCK + size + TRAILER,
        }));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(|source| unreadable(path, source))?;
    let head: Head = serde_json::from_slice(&text)
        .map_err(|error| because(BackupError::Altered(format!("its manifest cannot be read: {error}"))))?;
    if head.format != super::manifest::FORMAT {
        return Err(because(BackupError::Foreign));
    }
    Ok(Beginning {
        head,
        text,
        time,
        size: BLOCK + filled(size),
    })
}

/// Whether this program can read what the archive holds.
fn known(path: &Path, beginning: &Beginning) -> Result<(), EngineError> {
    let head = &beginning.head;
    let latest = chantal_catalog::Catalog::latest_schema();
    let source = if head.format_version > super::manifest::VERSION {
        BackupError::Format {
            found: head.format_version,
            known: super::manifest::VERSION,
        }
    } else if head.schema_version > latest {
        BackupError::Schema {
            found: head.schema_version,
            known: latest,
        }
    } else {
        return Ok(());
    };
    Err(EngineError::Backup {
        path: path.to_owned(),
        source,
    })
}

/// Whether the file ends with the sum of what is before.
fn sum_fits(file: &mut File, path: &Path, length: u64, time: u64) -> Result<bool, EngineError> {
    let mut fits = || {
        file.seek(SeekFrom::Start(0))?;
        let mut digester = Digester::new(std::iter::empty());
        each_chunk(&mut file.take(length - TRAILER), &mut |chunk| digester.update(chunk))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end == trailer(&digester.finish().0, time))
    };
    fits().map_err(|source| unreadable(path, source))
}

/// Where the bytes of each member begin; each must have the header, size and digest that the manifest says.
fn members(file: &mut File, path: &Path, manifest: &Manifest, beginning: &Beginning) -> Result<Vec<u64>, EngineError> {
    let mut at = beginning.size;
    let mut starts = Vec::new();
    for (name, size, sum) in manifest.members() {
        let mut read = || {
            let mut block = [0; BLOCK as usize];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut block)?;
            let mut digester = Digester::new(std::iter::empty());
            each_chunk(&mut file.take(size), &mut |chunk| digester.update(chunk))?;
            Ok::<_, io::Error>(block == header(name, size, beginning.time) && digester.finish().0.hex() == *sum)
        };
        match read() {
            Ok(true) => {}
            Ok(false) => return Err(altered(path, format!("{name} is not what the manifest says"))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(altered(path, format!("{name} is not there")));
            }
            Err(source) => return Err(unreadable(path, source)),
        }
        starts.push(at + BLOCK);
        at = at.saturating_add(BLOCK).saturating_add(filled(size));
    }
    Ok(starts)
}

fn each_chunk(from: &mut impl Read, see: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => see(&buffer[..read]),
        }
    }
}

/// A size filled up to whole blocks.
fn filled(size: u64) -> u64 {
    size.saturating_add(BLOCK - 1) / BLOCK * BLOCK
}

/// The header of a member: POSIX ustar, a plain file for its owner only.
fn header(name: &str, size: u64, time: u64) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    let name = &name.as_bytes()[..name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000600\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    if size <= LARGEST_OCTAL {
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..147].copy_from_slice(format!("{:011o}", time.min(LARGEST_OCTAL)).as_bytes());
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A number of a header.
fn number(block: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = block.get(at..at + length)?;
    if field[0] == 0x80 {
        return Some(u64::from_be_bytes(field[length - 8..].try_into().ok()?));
    }
    let digits = std::str::from_utf8(field).ok()?.trim_end_matches(['\0', ' ']);
    u64::from_str_radix(digits, 8).ok()
}

/// The end of an archive.
fn trailer(sum: &Sha256, time: u64) -> Vec<u8> {
    let text = format!("{sum}\n");
    let mut end = header(SUM, text.len() as u64, time).to_vec();
    end.extend_from_slice(text.as_bytes());
    end.resize(TRAILER as usize, 0);
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small archive: no tables, one file.
    fn small() -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut manifest = super::super::manifest::tests::small();
        let handle = file.as_file().try_clone().unwrap();
        let mut writer = Writer::new(handle, file.path(), 1_700_000_000, manifest.room()).unwrap();
        writer.begin().unwrap();
        writer.write_all(b"include: x\n").unwrap();
        let entry = &mut manifest.configuration[0];
        let (bytes, sum) = writer.end(&entry.file).unwrap();
        (entry.bytes, entry.sha256) = (bytes, sum.hex());
        manifest.bytes = writer.whole();
        writer.finish(&manifest).unwrap();
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn no_byte_can_be_changed_or_cut_off_unnoticed() {
        let whole = small();
        let file = tempfile::NamedTempFile::new().unwrap();
        let opens = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            Archive::open(file.path()).is_ok()
        };
        assert!(opens(&whole));
        for place in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            assert!(!opens(&bytes), "byte {place} of {}", whole.len());
            assert!(!opens(&whole[..place]), "cut at {place} of {}", whole.len());
        }
    }

    #[test]
    fn headers_are_read_as_they_were_written_whatever_the_size() {
        for size in [0, 1, 511, LARGEST_OCTAL, LARGEST_OCTAL + 1, u64::MAX / 4] {
            let block = header("tables/01-x.jsonl.zst", size, 1_700_000_000);
            assert_eq!(number(&block, 124, 12), Some(size));
            assert_eq!(number(&block, 136, 12), Some(1_700_000_000));
        }
    }
}
