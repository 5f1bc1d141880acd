//! Packages that are not what metadata say, and packages that are no packages.

use super::feed::nth_element;
use super::metadata::put;
use super::{Draw, Feed, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[F01, F02, F03, F04, F05, F13, I04, I05, GONE];

/// Leads that are none, and files that are too short.
pub const F01: Row = Row {
    id: "F01",
    make: |draw| {
        opaque(draw, |draw, bytes| match draw.turn() % 4 {
            0 => bytes[draw.below(4)] ^= 1 << draw.below(8),
            1 => bytes.truncate(0),
            2 => bytes.truncate(95),
            _ => bytes.truncate(draw.between(1, 300)),
        })
    },
};

/// A header that promises entries without end.
pub const F02: Row = Row {
    id: "F02",
    make: |draw| opaque(draw, |draw, bytes| number(draw, bytes, 8)),
};

/// A header that promises data without end.
pub const F03: Row = Row {
    id: "F03",
    make: |draw| opaque(draw, |draw, bytes| number(draw, bytes, 12)),
};

/// Entries whose offset or count lies beyond the data.
pub const F04: Row = Row {
    id: "F04",
    make: |draw| {
        opaque(draw, |draw, bytes| {
            let field = 8 + 4 * draw.below(2);
            entry(draw, bytes, field);
        })
    },
};

/// Entries of another type.
pub const F05: Row = Row {
    id: "F05",
    make: |draw| opaque(draw, |draw, bytes| entry(draw, bytes, 4)),
};

/// Payloads that are no archives.
pub const F13: Row = Row {
    id: "F13",
    make: |draw| {
        opaque(draw, |draw, bytes| {
            let start = bytes.len() / 2;
            for byte in &mut bytes[start..] {
                *byte = draw.byte();
            }
        })
    },
};

/// Sizes beside the truth, with the right checksum.
pub const I04: Row = Row {
    id: "I04",
    make: wrong_sizes,
};

/// Packages with a flipped bit.
pub const I05: Row = Row {
    id: "I05",
    make: flipped,
};

/// Packages that upstream does not hand out.
pub const GONE: Row = Row {
    id: "I-gone",
    make: gone,
};

const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];

/// Where the signature header or the main header of a package begins.
fn header(draw: &mut Draw, bytes: &[u8]) -> usize {
    let places: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == HEADER_MAGIC)
        .map(|(at, _)| at)
        .take(2)
        .collect();
    *draw.pick(&places)
}

const EVIL: [u32; 6] = [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0x1000_0000, 0, 0x00ff_ffff];

fn number(draw: &mut Draw, bytes: &mut [u8], field: usize) {
    let at = header(draw, bytes) + field;
    let value = *draw.each(&EVIL);
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn entry(draw: &mut Draw, bytes: &mut [u8], field: usize) {
    let at = header(draw, bytes) + 16 + 16 * draw.below(4) + field;
    let value = *draw.each(&EVIL);
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Changes what primary says about the newcomer.
fn describe(feed: &mut Feed, change: impl Fn(&str) -> String) {
    feed.edit("primary", |text| {
        let before = text[..text.find("<name>newcomer<").expect("it is there")]
            .matches("<package ")
            .count();
        let range = nth_element(&text, "package", before - 1);
        format!(
            "{}{}{}",
            &text[..range.start],
            change(&text[range.clone()]),
            &text[range.end..]
        )
    });
}

/// A package with a damaged inside, of which metadata tell the truth: what nobody reads is mirrored as it is.
fn opaque(draw: &mut Draw, damage: impl Fn(&mut Draw, &mut Vec<u8>)) -> Variant {
    let mut feed = Feed::next();
    let path = feed.newcomer();
    let mut bytes = feed.tree.bytes(&path).to_vec();
    damage(draw, &mut bytes);
    let what = format!("{path} with {} bytes, damaged inside", bytes.len());
    feed.replace_package(&path, bytes);
    Variant::taken(what, feed.site()).in_any_mode(draw)
}

fn wrong_sizes(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let path = feed.newcomer();
    let real = feed.tree.bytes(&path).len();
    let by = if draw.coin() { 1 } else { draw.between(1, real - 1) };
    let size = if draw.coin() { real + by } else { real - by };
    let (was, is) = (format!("package=\"{real}\""), format!("package=\"{size}\""));
    describe(&mut feed, |record| record.replace(&was, &is));
    in_both_modes(
        draw,
        format!("{path} has {real} bytes, not {size}"),
        feed.site(),
        &[3, 4, 6],
    )
}

fn flipped(draw: &mut Draw) -> Variant {
    let feed = Feed::next();
    let path = feed.newcomer();
    let mut bytes = feed.tree.bytes(&path).to_vec();
    let (at, bit) = (draw.below(bytes.len()), draw.below(8));
    bytes[at] ^= 1 << bit;
    let mut site = feed.site();
    put(&mut site, &path, bytes);
    in_both_modes(draw, format!("bit {bit} of byte {at} of {path} is flipped"), site, &[4])
}

fn gone(draw: &mut Draw) -> Variant {
    use crate::upstream::Fault;
    let feed = Feed::next();
    let path = feed.newcomer();
    let mut site = feed.site();
    let status = *draw.each(&[404, 410, 403, 401, 500, 502, 503, 418, 204, 304]);
    site.set_fault(&format!("/{path}"), Fault::Status(status, Vec::new()), 99);
    let codes: &'static [i32] = if matches!(status, 204 | 304) { &[3, 4, 5] } else { &[3] };
    in_both_modes(draw, format!("HTTP {status} for {path}"), site, codes)
}

/// A mirror is refused, a filtered repository goes on without the package.
fn in_both_modes(draw: &Draw, what: String, site: crate::upstream::Site, codes: &'static [i32]) -> Variant {
    if draw.turn().is_multiple_of(2) {
        Variant::refused(what, site, codes, "could not be had, first newcomer").mirrored()
    } else {
        Variant::left_out(what, site, "newcomer").key("mode: filtered")
    }
}
