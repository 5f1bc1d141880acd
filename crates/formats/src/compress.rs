//! Compression of metadata, bounded.
//!
//! [`decode`] goes by the first bytes, never by a name. It reads several members, frames and streams in a row, stops at
//! [`OpenLimits`] and compares the open bytes with what was promised about them, in the same pass. [`encode`] gives
//! equal bytes for equal input.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chantal_model::{Compression, Digest, Digester};

use crate::error::FormatError;

const BUFFER_BYTES: usize = 128 << 10;
/// The largest zstd window, as a power of two; what `zstd -d` accepts without `--long`.
const ZSTD_WINDOW_LOG: u32 = 27;
const XZ_MEMORY_BYTES: u64 = 128 << 20;
const XZ_LEVEL: u32 = 3;
const BZIP2_LEVEL: u32 = 9;
const GZIP_LEVEL: u32 = 3;
/// Takes two thirds of the time of the other level, and a tenth more bytes.
const GZIP_QUICK_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 3;

/// How much may come out of a compressed file, and what it must be.
#[derive(Clone, Debug)]
pub struct OpenLimits {
    /// Exact number of decompressed bytes, where it is promised.
    pub size: Option<u64>,
    /// Digest of the decompressed bytes, where it is promised.
    pub digest: Option<Digest>,
    /// The most decompressed bytes, whatever is promised.
    pub max_bytes: u64,
    /// The most decompressed bytes per compressed byte, once [`OpenLimits::RATIO_FREE_BYTES`] have come; it does not
    /// apply where a size is promised.
    pub max_ratio: u64,
}

impl OpenLimits {
    /// So many decompressed bytes may come before the ratio counts.
    pub const RATIO_FREE_BYTES: u64 = 10 << 20;

    /// Limits for a file about which nothing is promised: 1 GiB, and 200:1 after 10 MiB.
    pub fn unpromised() -> Self {
        Self {
            size: None,
            digest: None,
            max_bytes: 1 << 30,
            max_ratio: 200,
        }
    }

    /// Limits for a file whose decompressed size or digest is promised: 16 GiB at most.
    pub fn promised(size: Option<u64>, digest: Option<Digest>) -> Self {
        let unpromised = Self::unpromised();
        Self {
            max_bytes: if size.is_some() { 16 << 30 } else { unpromised.max_bytes },
            size,
            digest,
            ..unpromised
        }
    }
}

/// What [`Decoder`] finds wrong; it travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{what} exceeds {limit}")]
    Limit { what: &'static str, limit: String },
    #[error("{0}")]
    Refused(String),
    #[error("read failed")]
    Input(#[source] io::Error),
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::other(fault)
    }
}

/// Turns an error that came out of a [`Decoder`] into this crate's.
///
/// Limits and broken promises keep their meaning; an error of the verified bytes below is [`FormatError::Io`]; anything
/// else is compressed data that is damaged.
pub(crate) fn read_error(file: &str, error: io::Error) -> FormatError {
    let file = file.to_owned();
    match error.downcast::<Fault>() {
        Ok(Fault::Limit { what, limit }) => FormatError::Limit {
            file,
            what: what.to_owned(),
            limit,
        },
        Ok(Fault::Refused(reason)) => FormatError::Refused { file, reason },
        Ok(Fault::Input(source)) => FormatError::Io { file, source },
        Err(error) => FormatError::malformed(file, format!("damaged compressed data: {error}")),
    }
}

/// As [`read_error`], for an error that is shared.
pub(crate) fn shared_read_error(file: &str, error: &io::Error) -> FormatError {
    let file_name = file.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
        Some(Fault::Limit { what, limit }) => FormatError::Limit {
            file: file_name,
            what: (*what).to_owned(),
            limit: limit.clone(),
        },
        Some(Fault::Refused(reason)) => FormatError::Refused {
            file: file_name,
            reason: reason.clone(),
        },
        Some(Fault::Input(source)) => FormatError::Io {
            file: file_name,
            source: io::Error::new(source.kind(), source.to_string()),
        },
        None => FormatError::malformed(file, format!("damaged compressed data: {error}")),
    }
}

/// An error that a reader above a [`Decoder`] raises when its own limit is reached.
pub(crate) fn limit_error(what: &'static str, limit: String) -> io::Error {
    Fault::Limit { what, limit }.into()
}

/// The compressed bytes; counts them, and marks its errors so that they are not taken for damaged data.
struct Input<'a> {
    inner: Box<dyn BufRead + Send + 'a>,
    taken: Arc<AtomicU64>,
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf().map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => Fault::Input(error).into(),
        })
    }

    fn consume(&mut self, count: usize) {
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        self.inner.consume(count);
    }
}

/// Decompressed bytes, checked while they are read.
///
/// A promise is compared when the end is reached, so only who reads to the end has verified bytes.
pub struct Decoder<'a> {
    inner: Box<dyn Read + Send + 'a>,
    taken: Arc<AtomicU64>,
    buffer: Box<[u8]>,
    position: usize,
    filled: usize,
    total: u64,
    digester: Option<Digester>,
    limits: OpenLimits,
    compression: Compression,
    finished: bool,
}

impl Decoder<'_> {
    /// What the first bytes say.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    fn check_limits(&self) -> io::Result<()> {
        let what = "decompressed size";
        if let Some(size) = self.limits.size
            && self.total > size
        {
            return Err(limit_error(what, format!("the declared open-size of {size} bytes")));
        }
        if self.total > self.limits.max_bytes {
            return Err(limit_error(what, format!("{} bytes", self.limits.max_bytes)));
        }
        let taken = self.taken.load(Ordering::Relaxed).max(1);
        if self.limits.size.is_none()
            && self.total > OpenLimits::RATIO_FREE_BYTES
            && self.total / taken > self.limits.max_ratio
        {
            return Err(limit_error(
                what,
                format!("{} times the compressed size (`limits.ratio`)", self.limits.max_ratio),
            ));
        }
        Ok(())
    }

    fn check_promise(&mut self) -> io::Result<()> {
        let refuse = |reason| Err(Fault::Refused(reason).into());
        if let Some(size) = self.limits.size
            && size != self.total
        {
            return refuse(format!("expected {size} bytes decompressed, got {}", self.total));
        }
        let (Some(expected), Some(digester)) = (&self.limits.digest, self.digester.take()) else {
            return Ok(());
        };
        let (sha256, others) = digester.finish();
        let mut actual = std::iter::once(Digest::from(sha256)).chain(others);
        match actual.find(|digest| digest.algorithm() == expected.algorithm()) {
            Some(actual) if actual == *expected => Ok(()),
            Some(actual) => refuse(format!("expected {expected} decompressed, got {actual}")),
            None => refuse(format!("expected {expected} decompressed, which was not computed")),
        }
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Decoder<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.filled && !self.finished {
            self.position = 0;
            self.filled = 0;
            let count = loop {
                match self.inner.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            self.total += count as u64;
            if count == 0 {
                self.check_promise()?;
                self.finished = true;
            } else {
                self.check_limits()?;
                if let Some(digester) = &mut self.digester {
                    digester.update(&self.buffer[..count]);
                }
                self.filled = count;
            }
        }
        Ok(&self.buffer[self.position..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.filled);
    }
}

/// Opens a file of any known compression, or none.
///
/// # Errors
/// The first bytes could not be read, or a decoder could not be set up.
pub fn decode<'a>(mut input: Box<dyn BufRead + Send + 'a>, limits: OpenLimits) -> io::Result<Decoder<'a>> {
    let head = loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result.map_err(Fault::Input)?,
        }
    };
    let compression = Compression::sniff(head);
    start(compression, input, limits)
}

/// Opens a file that is not compressed, whatever its first bytes say.
///
/// # Errors
/// None today; a [`Decoder`] is set up as [`decode`] does.
pub(crate) fn plain<'a>(input: Box<dyn BufRead + Send + 'a>, limits: OpenLimits) -> io::Result<Decoder<'a>> {
    start(Compression::None, input, limits)
}

fn start<'a>(
    compression: Compression,
    input: Box<dyn BufRead + Send + 'a>,
    limits: OpenLimits,
) -> io::Result<Decoder<'a>> {
    let taken = Arc::default();
    let input = Input {
        inner: input,
        taken: Arc::clone(&taken),
    };
    Ok(Decoder {
        inner: open(compression, input)?,
        taken,
        buffer: vec![0; BUFFER_BYTES].into(),
        position: 0,
        filled: 0,
        total: 0,
        digester: limits.digest.as_ref().map(|digest| Digester::new([digest.algorithm()])),
        limits,
        compression,
        finished: false,
    })
}

fn open<'a>(compression: Compression, input: Input<'a>) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(WindowLimit(decoder))
        }
        Compression::Xz => {
            use liblzma::stream::{CONCATENATED, Stream};
            let stream = Stream::new_stream_decoder(XZ_MEMORY_BYTES, CONCATENATED)?;
            Box::new(MemoryLimit(liblzma::bufread::XzDecoder::new_stream(input, stream)))
        }
    })
}

/// Tells a window that is too large from damaged data.
struct WindowLimit<R>(R);

impl<R: Read> Read for WindowLimit<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            if error.to_string().contains("requires too much memory") {
                limit_error("zstd window", format!("{} MiB", 1_u32 << (ZSTD_WINDOW_LOG - 20)))
            } else {
                error
            }
        })
    }
}

/// Tells a dictionary that is too large from damaged data.
struct MemoryLimit<R>(R);

impl<R: Read> Read for MemoryLimit<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref());
            if matches!(cause, Some(liblzma::stream::Error::MemLimit)) {
                limit_error("xz dictionary", format!("{} MiB of memory", XZ_MEMORY_BYTES >> 20))
            } else {
                error
            }
        })
    }
}

/// Compresses what is written to it.
pub struct Encoder<W: Write>(Kind<W>);

enum Kind<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
    Xz(liblzma::write::XzEncoder<W>),
    Bzip2(bzip2::write::BzEncoder<W>),
}

/// How much time a compressed file is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// That of a file that every client fetches.
    Usual,
    /// That of a large file that few clients ask for.
    Quick,
}

/// Starts compressing into `out`, at the level that fits metadata (gzip 3, quick 2; zstd 3, xz 3, bzip2 9).
///
/// Equal input gives equal bytes: no time, no name, one thread.
///
/// # Errors
/// An encoder could not be set up.
pub fn encode<W: Write>(compression: Compression, effort: Effort, out: W) -> io::Result<Encoder<W>> {
    let gzip_level = match effort {
        Effort::Usual => GZIP_LEVEL,
        Effort::Quick => GZIP_QUICK_LEVEL,
    };
    Ok(Encoder(match compression {
        Compression::None => Kind::None(out),
        Compression::Gzip => Kind::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::new(gzip_level))),
        Compression::Zstd => Kind::Zstd(zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?),
        Compression::Xz => Kind::Xz(liblzma::write::XzEncoder::new(out, XZ_LEVEL)),
        Compression::Bzip2 => Kind::Bzip2(bzip2::write::BzEncoder::new(out, bzip2::Compression::new(BZIP2_LEVEL))),
    }))
}

impl<W: Write> Encoder<W> {
    /// Writes what is still held back and gives the sink back.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::None(mut out) => out.flush().map(|()| out),
            Kind::Gzip(encoder) => encoder.finish(),
            Kind::Zstd(encoder) => encoder.finish(),
            Kind::Xz(encoder) => encoder.finish(),
            Kind::Bzip2(encoder) => encoder.finish(),
        }
    }

    fn sink(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Kind::None(out) => out,
            Kind::Gzip(encoder) => encoder,
            Kind::Zstd(encoder) => encoder,
            Kind::Xz(encoder) => encoder,
            Kind::Bzip2(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink().flush()
    }
}

#[cfg(test)]
mod tests;
