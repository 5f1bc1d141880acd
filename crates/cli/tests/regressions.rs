//! Bugs of the reference system that no other test covers; `docs/regressions.md` names all of them.

#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test that cannot go on fails; names are of one spelling"
)]

use std::collections::BTreeSet;

use chantal_model::{Algorithm, Compression};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::compress::decompress;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::Upstream;

fn bench(repository: &Repository, keys: &[&str]) -> (Chantal, Upstream) {
    let upstream = Upstream::start(repository.build().site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mut all = vec!["download: {retry_attempts: 0}"];
    all.extend(keys);
    chantal.repository("r", &upstream.url("/"), &all);
    (chantal, upstream)
}

fn publish(chantal: &Chantal) {
    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
}

/// A published metadata file by its type, decompressed.
fn served(chantal: &Chantal, kind: &str) -> String {
    let root = chantal.published().join("r/latest");
    let entry = std::fs::read_to_string(root.join("repodata/repomd.xml")).unwrap();
    let (_, data) = entry.split_once(&format!("<data type=\"{kind}\">")).unwrap();
    let (_, rest) = data.split_once("<location href=\"").unwrap();
    let bytes = std::fs::read(root.join(rest.split_once('"').unwrap().0)).unwrap();
    String::from_utf8(decompress(&bytes)).unwrap()
}

/// Types that the published entry point names, each as often as it does.
fn kinds(chantal: &Chantal) -> Vec<String> {
    let entry = std::fs::read_to_string(chantal.published().join("r/latest/repodata/repomd.xml")).unwrap();
    let kinds = entry.split("<data type=\"").skip(1);
    kinds.map(|data| data.split_once('"').unwrap().0.to_owned()).collect()
}

fn packages(chantal: &Chantal) -> Vec<String> {
    let tree = chantal.published_digests("r/latest");
    tree.into_keys().filter(|path| path.ends_with(".rpm")).collect()
}

#[test]
fn the_entry_point_names_every_type_once_however_often_upstream_changed() {
    for mode in ["mode: filtered", "mode: mirror"] {
        let (chantal, upstream) = bench(&Repository::sample(), &[mode]);
        for revision in 0..4 {
            let next = match revision % 2 {
                0 => Repository::sample(),
                _ => Repository::sample_v2(),
            };
            let next = next.revision(1_700_300_000 + revision).build();
            upstream.change(|site| *site = next.site());
            publish(&chantal);
            let kinds = kinds(&chantal);
            let distinct: BTreeSet<&String> = kinds.iter().collect();
            assert_eq!(distinct.len(), kinds.len(), "{mode}: {kinds:?}");
        }
    }
}

#[test]
fn file_lists_and_changelogs_follow_whatever_the_checksum_is() {
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
        let repository = Repository::sample().checksum(algorithm);
        let (chantal, upstream) = bench(
            &repository,
            &["allow_weak: [sha1]", "filters: {patterns: {exclude: ['^greeter']}}"],
        );
        publish(&chantal);
        for (kind, text) in [
            ("filelists", "/usr/bin/hello-chantal"),
            ("other", "Fix &lt;greeting&gt;"),
        ] {
            let document = served(&chantal, kind);
            assert!(document.contains(text), "{algorithm}: {kind}: {document}");
            assert!(
                !document.contains("name=\"greeter\""),
                "{algorithm}: {kind}: {document}"
            );
        }
        // What the pool has under such a checksum is not fetched again.
        upstream.clear_log();
        chantal.run(&["repo", "sync", "r", "--force"]).ok();
        let again: Vec<_> = upstream
            .log()
            .into_iter()
            .filter(|hit| hit.path.contains(".rpm"))
            .collect();
        assert!(again.is_empty(), "{algorithm}: {again:?}");
    }
}

#[test]
fn indexes_of_other_tools_are_left_out_of_what_is_filtered() {
    let sample = Repository::sample()
        .extra("primary_db", "primary.sqlite", b"names every package")
        .extra("filelists_zck", "filelists.xml.zck", b"names every package")
        .extra("prestodelta_zck", "prestodelta.xml.zck", b"names every delta")
        .extra("filelists-ext", "filelists-ext.xml", b"names every package")
        .extra("susedata", "susedata.xml", b"names every package")
        .extra("susedata.de", "susedata.de.xml", b"names every package");
    let other = |kind: &String| {
        let is_index = kind.ends_with("_db") || kind.ends_with("_zck");
        is_index || kind.starts_with("susedata") || kind == "filelists-ext"
    };
    let (chantal, _upstream) = bench(&sample, &["filters: {patterns: {exclude: ['^greeter']}}"]);
    publish(&chantal);
    let filtered = kinds(&chantal);
    assert!(!filtered.iter().any(other), "{filtered:?}");
    assert!(filtered.iter().any(|kind| kind == "chantal_unknown"), "{filtered:?}");

    let (chantal, _upstream) = bench(&sample, &["mode: mirror"]);
    publish(&chantal);
    let mirrored = kinds(&chantal);
    assert_eq!(mirrored.iter().filter(|kind| other(kind)).count(), 6, "{mirrored:?}");
}

#[test]
fn two_epochs_of_one_version_are_two_packages() {
    let of_epoch = |epoch: u32| {
        let body = format!("epoch {epoch}\n");
        Rpm::new("twin", "1.0", "1", "noarch")
            .epoch(epoch)
            .file("/etc/twin", body.as_bytes())
    };
    let mut feed = chantal_testkit::corpus::Feed::next();
    feed.tree = chantal_testkit::tree::Tree::default();
    feed.tree.put("a/twin.rpm", of_epoch(0).build().bytes);
    feed.tree.put("b/twin.rpm", of_epoch(1).build().bytes);
    feed.documents.retain(|document| document.kind == "primary");
    feed.set("primary", twins(&of_epoch).as_bytes());
    let upstream = Upstream::start(feed.site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository("r", &upstream.url("/"), &[]);
    publish(&chantal);
    assert_eq!(packages(&chantal), ["a/twin.rpm", "b/twin.rpm"]);
    let primary = served(&chantal, "primary");
    assert!(
        primary.contains("epoch=\"0\" ver=\"1.0\"") && primary.contains("epoch=\"1\" ver=\"1.0\""),
        "{primary}"
    );
}

/// A primary document of both epochs.
fn twins(of_epoch: &dyn Fn(u32) -> Rpm) -> String {
    let record = |epoch: u32, directory: &str| {
        let bytes = of_epoch(epoch).build().bytes;
        let digest = chantal_model::Sha256::of(&bytes);
        format!(
            "<package type=\"rpm\"><name>twin</name><arch>noarch</arch><version epoch=\"{epoch}\" ver=\"1.0\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{digest}</checksum><summary>One of two</summary>\
             <size package=\"{}\" installed=\"1\" archive=\"1\"/><location href=\"{directory}/twin.rpm\"/>\
             <format/></package>\n",
            bytes.len()
        )
    };
    format!(
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" packages=\"2\">\n{}{}</metadata>\n",
        record(0, "a"),
        record(1, "b")
    )
}

#[test]
fn a_package_that_upstream_dropped_or_filters_refuse_is_listed_no_more() {
    let (chantal, upstream) = bench(&Repository::sample(), &[]);
    publish(&chantal);
    assert!(served(&chantal, "primary").contains("<name>hello-chantal-doc</name>"));
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    publish(&chantal);
    assert!(!served(&chantal, "primary").contains("<name>hello-chantal-doc</name>"));
    for kind in ["filelists", "other"] {
        assert!(!served(&chantal, kind).contains("name=\"hello-chantal-doc\""), "{kind}");
    }

    let keys = [
        "filters: {patterns: {exclude: ['^libgreet']}}",
        "download: {retry_attempts: 0}",
    ];
    chantal.repository("r", &upstream.url("/"), &keys);
    publish(&chantal);
    assert!(!served(&chantal, "primary").contains("<name>libgreet</name>"));
}

#[test]
fn one_name_on_two_architectures_is_two_packages_in_a_diff() {
    let of = |arch: &str, version: &str| Rpm::new("both", version, "1", arch);
    let old = Repository::new().with(of("x86_64", "1")).with(of("aarch64", "1"));
    let new = Repository::new()
        .with(of("x86_64", "2"))
        .with(of("aarch64", "1"))
        .revision(1_700_400_000);
    let (chantal, upstream) = bench(&old, &[]);
    chantal.run(&["repo", "sync", "r", "--snapshot-name", "old"]).ok();
    upstream.change(|site| *site = new.build().site());
    chantal.run(&["repo", "sync", "r", "--snapshot-name", "new"]).ok();
    let diff = chantal.json(&["snapshot", "diff", "r", "old", "new"]);
    let text = diff.to_string();
    assert!(text.contains("x86_64") && !text.contains("aarch64"), "{diff:#}");
}

#[test]
fn numbers_are_those_of_the_files() {
    let (chantal, _upstream) = bench(&Repository::sample(), &[]);
    publish(&chantal);
    let stats = chantal.json(&["pool", "stats"]);
    let files = chantal_testkit::tree::digests(&chantal.pool()).unwrap();
    let is_blob = |path: &&String| !path.starts_with("tmp/") && !path.starts_with("manifests/");
    let blobs: Vec<&String> = files.keys().filter(is_blob).collect();
    let bytes: u64 = blobs
        .iter()
        .map(|path| std::fs::metadata(chantal.pool().join(path)).unwrap().len())
        .sum();
    assert_eq!(stats["blobs"], blobs.len(), "{stats:#}");
    assert_eq!(stats["bytes"], bytes, "{stats:#}");
    assert_eq!(
        chantal.json(&["stats"])["packages"],
        Repository::sample().packages.len()
    );
}

#[test]
fn a_pool_that_is_not_there_costs_no_row_of_the_catalog() {
    let (chantal, _upstream) = bench(&Repository::sample(), &["mode: mirror"]);
    publish(&chantal);
    let before = chantal.json(&["snapshot", "content", "r", "latest"]);
    let aside = chantal.path().join("unmounted");
    std::fs::rename(chantal.pool(), &aside).unwrap();
    for verb in [
        &["pool", "missing"][..],
        &["pool", "verify"],
        &["pool", "orphaned"],
        &["repo", "show", "r"],
        &["publish", "repo", "r"],
        &["db", "verify"],
    ] {
        let ran = chantal.run(verb);
        assert!(!ran.stderr.contains("panicked"), "{verb:?}: {}", ran.stderr);
    }
    if chantal.pool().exists() {
        std::fs::remove_dir_all(chantal.pool()).unwrap();
    }
    std::fs::rename(&aside, chantal.pool()).unwrap();
    assert_eq!(chantal.json(&["snapshot", "content", "r", "latest"]), before);
    chantal.run(&["pool", "verify"]).ok();
    chantal.run(&["db", "verify"]).ok();
}

#[test]
fn deleted_snapshots_leave_nothing_dangling() {
    let (chantal, upstream) = bench(&Repository::sample(), &[]);
    chantal
        .run(&["repo", "sync", "r", "--publish", "--snapshot-name", "one"])
        .ok();
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    chantal
        .run(&["repo", "sync", "r", "--publish", "--snapshot-name", "two"])
        .ok();
    for name in ["one", "two"] {
        let copy = format!("{name}-copy");
        chantal
            .run(&["snapshot", "copy", "r", "--source", name, "--target", &copy])
            .ok();
        chantal.run(&["snapshot", "delete", "r", name]).ok();
    }
    chantal.run(&["db", "verify"]).ok();
    let content = chantal.json(&["snapshot", "content", "r", "one-copy"]);
    assert_eq!(content.as_array().unwrap().len(), Repository::sample().packages.len());
}

#[test]
fn metadata_are_compressed_as_their_name_says() {
    for (word, compression) in [
        ("gzip", Compression::Gzip),
        ("xz", Compression::Xz),
        ("bzip2", Compression::Bzip2),
        ("zstd", Compression::Zstd),
    ] {
        let keys = [
            format!("metadata: {{compression: {word}}}"),
            "filters: {patterns: {exclude: ['^greeter']}}".to_owned(),
        ];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (chantal, _upstream) = bench(&Repository::sample().compression(compression), &keys);
        publish(&chantal);
        let tree = chantal.published().join("r/latest");
        for path in chantal.published_digests("r/latest").keys() {
            if path.starts_with("repodata/") && path.ends_with(compression.suffix()) {
                let bytes = std::fs::read(tree.join(path)).unwrap();
                assert_eq!(Compression::sniff(&bytes), compression, "{path}");
            }
        }
        assert!(served(&chantal, "updateinfo").contains("TEST-2024:0001"), "{word}");
    }
}
