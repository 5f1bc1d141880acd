//! Entry points and package lists: promises, counts, and who takes whose place.

use super::feed::{Feed, nth_element, replace_nth};
use super::locations::escape;
use super::{Draw, Row, Variant};
use crate::upstream::Site;

/// Every row of this module.
pub const ROWS: &[Row] = &[A13, D07, I02, I05_METADATA, MISSING, PROMISES, DELTAS, COLLISIONS];

/// One location with two checksums.
pub const A13: Row = Row {
    id: "A13",
    make: conflicting_entries,
};

/// Counts that are wrong.
pub const D07: Row = Row {
    id: "D07",
    make: wrong_counts,
};

/// Checksums that prove nothing.
pub const I02: Row = Row {
    id: "I02",
    make: weak_checksums,
};

/// Metadata files with a flipped bit.
pub const I05_METADATA: Row = Row {
    id: "I05-metadata",
    make: flipped_metadata,
};

/// Files that the entry point names and upstream does not have, and entries that lack something.
pub const MISSING: Row = Row {
    id: "A-missing",
    make: incomplete_entries,
};

/// Sizes in the entry point that are no sizes, or not those of the files.
pub const PROMISES: Row = Row {
    id: "A-promises",
    make: wrong_promises,
};

/// Delta packages at places where nothing may be.
pub const DELTAS: Row = Row {
    id: "A-deltas",
    make: delta_locations,
};

/// Packages where metadata are, metadata where packages are, files where directories are.
pub const COLLISIONS: Row = Row {
    id: "A-collisions",
    make: collisions,
};

pub(super) const KINDS: [&str; 6] = ["primary", "filelists", "other", "group", "updateinfo", "modules"];

fn conflicting_entries(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let n = draw.below(8);
    let other = format!("{:064x}", u128::from(draw.number()));
    feed.edit("primary", |text| {
        let range = nth_element(&text, "package", n);
        let element = text[range.clone()].to_owned();
        let checksum = nth_element(&element, "checksum", 0);
        let twin = format!(
            "{}<checksum type=\"sha256\" pkgid=\"YES\">{other}</checksum>{}",
            &element[..checksum.start],
            &element[checksum.end..]
        );
        let text = format!("{}{twin}\n{}", &text[..range.start], &text[range.start..]);
        recount(&text)
    });
    let what = format!("package {n} is listed twice, once with checksum {other}");
    Variant::refused(what, feed.site(), &[5], "conflicting entries").in_any_mode(draw)
}

/// Makes the count of packages true.
pub(super) fn recount(text: &str) -> String {
    let count = text.matches("<package ").count();
    let (head, tail) = text.split_once("packages=\"").expect("the root has a count");
    let (_, tail) = tail.split_once('"').expect("an attribute ends");
    format!("{head}packages=\"{count}\"{tail}")
}

fn wrong_counts(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let real = feed.text("primary").matches("<package ").count();
    let wrong = match draw.below(4) {
        0 => real - draw.between(1, real),
        1 => real + draw.between(1, 1000),
        2 => 0,
        _ => usize::MAX,
    };
    feed.edit("primary", |text| {
        replace_nth(
            &text,
            &format!("packages=\"{real}\""),
            &format!("packages=\"{wrong}\""),
            0,
        )
    });
    let what = format!("{real} packages, but packages={wrong}");
    Variant::refused(
        what,
        feed.site(),
        &[5],
        "says that it lists \\d+ packages, but lists \\d+",
    )
    .in_any_mode(draw)
}

fn weak_checksums(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let (name, digits) = *draw.each(&[("md5", 32), ("sha", 40), ("sha1", 40)]);
    let digest = "0".repeat(digits);
    feed.document(kind).checksum = (name.into(), digest);
    let what = format!("{kind} is promised by {name} only");
    Variant::refused(what, feed.site(), &[4], "too weak").in_any_mode(draw)
}

fn flipped_metadata(draw: &mut Draw) -> Variant {
    let feed = Feed::next();
    // The modules are those of the good state, which need not be fetched.
    let document = draw.pick(&feed.documents[..KINDS.len() - 1]).clone();
    let mut site = feed.site();
    let mut bytes = document.stored.clone();
    let (at, bit) = (draw.below(bytes.len()), draw.below(8));
    bytes[at] ^= 1 << bit;
    put(&mut site, &document.href, bytes);
    let what = format!("bit {bit} of byte {at} of {} is flipped", document.href);
    Variant::refused(what, site, &[4], "expected sha256:").in_any_mode(draw)
}

pub(super) fn put(site: &mut Site, path: &str, bytes: Vec<u8>) {
    site.put(&format!("/{path}"), crate::upstream::Body::Bytes(bytes.into()));
}

fn incomplete_entries(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    if draw.turn().is_multiple_of(3) {
        let mut site = feed.site();
        site.remove(&format!("/{}", feed.document(kind).href));
        let what = format!("{kind} is not there");
        return Variant::refused(what, site, &[3], "missing upstream \\(HTTP 404\\)").in_any_mode(draw);
    }
    let entry = feed.entry();
    let n = feed.documents.iter().position(|document| document.kind == kind);
    let range = nth_element(&entry, "data", n.expect("it is there"));
    let (what, data) = match draw.below(5) {
        0 => (
            "no type",
            entry[range.clone()].replace(&format!(" type=\"{kind}\""), ""),
        ),
        1 => ("no location", without(&entry[range.clone()], "location")),
        2 => ("no checksum", without(&entry[range.clone()], "checksum")),
        3 => (
            "an empty checksum",
            entry[range.clone()].replace(&feed.document(kind).checksum.1, ""),
        ),
        _ => (
            "an unknown checksum",
            entry[range.clone()].replacen("\"sha256\"", "\"crc32\"", 1),
        ),
    };
    let entry = format!("{}{data}{}", &entry[..range.start], &entry[range.end..]);
    let site = feed.site_with_entry(entry.into_bytes());
    let text = "no type|no location|no checksum|checksum|digest";
    Variant::refused(format!("{kind} has {what}"), site, &[5], text).in_any_mode(draw)
}

pub(super) fn without(text: &str, element: &str) -> String {
    let range = nth_element(text, element, 0);
    format!("{}{}", &text[..range.start], &text[range.end..])
}

fn wrong_promises(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&["primary", "filelists", "other", "updateinfo", "modules"]);
    let document = feed.document(kind);
    let real = document.stored.len();
    let wrong = draw.between(1, real - 1);
    let (what, codes, text): (_, &'static [i32], _) = match draw.turn() % 6 {
        0 => {
            document.size = Some((real + wrong).to_string());
            ("a larger size", &[3, 4], "expected|ended after")
        }
        1 => {
            document.size = Some((real - wrong).to_string());
            ("a smaller size", &[4, 6], "expected|more than")
        }
        2 => {
            document.size = Some(format!("-{real}"));
            ("a negative size", &[5], "is not a")
        }
        3 => {
            document.size = Some("9".repeat(30));
            ("a size beyond all numbers", &[5], "is not a")
        }
        4 => {
            document.size = Some((1_u64 << 40).to_string());
            ("a size of 1 TiB", &[6], "exceeds")
        }
        _ => {
            document.open_checksum = Some("0".repeat(64));
            ("another open digest", &[4], "expected")
        }
    };
    Variant::refused(format!("{kind} is promised with {what}"), feed.site(), codes, text).in_any_mode(draw)
}

fn delta_locations(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let href = escape(draw);
    feed.edit("prestodelta", |text| {
        let range = nth_element(&text, "filename", 0);
        format!(
            "{}<filename>{href}</filename>{}",
            &text[..range.start],
            &text[range.end..]
        )
    });
    let what = format!("a delta at {href:.80}");
    Variant::refused(what, feed.site(), &[5], "unsafe path").mirrored()
}

fn collisions(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let paths = feed.packages();
    let package = paths[0].clone();
    let mut move_package = |to: &str| {
        let to = to.to_owned();
        feed.edit("primary", |text| {
            text.replace(&format!("href=\"{package}\""), &format!("href=\"{to}\""))
        });
        let bytes = feed.tree.bytes(&package).to_vec();
        feed.tree.put(to.clone(), bytes);
        format!("a package at {to}")
    };
    let word = draw.word(5);
    let what = match draw.turn() % 9 {
        0 => move_package("repodata/repomd.xml"),
        1 => move_package("repodata/primary.xml.gz"),
        2 => move_package("repodata"),
        3 => move_package(&format!("repodata/{word}/x.rpm")),
        4 => move_package("Packages"),
        5 => move_package(&format!("{}/x.rpm", paths[1])),
        6 => move_package(&format!(".stage-{word}/x.rpm")),
        7 => move_package(&format!("a/.new-{word}")),
        _ => move_package(&format!(".gone-{word}/x.rpm")),
    };
    // What is served has a file where the sixth wants a directory, so that nothing but a refusal is sure.
    if draw.coin() || draw.turn() % 9 == 5 {
        return Variant::refused(what, feed.site(), &[5], "unsafe path|cannot be mirrored").mirrored();
    }
    let variant = match draw.turn() % 9 {
        // The name itself is reserved, wherever it is.
        7 => Variant::refused(what, feed.site(), &[5], "no path that it could have is free"),
        _ => Variant::taken(what, feed.site()),
    };
    variant.key("mode: filtered")
}
