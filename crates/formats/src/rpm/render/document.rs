//! One generated metadata file on its way into the tree.

use std::io::{self, BufWriter, Write};

use chantal_model::{Algorithm, Digest, Digester, Sha256};

use super::super::pathname::ENTRY_DIR;
use crate::compress::{Effort, Encoder, encode};
use crate::error::FormatError;
use crate::render::{Leaf, RenderSettings, Tree};

const BUFFER_BYTES: usize = 64 << 10;
/// Files that clients fetch only for a question that primary does not answer.
const LARGE: [&str; 2] = ["filelists", "other"];

/// What the entry point says about a generated file.
#[derive(Debug)]
pub(in crate::rpm) struct Entry {
    pub(super) kind: &'static str,
    pub(super) path: String,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
    /// Digest and size of the open bytes, for a file that is compressed.
    pub(super) open: Option<(Digest, u64)>,
}

/// A file that is written, compressed and digested in one pass.
pub(in crate::rpm) struct Document<'a> {
    kind: &'static str,
    name: &'static str,
    settings: &'a RenderSettings,
    out: BufWriter<Open<'a>>,
}

impl<'a> Document<'a> {
    /// Opens a file; `kind` is its type in the entry point, `name` its name without digest and compression.
    ///
    /// # Errors
    /// The tree's.
    pub(in crate::rpm) fn create(
        kind: &'static str,
        name: &'static str,
        settings: &'a RenderSettings,
        tree: &'a dyn Tree,
    ) -> Result<Self, FormatError> {
        let leaf = tree.create(&[settings.checksum])?;
        let effort = if LARGE.contains(&kind) {
            Effort::Quick
        } else {
            Effort::Usual
        };
        let encoder = encode(settings.compression, effort, leaf).map_err(|source| io_error(name, source))?;
        let open = Open {
            encoder,
            digester: Digester::new([settings.checksum]),
        };
        Ok(Self {
            kind,
            name,
            settings,
            out: BufWriter::with_capacity(BUFFER_BYTES, open),
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`FormatError::Io`] with the tree's error.
    pub(in crate::rpm) fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        self.out.write_all(bytes).map_err(|source| io_error(self.name, source))
    }

    /// Ends the file and gives it a name that begins with its digest.
    ///
    /// # Errors
    /// [`FormatError::Io`] with the tree's error; then the file has no name.
    pub(in crate::rpm) fn finish(self) -> Result<Entry, FormatError> {
        let Self {
            kind,
            name,
            settings,
            out,
        } = self;
        let wrong = |source| io_error(name, source);
        let Open { encoder, digester } = out.into_inner().map_err(|error| wrong(error.into_error()))?;
        let open_bytes = digester.len_bytes();
        let (sha256, others) = digester.finish();
        let open = digest(name, settings.checksum, sha256, others)?;
        let leaf = encoder.finish().map_err(wrong)?;
        let (size_bytes, sha256, others) = leaf.digests();
        let digest = digest(name, settings.checksum, sha256, others)?;
        let suffix = settings.compression.suffix();
        let path = format!("{ENTRY_DIR}/{}-{name}{suffix}", digest.hex());
        leaf.place(&path)?;
        Ok(Entry {
            kind,
            path,
            digest,
            size_bytes,
            open: (!suffix.is_empty()).then_some((open, open_bytes)),
        })
    }
}

/// A file that comes into being with its first record, so that one without any is not written.
pub(in crate::rpm) struct Lazy<'a> {
    kind: &'static str,
    name: &'static str,
    head: &'static str,
    settings: &'a RenderSettings,
    tree: &'a dyn Tree,
    document: Option<Document<'a>>,
}

impl<'a> Lazy<'a> {
    /// Prepares a file that will begin with `head`; the rest is as for [`Document::create`].
    pub(in crate::rpm) fn new(
        (kind, name): (&'static str, &'static str),
        head: &'static str,
        settings: &'a RenderSettings,
        tree: &'a dyn Tree,
    ) -> Self {
        Self {
            kind,
            name,
            head,
            settings,
            tree,
            document: None,
        }
    }

    /// Appends a record.
    ///
    /// # Errors
    /// As [`Document::create`] and [`Document::write`].
    pub(in crate::rpm) fn write(&mut self, before: &str, record: &[u8], after: &str) -> Result<(), FormatError> {
        if self.document.is_none() {
            let mut document = Document::create(self.kind, self.name, self.settings, self.tree)?;
            document.write(self.head.as_bytes())?;
            self.document = Some(document);
        }
        if let Some(document) = &mut self.document {
            document.write(before.as_bytes())?;
            document.write(record)?;
            document.write(after.as_bytes())?;
        }
        Ok(())
    }

    /// Ends the file with `tail`, if there is one.
    ///
    /// # Errors
    /// As [`Document::finish`].
    pub(in crate::rpm) fn finish(self, tail: &str) -> Result<Option<Entry>, FormatError> {
        let Some(mut document) = self.document else {
            return Ok(None);
        };
        document.write(tail.as_bytes())?;
        document.finish().map(Some)
    }
}

fn io_error(name: &str, source: io::Error) -> FormatError {
    FormatError::Io {
        file: name.to_owned(),
        source,
    }
}

fn digest(name: &str, algorithm: Algorithm, sha256: Sha256, others: Vec<Digest>) -> Result<Digest, FormatError> {
    std::iter::once(Digest::from(sha256))
        .chain(others)
        .find(|digest| digest.algorithm() == algorithm)
        .ok_or_else(|| FormatError::Refused {
            file: name.to_owned(),
            reason: format!("its {algorithm} was not computed"),
        })
}

/// Digests what goes into the encoder.
struct Open<'a> {
    encoder: Encoder<Box<dyn Leaf + 'a>>,
    digester: Digester,
}

impl Write for Open<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.encoder.write(bytes)?;
        self.digester.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}
