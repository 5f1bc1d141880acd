use std::time::Duration;

use super::*;

fn repo(lines: &str) -> Repository {
    let text = repository(lines);
    let mut loaded = load_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(loaded.warnings.is_empty(), "{lines}: {:?}", loaded.warnings);
    loaded.config.repositories.remove(0)
}

#[test]
fn every_filter_reaches_the_effective_configuration() {
    let filters = repo(
        "  filters:\n    metadata: {size_bytes: {min: 1, max: 2}, build_time: {newer_than: 1970-01-02, last_n_days: 7}}\n    \
         rpm: {licenses: {include: [MIT]}, epochs: {exclude: [0, \"1\"]}, groups: {}}\n    \
         post_processing: {only_latest_n_versions: 3}\n",
    )
    .filters;
    assert_eq!(filters.size_bytes, (Some(1), Some(2)));
    assert_eq!(filters.build_time.newer_than, Some(86_400));
    assert!(filters.depends_on_clock());
    assert_eq!(filters.latest, 3);
    let choices: Vec<_> = filters
        .fields
        .iter()
        .map(|choice| {
            (
                &*choice.field,
                choice.words.include.clone(),
                choice.words.exclude.clone(),
            )
        })
        .collect();
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        choices,
        [
            ("license", owned(&["MIT"]), owned(&[])),
            ("epoch", owned(&[]), owned(&["0", "1"]))
        ]
    );
    assert_eq!(
        repo("  modules: {include: [\"nodejs:20\"]}\n").modules.include,
        ["nodejs:20"]
    );
}

#[test]
fn filters_that_let_nothing_in_or_contradict_each_other_are_refused() {
    for (lines, expected) in [
        ("metadata: {size_bytes: {min: 2, max: 1}}", "at least 2 and at most 1"),
        ("metadata: {build_time: {newer_than: soon}}", "\"soon\" is not a time"),
        (
            "metadata: {build_time: {newer_than: 2026-02-01, older_than: 2026-01-01}}",
            "nothing is newer",
        ),
        (
            "post_processing: {only_latest_version: true, only_latest_n_versions: 2}",
            "exclude each other",
        ),
        ("post_processing: {only_latest_n_versions: 0}", "at least 1"),
        ("metadata: {build_time: {last_n_days: 0}}", "at least 1"),
        (
            "metadata: {size_bytes: {max: 0}}",
            "size_bytes.max of 0 would let nothing through",
        ),
        ("rpm: {epochs: {include: [0, x]}}", "\"x\" is not an epoch"),
        ("rpm: {epochs: {exclude: [\"01\"]}}", "\"01\" is not an epoch"),
    ] {
        let found = errors(&repository(&format!("  filters: {{{lines}}}\n")));
        assert!(found.iter().any(|one| one.contains(expected)), "{lines}: {found:?}");
    }
    let found = errors(&repository("  mode: mirror\n  modules: {include: [a]}\n"));
    assert!(found[0].contains("has no modules"), "{found:?}");
    for word in ["a:b:c:d:e:f", "a:b:c:d", "nodejs:20:8090020", "a:", ":b", ""] {
        let found = errors(&repository(&format!("  modules: {{exclude: [b, \"{word}\"]}}\n")));
        assert!(
            found[0].contains(&format!("{word:?} names no module stream")),
            "{found:?}"
        );
    }
    let found = errors(&repository("  max_age: 0\n"));
    assert!(found[0].contains("max_age of 0 would warn of every feed"), "{found:?}");
    assert!(errors(&repository("  max_age: soon\n"))[0].contains("not a duration"));
}

#[test]
fn each_policy_has_its_own_default_for_names_that_are_gone() {
    for (lines, keep, keep_deleted) in [
        ("", Keep::Listed, false),
        ("{policy: newest-only}", Keep::Newest(1), false),
        ("{policy: keep-all}", Keep::All, true),
        ("{policy: keep-last-n, keep_count: 3}", Keep::Newest(3), true),
        (
            "{policy: keep-last-n, keep_versions: 3, deleted_packages: remove}",
            Keep::Newest(3),
            false,
        ),
        ("{deleted_packages: keep}", Keep::Listed, true),
    ] {
        let retention = repo(&format!("  retention: {lines}\n")).retention;
        assert_eq!(
            (retention.keep, retention.keep_deleted),
            (keep, keep_deleted),
            "{lines}"
        );
    }
}

#[test]
fn retention_that_cannot_be_acted_on_marks_the_repository() {
    let upstream = "in mode mirror the metadata are upstream's own and keep nothing that it dropped";
    for (lines, key, why) in [
        (
            "mode: mirror\n  retention: {policy: keep-all}",
            "retention.policy: keep-all",
            upstream,
        ),
        (
            "mode: mirror\n  retention: {deleted_packages: keep}",
            "retention.deleted_packages: keep",
            upstream,
        ),
        (
            "retention: {policy: keep-all, keep_count: 3}",
            "retention.keep_count",
            "no policy but `keep-last-n` counts versions",
        ),
    ] {
        let loaded = load_str(&repository(&format!("  {lines}\n"))).unwrap();
        let unbuilt = &loaded.config.repositories[0].unbuilt[0];
        assert_eq!((unbuilt.key.as_str(), unbuilt.why.as_str()), (key, why), "{lines}");
        let told = format!("{key} is accepted but not acted on ({why})");
        assert_eq!(loaded.warnings[0].message, told);
        assert!(loaded.warnings[0].hint.is_some(), "{lines}");
        let refused = format!(
            "{key} (/etc/chantal/config.yaml:{}): {why}",
            5 + lines.matches('\n').count()
        );
        assert_eq!(unbuilt.to_string(), refused);
    }
    let weak = load_str(&repository("  allow_weak: [md5, unsigned_downgrade]\n")).unwrap();
    let told: Vec<_> = weak.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "allow_weak: md5 is accepted but not acted on (MD5 is never accepted)",
            "allow_weak: unsigned_downgrade is accepted but not acted on (signature checks: not built yet)",
        ]
    );
    assert!(
        repo("  mode: mirror\n  retention: {policy: mirror, deleted_packages: remove}\n")
            .unbuilt
            .is_empty()
    );
}

#[test]
fn guards_and_revisions_have_the_documented_defaults() {
    let guards = repo("").guards;
    assert_eq!(
        (guards.max_removed_percent, guards.allow_rollback, guards.max_age),
        (50, false, None)
    );
    let guards = repo("  max_removed_percent: 0\n  allow_rollback: true\n  max_age: 14d\n").guards;
    assert_eq!(guards.max_age, Some(Duration::from_secs(14 * 86_400)));
    assert_eq!((guards.max_removed_percent, guards.allow_rollback), (0, true));
    let config = load_str("revisions: {keep_last: 3}\n").unwrap().config;
    assert_eq!((config.revisions.keep_last, config.revisions.keep_days), (3, 90));
}
