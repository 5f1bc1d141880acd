//! What stays although upstream drops it, and what stops a sync.

use chantal_testkit::repository::{Advisory, Module, Repository};
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::Upstream;

use super::bench::{bench, configure, metadata, published, sync};

pub(super) fn rpm(name: &str, version: &str) -> Rpm {
    Rpm::new(name, version, "1", "noarch")
}

/// A feed of these `name version` pairs at a time.
pub(super) fn feed(seconds: u64, packages: &[(&str, &str)]) -> Repository {
    let empty = Repository::new().revision(seconds);
    packages
        .iter()
        .fold(empty, |feed, (name, version)| feed.with(rpm(name, version)))
}

pub(super) fn change(upstream: &Upstream, feed: &Repository) {
    let site = feed.build().site();
    upstream.change(|old| *old = site);
}

const BEFORE: &[(&str, &str)] = &[("a", "1"), ("a", "2"), ("b", "1"), ("gone", "1")];
const AFTER: &[(&str, &str)] = &[("a", "3"), ("b", "1")];

#[test]
fn each_policy_keeps_what_it_says_of_what_upstream_drops() {
    for (retention, expected) in [
        ("policy: mirror", vec!["a-3", "b-1"]),
        ("deleted_packages: keep", vec!["a-3", "b-1", "gone-1"]),
        ("policy: newest-only", vec!["a-3", "b-1"]),
        (
            "policy: newest-only, deleted_packages: keep",
            vec!["a-3", "b-1", "gone-1"],
        ),
        (
            "policy: keep-last-n, keep_count: 2",
            vec!["a-2", "a-3", "b-1", "gone-1"],
        ),
        (
            "policy: keep-last-n, keep_count: 2, deleted_packages: remove",
            vec!["a-2", "a-3", "b-1"],
        ),
        ("policy: keep-all", vec!["a-1", "a-2", "a-3", "b-1", "gone-1"]),
        (
            "policy: keep-all, deleted_packages: remove",
            vec!["a-1", "a-2", "a-3", "b-1"],
        ),
    ] {
        let key = format!("retention: {{{retention}}}");
        let (chantal, upstream) = bench(&feed(1, BEFORE), &[&key, "max_removed_percent: 100"]);
        sync(&chantal);
        change(&upstream, &feed(2, AFTER));
        sync(&chantal);
        assert_eq!(published(&chantal), expected, "{retention}");

        // What stays is not dropped by the next sync, and is no new revision.
        let before = chantal.json(&["repo", "show", "r"])["revisions"].clone();
        chantal.run(&["repo", "sync", "r", "--force"]).ok();
        assert_eq!(chantal.json(&["repo", "show", "r"])["revisions"], before, "{retention}");
    }
}

#[test]
fn newest_only_keeps_one_version_of_what_upstream_lists() {
    let (chantal, _upstream) = bench(&feed(1, BEFORE), &["retention: {policy: newest-only}"]);
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-2", "b-1", "gone-1"]);
}

#[test]
fn versions_add_up_over_syncs_although_only_the_newest_is_taken() {
    let keys = [
        "retention: {policy: keep-last-n, keep_count: 3}",
        "filters: {post_processing: {only_latest_version: true}}",
    ];
    let (chantal, upstream) = bench(&feed(1, &[("a", "1")]), &keys);
    sync(&chantal);
    for (seconds, versions) in [(2, vec!["1", "2"]), (3, vec!["2", "3"]), (4, vec!["4"])] {
        let packages: Vec<(&str, &str)> = versions.into_iter().map(|version| ("a", version)).collect();
        change(&upstream, &feed(seconds, &packages));
        sync(&chantal);
    }
    assert_eq!(published(&chantal), ["a-2", "a-3", "a-4"]);
    let shown = chantal.json(&["repo", "show", "r"]);
    assert_eq!(shown["packages"], 3, "{shown}");
}

#[test]
fn what_is_kept_must_still_pass_the_filters() {
    let keep = "retention: {policy: keep-all}";
    let licensed = feed(1, &[])
        .with(rpm("a", "1").license("Old"))
        .with(rpm("a", "2").license("New"));
    let (chantal, upstream) = bench(&licensed, &[keep]);
    sync(&chantal);
    let after = feed(2, &[]).with(rpm("a", "3").license("New"));
    change(&upstream, &after);
    configure(
        &chantal,
        &upstream,
        &[keep, "filters: {rpm: {licenses: {include: [New]}}}"],
    );
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-2", "a-3"]);
}

#[test]
fn a_kept_package_keeps_its_path_and_a_rebuilt_one_is_replaced() {
    let (chantal, upstream) = bench(&feed(1, &[("a", "1")]), &["retention: {policy: keep-all}"]);
    sync(&chantal);
    let rebuilt = feed(2, &[]).with(rpm("a", "1").license("Other"));
    change(&upstream, &rebuilt);
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-1"]);
    assert!(metadata(&chantal, "primary").contains("<rpm:license>Other<"));
}

#[test]
fn a_kept_stream_keeps_its_document_and_upstreams_advisories_about_it_stay() {
    let stream = |version: &str, number: u64| {
        let package = rpm("node", version).module(&format!("node:20:{number}:c0ffee"));
        (Module::new("node", "20", number, [&package]), package)
    };
    let ((old, first), (new, second)) = (stream("1", 1), stream("2", 2));
    let about = Advisory::new("A-1", "security", "Low", [&first]);
    let before = feed(1, &[]).module(old).advisory(about.clone()).with(first);
    let after = feed(2, &[]).module(new).advisory(about).with(second);
    for (policy, versions, kept) in [
        ("keep-all", vec!["node-1", "node-2"], true),
        ("mirror", vec!["node-2"], false),
    ] {
        let key = format!("retention: {{policy: {policy}}}");
        let (chantal, upstream) = bench(&before, &[&key]);
        sync(&chantal);
        change(&upstream, &after);
        sync(&chantal);
        assert_eq!(published(&chantal), versions);
        let modules = metadata(&chantal, "modules");
        assert!(modules.contains("node-0:2-1"), "{modules}");
        assert_eq!(modules.contains("node-0:1-1"), kept, "{policy}: {modules}");
        assert_eq!(metadata(&chantal, "updateinfo").contains("A-1"), kept, "{policy}");
    }
}

#[test]
fn a_mirror_that_is_to_keep_something_is_refused_with_the_way_out() {
    for key in ["retention: {policy: keep-all}", "retention: {deleted_packages: keep}"] {
        let (chantal, _upstream) = bench(&feed(1, AFTER), &["mode: mirror", key]);
        let ran = chantal.run(&["repo", "sync", "r"]).expect(2);
        assert!(ran.stderr.contains("mode: filtered"), "{}", ran.stderr);
    }
}

#[test]
fn a_sync_that_would_remove_most_packages_stops_until_it_is_forced() {
    let many: Vec<(String, &str)> = (0..10).map(|n| (format!("p{n}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, version)| (name.as_str(), *version)).collect();
    let (chantal, upstream) = bench(&feed(1, &many), &[]);
    sync(&chantal);
    change(&upstream, &feed(2, &many[..5]));
    sync(&chantal);
    assert_eq!(published(&chantal).len(), 5, "half is allowed");

    change(&upstream, &feed(3, &many[..2]));
    let ran = chantal.run(&["repo", "sync", "r", "--publish"]).expect(6);
    assert!(
        ran.stderr.contains("3 of 5 packages would be removed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--force-removals"), "{}", ran.stderr);
    assert_eq!(published(&chantal).len(), 5);
    let planned = chantal.run(&["repo", "sync", "r", "--dry-run"]).ok();
    assert!(planned.stderr.contains("a sync would stop"), "{}", planned.stderr);

    chantal
        .run(&["repo", "sync", "r", "--publish", "--force-removals"])
        .ok();
    assert_eq!(published(&chantal), ["p0-1", "p1-1"]);
    configure(&chantal, &upstream, &["max_removed_percent: 0"]);
    change(&upstream, &feed(4, &[("p0", "2")]));
    let ran = chantal.run(&["repo", "sync", "r"]).expect(6);
    assert!(
        ran.stderr.contains("1 of 2 packages"),
        "an upgrade is no removal: {}",
        ran.stderr
    );
}

#[test]
fn what_upstream_lost_is_guarded_whatever_else_changed() {
    let many: Vec<(String, &str)> = (0..10).map(|n| (format!("p{n}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, version)| (name.as_str(), *version)).collect();
    let another = [
        "metadata: {compression: xz}",
        "filters: {patterns: {exclude: [\"^p9\"]}}",
    ];
    for keys in [&another[..1], &another[1..]] {
        let (chantal, upstream) = bench(&feed(1, &many), &[]);
        sync(&chantal);
        chantal.repository("r", &upstream.url("/"), keys);
        change(&upstream, &feed(2, &many[..1]));
        let ran = chantal.run(&["repo", "sync", "r", "--publish"]).expect(6);
        assert!(ran.stderr.contains("of 10 packages would be removed"), "{}", ran.stderr);
        assert_eq!(published(&chantal).len(), 10);
        // What filters alone take out may go.
        configure(&chantal, &upstream, &["filters: {patterns: {include: [\"^p0\"]}}"]);
        change(&upstream, &feed(3, &many));
        sync(&chantal);
        assert_eq!(published(&chantal), ["p0-1"]);
    }
}

#[test]
fn filters_that_choose_nothing_stop_where_clients_have_something() {
    let (chantal, upstream) = bench(&feed(1, BEFORE), &[]);
    sync(&chantal);
    let had = published(&chantal);
    let nothing = "filters: {patterns: {include: [\"^nosuch\"]}}";
    configure(&chantal, &upstream, &[nothing]);
    let ran = chantal.run(&["repo", "sync", "r", "--publish"]).expect(6);
    for told in ["all 4 packages would be removed", "none of the 4", "--force-removals"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert_eq!(published(&chantal), had);
    configure(&chantal, &upstream, &[nothing, "max_removed_percent: 100"]);
    let ran = sync(&chantal);
    assert!(
        ran.stderr.contains("matches the include pattern \"^nosuch\""),
        "{}",
        ran.stderr
    );
    assert!(published(&chantal).is_empty());
}

#[test]
fn a_feed_that_goes_back_is_refused_until_that_is_allowed() {
    let (chantal, upstream) = bench(&feed(1_700_086_400, &[("a", "2")]), &[]);
    sync(&chantal);
    change(&upstream, &feed(1_700_000_000, &[("a", "1")]));
    for words in [&["repo", "sync", "r"][..], &["repo", "sync", "r", "--force"]] {
        let ran = chantal.run(words).expect(4);
        for date in ["2023-11-14T22:13:20Z", "2023-11-15T22:13:20Z"] {
            assert!(ran.stderr.contains(date), "{date}: {}", ran.stderr);
        }
        assert!(ran.stderr.contains("allow_rollback"), "{}", ran.stderr);
    }
    assert_eq!(published(&chantal), ["a-2"]);
    configure(&chantal, &upstream, &["allow_rollback: true"]);
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-1"]);
}

#[test]
fn a_feed_of_a_day_that_has_not_come_is_refused_until_that_is_allowed() {
    let (chantal, upstream) = bench(&feed(1_700_000_000, &[("a", "1")]), &[]);
    sync(&chantal);
    // The year 2096.
    change(&upstream, &feed(4_000_000_000, &[("a", "2")]));
    let ran = chantal.run(&["repo", "sync", "r"]).expect(4);
    for told in ["the feed is of 2096-10-02T07:06:40Z", "clock", "future_date"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    change(&upstream, &feed(1_700_000_001, &[("a", "3")]));
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-3"], "what was refused left nothing behind");
    change(&upstream, &feed(4_000_000_000, &[("a", "2")]));
    configure(&chantal, &upstream, &["allow_weak: [future_date]"]);
    sync(&chantal);
    assert_eq!(published(&chantal), ["a-2"]);
}

#[test]
fn a_feed_older_than_max_age_is_a_warning_also_when_it_has_not_changed() {
    let (chantal, _upstream) = bench(&feed(1_700_000_000, AFTER), &["max_age: 14d"]);
    for _ in 0..2 {
        let ran = sync(&chantal);
        let told = "the feed has not changed since 2023-11-14T22:13:20Z";
        assert!(
            ran.stderr.contains(told) && ran.stderr.contains("14 days"),
            "{}",
            ran.stderr
        );
    }
    let (chantal, _upstream) = bench(&feed(1_700_000_000, AFTER), &["max_age: 5000w"]);
    assert!(!sync(&chantal).stderr.contains("max_age"));
}
