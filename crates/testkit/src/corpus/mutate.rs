//! One damage to some bytes, drawn from a seed.

use super::Draw;

/// Kinds of damage.
pub const KINDS: [&str; 5] = ["bit flip", "truncation", "splice", "repetition", "length tweak"];

/// What was done, and the damaged bytes.
pub fn mutate(good: &[u8], draw: &mut Draw) -> (&'static str, Vec<u8>) {
    let kind = *draw.each(&KINDS);
    (kind, damage(kind, good, draw))
}

/// Does one kind of damage.
///
/// # Panics
///
/// If there is no such kind, or there are no bytes.
pub fn damage(kind: &str, good: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let at = draw.below(good.len());
    match kind {
        "bit flip" => bytes[at] ^= 1 << draw.below(8),
        "truncation" => bytes.truncate(at),
        "splice" => {
            // A piece of the same bytes where another one was.
            let from = draw.below(good.len());
            let piece = &good[from..(from + draw.between(1, 64)).min(good.len())];
            let end = (at + draw.below(64)).min(good.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        "repetition" => {
            let piece = good[at..(at + draw.between(1, 256)).min(good.len())].to_vec();
            let times = draw.between(1, 50);
            bytes.splice(at..at, piece.repeat(times));
        }
        "length tweak" => tweak(&mut bytes, draw),
        other => panic!("no damage {other:?}, only {KINDS:?}"),
    }
    bytes
}

/// Changes a number: one in decimal digits where there are any, or four bytes anywhere.
fn tweak(bytes: &mut Vec<u8>, draw: &mut Draw) {
    let mut numbers: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_digit() {
            continue;
        }
        match numbers.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => numbers.push(at..at + 1),
        }
    }
    let is_text = std::str::from_utf8(bytes).is_ok();
    if is_text && !numbers.is_empty() {
        let number = draw.pick(&numbers).clone();
        let evil = *draw.pick(&[
            "0",
            "-1",
            "18446744073709551615",
            "18446744073709551616",
            "4294967295",
            "1e9",
            "",
        ]);
        bytes.splice(number, evil.bytes());
        return;
    }
    let evil: u32 = *draw.pick(&[0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
    let four = if draw.coin() {
        evil.to_be_bytes()
    } else {
        evil.to_le_bytes()
    };
    let at = draw.below(bytes.len());
    let end = (at + 4).min(bytes.len());
    bytes.splice(at..end, four);
}
