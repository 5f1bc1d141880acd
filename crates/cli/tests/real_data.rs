//! Real metadata through the binary: only checksums and sizes are swapped, bodies are made on the fly.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(
    clippy::format_collect,
    clippy::print_stdout,
    reason = "small texts of tests; what was counted is told"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use chantal_model::Compression;
use chantal_testkit::chantal::Chantal;
use chantal_testkit::clients::{Createrepo, Dnf};
use chantal_testkit::needs::need;
use chantal_testkit::rebody::RealMetadata;
use chantal_testkit::upstream::Upstream;

/// The open bytes of a published part.
fn part(tree: &Path, name: &str) -> String {
    let directory = tree.join("repodata");
    let file = std::fs::read_dir(&directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(&format!("-{name}.xml.gz")))
        .unwrap();
    let mut open = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut open)
        .unwrap();
    open
}

/// Each package's fragment by its checksum.
fn fragments(open: &str, key: fn(&str) -> String) -> BTreeMap<String, &str> {
    open.split("<package ")
        .skip(1)
        .map(|rest| {
            let end = rest.find("</package>").unwrap();
            (key(rest), &rest[..end])
        })
        .collect()
}

fn between(text: &str, from: &str, to: &str) -> String {
    text.split(from).nth(1).unwrap().split(to).next().unwrap().to_owned()
}

fn without_location(fragment: &str) -> String {
    let start = fragment.find("<location").unwrap();
    let end = start + fragment[start..].find("/>").unwrap() + 2;
    format!("{}{}", &fragment[..start], &fragment[end..])
}

/// Mirrors all or some of a real repository and compares every kept fragment.
fn compare(real: &RealMetadata, keys: &[&str], expected: impl Fn(&str) -> bool, dnf: bool) {
    let rebodied = real.build();
    let upstream = Upstream::start(rebodied.tree.site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mut all = vec!["metadata: {compression: gzip}"];
    all.extend(keys);
    chantal.repository("r", &upstream.url("/"), &all);
    chantal
        .run(&["repo", "sync", "r", "--publish", "--progress", "none"])
        .ok();
    let tree = chantal.published().join("r/latest");
    let primary = part(&tree, "primary");
    let published = fragments(&primary, |rest| between(rest, "pkgid=\"YES\">", "<"));
    let mut kept = 0;
    for package in &rebodied.packages {
        let Some(fragment) = published.get(&package.pkgid) else {
            assert!(!expected(&package.label), "{} is missing", package.label);
            continue;
        };
        kept += 1;
        let upstream = between(&package.primary, "<package ", "</package>");
        assert_eq!(
            without_location(fragment),
            without_location(&upstream),
            "{}",
            package.label
        );
    }
    assert_eq!(kept, published.len());
    for name in ["filelists", "other"] {
        let open = part(&tree, name);
        let found = fragments(&open, |rest| between(rest, "pkgid=\"", "\""));
        assert_eq!(found.len(), kept, "{name}");
        for package in &rebodied.packages {
            if let Some(fragment) = found.get(&package.pkgid) {
                let upstream = if name == "filelists" {
                    &package.filelists
                } else {
                    &package.other
                };
                assert_eq!(
                    *fragment,
                    between(upstream, "<package ", "</package>"),
                    "{name} of {}",
                    package.label
                );
            }
        }
    }
    println!("{kept} of {} packages compared", rebodied.packages.len());
    if dnf && need(Dnf::available(), "dnf") {
        let work = tempfile::tempdir().unwrap();
        let web = Upstream::serve_dir(&chantal.published());
        let dnf = Dnf::new(work.path()).setting("module_platform_id=platform:el9");
        let url = web.url("/r/latest/");
        dnf.makecache(&url).ok();
        let listed = dnf.repoquery(&url, &["--disable-modular-filtering", "--show-duplicates"]);
        assert_eq!(listed.len(), kept, "dnf lists another number of packages");
        assert!(dnf.module_list(&url).ok().stdout.contains("nodejs"));
        assert!(dnf.group_list(&url).ok().stdout.contains("Groups"));
    }
}

#[test]
fn centos_appstream_whole() {
    let Some(real) = RealMetadata::appstream() else { return };
    compare(&real.compression(Compression::Zstd), &[], |_| true, true);
}

#[test]
fn centos_appstream_filtered_with_its_modules() {
    let Some(real) = RealMetadata::appstream() else { return };
    let keys = ["filters: {patterns: {include: [\"^(lib|python3-|nodejs)\"]}, rpm: {exclude_source_rpms: true}}"];
    let expected = |label: &str| {
        ["lib", "python3-", "nodejs"]
            .iter()
            .any(|prefix| label.starts_with(prefix))
            && !label.ends_with(".src")
    };
    compare(&real, &keys, expected, true);
}

/// Copies every package below a directory into another one, under names of their own; gives their number.
fn gather(from: std::path::PathBuf, to: &Path) -> usize {
    let mut copied = 0;
    let mut directories = vec![from];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rpm") {
                std::fs::copy(&path, to.join(format!("{copied}-{}", entry.file_name().display()))).unwrap();
                copied += 1;
            }
        }
    }
    copied
}

#[test]
fn packages_of_every_kind_keep_what_createrepo_c_says_about_them() {
    let Some(data) = chantal_testkit::needs::real_data("rpm/rpm-rs") else {
        return;
    };
    if !need(Createrepo::available(), "createrepo_c") {
        return;
    }
    let feed = tempfile::tempdir().unwrap();
    let copied = gather(data, feed.path());
    Createrepo::create(feed.path(), &["--compress-type=gz"]);
    let upstream = Upstream::serve_dir(feed.path());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository("r", &upstream.url("/"), &["metadata: {compression: gzip}"]);
    let ran = chantal.run(&["repo", "sync", "r", "--publish"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let tree = chantal.published().join("r/latest");
    for (name, key) in [
        ("primary", "pkgid=\"YES\">"),
        ("filelists", "pkgid=\""),
        ("other", "pkgid=\""),
    ] {
        let (expected, found) = (part(feed.path(), name), part(&tree, name));
        let digest: fn(&str) -> String = if key.ends_with('>') {
            |rest| between(rest, "pkgid=\"YES\">", "<")
        } else {
            |rest| between(rest, "pkgid=\"", "\"")
        };
        let (expected, found) = (fragments(&expected, digest), fragments(&found, digest));
        assert!(
            found.len() > 20 && found.len() == expected.len(),
            "{name}: {} of {}",
            found.len(),
            expected.len()
        );
        for (pkgid, fragment) in &found {
            let cut = |text: &str| {
                if name == "primary" {
                    without_location(text)
                } else {
                    text.to_owned()
                }
            };
            assert_eq!(cut(fragment), cut(expected[pkgid]), "{name} of {pkgid}");
        }
    }
    println!("{copied} packages");
}
