//! Each filter through the real binary, judged by the metadata that is published.

use chantal_testkit::repository::{Advisory, Group, Module, Repository};
use chantal_testkit::rpm::Rpm;

use super::bench::{bench, between, configure, metadata, published, sync};

const DAY: u32 = 86_400;
const BUILT: u32 = 1_700_000_000;

fn rpm(name: &str, version: &str) -> Rpm {
    Rpm::new(name, version, "1", "noarch").built(BUILT)
}

/// Syncs a feed with these keys; gives what is published.
fn with(feed: &Repository, keys: &[&str]) -> Vec<String> {
    let (chantal, _upstream) = bench(feed, keys);
    sync(&chantal);
    published(&chantal)
}

fn licensed() -> Repository {
    Repository::new()
        .with(rpm("free", "1").license("MIT").vendor("Example").group("Games"))
        .with(rpm("bound", "1").license("Proprietary").vendor("Other").group("Tools"))
        .with(rpm("unsaid", "1").license("MIT").epoch(3).vendor("").group(""))
}

#[test]
fn filter_by_license() {
    let only = "filters: {rpm: {licenses: {include: [MIT]}}}";
    assert_eq!(with(&licensed(), &[only]), ["free-1", "unsaid-1"]);
    let not = "filters: {rpm: {licenses: {exclude: [MIT]}}}";
    assert_eq!(with(&licensed(), &[not]), ["bound-1"]);
}

#[test]
fn filter_by_vendor_and_group_where_what_has_none_does_not_pass_an_include_list() {
    for (keys, expected) in [
        ("vendors: {include: [Example, Other]}", vec!["bound-1", "free-1"]),
        ("vendors: {exclude: [Other]}", vec!["free-1", "unsaid-1"]),
        ("groups: {include: [Games]}", vec!["free-1"]),
        ("groups: {exclude: [Games]}", vec!["bound-1", "unsaid-1"]),
    ] {
        let filters = format!("filters: {{rpm: {{{keys}}}}}");
        assert_eq!(with(&licensed(), &[&filters]), expected, "{keys}");
    }
}

#[test]
fn an_include_entry_that_nothing_has_is_a_warning() {
    for (keys, told) in [
        (
            "patterns: {include: [\"^fre\", \"^nosuch\"]}",
            "include pattern \"^nosuch\"",
        ),
        (
            "metadata: {architectures: {include: [x86-64]}}",
            "architecture: \"x86-64\"",
        ),
        ("rpm: {licenses: {include: [MIT, GPL]}}", "license: \"GPL\""),
        ("rpm: {groups: {include: [core]}}", "none of the 3 packages"),
    ] {
        let (chantal, _upstream) = bench(&licensed(), &[&format!("filters: {{{keys}}}")]);
        let ran = sync(&chantal);
        assert!(ran.stderr.contains(told), "{keys}: {}", ran.stderr);
    }
    for keys in [
        "patterns: {include: [\"^free\", b]}",
        "metadata: {architectures: {include: [noarch, x86_64]}}",
    ] {
        let (chantal, _upstream) = bench(&licensed(), &[&format!("filters: {{{keys}}}")]);
        let ran = sync(&chantal);
        assert!(!ran.stderr.contains("that upstream lists"), "{keys}: {}", ran.stderr);
    }
    let node = rpm("node", "1").module("node:18:1:c0ffee");
    let feed = Repository::new()
        .with(node.clone())
        .module(Module::new("node", "18", 1, [&node]));
    for wrong in ["node:99", "node 18"] {
        let (chantal, _upstream) = bench(&feed, &[&format!("modules: {{include: [\"{wrong}\"]}}")]);
        let ran = sync(&chantal);
        assert!(
            ran.stderr.contains(&format!("includes as \"{wrong}\"")),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn filter_by_epoch_as_a_number_or_as_text() {
    for (keys, expected) in [
        ("include: [3]", vec!["unsaid-1"]),
        ("include: [\"0\"]", vec!["bound-1", "free-1"]),
        ("exclude: [0]", vec!["unsaid-1"]),
    ] {
        let filters = format!("filters: {{rpm: {{epochs: {{{keys}}}}}}}");
        assert_eq!(with(&licensed(), &[&filters]), expected, "{keys}");
    }
}

#[test]
fn filter_by_size() {
    let (small, large) = (rpm("small", "1"), rpm("large", "1").file("/opt/large", &noise(20_000)));
    let limit = large.build().bytes.len() - 1;
    let feed = Repository::new().with(small).with(large);
    let max = format!("filters: {{metadata: {{size_bytes: {{max: {limit}}}}}}}");
    assert_eq!(with(&feed, &[&max]), ["small-1"]);
    let min = format!("filters: {{metadata: {{size_bytes: {{min: {}}}}}}}", limit + 1);
    assert_eq!(with(&feed, &[&min]), ["large-1"]);
}

/// Bytes that no compression makes small.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn filter_by_build_time() {
    // 2023-11-14T22:13:20Z, and a day later.
    let feed = Repository::new()
        .with(rpm("old", "1"))
        .with(rpm("new", "1").built(BUILT + DAY));
    for (keys, expected) in [
        ("newer_than: 2023-11-15", vec!["new-1"]),
        ("newer_than: 2023-11-14T22:13:20Z", vec!["new-1", "old-1"]),
        ("older_than: 2023-11-15T22:13:20Z", vec!["old-1"]),
        ("newer_than: 2023-11-01, older_than: 2023-12-01", vec!["new-1", "old-1"]),
    ] {
        let filters = format!("filters: {{metadata: {{build_time: {{{keys}}}}}}}");
        assert_eq!(with(&feed, &[&filters]), expected, "{keys}");
    }
}

#[test]
fn filter_by_the_last_days_reads_an_unchanged_feed_again() {
    let now = u32::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let feed = Repository::new()
        .with(rpm("old", "1"))
        .with(rpm("new", "1").built(now - DAY));
    let (chantal, upstream) = bench(&feed, &["filters: {metadata: {build_time: {last_n_days: 30}}}"]);
    sync(&chantal);
    assert_eq!(published(&chantal), ["new-1"]);
    upstream.clear_log();
    let again = sync(&chantal);
    assert!(!again.stderr.contains("the feed has not changed"), "{}", again.stderr);
    let asked: Vec<String> = upstream.log().into_iter().map(|hit| hit.path).collect();
    // Only what nothing promises is asked for.
    assert_eq!(asked, ["/repodata/repomd.xml", "/.treeinfo", "/treeinfo"]);

    configure(&chantal, &upstream, &[]);
    sync(&chantal);
    let again = sync(&chantal);
    assert!(again.stderr.contains("the feed has not changed"), "{}", again.stderr);
}

#[test]
fn filter_by_number_of_versions_per_name_and_architecture() {
    let mut feed = Repository::new().with(rpm("other", "1"));
    for version in ["1", "2", "10"] {
        feed = feed.with(rpm("a", version));
    }
    let latest = |key: &str| with(&feed, &[&format!("filters: {{post_processing: {{{key}}}}}")]);
    assert_eq!(latest("only_latest_version: true"), ["a-10", "other-1"]);
    assert_eq!(latest("only_latest_n_versions: 2"), ["a-10", "a-2", "other-1"]);
    assert_eq!(latest("only_latest_n_versions: 9"), ["a-1", "a-10", "a-2", "other-1"]);
}

#[test]
fn filter_source_packages_and_legacy_keys() {
    let feed = Repository::new()
        .with(rpm("a", "1"))
        .with(rpm("b", "1"))
        .with(Rpm::new("a", "1", "1", "src"));
    assert_eq!(
        with(&feed, &["filters: {rpm: {exclude_source_rpms: true}}"]),
        ["a-1", "b-1"]
    );
    assert_eq!(with(&feed, &["filters: {include_packages: [\"^b\"]}"]), ["b-1"]);
    let legacy = "filters: {exclude_packages: [\"^b\"], exclude_architectures: [src]}";
    assert_eq!(with(&feed, &[legacy]), ["a-1"]);
}

/// Two streams of a module, an advisory about each, and a package outside.
fn modular() -> Repository {
    let stream = |version: &str, stream: &str| rpm("node", version).module(&format!("node:{stream}:1:c0ffee"));
    let (old, new, tool) = (stream("18", "18"), stream("20", "20"), stream("9", "20"));
    let tool = Rpm {
        name: "tool".into(),
        ..tool
    };
    Repository::new()
        .module(Module::new("node", "18", 1, [&old]))
        .module(Module::new("node", "20", 1, [&new, &tool]))
        .advisory(Advisory::new("A-18", "security", "Low", [&old]))
        .advisory(Advisory::new("A-20", "security", "Low", [&new]))
        .with(old)
        .with(new)
        .with(tool)
        .with(rpm("plain", "1"))
}

#[test]
fn filter_by_module_stream_takes_packages_documents_and_advisories_together() {
    for keys in [
        "include: [\"node:20\"]",
        "exclude: [\"node:18\"]",
        "include: [node], exclude: [\"node:18\"]",
    ] {
        let (chantal, _upstream) = bench(&modular(), &[&format!("modules: {{{keys}}}")]);
        let ran = sync(&chantal);
        assert_eq!(published(&chantal), ["node-20", "plain-1", "tool-9"], "{keys}");
        let modules = metadata(&chantal, "modules");
        assert!(
            modules.contains("node-0:20") && !modules.contains("node-0:18"),
            "{keys}: {modules}"
        );
        assert_eq!(
            between(&metadata(&chantal, "updateinfo"), "<id>", "</id>"),
            ["A-20"],
            "{keys}"
        );
        assert!(
            ran.stderr
                .contains("advisories left out with the module streams that they are about: A-18"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn the_newest_is_taken_within_each_stream() {
    let latest = "filters: {post_processing: {only_latest_version: true}}";
    assert_eq!(with(&modular(), &[latest]), ["node-18", "node-20", "plain-1", "tool-9"]);
}

#[test]
fn an_excluded_package_takes_its_stream_along_and_that_is_said() {
    let (chantal, _upstream) = bench(&modular(), &["filters: {patterns: {exclude: [\"^tool$\"]}}"]);
    let ran = sync(&chantal);
    assert_eq!(published(&chantal), ["node-18", "plain-1"]);
    assert!(
        ran.stderr.contains("module streams left out as a whole"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("node:20"), "{}", ran.stderr);
}

#[test]
fn a_group_that_loses_a_mandatory_package_is_named() {
    let feed = Repository::new()
        .with(rpm("a", "1"))
        .with(rpm("b", "1"))
        .group(Group::new("core", &["a", "b", "not-upstream"]));
    let (chantal, _upstream) = bench(&feed, &["filters: {patterns: {include: [\"^a$\"]}}"]);
    let ran = sync(&chantal);
    let told = "group/core lacks 1 of its mandatory packages: b";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let groups = metadata(&chantal, "group");
    assert!(
        groups.contains(">a</packagereq>") && !groups.contains(">b</packagereq>"),
        "{groups}"
    );
}

#[test]
fn a_source_package_is_no_package_of_a_group() {
    let feed = Repository::new()
        .with(Rpm::new("hello", "1", "1", "noarch"))
        .with(Rpm::new("hello", "1", "1", "src"))
        .with(Rpm::new("tool", "1", "1", "x86_64"))
        .group(Group::new("core", &["hello", "tool"]))
        .group(Group::new("greetings", &["hello"]));
    let exclude = "filters: {metadata: {architectures: {exclude: [noarch]}}}";
    let (chantal, _upstream) = bench(&feed, &[exclude]);
    let ran = sync(&chantal);
    let told = "group/core lacks 1 of its mandatory packages: hello";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let groups = metadata(&chantal, "group");
    assert!(
        groups.contains(">tool</packagereq>") && !groups.contains(">hello</packagereq>"),
        "{groups}"
    );
    assert!(!groups.contains("<id>greetings</id>"), "{groups}");
}

#[test]
fn a_group_loses_nothing_with_a_source_package() {
    let feed = Repository::new()
        .with(rpm("a", "1"))
        .with(Rpm::new("b", "1", "1", "src"))
        .group(Group::new("core", &["a", "b"]));
    let (chantal, _upstream) = bench(&feed, &["filters: {rpm: {exclude_source_rpms: true}}"]);
    let ran = sync(&chantal);
    assert!(!ran.stderr.contains("mandatory"), "{}", ran.stderr);
}
