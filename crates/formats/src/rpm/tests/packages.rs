use chantal_model::Mode;

use super::super::testing::{Repo, list, package, primary, request};
use super::super::{Rpm, record};
use crate::Format;
use crate::error::FormatError;
use crate::rpm::testing::Kept;

fn listed(packages: &[String]) -> Kept {
    list(&Repo::new(&primary(packages)).done()).unwrap()
}

#[test]
fn a_package_at_upstreams_place_is_upstreams_fragment() {
    let fragments = [
        package("a", '1'),
        package("b&amp;c", '2').replace("<name>b&amp;c", "<name>b"),
    ];
    let kept = listed(&fragments);

    assert_eq!(kept.bad, []);
    for ((package, record), fragment) in kept.packages.iter().zip(&fragments) {
        let again = record::insert_location(record, &package.href).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), *fragment);
    }
    assert_eq!(&*kept.packages[1].0.href, "Packages/b&c.rpm");
}

#[test]
fn fields_are_read() {
    let text = package("a", '1').replace("epoch=\"0\"", "epoch=\"2\"");
    let kept = listed(&[text]);
    let package = &kept.packages[0].0;

    assert_eq!(&*package.name, "a");
    assert_eq!(&*package.version.text, "2:1.0-1.el9");
    assert_eq!(&*package.label, "a-2:1.0-1.el9.x86_64");
    assert_eq!(&*package.part_key, "1".repeat(64));
    assert_eq!(package.promise.size, Some(10));
    assert_eq!(package.build_time, Some(1));
    assert_eq!(&*package.summary, "About a");
    assert!(!package.is_source);
    assert_eq!(package.version.key, Rpm.version_key("2:1.0-1.el9"));
}

#[test]
fn what_filters_ask_for_is_read_and_read_back_from_the_record() {
    let text = package("a", '1').replace(
        "<rpm:license>",
        "<rpm:vendor>Example &amp; Sons</rpm:vendor><rpm:group/><rpm:license>",
    );
    let text = text.replace("epoch=\"0\"", "epoch=\"02\"");
    assert!(text.contains("Sons"), "{text}");
    let kept = listed(&[text, package("b", '2').replace("rpm:license", "rpm:licence")]);
    let facts = |at: usize| kept.packages[at].0.fields.iter().collect::<Vec<_>>();

    assert_eq!(
        facts(0),
        [("license", "MIT"), ("vendor", "Example & Sons"), ("epoch", "2")]
    );
    assert_eq!(facts(1), [("epoch", "0")]);
    for (package, record) in &kept.packages {
        assert_eq!(Rpm.fields(record), package.fields, "{}", package.name);
    }
    assert_eq!(Rpm.fields(b"no record"), chantal_model::Fields::default());
}

#[test]
fn a_description_does_not_depend_on_the_location() {
    let here = listed(&[package("a", '1')]);
    let there = listed(&[package("a", '1').replace("Packages/a.rpm", "../other/a.rpm")]);
    let odd = listed(&[package("a", '1').replace(
        "<location href=\"Packages/a.rpm\"/>",
        "<location xml:base='http://h/'  href='a.rpm'></location>",
    )]);
    let changed = listed(&[package("a", '1').replace("MIT", "BSD")]);

    let description = |kept: &Kept| kept.packages[0].0.description;
    assert_eq!(description(&here), description(&there));
    assert_eq!(description(&here), description(&odd));
    assert_ne!(description(&here), description(&changed));
    assert_eq!(odd.packages[0].0.base.as_deref(), Some("http://h/"));
}

#[test]
fn a_location_inside_of_format_is_not_the_packages_own() {
    let text = package("a", '1').replace("<format>", "<format><location href=\"evil\"/>");
    let kept = listed(std::slice::from_ref(&text));
    let (package, record) = &kept.packages[0];
    assert_eq!(&*package.href, "Packages/a.rpm");
    assert_eq!(record::insert_location(record, &package.href).unwrap(), text.as_bytes());
}

#[test]
fn one_bad_package_costs_no_other_one() {
    let good = package("good", '1');
    for (old, new, reason) in [
        ("<name>bad</name>", "", "no name"),
        ("<name>bad</name>", "<name>b a</name>", "not a word"),
        ("<name>bad</name>", "<name>../bad</name>", "not a word"),
        ("<arch>x86_64</arch>", "", "no architecture"),
        (" rel=\"1.el9\"", "", "no release"),
        ("epoch=\"0\"", "epoch=\"x\"", "epoch"),
        ("epoch=\"0\"", "epoch=\"99999999999\"", "epoch"),
        ("<version", "<verzion", "no version"),
        ("type=\"sha256\"", "type=\"crc\"", "unknown digest"),
        ("type=\"sha256\" ", "", "no type"),
        ("22222222</checksum>", "</checksum>", "hexadecimal"),
        ("<location href=\"Packages/bad.rpm\"/>", "", "no location"),
        ("<location href=\"Packages/bad.rpm\"/>", "<location/>", "no location"),
        (
            "<location href=\"Packages/bad.rpm\"/>",
            "<location href=\"a\"/><location href=\"b\"/>",
            "two locations",
        ),
        ("package=\"10\"", "package=\"-1\"", "size"),
        ("About", "\u{1}", "control character"),
    ] {
        let bad = package("bad", '2');
        assert!(bad.contains(old), "{old}");
        let files = Repo::new(&primary(&[
            good.clone(),
            bad.replacen(old, new, 1),
            package("last", '3'),
        ]))
        .done();

        let kept = list(&files).unwrap();

        assert_eq!(kept.packages.len(), 2, "{new:?}");
        assert_eq!((kept.bad.len(), kept.bad[0].index), (1, 1), "{new:?}");
        assert!(kept.bad[0].reason.contains(reason), "{new:?}: {}", kept.bad[0].reason);
        let mut keys = Vec::new();
        Rpm.part(0, &files, &request(Mode::Filtered), &mut |key, record| {
            keys.push((key.to_owned(), record.to_vec()));
            Ok(())
        })
        .unwrap();
        let listed: Vec<_> = kept
            .packages
            .iter()
            .map(|(package, record)| (package.part_key.to_string(), record.clone()))
            .collect();
        assert_eq!(keys, listed, "the part leaves out what the listing leaves out");
    }
}

#[test]
fn a_package_listed_twice_counts_once_and_a_contradiction_is_refused() {
    let kept = listed(&[package("a", '1'), package("a", '1')]);
    assert_eq!((kept.packages.len(), kept.bad.len()), (1, 1));
    assert_eq!(kept.bad[0].reason, "it is listed twice");

    let files = Repo::new(&primary(&[package("a", '1'), package("a", '2')])).done();
    let Err(FormatError::Malformed { reason, .. }) = list(&files) else {
        panic!("two checksums for one location were accepted");
    };
    assert!(reason.contains("conflicting entries"), "{reason}");
}

#[test]
fn one_package_at_two_places_is_two_packages() {
    let second = package("a", '1').replace("Packages/a.rpm", "Packages/b.rpm");
    assert_eq!(listed(&[package("a", '1'), second]).packages.len(), 2);
}

#[test]
fn a_count_that_lies_is_refused() {
    for count in ["0", "2", "100"] {
        let text = primary(&[package("a", '1')]).replace("packages=\"1\"", &format!("packages=\"{count}\""));
        let error = list(&Repo::new(&text).done()).err().unwrap();
        assert!(matches!(error, FormatError::Malformed { .. }), "{count}: {error}");
    }
    let text = primary(&[package("a", '1')]).replace(" packages=\"1\"", "");
    assert_eq!(list(&Repo::new(&text).done()).unwrap().packages.len(), 1);
}

#[test]
fn other_parts_come_raw_by_pkgid() {
    let filelists = "<filelists packages=\"9\" xmlns=\"f\"><!-- </package> --><package pkgid='k1' name=\"a\"><file>\
                     &lt;x</file><![CDATA[</package>]]></package>\n<package name=\"no id\"/><odd/><package pkgid=\"k2\"/>\
                     </filelists>";
    let files = Repo::new(&primary(&[])).with("filelists", filelists).done();
    let mut parts = Vec::new();
    Rpm.part(1, &files, &request(Mode::Filtered), &mut |key, record| {
        parts.push((key.to_owned(), String::from_utf8(record.to_vec()).unwrap()));
        Ok(())
    })
    .unwrap();
    assert_eq!(
        parts,
        [
            (
                "k1".to_owned(),
                "<package pkgid='k1' name=\"a\"><file>&lt;x</file><![CDATA[</package>]]></package>".to_owned()
            ),
            ("k2".to_owned(), "<package pkgid=\"k2\"/>".to_owned()),
        ]
    );
    Rpm.part(2, &files, &request(Mode::Filtered), &mut |_, _| {
        panic!("there is no other.xml")
    })
    .unwrap();

    let roots: Vec<_> = list(&files)
        .unwrap()
        .items
        .into_iter()
        .map(|item| (item.key, item.record))
        .collect();
    assert_eq!(
        roots[1],
        ("root/filelists".to_owned(), b"<filelists xmlns=\"f\">".to_vec())
    );
}

#[test]
fn the_receiver_can_stop() {
    let files = Repo::new(&primary(&[package("a", '1')])).done();
    let error = Rpm
        .part(0, &files, &request(Mode::Filtered), &mut |_, _| Err(crate::Stop))
        .unwrap_err();
    assert!(matches!(error, FormatError::Stopped));
}

#[test]
fn generated_trees_have_a_safe_path_for_every_package() {
    let paths = |href: &str| {
        let kept = listed(&[package("a", '1').replace("Packages/a.rpm", href)]);
        let paths = Rpm.paths(&kept.packages[0].0);
        paths.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        paths("os/Foo%2B.rpm"),
        [
            "os/Foo%2B.rpm",
            "Packages/f/Foo%2B.rpm",
            "Packages/f/1111111111111111/Foo%2B.rpm"
        ]
    );
    for href in [
        "../pool/Foo.rpm",
        "repodata/Foo.rpm",
        "https://h/x/Foo.rpm?token=1",
        "/x/Foo.rpm",
    ] {
        assert_eq!(
            paths(href),
            ["Packages/f/Foo.rpm", "Packages/f/1111111111111111/Foo.rpm"],
            "{href}"
        );
    }
    assert_eq!(paths("..").len(), 2);
    assert_eq!(paths("Packages/a.rpm").len(), 3);
}
