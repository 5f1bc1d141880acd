use std::fmt::Write as _;

use chantal_model::{Compression, Mode};
use proptest::prelude::*;

use super::super::testing::{Repo, list, package, primary, request, wants};
use super::super::{Rpm, comps, filelists, modulemd, repomd, updateinfo};
use crate::Format;
use crate::error::FormatError;

/// A document in which one thing is not as it should be.
fn in_every_document(prolog: &str, body: &str) -> Vec<FormatError> {
    let document = |root: &str| format!("{prolog}<{root}>{body}</{root}>");
    let mut errors = Vec::new();
    let mut keep = |result: Result<(), FormatError>| errors.push(result.expect_err("accepted"));
    keep(repomd::read(document("repomd").as_bytes()).map(drop));
    keep(list(&Repo::new(&document("metadata")).done()).map(drop));
    keep(filelists::read(
        document("filelists").as_bytes(),
        "f",
        "filelists",
        u64::MAX,
        &mut |_, _| Ok(()),
    ));
    keep(updateinfo::read(document("updates").as_bytes(), "u", &mut |_| Ok(())));
    keep(comps::read(document("comps").as_bytes(), "c", &mut |_| Ok(())));
    errors
}

#[test]
fn entities_and_dtds_are_refused() {
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>";
    let outside = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    for (prolog, body) in [
        (laughs, "<x>&b;</x>"),
        (outside, "<x>&a;</x>"),
        ("", "<x>&a;</x>"),
        ("", "<x y='&a;'/>"),
    ] {
        for error in in_every_document(prolog, body) {
            assert!(
                matches!(error, FormatError::Malformed { .. }),
                "{prolog}{body}: {error}"
            );
        }
    }
    let message = in_every_document(laughs, "")[0].to_string();
    assert!(message.contains("DTD not allowed"), "{message}");
}

#[test]
fn what_is_too_large_is_a_limit() {
    let deep = "<x>".repeat(100);
    let many: Vec<String> = (0..100).map(|i| format!("a{i}=''")).collect();
    let attributes = format!("<x {}/>", many.join(" "));
    let long = format!("<x a='{}'/>", "y".repeat(65 << 10));
    for body in [&deep, &attributes, &long] {
        for error in in_every_document("", body) {
            assert!(matches!(error, FormatError::Limit { .. }), "{body:.40}: {error}");
        }
    }
    let text = format!("<x>{}</x>", "y".repeat((16 << 20) + 1));
    let error = filelists::read(
        format!("<filelists>{text}").as_bytes(),
        "f",
        "filelists",
        u64::MAX,
        &mut |_, _| Ok(()),
    );
    assert!(matches!(error, Err(FormatError::Limit { .. })));
}

#[test]
fn an_endless_tag_is_cut_off() {
    let input = std::io::Read::chain(&b"<filelists><package a='"[..], std::io::repeat(b'x'));
    let error = filelists::read(
        std::io::BufReader::new(input),
        "f",
        "filelists",
        u64::MAX,
        &mut |_, _| Ok(()),
    );
    assert!(matches!(error, Err(FormatError::Limit { .. })));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for body in [
        "<x>",
        "</x>",
        "<x></y>",
        "<x",
        "&",
        "<x a=1/>",
        "<x a='1' a='2'/>",
        "<x a='1'b='2'/>",
        "<x a='<'/>",
        "<!-- ",
        "<![CDATA[",
        "&#0;",
        "&#1;",
        "&#+65;",
        "<x a='&#1;'/>",
        "&#x110000;",
        "</",
    ] {
        for error in in_every_document("", body) {
            assert!(matches!(error, FormatError::Malformed { .. }), "{body}: {error}");
        }
    }
    for bytes in [
        &b"\xff\xfe<\0m\0"[..],
        b"<metadata>\xff</metadata>",
        b"",
        b"   ",
        b"text",
        b"<metadata/><metadata/>",
        b"<metadata/>x",
    ] {
        let files = Repo::new("<metadata/>")
            .with_bytes("primary", bytes, Compression::Gzip)
            .done();
        assert!(list(&files).is_err() || bytes.is_empty(), "{bytes:?}");
        assert!(
            filelists::read(bytes, "f", "metadata", u64::MAX, &mut |_, _| Ok(())).is_err(),
            "{bytes:?}"
        );
    }
}

#[test]
fn yaml_bombs_are_limits() {
    let mut laughs = "---\ndocument: modulemd\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let deep = format!("---\ndocument: {}", "[".repeat(100_000));
    let deep_lines = (0..200).fold("---\ndocument:\n".to_owned(), |text, i| text + &" ".repeat(i) + "-\n");
    let large = format!("---\ndocument: {}", "x".repeat(17 << 20));
    for text in [&laughs, &deep, &deep_lines, &large] {
        let result = modulemd::read(text.as_bytes(), "m", &mut |_| Ok(()));
        assert!(
            matches!(result, Err(FormatError::Limit { .. })),
            "{text:.60}: {result:?}"
        );
    }
    let cycle = "---\ndocument: x\na: &a [*a]\n";
    let mut bad = 0;
    modulemd::read(cycle.as_bytes(), "m", &mut |item| {
        bad += u32::from(item.is_err());
        Ok(())
    })
    .unwrap();
    assert_eq!(bad, 1);
}

#[test]
fn open_promises_are_kept() {
    let good = primary(&[package("a", '1')]);
    let files = Repo::new(&good).done();
    let repomd = String::from_utf8(files.0["repomd"].clone().unwrap()).unwrap();
    let size = format!("<open-size>{}<", good.len());
    for (old, new, limit) in [
        (size.as_str(), "<open-size>5<", true),
        (size.as_str(), "<open-size>99999<", false),
        (
            "<open-checksum type=\"sha256\">",
            "<open-checksum type=\"sha256\">00",
            false,
        ),
    ] {
        let mut changed = repomd.replace(old, new);
        if new.ends_with("00") {
            let start = changed.find(new).unwrap() + new.len();
            changed.replace_range(start + 62..start + 64, "");
        }
        assert_ne!(changed, repomd);
        let mut files = Repo::new(&good).done();
        files.0.insert("repomd".to_owned(), Some(changed.into_bytes()));
        let error = list(&files).err().expect(new);
        assert_eq!(matches!(error, FormatError::Limit { .. }), limit, "{new}: {error}");
        assert_eq!(matches!(error, FormatError::Refused { .. }), !limit, "{new}: {error}");
    }
}

#[test]
fn files_that_were_not_fetched_are_missing() {
    let mut files = Repo::new(&primary(&[])).done();
    files.0.insert("data/primary".to_owned(), None);
    assert!(matches!(list(&files), Err(FormatError::Missing { .. })));
    files.0.remove("data/primary");
    assert!(matches!(list(&files), Err(FormatError::Missing { .. })));
    files.0.insert("repomd".to_owned(), None);
    assert!(matches!(wants(&files, Mode::Mirror), Err(FormatError::Missing { .. })));
}

fn every_reader(bytes: &[u8]) {
    let _ = repomd::read(bytes);
    for (kind, name) in [("filelists", "f"), ("otherdata", "o")] {
        let _ = filelists::read(bytes, name, kind, u64::MAX, &mut |_, _| Ok(()));
    }
    let _ = updateinfo::read(bytes, "u", &mut |_| Ok(()));
    let _ = comps::read(bytes, "c", &mut |_| Ok(()));
    let _ = modulemd::read(bytes, "m", &mut |_| Ok(()));
    let files = Repo::new("").with_bytes("prestodelta", bytes, Compression::None).done();
    let _ = wants(&files, Mode::Mirror);
    let mut files = files;
    files.0.insert("data/primary".to_owned(), Some(bytes.to_vec()));
    let _ = list(&files);
    let _ = Rpm.part(0, &files, &request(Mode::Mirror), &mut |_, record| {
        assert!(super::super::record::insert_location(record, "x").is_ok());
        Ok(())
    });
    let _ = super::super::primary::read(bytes, "p", &request(Mode::Mirror), &mut |_| Ok(()));
}

fn documents() -> Vec<Vec<u8>> {
    let repomd = Repo::new("<metadata/>").done().0["repomd"].clone().unwrap();
    vec![
        repomd,
        primary(&[package("a", '1'), package("b", '2')]).into_bytes(),
        b"<filelists><package pkgid='k'><file type=\"dir\">/a</file></package></filelists>".to_vec(),
        b"<updates><update type='x'><id>a</id><pkglist><collection><package name='a' version='1' release='2' \
          arch='n'/></collection></pkglist></update></updates>"
            .to_vec(),
        b"<!DOCTYPE comps><comps><group><id>g</id><packagelist><packagereq>a</packagereq></packagelist></group></comps>"
            .to_vec(),
        b"---\ndocument: modulemd\nversion: 2\ndata: {name: n, stream: &s '1', artifacts: {rpms: [a-0:1-2.x, *s]}}\n...\n"
            .to_vec(),
        b"<prestodelta><newpackage><delta><filename>a</filename><checksum type='sha256'>0</checksum></delta></newpackage>\
          </prestodelta>"
            .to_vec(),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        every_reader(&bytes);
    }

    #[test]
    fn arbitrary_markup_never_panics(text in "[<>/!?&;#x'\"= a\\-\\[\\]:{}*\n]{0,80}") {
        every_reader(text.as_bytes());
        every_reader(format!("<metadata><package>{text}</package></metadata>").as_bytes());
        every_reader(format!("---\ndocument: {text}").as_bytes());
    }

    #[test]
    fn damaged_documents_never_panic(
        which in 0..7_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4),
    ) {
        let mut bytes = documents().swap_remove(which);
        for (index, what, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => {
                    let copy = bytes[at..].to_vec();
                    bytes.extend(copy);
                }
            }
        }
        every_reader(&bytes);
    }

    #[test]
    fn a_valid_record_always_goes_back_together(summary in "[^\\p{Cc}<&]{0,40}", href in "[a-zA-Z0-9 +~^&'/._-]{1,40}") {
        let mut escaped = Vec::new();
        super::super::record::escape_attribute(&href, &mut escaped);
        let fragment = package("a", '1')
            .replace("About a", &summary)
            .replace("Packages/a.rpm", std::str::from_utf8(&escaped).unwrap());
        let kept = list(&Repo::new(&primary(std::slice::from_ref(&fragment))).done()).unwrap();
        let (package, record) = &kept.packages[0];
        prop_assert_eq!(&*package.href, href.as_str());
        let again = super::super::record::insert_location(record, &package.href).unwrap();
        prop_assert_eq!(String::from_utf8(again).unwrap(), fragment);
    }
}
