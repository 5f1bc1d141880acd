//! Repositories that are written to a directory package by package, so that their size does not matter.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chantal_model::{Algorithm, Compression};
use sha2::{Digest as _, Sha256};

use super::repomd::{Names, Record, Repomd};
use super::xml::{self, Described};
use crate::rpm::{Rpm, RpmFile};

/// What the three parts say about one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragments {
    parts: [String; 3],
}

impl Fragments {
    /// Describes `rpm` as if `file` were its package, which a smaller one may be: nobody reads it.
    pub fn describe(rpm: &Rpm, file: &RpmFile) -> Self {
        let described = Described {
            rpm,
            digest: chantal_model::Sha256::of(&file.bytes).hex(),
            algorithm: Algorithm::Sha256,
            href: href(rpm),
            base: None,
            size: file.bytes.len() as u64,
            installed: file.installed_bytes,
            archive: file.archive_bytes,
            header: (file.header_start, file.header_end),
            vendor_format: "",
            vendor_package: "",
        };
        Self {
            parts: [
                xml::primary(&described),
                xml::filelists(&described),
                xml::other(&described),
            ],
        }
    }

    /// Bytes of all three.
    pub fn len(&self) -> usize {
        self.parts.iter().map(String::len).sum()
    }

    /// Whether nothing is said, which never happens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a package of a written repository is: `Packages/<first letter>/<file>`.
pub fn href(rpm: &Rpm) -> String {
    let letter = rpm.name.chars().next().unwrap_or('_').to_ascii_lowercase();
    format!("Packages/{letter}/{}", rpm.file_name())
}

/// A repository that is being written.
pub struct WrittenRepository {
    directory: PathBuf,
    compression: Compression,
    parts: Vec<Part>,
}

const KINDS: [(&str, &str, &str); 3] = [
    (
        "primary",
        "metadata",
        "xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"",
    ),
    (
        "filelists",
        "filelists",
        "xmlns=\"http://linux.duke.edu/metadata/filelists\"",
    ),
    ("other", "otherdata", "xmlns=\"http://linux.duke.edu/metadata/other\""),
];
const REVISION: u64 = 1_700_000_000;

impl WrittenRepository {
    /// Begins `repodata/` below `directory` for so many packages; gzip or zstd.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or takes no files.
    pub fn create(directory: &Path, packages: usize, compression: Compression) -> Result<Self> {
        let repodata = directory.join("repodata");
        fs::create_dir_all(&repodata).with_context(|| format!("make {}", repodata.display()))?;
        let parts = KINDS.iter().map(|(kind, root, namespaces)| {
            let path = repodata.join(format!("{kind}.xml.part"));
            let mut part = Part::create(path, compression)?;
            part.write(&format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} {namespaces} packages=\"{packages}\">\n"
            ))?;
            Ok(part)
        });
        Ok(Self {
            directory: directory.to_owned(),
            compression,
            parts: parts.collect::<Result<_>>()?,
        })
    }

    /// Adds a package to the metadata; its file is the caller's to write, at [`href`].
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn add(&mut self, fragments: &Fragments) -> Result<()> {
        for (part, text) in self.parts.iter_mut().zip(&fragments.parts) {
            part.write(text)?;
        }
        Ok(())
    }

    /// Ends the parts and writes repomd.xml, which says `revision` seconds after the usual one.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn finish(self, revision: u64) -> Result<()> {
        let mut repomd = Repomd {
            compression: self.compression,
            algorithm: Algorithm::Sha256,
            names: Names::Digest,
            revision: (REVISION + revision).to_string(),
            timestamp: REVISION + revision,
            root: String::new(),
            entries: String::new(),
        };
        let repodata = self.directory.join("repodata");
        for (mut part, (kind, root, _)) in self.parts.into_iter().zip(KINDS) {
            part.write(&format!("</{root}>"))?;
            let (path, record) = part.finish(kind)?;
            let name = format!("{}-{kind}.xml{}", record.hex, self.compression.suffix());
            fs::rename(&path, repodata.join(&name)).with_context(|| format!("rename {}", path.display()))?;
            repomd.entry(&record, &name);
        }
        let entry = repodata.join("repomd.xml");
        fs::write(&entry, repomd.text()).with_context(|| format!("write {}", entry.display()))
    }
}

/// Hashes and counts what passes.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    fn finish(self) -> (W, String, u64) {
        let digest: [u8; 32] = self.hash.finalize().into();
        (self.inner, chantal_model::Sha256(digest).hex(), self.bytes)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

type Sink = Hashed<BufWriter<File>>;

enum Encoder {
    Gzip(flate2::write::GzEncoder<Sink>),
    Zstd(zstd::Encoder<'static, Sink>),
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One metadata file that is being written.
struct Part {
    path: PathBuf,
    open: Hashed<Encoder>,
}

impl Part {
    fn create(path: PathBuf, compression: Compression) -> Result<Self> {
        let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
        let sink = Hashed::new(BufWriter::with_capacity(1 << 18, file));
        let encoder = match compression {
            Compression::Gzip => Encoder::Gzip(flate2::write::GzEncoder::new(sink, flate2::Compression::fast())),
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(sink, 3)?),
            other => anyhow::bail!("a written repository is gzip or zstd, not {other:?}"),
        };
        let open = Hashed::new(encoder);
        Ok(Self { path, open })
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.open
            .write_all(text.as_bytes())
            .with_context(|| format!("write {}", self.path.display()))
    }

    fn finish(self, kind: &str) -> Result<(PathBuf, Record)> {
        let (encoder, open_hex, open_bytes) = self.open.finish();
        let sink = match encoder {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        };
        let context = || format!("write {}", self.path.display());
        let (mut file, hex, bytes) = sink.with_context(context)?.finish();
        file.flush().with_context(context)?;
        let record = Record {
            kind: kind.to_owned(),
            hex,
            bytes,
            open: Some((open_hex, open_bytes)),
        };
        Ok((self.path, record))
    }
}
