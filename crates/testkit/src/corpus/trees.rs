//! Installation trees whose `.treeinfo` lies, or is none.

use std::fmt::Write as _;

use chantal_model::Algorithm;

use super::{Draw, Feed, Row, Variant};
use crate::repository::InstallTree;

/// Every row of this module.
pub const ROWS: &[Row] = &[TREEINFO];

/// Descriptions that name unsafe places, promise nothing that can be kept, or are something else.
pub const TREEINFO: Row = Row {
    id: "treeinfo",
    make: |draw| draw.each(&KINDS)(draw),
};

const KINDS: [fn(&mut Draw) -> Variant; 15] = [
    unsafe_path,
    bad_digest,
    page,
    too_large,
    not_utf8,
    cut_off,
    no_head,
    no_section,
    control,
    two_digests,
    too_many,
    altered,
    unpromised,
    in_the_way,
    missing,
];
const IMAGE: &str = "images/install.img";

/// A feed that no run has seen, with a good tree that this text describes.
fn with_text(draw: &mut Draw, text: impl Into<Vec<u8>>) -> Feed {
    let mut feed = Feed::fresh(draw);
    InstallTree::sample().put_into(&mut feed.tree);
    feed.tree.put(".treeinfo", text.into());
    feed
}

fn refused(
    draw: &mut Draw,
    what: impl Into<String>,
    text: impl Into<Vec<u8>>,
    codes: &'static [i32],
    told: &'static str,
) -> Variant {
    let site = with_text(draw, text).site();
    Variant::refused(what, site, codes, told).in_any_mode(draw)
}

fn unsafe_path(draw: &mut Draw) -> Variant {
    let word = draw.word(5);
    let path = match draw.below(6) {
        0 => format!("../{word}"),
        1 => format!("images/../../{word}"),
        2 => format!("/etc/{word}"),
        3 => format!("repodata/{word}"),
        4 => format!("http://127.0.0.1/{word}"),
        _ => "x".repeat(draw.between(256, 5000)),
    };
    let section = *draw.pick(&["images-x86_64", "stage2"]);
    let text = InstallTree::sample().line(section, &word, &path).text();
    refused(
        draw,
        format!("[{section}] names {path:.60}"),
        text,
        &[5],
        "unsafe path|bytes",
    )
}

fn bad_digest(draw: &mut Draw) -> Variant {
    let digits = "a".repeat(64);
    let digest = match draw.below(5) {
        0 => format!("sha256:{}", &digits[draw.between(1, 64)..]),
        1 => format!("sha256:{}g", &digits[1..]),
        2 => format!("crc32:{digits}"),
        3 => digits,
        _ => String::new(),
    };
    let text = format!("{}images/more.img = {digest}\n", InstallTree::sample().text());
    refused(draw, format!("a digest {digest:?}"), text, &[5], "the checksum of")
}

fn page(draw: &mut Draw) -> Variant {
    let page = format!("\n<!DOCTYPE html><html><body>{}</body></html>", draw.word(10));
    let site = with_text(draw, page.clone()).site();
    Variant::warned(page, site, "is a page for people").in_any_mode(draw)
}

fn too_large(draw: &mut Draw) -> Variant {
    let line = format!("# {}\n", draw.word(60));
    let text = InstallTree::sample().text() + &line.repeat((1 << 20) / line.len() + draw.between(1, 100_000));
    refused(
        draw,
        format!("{} bytes", text.len()),
        text,
        &[4, 6],
        "more than|expected|exceeds",
    )
}

fn not_utf8(draw: &mut Draw) -> Variant {
    let mut text = InstallTree::sample().text().into_bytes();
    let at = draw.below(text.len());
    text[at] = draw.byte() | 0xf8;
    refused(draw, format!("byte {at} is {:#x}", text[at]), text, &[5], "not UTF-8")
}

/// Cut off within the last digest, or within the name of a section.
fn cut_off(draw: &mut Draw) -> Variant {
    let text = InstallTree::sample().text();
    let text = text.trim_end();
    let (end, told) = if draw.coin() {
        (text.len() - draw.between(1, 60), "the checksum of")
    } else {
        (
            text.rfind(']').expect("there are sections") - draw.below(5),
            "a section without an end",
        )
    };
    refused(draw, format!("the first {end} bytes"), &text[..end], &[5], told)
}

fn no_head(draw: &mut Draw) -> Variant {
    let text = match draw.below(3) {
        0 => String::new(),
        1 => format!("[{}]\nkernel = a\n", draw.word(8)),
        _ => format!("# {}\n", draw.word(30)),
    };
    refused(
        draw,
        format!("{text:?}"),
        text,
        &[5],
        "neither \\[general\\] nor \\[header\\]",
    )
}

fn no_section(draw: &mut Draw) -> Variant {
    let text = match draw.below(3) {
        0 => format!("404 {} not found\n", draw.word(8)),
        1 => format!("{{\"error\": \"{}\"}}\n", draw.word(8)),
        _ => format!("{} = 1\n{}", draw.word(8), InstallTree::sample().text()),
    };
    refused(draw, format!("{text:.60?}"), text, &[5], "not in any section")
}

fn control(draw: &mut Draw) -> Variant {
    let character = *draw.pick(&['\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{9b}']);
    let value = format!("images/{character}[31m{}", draw.word(4));
    let text = InstallTree::sample().line("stage2", "other", &value).text();
    refused(draw, format!("{value:?}"), text, &[5], "control character")
}

fn two_digests(draw: &mut Draw) -> Variant {
    let digest = draw.pick(&["0", "f"]).repeat(64);
    let text = format!("{}{IMAGE} = sha256:{digest}\n", InstallTree::sample().text());
    refused(draw, format!("two digests for {IMAGE}"), text, &[5], "two digests for")
}

fn too_many(draw: &mut Draw) -> Variant {
    let count = draw.between(10_001, 11_000);
    let mut text = InstallTree::new().text();
    for at in 0..count {
        let _ = writeln!(text, "f/{at} = sha256:{}", "0".repeat(64));
    }
    refused(draw, format!("{count} files"), text, &[6], "number of its files")
}

/// A good tree with an image that no run has fetched: what describes it, the image's path and its bytes.
fn with_image(draw: &mut Draw) -> (Feed, String, Vec<u8>) {
    let (image, bytes) = (format!("images/{}.img", draw.word(5)), draw.bytes(1000));
    let install = InstallTree::sample().image("stage2", "other", &image, &bytes);
    (with_text(draw, install.text()), image, bytes)
}

/// An image that is not what is promised.
fn altered(draw: &mut Draw) -> Variant {
    let (mut feed, image, mut bytes) = with_image(draw);
    let at = draw.below(bytes.len());
    match draw.below(3) {
        0 => bytes[at] ^= 1 << draw.below(8),
        1 => bytes.truncate(at),
        _ => bytes.extend(draw.bytes(10)),
    }
    feed.tree.put(image.clone(), bytes);
    Variant::refused(
        format!("{image} differs from {at} on"),
        feed.site(),
        &[4],
        "expected sha256:",
    )
    .in_any_mode(draw)
}

/// An image that nothing, or nothing strong enough, is promised about.
fn unpromised(draw: &mut Draw) -> Variant {
    let image = format!("images/{}.img", draw.word(5));
    let (what, install) = match draw.below(3) {
        0 => (
            "md5",
            InstallTree::new()
                .checksum(Algorithm::Md5)
                .image("stage2", "mainimage", &image, b"x"),
        ),
        1 => (
            "sha1",
            InstallTree::new()
                .checksum(Algorithm::Sha1)
                .image("stage2", "mainimage", &image, b"x"),
        ),
        _ => ("no digest", InstallTree::new().line("stage2", "mainimage", &image)),
    };
    let site = with_text(draw, install.text()).site();
    if draw.coin() {
        return Variant::refused(what, site, &[4], "md5|sha1|no digest").mirrored();
    }
    Variant::warned(what, site, "left out, since not all can be verified").key("mode: filtered")
}

/// An image at the place of a package.
fn in_the_way(draw: &mut Draw) -> Variant {
    let package = Feed::next().newcomer();
    let path = if draw.coin() { format!("{package}/x") } else { package };
    let text = InstallTree::new().image("stage2", "mainimage", &path, b"evil").text();
    refused(
        draw,
        format!("an image at {path}"),
        text,
        &[5],
        "cannot both be published",
    )
}

/// An image that is not handed out.
fn missing(draw: &mut Draw) -> Variant {
    let (feed, image, _) = with_image(draw);
    Variant::refused(format!("{image} is missing"), feed.site(), &[3], "missing upstream").mirrored()
}
