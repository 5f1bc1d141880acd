//! XML documents that are no XML, or more than anybody may send.

use std::fmt::Write as _;

use super::feed::{Feed, replace_nth};
use super::{Draw, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[D01, D02, D03, D04, D06, D08, D08_ENTRY, RECORDS, ITEMS];

/// Entities that expand without end.
pub const D01: Row = Row {
    id: "D01",
    make: laughs,
};

/// Entities that name a local file.
pub const D02: Row = Row {
    id: "D02",
    make: external_entities,
};

/// A DTD on a server.
pub const D03: Row = Row {
    id: "D03",
    make: external_dtds,
};

/// Attributes and texts of many megabytes.
pub const D04: Row = Row {
    id: "D04",
    make: huge_values,
};

/// Elements within elements.
pub const D06: Row = Row {
    id: "D06",
    make: deep_documents,
};

/// Documents that are not well-formed.
pub const D08: Row = Row {
    id: "D08",
    make: broken_documents,
};

/// Entry points that are not well-formed.
pub const D08_ENTRY: Row = Row {
    id: "D08-entry",
    make: broken_entries,
};

/// Package records that are XML and describe no package.
pub const RECORDS: Row = Row {
    id: "D-records",
    make: bad_records,
};

/// Advisories and groups that lack what makes them one.
pub const ITEMS: Row = Row {
    id: "D-items",
    make: bad_items,
};

/// Documents in XML, with their root.
const XML: [(&str, &str); 5] = [
    ("primary", "metadata"),
    ("filelists", "filelists"),
    ("other", "otherdata"),
    ("updateinfo", "updates"),
    ("group", "comps"),
];

/// The text of a document without its prolog.
fn body(text: &str, root: &str) -> String {
    let at = text.find(&format!("<{root}")).expect("a good document has its root");
    text[at..].to_owned()
}

/// Puts a prolog before a document, or before the entry point, and a text into it.
fn with_prolog(draw: &mut Draw, prolog: &str, inside: &str) -> (String, crate::upstream::Site) {
    let mut feed = Feed::next();
    if draw.turn() % 6 == 5 {
        let entry = body(&feed.entry(), "repomd").replacen("<revision>", &format!("<revision>{inside}"), 1);
        return (
            "repomd".into(),
            feed.site_with_entry(format!("{prolog}{entry}").into_bytes()),
        );
    }
    let (kind, root) = *draw.each(&XML);
    let text = body(&feed.text(kind), root);
    let end = text.find('>').expect("a tag ends") + 1;
    let text = format!("{prolog}{}{inside}{}", &text[..end], &text[end..]);
    feed.set(kind, text.as_bytes());
    (kind.into(), feed.site())
}

fn laughs(draw: &mut Draw) -> Variant {
    let width = draw.between(2, 20);
    let mut dtd = format!("<!DOCTYPE x [<!ENTITY a0 \"{}\">", draw.word(8));
    let depth = draw.between(2, 30);
    for level in 1..=depth {
        let again = format!("&a{};", level - 1).repeat(width);
        let _ = write!(dtd, "<!ENTITY a{level} \"{again}\">");
    }
    dtd += "]>";
    let (kind, site) = with_prolog(draw, &dtd, &format!("<x>&a{depth};</x>"));
    Variant::refused(
        format!("{width}^{depth} laughs in {kind}"),
        site,
        &[5],
        "DTD not allowed|entity|reference|DOCTYPE",
    )
}

fn external_entities(draw: &mut Draw) -> Variant {
    let target = *draw.pick(&[
        "file:///etc/passwd",
        "/etc/passwd",
        "file:///dev/zero",
        "http://127.0.0.1:1/x",
        "php://x",
    ]);
    let dtd = match draw.below(3) {
        0 => format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"{target}\">]>"),
        1 => format!("<!DOCTYPE x [<!ENTITY % a SYSTEM \"{target}\"> %a;]>"),
        _ => format!("<!DOCTYPE x [<!ENTITY a PUBLIC \"-//x\" \"{target}\">]>"),
    };
    let inside = ["<x>&a;</x>", "<x y=\"&a;\"/>"];
    let inside = *draw.pick(&inside);
    let (kind, site) = with_prolog(draw, &dtd, inside);
    Variant::refused(
        format!("{dtd} in {kind}"),
        site,
        &[5],
        "DTD not allowed|entity|reference|DOCTYPE",
    )
}

/// The path of a DTD that nobody may ask for.
pub const DTD_PATH: &str = "/evil.dtd";

fn external_dtds(draw: &mut Draw) -> Variant {
    let dtd = format!("<!DOCTYPE x SYSTEM \"..{DTD_PATH}\">");
    let (kind, site) = with_prolog(draw, &dtd, "<x>&a;</x>");
    Variant::refused(
        format!("{dtd} in {kind}"),
        site,
        &[5],
        "DTD not allowed|entity|reference|DOCTYPE",
    )
}

fn huge_values(draw: &mut Draw) -> Variant {
    let bytes = match draw.turn() {
        0 => 64 << 20,
        1 => 17 << 20,
        _ => draw.between(66_000, 300_000),
    };
    let long = "y".repeat(bytes);
    let inside = match draw.below(3) {
        0 => format!("<x a=\"{long}\"/>"),
        1 if bytes > 16 << 20 => format!("<{long}/>"),
        2 if bytes > 16 << 20 => format!("<x>{long}</x>"),
        _ => {
            let mut element = String::from("<x");
            for n in 0..bytes / 10 {
                let _ = write!(element, " a{n}=\"\"");
            }
            element + "/>"
        }
    };
    let (kind, site) = with_prolog(draw, "", &inside);
    let what = format!("{inside:.6}… of {bytes} bytes in {kind}");
    Variant::refused(what, site, &[6], "exceeds")
}

fn deep_documents(draw: &mut Draw) -> Variant {
    let depth = match draw.turn() {
        0 => 1_000_000,
        _ => draw.between(100, 100_000),
    };
    let inside = if draw.coin() {
        "<x>".repeat(depth)
    } else {
        format!("{}{}", "<x>".repeat(depth), "</x>".repeat(depth))
    };
    let (kind, site) = with_prolog(draw, "", &inside);
    Variant::refused(format!("{depth} levels in {kind}"), site, &[6], "exceeds")
}

fn bad_bytes(draw: &mut Draw, good: &str, root: &str) -> (String, Vec<u8>) {
    let tag = good.find(&format!("<{root}")).expect("the root is there");
    let middle = tag + good[tag..].find('>').expect("a tag ends") + 1;
    let insert = |bytes: &[u8]| [&good.as_bytes()[..middle], bytes, &good.as_bytes()[middle..]].concat();
    match draw.turn() % 12 {
        0 => ("invalid UTF-8".into(), insert(&[0xc3, 0x28, 0xff])),
        1 => {
            let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
            ("UTF-16".into(), [&[0xff, 0xfe][..], &wide].concat())
        }
        2 => ("a NUL as reference".into(), insert(b"<x>&#0;</x>")),
        3 => ("an unclosed comment".into(), insert(b"<!-- ")),
        4 => ("an escape character".into(), insert(b"<x>&#27;[2J</x>")),
        5 => ("an unclosed tag".into(), insert(b"<x>")),
        6 => ("crossed tags".into(), insert(b"<x><y></x></y>")),
        7 => ("an unknown entity".into(), insert(b"<x>&nbsp;</x>")),
        8 => ("a second root".into(), [good.as_bytes(), b"<x/>"].concat()),
        9 => ("another root".into(), good.replace(root, "elsewhere").into_bytes()),
        10 => ("nothing".into(), Vec::new()),
        _ => {
            let at = draw.between(1, good.len() - 20);
            (format!("a cut after {at} bytes"), good.as_bytes()[..at].to_vec())
        }
    }
}

const NOT_XML: &str = "UTF-8|character|cut off|root|entity|reference|tag|element|XML|HTML|not closed|expected `</|syntax|names no primary";

fn broken_documents(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let (kind, root) = *draw.pick(&XML);
    let good = feed.text(kind);
    let (what, bytes) = bad_bytes(draw, &good, root);
    feed.set(kind, &bytes);
    Variant::refused(format!("{what} in {kind}"), feed.site(), &[5], NOT_XML)
}

fn broken_entries(draw: &mut Draw) -> Variant {
    let feed = Feed::next();
    let (what, bytes) = match draw.turn() % 13 {
        12 => {
            let entry = feed.entry().replacen("<revision>", "<revision>\0", 1);
            ("a NUL".to_owned(), entry.into_bytes())
        }
        _ => bad_bytes(draw, &feed.entry(), "repomd"),
    };
    let site = feed.site_with_entry(bytes);
    Variant::refused(format!("{what} in repomd.xml"), site, &[5], NOT_XML).in_any_mode(draw)
}

fn bad_records(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let wrong = [
        ("<arch>noarch</arch>", ""),
        ("<name>newcomer</name>", "<name></name>"),
        ("<name>newcomer</name>", "<name>new/comer</name>"),
        ("<name>newcomer</name>", "<name>new comer</name>"),
        ("<name>newcomer</name>", "<name>new\u{85}comer</name>"),
        ("epoch=\"0\"", "epoch=\"-1\""),
        ("epoch=\"0\"", "epoch=\"x\""),
        ("epoch=\"0\"", "epoch=\"99999999999999999999999\""),
        ("type=\"sha256\" pkgid=\"YES\">", "type=\"md5\" pkgid=\"YES\">"),
        ("type=\"sha256\" pkgid=\"YES\">", "type=\"sha256\" pkgid=\"YES\">zz"),
        ("type=\"sha256\" pkgid=\"YES\">", "pkgid=\"YES\">"),
        ("<size package=\"", "<size package=\"-"),
        ("<location href=", "<nowhere href="),
        ("<location href=", "<location href=\"x.rpm\"/><location href="),
        ("<location href=\"", "<location href=\"\" was=\""),
        ("ver=\"1\"", ""),
        ("rel=\"1\"", "rel=\"\""),
    ];
    let (from, to) = *draw.each(&wrong);
    let range = |text: &str| {
        let at = text.find("<name>newcomer</name>").expect("it is there");
        let start = text[..at].rfind("<package ").expect("it begins");
        let end = start + text[start..].find("</package>").expect("it ends");
        start..end
    };
    feed.edit("primary", |text| {
        let range = range(&text);
        format!(
            "{}{}{}",
            &text[..range.start],
            replace_nth(&text[range.clone()], from, to, 0),
            &text[range.end..]
        )
    });
    let what = format!("a record with {to:?} in place of {from:?}");
    if draw.coin() {
        Variant::refused(what, feed.site(), &[5], "newcomer|record").mirrored()
    } else {
        Variant::left_out(what, feed.site(), "left out").key("mode: filtered")
    }
}

fn bad_items(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let wrong = [
        ("updateinfo", "<id>TEST-2024:0002</id>", ""),
        ("updateinfo", "<id>TEST-2024:0002</id>", "<id></id>"),
        ("group", "<id>greeting</id>", ""),
        ("group", "<id>greeting</id>", "<id></id>"),
    ];
    let (kind, from, to) = *draw.each(&wrong);
    feed.edit(kind, |text| replace_nth(&text, from, to, 0));
    let what = format!("{kind} with {to:?} in place of {from:?}");
    Variant::left_out(what, feed.site(), "left out").key("mode: filtered")
}
