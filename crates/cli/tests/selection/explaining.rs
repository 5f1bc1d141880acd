//! What `--explain` says.

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::{Module, Repository};
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::{Fault, Upstream};

use super::bench::{bench, configure, sync};
use super::retention::{change, feed, rpm};

/// What `--explain` says: package, whether it is chosen, reason.
fn explained(chantal: &Chantal, name: &str) -> Vec<(String, bool, String)> {
    let runs = chantal.json(&["repo", "sync", "r", "--dry-run", "--explain", name]);
    let rows = runs[0]["result"]["explained"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            (text("package"), row["chosen"].as_bool().unwrap(), text("reason"))
        })
        .collect()
}

/// The same in one line for each package.
fn told(chantal: &Chantal, name: &str) -> Vec<String> {
    let rows = explained(chantal, name).into_iter();
    rows.map(|(package, chosen, reason)| format!("{package}: {}, {reason}", if chosen { "in" } else { "out" }))
        .collect()
}

/// A repository whose next sync keeps, drops and filters.
fn to_be_explained() -> (Chantal, Upstream) {
    let node = rpm("node", "18").module("node:18:1:c0ffee");
    let keep = "retention: {policy: keep-last-n, keep_count: 2, deleted_packages: remove}";
    let first = feed(1, &[("a", "1"), ("a", "2"), ("gone", "1")]);
    let (chantal, upstream) = bench(&first, &[keep]);
    sync(&chantal);
    let later = feed(2, &[("a", "3"), ("x", "1")])
        .with(rpm("big", "1").license("Odd"))
        .module(Module::new("node", "18", 1, [&node]))
        .with(node);
    change(&upstream, &later);
    let filters = "filters: {patterns: {exclude: [\"^x-1\"]}, rpm: {licenses: {exclude: [Odd]}}}";
    configure(&chantal, &upstream, &[keep, filters, "modules: {exclude: [node]}"]);
    (chantal, upstream)
}

#[test]
fn explain_names_the_filter_the_newer_version_the_stream_and_the_retention_rule() {
    let (chantal, _upstream) = to_be_explained();
    for (name, expected) in [
        ("x", vec!["x-1-1.noarch: out, the exclude pattern \"^x-1\" matches it"]),
        (
            "big",
            vec!["big-1-1.noarch: out, its license \"Odd\" is in the exclude list"],
        ),
        (
            "node",
            vec!["node-18-1.noarch: out, module stream node:18:x86_64 is left out by `modules`"],
        ),
        (
            "a",
            vec![
                "a-3-1.noarch: in, it passes every filter",
                "a-2-1.noarch: in, upstream has dropped it, but this repository has it: it is among the 2 newest \
                 versions, which are kept",
                "a-1-1.noarch: out, the 2 newest versions are kept, such as a-3-1.noarch, a-2-1.noarch",
            ],
        ),
        ("a-3-1.noarch", vec!["a-3-1.noarch: in, it passes every filter"]),
        (
            "gone",
            vec!["gone-1-1.noarch: out, upstream has dropped the name altogether, and those are removed"],
        ),
    ] {
        let told = told(&chantal, name);
        assert_eq!(told, expected, "{name}");
    }
    let ran = chantal
        .run(&["repo", "sync", "r", "--dry-run", "--explain", "nothing"])
        .expect(2);
    assert!(
        ran.stderr.contains("upstream lists no package \"nothing\"")
            && ran.stderr.contains("no package \"nothing\" is listed"),
        "{}",
        ran.stderr
    );
    let ran = chantal.run(&["repo", "sync", "r", "--explain", "a"]).expect(2);
    assert!(ran.stderr.contains("--dry-run"), "{}", ran.stderr);
}

#[test]
fn explain_reads_a_feed_that_has_not_changed_and_changes_nothing() {
    let (chantal, _upstream) = bench(
        &feed(1, &[("a", "1")]),
        &["filters: {metadata: {size_bytes: {min: 1000000}}}"],
    );
    sync(&chantal);
    let told = explained(&chantal, "a");
    assert!(told[0].2.contains("is not in the range 1000000.."), "{told:?}");
    let ran = chantal.run(&["repo", "sync", "r"]).ok();
    assert!(ran.stderr.contains("the feed has not changed"), "{}", ran.stderr);
}

#[test]
fn explain_names_the_rule_that_decides_where_two_count_versions() {
    let rules = [
        "retention: {policy: keep-last-n, keep_count: 2}",
        "filters: {post_processing: {only_latest_version: true}}",
    ];
    let (chantal, upstream) = bench(&feed(1, &[("foo", "1.1")]), &rules);
    sync(&chantal);
    change(&upstream, &feed(2, &[("foo", "1.0"), ("foo", "1.1"), ("foo", "2.0")]));
    assert_eq!(
        told(&chantal, "foo"),
        [
            "foo-2.0-1.noarch: in, it passes every filter",
            "foo-1.1-1.noarch: in, it would make room for a newer version, but this repository has it: it is among the 2 \
             newest versions, which are kept",
            "foo-1.0-1.noarch: out, only the newest version of those that upstream has is kept: foo-2.0-1.noarch",
        ]
    );
    sync(&chantal);
    change(&upstream, &feed(3, &[("foo", "3.0")]));
    assert_eq!(
        told(&chantal, "foo")[2],
        "foo-1.1-1.noarch: out, the 2 newest versions are kept, such as foo-3.0-1.noarch, foo-2.0-1.noarch"
    );
    let more = "filters: {post_processing: {only_latest_n_versions: 3}}";
    let listed: Vec<_> = ["1", "2", "3", "4"].map(|version| ("foo", version)).to_vec();
    let (chantal, _upstream) = bench(&feed(1, &listed), &[rules[0], more]);
    chantal.run(&["init"]).ok();
    let told = told(&chantal, "foo");
    assert!(
        told[2]
            .ends_with("foo-2-1.noarch: out, the 2 newest versions are kept, such as foo-4-1.noarch, foo-3-1.noarch"),
        "{told:?}"
    );
    assert!(
        told[3].contains("the 3 newest versions of those that upstream has are kept, such as foo-4-1.noarch"),
        "{told:?}"
    );
}

#[test]
fn explain_tells_epochs_apart() {
    let newest = "retention: {policy: newest-only}";
    let epoch = Rpm::new("ep", "1", "1", "noarch").epoch(2);
    let (chantal, upstream) = bench(&Repository::new().revision(1).with(epoch), &[newest]);
    sync(&chantal);
    assert_eq!(told(&chantal, "ep"), ["ep-2:1-1.noarch: in, it passes every filter"]);
    change(&upstream, &feed(2, &[("ep", "1")]));
    assert_eq!(
        told(&chantal, "ep"),
        [
            "ep-2:1-1.noarch: in, upstream has dropped it, but this repository has it: nothing newer is there, and the newest is kept",
            "ep-1-1.noarch: out, only the newest version is kept: ep-2:1-1.noarch",
        ]
    );
}

#[test]
fn explain_says_that_what_is_chosen_could_not_be_had() {
    let missing = "it passes every filter, but this repository does not hold it: the last sync could not fetch it";
    for keys in [&["mode: mirror", "on_package_error: accept_missing"][..], &[]] {
        let sample = feed(1, &[("a", "1"), ("b", "1")]);
        let (chantal, upstream) = bench(&sample, keys);
        chantal.run(&["init"]).ok();
        // Nobody has tried yet.
        assert_eq!(told(&chantal, "a"), ["a-1-1.noarch: in, it passes every filter"]);
        let path = format!("/{}", sample.href(sample.package("a")));
        upstream.set_fault(&path, Fault::Status(404, vec![]), 99);
        chantal.run(&["repo", "sync", "r"]).expect(9);
        assert_eq!(
            told(&chantal, "a"),
            [format!("a-1-1.noarch: in, {missing}")],
            "{keys:?}"
        );
        assert_eq!(told(&chantal, "b"), ["b-1-1.noarch: in, it passes every filter"]);
        // Another state of the feed may have it.
        change(&upstream, &feed(2, &[("a", "1"), ("b", "1")]));
        assert_eq!(told(&chantal, "a"), ["a-1-1.noarch: in, it passes every filter"]);
    }
}
