//! What a sync does when upstream lacks something, lies, or changes while it is read.

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

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Fault, Upstream};

fn bench(keys: &[&str]) -> (Chantal, Upstream) {
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mut all = vec!["download: {retry_attempts: 0}"];
    all.extend(keys);
    chantal.repository("r", &upstream.url("/"), &all);
    (chantal, upstream)
}

/// The path of a package of the sample.
fn doc() -> String {
    let repository = Repository::sample();
    format!("/{}", repository.href(repository.package("hello-chantal-doc")))
}

fn content(chantal: &Chantal) -> Vec<String> {
    let rows = chantal.json(&["snapshot", "content", "r", "latest"]);
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_filtered_repository_goes_on_without_a_package_names_it_and_takes_it_later() {
    let (chantal, upstream) = bench(&[]);
    upstream.set_fault(&doc(), Fault::Status(404, vec![]), 1);
    let ran = chantal.run(&["repo", "sync", "r", "--publish"]).expect(9);
    assert!(ran.stderr.contains("hello-chantal-doc"), "{}", ran.stderr);
    assert!(!content(&chantal).iter().any(|name| name == "hello-chantal-doc"));
    let tree = chantal.published_digests("r/latest");
    assert!(!tree.keys().any(|path| path.contains("hello-chantal-doc")));

    let counted = |report: &serde_json::Value| {
        let result = &report[0]["result"];
        let counts = &result["plan"]["counts"];
        (
            counts["added"].as_u64(),
            counts["removed"].as_u64(),
            result["recorded"].as_bool(),
        )
    };
    let history = |chantal: &Chantal| {
        let runs = chantal.json(&["repo", "history", "r"]);
        runs[0]["added"].as_i64()
    };
    assert!(ran.stderr.contains("6 added, 0 removed"), "{}", ran.stderr);
    assert_eq!(history(&chantal), Some(6));

    // The feed has not changed, but something was left out: it is read again.
    upstream.set_fault(&doc(), Fault::Status(404, vec![]), 1);
    let again = chantal.run(&["repo", "sync", "r", "--format", "json"]).expect(9);
    let again = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(counted(&again), (Some(0), Some(0), Some(false)));
    assert_eq!(history(&chantal), Some(0));

    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    assert!(content(&chantal).iter().any(|name| name == "hello-chantal-doc"));
}

#[test]
fn altered_packages_are_left_out_too() {
    let (chantal, upstream) = bench(&[]);
    upstream.set_fault(&doc(), Fault::CorruptByte(100), 9);
    let ran = chantal.run(&["repo", "sync", "r"]).expect(9);
    assert!(ran.stderr.contains("expected sha256:"), "{}", ran.stderr);
}

#[test]
fn policy_fail_records_nothing_and_keeps_what_was_fetched() {
    let (chantal, upstream) = bench(&["on_package_error: fail"]);
    upstream.set_fault(&doc(), Fault::Status(404, vec![]), 1);
    let ran = chantal.run(&["repo", "sync", "r"]).expect(3);
    assert!(
        ran.stderr.contains("1 of 7 packages could not be had"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        chantal.json(&["repo", "show", "r"])["revisions"]
            .as_array()
            .unwrap()
            .len(),
        0
    );

    upstream.clear_log();
    chantal.run(&["repo", "sync", "r"]).ok();
    let fetched = upstream.log().iter().filter(|hit| hit.path.contains(".rpm")).count();
    assert_eq!(fetched, 1, "what was fetched before was fetched again");
}

#[test]
fn a_mirror_does_not_go_on_without_a_package_unless_that_is_said() {
    let (chantal, upstream) = bench(&["mode: mirror"]);
    upstream.set_fault(&doc(), Fault::Status(404, vec![]), 9);
    chantal.run(&["repo", "sync", "r"]).expect(3);

    let (chantal, upstream) = bench(&["mode: mirror", "on_package_error: accept_missing"]);
    upstream.set_fault(&doc(), Fault::Status(404, vec![]), 9);
    let ran = chantal.run(&["repo", "sync", "r", "--publish"]).expect(9);
    assert!(ran.stderr.contains("hello-chantal-doc"), "{}", ran.stderr);

    let (chantal, upstream) = bench(&["mode: mirror", "on_package_error: accept_missing"]);
    upstream.set_fault(&doc(), Fault::CorruptByte(100), 9);
    chantal.run(&["repo", "sync", "r"]).expect(4);
}

#[test]
fn altered_metadata_are_refused_and_the_old_state_stays_served() {
    let (chantal, upstream) = bench(&[]);
    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    let before = chantal.published_digests("r/latest");
    let next = Repository::sample_v2().build();
    let primary = format!("/{}", next.find("primary.xml.gz").unwrap_or("repodata/primary.xml.gz"));
    upstream.change(|site| *site = next.site());
    upstream.set_fault(&primary, Fault::CorruptByte(30), 99);
    chantal.run(&["repo", "sync", "r", "--publish"]).expect(4);
    assert_eq!(chantal.published_digests("r/latest"), before);

    upstream.change(|site| *site = next.site());
    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    assert_ne!(chantal.published_digests("r/latest"), before);
}

#[test]
fn a_feed_that_changes_while_it_is_read_is_read_again() {
    let (chantal, upstream) = bench(&[]);
    let (old, new) = (Repository::sample().build(), Repository::sample_v2().build());
    // The entry point is the old one, everything else is of the new state already.
    upstream.change(|site| *site = new.site());
    upstream.set_fault(
        "/repodata/repomd.xml",
        Fault::RedirectTo(upstream.url("/old-repomd.xml")),
        1,
    );
    upstream.put("/old-repomd.xml", old.bytes("repodata/repomd.xml").to_vec());
    let ran = chantal.run(&["repo", "sync", "r"]).ok();
    assert!(ran.stderr.contains("changed while it was read"), "{}", ran.stderr);
    assert!(content(&chantal).iter().any(|name| name == "newcomer"));
}

#[test]
fn a_page_for_people_is_no_repository() {
    let (chantal, upstream) = bench(&[]);
    upstream.set_fault("/repodata/repomd.xml", Fault::HtmlPage, 9);
    let ran = chantal.run(&["repo", "sync", "r"]).expect(5);
    assert!(ran.stderr.to_lowercase().contains("html"), "{}", ran.stderr);
}

#[test]
fn a_mode_that_changed_takes_effect_at_the_next_sync_and_publish_says_so_until_then() {
    let (chantal, upstream) = bench(&["mode: mirror"]);
    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    chantal.run(&["snapshot", "create", "r", "--name", "mirrored"]).ok();
    let mirrored = chantal.published_digests("r/latest");
    chantal.repository("r", &upstream.url("/"), &["mode: filtered"]);
    let ran = chantal.run(&["publish", "repo", "r"]).ok();
    assert!(ran.stderr.contains("recorded in mode mirror"), "{}", ran.stderr);

    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    let entry = "repodata/repomd.xml";
    assert_ne!(chantal.published_digests("r/latest")[entry], mirrored[entry]);
    // The snapshot is published as it was recorded, whatever the configuration says now.
    chantal
        .run(&["publish", "snapshot", "r", "--snapshot", "mirrored"])
        .ok();
    let tree = chantal.published_digests("r/snapshots/mirrored");
    assert_eq!(tree[entry], mirrored[entry]);
}

#[test]
fn publishing_a_state_again_renders_equal_bytes() {
    let (chantal, upstream) = bench(&[]);
    chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    let (other, _other_upstream) = bench(&[]);
    other.repository("r", &upstream.url("/"), &[]);
    other.run(&["repo", "sync", "r", "--publish"]).ok();
    assert_eq!(
        chantal.published_digests("r/latest"),
        other.published_digests("r/latest")
    );

    let entry = chantal.published().join("r/latest/repodata/repomd.xml");
    let written = std::fs::metadata(&entry).unwrap().modified().unwrap();
    chantal.run(&["publish", "repo", "r"]).ok();
    assert_eq!(
        std::fs::metadata(&entry).unwrap().modified().unwrap(),
        written,
        "an unchanged state was written again"
    );
}
