use chantal_model::{Compression, Mode, Sha256};

use super::super::Rpm;
use super::super::testing::{Files, Repo, primary, request, wants};
use crate::Format;
use crate::error::FormatError;
use crate::read::{Role, Wanted};

fn ids(wanted: &[Wanted]) -> Vec<&str> {
    wanted.iter().map(|wanted| wanted.id.as_str()).collect()
}

fn ids_of<'a>(wanted: &[&'a Wanted]) -> Vec<&'a str> {
    wanted.iter().map(|wanted| wanted.id.as_str()).collect()
}

fn repomd(data: &str) -> Files {
    let mut files = Files::default();
    let primary = entry("primary", "repodata/p.xml", "sha256");
    let text = format!("<repomd>{primary}{data}</repomd>");
    files.0.insert("repomd".to_owned(), Some(text.into_bytes()));
    files
}

fn entry(kind: &str, href: &str, algorithm: &str) -> String {
    let digits = match algorithm {
        "md5" => 32,
        "sha" | "sha1" => 40,
        _ => 64,
    };
    format!(
        "<data type=\"{kind}\"><checksum type=\"{algorithm}\">{}</checksum><location href=\"{href}\"/></data>",
        "0".repeat(digits)
    )
}

#[test]
fn first_the_entry_point_then_all_that_it_names() {
    let first = wants(&Files::default(), Mode::Mirror).unwrap();
    assert_eq!(ids(&first), ["repomd"]);
    assert_eq!(
        (first[0].role, first[0].optional, first[0].limit_bytes),
        (Role::Entry, false, 10 << 20)
    );

    let data = ["filelists_db", "group", "group_gz", "primary_zck", "odd"]
        .map(|kind| entry(kind, &format!("repodata/{kind}"), "sha256"))
        .concat();
    let mut files = repomd(&data);
    let mirror = wants(&files, Mode::Mirror).unwrap();
    assert_eq!(
        ids(&mirror),
        [
            "repomd.asc",
            "repomd.key",
            "data/primary",
            "data/filelists_db",
            "data/group",
            "data/group_gz",
            "data/primary_zck",
            "data/odd",
            ".treeinfo"
        ]
    );
    assert!(mirror.iter().all(|wanted| wanted.verbatim));
    assert!(mirror[0].optional && mirror[1].optional && !mirror[2].optional);

    let filtered = wants(&files, Mode::Filtered).unwrap();
    assert_eq!(ids(&filtered), ["data/primary", "data/group", "data/odd", ".treeinfo"]);
    let verbatim: Vec<_> = filtered.iter().filter(|wanted| wanted.verbatim).collect();
    assert_eq!(ids_of(&verbatim), ["data/odd", ".treeinfo"]);
    assert_eq!(verbatim[0].record, entry("odd", "repodata/odd", "sha256").into_bytes());

    for wanted in mirror {
        files.0.insert(wanted.id, None);
    }
    assert_eq!(ids(&wants(&files, Mode::Mirror).unwrap()), ["treeinfo"]);
    files.0.insert("treeinfo".to_owned(), None);
    assert!(wants(&files, Mode::Mirror).unwrap().is_empty());
}

#[test]
fn lists_of_packages_for_other_tools_are_left_out_of_what_is_filtered() {
    let other = [
        "filelists-ext",
        "filelists_ext",
        "filelists-ext_zck",
        "filelists_ext_db",
        "susedata",
        "susedata.de",
        "susedata.pt_BR",
        "primary_db",
        "prestodelta",
    ];
    let kept = ["suseinfo", "susedata-like", "productid"];
    for kind in other.iter().chain(&kept) {
        let files = repomd(&entry(kind, &format!("repodata/{kind}"), "sha256"));
        let id = format!("data/{kind}");
        let is_wanted = |mode| wants(&files, mode).unwrap().iter().any(|wanted| wanted.id == id);
        assert!(is_wanted(Mode::Mirror), "{kind}");
        assert_eq!(is_wanted(Mode::Filtered), kept.contains(kind), "{kind}");
    }
}

#[test]
fn a_second_entry_of_a_type_is_fetched_and_the_first_is_read() {
    let data = entry("updateinfo", "repodata/u1", "sha256") + &entry("updateinfo", "repodata/u2", "sha256");
    let mirror = wants(&repomd(&data), Mode::Mirror).unwrap();
    assert_eq!(ids(&mirror)[3..], ["data/updateinfo", "data/updateinfo#2", ".treeinfo"]);
    let filtered = wants(&repomd(&data), Mode::Filtered).unwrap();
    assert_eq!(ids(&filtered)[1..], ["data/updateinfo", ".treeinfo"]);
    assert!(wants(&repomd(&entry("primary", "repodata/other.xml", "sha256")), Mode::Mirror).is_err());
}

#[test]
fn a_file_that_two_entries_name_is_fetched_once() {
    let data = entry("group", "repodata/c", "sha256") + &entry("group_gz", "repodata/c", "sha256");
    let mirror = wants(&repomd(&data), Mode::Mirror).unwrap();
    assert_eq!(ids(&mirror)[3..], ["data/group", ".treeinfo"]);
    let other = entry("group_gz", "repodata/c", "sha256").replace(">00", ">11");
    let data = entry("group", "repodata/c", "sha256") + &other;
    assert!(wants(&repomd(&data), Mode::Mirror).is_err());
}

#[test]
fn paths_that_leave_the_repository_are_refused() {
    for href in [
        "../x",
        "repodata/../../x",
        "/etc/x",
        "http://h/x",
        "file:///x",
        "%2e%2e/x",
        "a\\b",
        "",
        "repodata/repomd.xml",
        "repodata/repomd.xml.asc",
    ] {
        let error = wants(&repomd(&entry("odd", href, "sha256")), Mode::Mirror).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, FormatError::Malformed { .. }) && text.contains("unsafe path"),
            "{href:?}: {text}"
        );
    }
    let based = entry("odd", "x", "sha256").replace("<location", "<location xml:base=\"http://h/\"");
    assert!(
        wants(&repomd(&based), Mode::Mirror)
            .unwrap_err()
            .to_string()
            .contains("unsafe path")
    );
}

#[test]
fn weak_promises_are_refused_and_sha1_can_be_allowed() {
    for algorithm in ["md5", "sha", "sha1"] {
        let error = wants(&repomd(&entry("odd", "x", algorithm)), Mode::Mirror).unwrap_err();
        assert!(matches!(error, FormatError::Weak { .. }), "{algorithm}: {error}");
    }
    let mut allowed = request(Mode::Mirror);
    allowed.allow_sha1 = true;
    let files = repomd(&entry("odd", "x", "sha"));
    assert!(Rpm.wants(&files, &allowed).is_ok());
    assert_eq!(Rpm.overview(&files, &allowed).unwrap().warnings.len(), 1);
    assert!(Rpm.wants(&repomd(&entry("odd", "x", "md5")), &allowed).is_err());
}

#[test]
fn a_promise_beyond_the_limit_is_not_even_asked_for() {
    let mut small = request(Mode::Mirror);
    small.max_metadata_bytes = 10;
    let sized = entry("odd", "x", "sha256").replace("</data>", "<size>11</size></data>");
    assert!(matches!(
        Rpm.wants(&repomd(&sized), &small),
        Err(FormatError::Limit { .. })
    ));
}

#[test]
fn entries_that_say_too_little_are_refused() {
    let good = entry("odd", "x", "sha256");
    for (old, new) in [
        (" type=\"odd\"", ""),
        (" href=\"x\"", ""),
        ("<checksum type=\"sha256\">", "<checksum>"),
        ("checksum", "sum"),
        ("00</", "</"),
        ("</data>", "<size>-1</size></data>"),
        ("</data>", "<open-size>x</open-size></data>"),
    ] {
        let error = wants(&repomd(&good.replace(old, new)), Mode::Mirror).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{new:?}: {error}");
    }
}

#[test]
fn a_login_page_is_named_as_what_it_is() {
    for page in ["<!DOCTYPE html><p>", "\u{feff}\n <HTML><body>", "<!doctype HTML PUBLIC"] {
        let mut files = Files::default();
        files.0.insert("repomd".to_owned(), Some(page.into()));
        let error = wants(&files, Mode::Mirror).unwrap_err();
        assert!(error.to_string().contains("HTML page"), "{page}: {error}");
    }
}

#[test]
fn overview_tells_revision_time_and_compression() {
    let files = Repo::new(&primary(&[]))
        .with_bytes("other", b"<otherdata/>", Compression::None)
        .done();
    let overview = Rpm.overview(&files, &request(Mode::Mirror)).unwrap();
    assert_eq!(overview.revision.as_deref(), Some("7"));
    assert_eq!(overview.timestamp, Some(1_700_000_000));
    assert_eq!(overview.compression, Some(Compression::Gzip));
    assert!(overview.warnings.is_empty());
}

#[test]
fn delta_packages_are_wanted_in_a_round_of_their_own() {
    let digest = Sha256::of(b"x");
    let delta = |file: &str| {
        format!(
            "<prestodelta><newpackage name=\"a\"><delta oldver=\"1\"><filename>{file}</filename>\
             <sequence>s</sequence><size>5</size><checksum type=\"sha256\">{digest}</checksum></delta></newpackage>\
             </prestodelta>"
        )
    };
    let mut files = Repo::new(&primary(&[]))
        .with("prestodelta", &delta("drpms/a.drpm"))
        .done();
    for wanted in wants(&files, Mode::Mirror).unwrap() {
        if wanted.role != Role::Payload {
            files.0.entry(wanted.id).or_insert(None);
        }
    }
    files.0.insert("treeinfo".to_owned(), None);
    let wanted = wants(&files, Mode::Mirror).unwrap();
    assert_eq!(ids(&wanted), ["file/drpms/a.drpm"]);
    assert_eq!(wanted[0].promise.as_ref().unwrap().sha256(), Some(digest));
    assert!(wanted[0].verbatim);
    assert!(
        !ids(&wants(&files, Mode::Filtered).unwrap())
            .iter()
            .any(|id| id.contains("delta"))
    );

    for file in ["../a.drpm", "repodata/x", ""] {
        let files = Repo::new(&primary(&[])).with("prestodelta", &delta(file)).done();
        assert!(wants(&files, Mode::Mirror).is_err(), "{file:?}");
    }
}
