//! The payload: a compressed cpio archive in "new ASCII" form.

use std::io::Write;

use super::header::pad;
use super::{FileKind, PackedFile, Payload, Rpm};

const REGULAR: u16 = 0o100_000;
const DIRECTORY: u16 = 0o040_000;

/// File type and permission bits.
pub(super) fn mode(file: &PackedFile) -> u16 {
    file.mode
        | if file.kind == FileKind::Directory {
            DIRECTORY
        } else {
            REGULAR
        }
}

/// The bytes of a file; none for what is no regular file.
pub(super) fn content(file: &PackedFile) -> &[u8] {
    match &file.kind {
        FileKind::Regular(content) => content,
        FileKind::Directory | FileKind::Ghost => &[],
    }
}

/// The archive, not compressed.
pub(super) fn archive(rpm: &Rpm) -> Vec<u8> {
    let mut bytes = Vec::new();
    let prefix = if rpm.is_source() { "" } else { "." };
    for (index, file) in rpm.sorted_files().into_iter().enumerate() {
        if file.kind != FileKind::Ghost {
            let name = format!("{prefix}{}", file.path);
            entry(
                &mut bytes,
                &name,
                index as u32 + 1,
                mode(file),
                rpm.build_time,
                content(file),
            );
        }
    }
    entry(&mut bytes, "TRAILER!!!", 0, 0, 0, &[]);
    bytes
}

fn entry(bytes: &mut Vec<u8>, name: &str, inode: u32, mode: u16, time: u32, content: &[u8]) {
    let name_len = name.len() as u32 + 1;
    let fields = [
        inode,
        u32::from(mode),
        0,
        0,
        1,
        time,
        content.len() as u32,
        0,
        0,
        0,
        0,
        name_len,
        0,
    ];
    bytes.extend(b"070701");
    for field in fields {
        bytes.extend(format!("{field:08x}").as_bytes());
    }
    bytes.extend(name.as_bytes());
    bytes.push(0);
    pad(bytes, 4);
    bytes.extend(content);
    pad(bytes, 4);
}

/// Compresses the archive.
pub(super) fn compress(archive: &[u8], payload: Payload) -> Vec<u8> {
    match payload {
        Payload::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(archive).expect("memory takes every write");
            encoder.finish().expect("memory takes every write")
        }
        Payload::Zstd => zstd::encode_all(archive, 3).expect("memory takes every write"),
    }
}
