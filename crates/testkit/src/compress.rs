//! Compression of metadata, with equal output for equal input.

use std::io::{Read, Write};

use chantal_model::Compression;

/// Compresses bytes in memory.
pub fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let written = match compression {
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Compression::Zstd => zstd::encode_all(bytes, 3),
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
    };
    written.expect("memory takes every write")
}

/// Decompresses by magic; bytes without a known magic come back as they are.
///
/// # Panics
///
/// If the bytes are damaged.
pub fn decompress(bytes: &[u8]) -> Vec<u8> {
    let mut open = Vec::new();
    let read = match Compression::sniff(bytes) {
        Compression::None => return bytes.to_vec(),
        Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut open),
        Compression::Zstd => return zstd::decode_all(bytes).expect("undamaged zstd"),
        Compression::Xz => liblzma::read::XzDecoder::new_multi_decoder(bytes).read_to_end(&mut open),
        Compression::Bzip2 => bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut open),
    };
    read.expect("undamaged compressed bytes");
    open
}
