//! Compressed metadata: bombs, wrong windows, damaged streams, names that lie about the method.

use std::io::Write as _;

use chantal_model::{Compression, Sha256};

use super::{Draw, Feed, Row, Variant};
use crate::compress::{compress, decompress};

/// Every row of this module.
pub const ROWS: &[Row] = &[C01, C02, C03, C04, C07, DAMAGED];

/// gzip that opens to more than promised, or to more than may be.
pub const C01: Row = Row {
    id: "C01",
    make: |draw| bomb(draw, Compression::Gzip),
};

/// xz that opens to more, or wants a dictionary of 4 GiB.
pub const C02: Row = Row {
    id: "C02",
    make: |draw| match draw.turn() % 4 {
        0 => xz_dictionary(draw),
        _ => bomb(draw, Compression::Xz),
    },
};

/// zstd that opens to more, or wants a window of many gigabytes.
pub const C03: Row = Row {
    id: "C03",
    make: |draw| match draw.turn() % 4 {
        0 => zstd_window(draw),
        _ => bomb(draw, Compression::Zstd),
    },
};

/// bzip2 that opens to more.
pub const C04: Row = Row {
    id: "C04",
    make: |draw| bomb(draw, Compression::Bzip2),
};

/// A method that is not the one of the name.
pub const C07: Row = Row {
    id: "C07",
    make: other_method,
};

/// Streams that are cut, altered or followed by something else.
pub const DAMAGED: Row = Row {
    id: "C-damaged",
    make: damaged,
};

const KINDS: [&str; 5] = ["primary", "filelists", "other", "updateinfo", "modules"];

/// So many line feeds, compressed: every document may end with them. Each mebibyte is a member of its own.
fn blanks(mebibytes: usize, compression: Compression) -> Vec<u8> {
    let open = vec![b'\n'; 1 << 20];
    if compression == Compression::Gzip {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let written = encoder.write_all(&open).and_then(|()| encoder.finish());
        return written.expect("memory takes every write").repeat(mebibytes);
    }
    compress(&open, compression).repeat(mebibytes)
}

fn bomb(draw: &mut Draw, compression: Compression) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let mebibytes = match (draw.turn(), compression) {
        (0, Compression::Gzip | Compression::Zstd) => 1024,
        _ => draw.between(12, 32),
    };
    // A good document that goes on, in a member of its own.
    let mut stored = compress(feed.text(kind).as_bytes(), compression);
    stored.extend(blanks(mebibytes, compression));
    let document = feed.document(kind);
    let promised = draw.coin();
    if !promised {
        document.promise_nothing();
    }
    document.store(stored);
    let size = if promised {
        "more than promised"
    } else {
        "nothing promised"
    };
    let what = format!(
        "{kind}: {mebibytes} MiB of line feeds in {}, {size}",
        compression.name()
    );
    Variant::refused(what, feed.site(), &[6], "exceeds")
}

/// An xz stream whose block header asks for the largest dictionary that can be said.
fn xz_dictionary(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let mut stored = compress(feed.text(kind).as_bytes(), Compression::Xz);
    // Stream header 12 bytes; then size, flags, filter id, size of its properties, dictionary.
    let size = (usize::from(stored[12]) + 1) * 4;
    stored[16] = u8::try_from(draw.between(37, 40)).expect("small");
    let end = 12 + size - 4;
    let mut crc = flate2::Crc::new();
    crc.update(&stored[12..end]);
    stored[end..end + 4].copy_from_slice(&crc.sum().to_le_bytes());
    feed.document(kind).store(stored);
    let what = format!("{kind} in xz with a dictionary of gigabytes");
    Variant::refused(what, feed.site(), &[6], "exceeds")
}

/// A zstd frame whose window is larger than any machine's memory.
fn zstd_window(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let text = feed.text(kind);
    let log = draw.between(28, 41);
    let mut stored = vec![0x28, 0xb5, 0x2f, 0xfd, 0, u8::try_from((log - 10) << 3).expect("small")];
    let block = u32::try_from(text.len()).expect("small") << 3 | 1;
    stored.extend(&block.to_le_bytes()[..3]);
    stored.extend(text.as_bytes());
    feed.document(kind).store(stored);
    let what = format!("{kind} in zstd with a window of 2^{log} bytes");
    Variant::refused(what, feed.site(), &[6], "exceeds")
}

fn other_method(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let methods = [
        Compression::Xz,
        Compression::Zstd,
        Compression::Bzip2,
        Compression::None,
    ];
    let method = *draw.each(&methods);
    let open = feed.text(kind);
    feed.document(kind).store(compress(open.as_bytes(), method));
    Variant::taken(format!("{kind}: {} under the name of gzip", method.name()), feed.site()).in_any_mode(draw)
}

fn damaged(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let methods = [
        Compression::Gzip,
        Compression::Xz,
        Compression::Zstd,
        Compression::Bzip2,
    ];
    let method = *draw.each(&methods);
    let open = feed.text(kind);
    let mut stored = compress(open.as_bytes(), method);
    let length = stored.len();
    let what = match draw.below(4) {
        0 => {
            stored.truncate(draw.between(7, length - 1));
            "cut"
        }
        1 => {
            let at = draw.between(length / 4, length - 1);
            stored[at] ^= 1 << draw.below(8);
            "altered"
        }
        2 => {
            let tail = draw.bytes(40);
            stored.extend(tail);
            "followed by noise"
        }
        _ => {
            let at = length / 2;
            stored.splice(at..at, draw.bytes(16));
            "with noise in the middle"
        }
    };
    let document = feed.document(kind);
    document.store(stored.clone());
    let what = format!("{kind} in {}, {what}", method.name());
    let harmless = std::panic::catch_unwind(|| decompress(&stored))
        .is_ok_and(|found| Sha256::of(&found) == Sha256::of(open.as_bytes()));
    if harmless {
        return Variant::taken(what, feed.site());
    }
    Variant::refused(what, feed.site(), &[4, 5], "damaged|expected|after|end")
}
