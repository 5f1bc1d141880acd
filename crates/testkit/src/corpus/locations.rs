//! Locations that metadata name: outside of the feed, of other schemes, of this machine's link, and beyond what a file
//! system takes.

use super::feed::Feed;
use super::metadata::KINDS;
use super::{Draw, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[A01, A02, A06, A06_LINK, A11, A14, A15];

/// Locations in the entry point that leave the directory.
pub const A01: Row = Row {
    id: "A01",
    make: entry_locations,
};

/// Locations of packages with `..`.
pub const A02: Row = Row {
    id: "A02",
    make: parent_locations,
};

/// Locations and bases of other schemes.
pub const A06: Row = Row {
    id: "A06",
    make: other_schemes,
};

/// Locations and bases at link-local addresses. No test may really ask there: a proxy keeps requests on this machine.
pub const A06_LINK: Row = Row {
    id: "A06-link",
    make: link_locations,
};

/// Locations that differ by upper and lower case alone, which are two on the file systems of this machine.
pub const A11: Row = Row {
    id: "A11",
    make: case_twins,
};

/// Names and paths beyond what a file system takes.
pub const A14: Row = Row {
    id: "A14",
    make: long_names,
};

/// Control characters, and bytes that are no text, in locations of packages.
pub const A15: Row = Row {
    id: "A15",
    make: acting_locations,
};

/// A path that leaves its directory, in some spelling.
pub(super) fn escape(draw: &mut Draw) -> String {
    let up = "../".repeat(draw.between(1, 12));
    let word = draw.word(6);
    let spellings = [
        format!("{up}etc/cron.d/{word}"),
        format!("repodata/{up}../{word}"),
        format!("/etc/{word}"),
        format!("%2e%2e/{word}"),
        format!("repodata/%2E./..%2f{word}"),
        format!("repodata/..\\..\\{word}"),
        format!("//127.0.0.1:1/{word}"),
        format!("http://127.0.0.1:1/{word}"),
        format!("file:///etc/{word}"),
        format!("ftp://127.0.0.1/{word}"),
        format!("repodata/{word}%00.gz"),
        format!("repodata/./{word}"),
        format!("repodata//{word}"),
        format!("repodata/{word}/"),
        format!("repodata/{word}?{word}"),
        format!("repodata/{word}#{word}"),
        format!("repodata/{}", "x".repeat(300)),
        "repodata/".repeat(600),
        "..".to_owned(),
        "repodata/repomd.xml".to_owned(),
    ];
    draw.each(&spellings).clone()
}

fn entry_locations(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let kind = *draw.pick(&KINDS);
    let href = escape(draw);
    feed.document(kind).href.clone_from(&href);
    let what = format!("the location of {kind} is {href:.80}");
    Variant::refused(what, feed.site(), &[5], "unsafe path").in_any_mode(draw)
}

fn parent_locations(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let path = draw.pick(&feed.packages()).clone();
    let file = path.rsplit('/').next().expect("a path has a last segment").to_owned();
    let depth = draw.between(1, 6);
    let href = match draw.below(4) {
        0 => format!("{}{file}", "../".repeat(depth)),
        1 => format!("a/b/{}{file}", "../".repeat(depth + 2)),
        2 => format!("Packages/../{}{file}", "../".repeat(depth)),
        _ => format!("./{}{file}", "../".repeat(depth)),
    };
    feed.edit("primary", |text| {
        text.replace(&format!("href=\"{path}\""), &format!("href=\"{href}\""))
    });
    let bytes = feed.tree.bytes(&path).to_vec();
    feed.tree.put(file, bytes);
    let what = format!("the location of a package is {href}");
    if draw.turn().is_multiple_of(2) {
        Variant::refused(what, feed.site(), &[5], "`\\.\\.`|unsafe path").mirrored()
    } else {
        Variant::taken(what, feed.site()).key("mode: filtered")
    }
}

fn other_schemes(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    // One that the pool does not have yet.
    let new: Vec<String> = feed
        .packages()
        .into_iter()
        .filter(|path| path.contains("newcomer"))
        .collect();
    let path = draw.pick(&new).clone();
    let scheme = *draw.each(&[
        "file:///etc/",
        "file://localhost/etc/",
        "ftp://127.0.0.1/",
        "data:,",
        "javascript:",
        "gopher://127.0.0.1/",
        "FILE:///etc/",
        "jar:file:///",
        "mailto:",
        "sftp://127.0.0.1/",
    ]);
    let (old, new) = if draw.coin() {
        (format!("href=\"{path}\""), format!("href=\"{scheme}{path}\""))
    } else {
        (
            format!("href=\"{path}\""),
            format!("xml:base=\"{scheme}\" href=\"{path}\""),
        )
    };
    feed.edit("primary", |text| text.replace(&old, &new));
    let text = "scheme|unsafe path|not a URL|base";
    Variant::refused(format!("a package with {new}"), feed.site(), &[5], text).in_any_mode(draw)
}

/// A link-local host in some notation.
fn link_local(draw: &mut Draw) -> String {
    let [a, b] = [draw.below(256), draw.below(256)];
    let number = (169 << 24) + (254 << 16) + (a << 8) + b;
    let low = number & 0xffff;
    let hosts = [
        format!("169.254.{a}.{b}"),
        "169.254.169.254".to_owned(),
        format!("169.254.{a}.{b}."),
        format!("{number}"),
        format!("{number:#x}"),
        format!("0{number:o}"),
        format!("0xA9.0xFE.{low}"),
        format!("0251.0376.{a}.{b:#x}"),
        format!("169.0376.{low}"),
        format!("169.{}", (254 << 16) + low),
        format!("%31%36%39.254.{a}.{b}"),
        format!("\u{ff11}\u{ff16}\u{ff19}.254.{a}.{b}"),
        format!("{}@169.254.{a}.{b}", draw.word(4)),
        format!("169.254.{a}.{b}:{}", draw.between(1, 65_535)),
        format!("[fe80::{a:x}:{b:x}]"),
        format!("[febf:{a:x}::{b:x}]"),
        "[FE80:0:0:0::1]".to_owned(),
        format!("[fe80::1]:{}", draw.between(1, 65_535)),
        format!("[::ffff:169.254.{a}.{b}]"),
        format!("[::ffff:a9fe:{low:x}]"),
        format!("[::169.254.{a}.{b}]"),
    ];
    draw.each(&hosts).clone()
}

fn link_locations(draw: &mut Draw) -> Variant {
    let mut feed = Feed::fresh(draw);
    let path = feed.newcomer();
    let scheme = *draw.pick(&["http:", "https:", "HTTP:", ""]);
    let at = format!("{scheme}//{}/", link_local(draw));
    let (base, href) = match draw.below(4) {
        0 => (String::new(), format!("{at}{path}")),
        // What is named in the end is elsewhere; what is named in between is not asked, and no feed has it for good.
        1 => (at, format!("http://127.0.0.1:1/{path}")),
        _ => (at, path.clone()),
    };
    let new = match base.as_str() {
        "" => format!("href=\"{href}\""),
        base => format!("xml:base=\"{base}\" href=\"{href}\""),
    };
    feed.edit("primary", |text| text.replace(&format!("href=\"{path}\""), &new));
    let what = format!("a package with {new}");
    if draw.turn() % 4 == 3 {
        return Variant::refused(what, feed.site(), &[5], "cannot be mirrored as it is|unsafe path").mirrored();
    }
    Variant::refused(what, feed.site(), &[5], "a link-local host").key("mode: filtered")
}

fn case_twins(draw: &mut Draw) -> Variant {
    let mut feed = Feed::fresh(draw);
    let path = feed.newcomer();
    let mut others = feed.packages();
    others.retain(|other| *other != path);
    let other = draw.pick(&others).clone();
    let (directory, file) = other.rsplit_once('/').expect("a path has a last segment");
    let stem = file.strip_suffix(".rpm").expect("packages have a suffix");
    let flipped: String = stem
        .chars()
        .map(|c| if draw.coin() { c.to_ascii_uppercase() } else { c })
        .collect();
    // One is different at least.
    let twin = if flipped == stem {
        stem.to_ascii_uppercase()
    } else {
        flipped
    };
    let twin = format!("{directory}/{twin}.rpm");
    feed.edit("primary", |text| {
        text.replace(&format!("href=\"{path}\""), &format!("href=\"{twin}\""))
    });
    let bytes = feed.tree.bytes(&path).to_vec();
    feed.tree.put(twin.clone(), bytes);
    Variant::taken(format!("{other} and {twin}"), feed.site()).in_any_mode(draw)
}

/// Bytes that are no text.
const NO_TEXT: &[&[u8]] = &[b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80"];
/// Characters that XML does not allow, as they are and as references.
const NO_XML: &[&[u8]] = &[
    b"\x00",
    b"\x01",
    b"\x08\x08",
    b"\x0b",
    b"\x0c",
    b"\x1b[2J",
    b"\x1f",
    b"&#0;",
    b"&#10;",
    b"&#13;",
    b"&#27;[2J",
];
/// Control characters that it allows.
const ODD: &[&[u8]] = &[b"\x7f", b"\xc2\x80", b"\xc2\x85", b"\xc2\x9b2J", b"&#x7f;", b"&#x9b;"];

fn acting_locations(draw: &mut Draw) -> Variant {
    let mut feed = Feed::fresh(draw);
    let path = feed.newcomer();
    let mut bytes = feed.text("primary").into_bytes();
    let word = draw.word(4);
    let evil = *draw.each(&[NO_TEXT, NO_XML, ODD].concat());
    let href = format!("href=\"{path}\"");
    let at = feed.text("primary").find(&href).expect("it is listed") + "href=\"".len();
    bytes.splice(at..at, [word.as_bytes(), evil].concat());
    feed.set("primary", &bytes);
    let what = format!("{:?} in the location of a package", String::from_utf8_lossy(evil));
    if NO_XML.contains(&evil) && draw.coin() {
        return Variant::left_out(what, feed.site(), "newcomer\\) left out").key("mode: filtered");
    }
    let variant = Variant::refused(what, feed.site(), &[5], "control character|UTF-8|character");
    if NO_XML.contains(&evil) {
        variant.mirrored()
    } else {
        variant.in_any_mode(draw)
    }
}

fn long_names(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let path = draw.pick(&feed.packages()).clone();
    let href = if draw.coin() {
        format!("Packages/{}.rpm", "n".repeat(draw.between(252, 2000)))
    } else {
        let depth = draw.between(600, 1000);
        format!("{}x.rpm", "deep/".repeat(depth))
    };
    feed.edit("primary", |text| {
        text.replace(&format!("href=\"{path}\""), &format!("href=\"{href}\""))
    });
    let bytes = feed.tree.bytes(&path).to_vec();
    feed.tree.put(href.clone(), bytes);
    let what = format!("a location of {} bytes", href.len());
    if draw.turn().is_multiple_of(2) {
        Variant::refused(what, feed.site(), &[5], "name too long|too deep").mirrored()
    } else {
        Variant::taken(what, feed.site()).key("mode: filtered")
    }
}
