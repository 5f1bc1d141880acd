//! `repo check-updates`, `history`, `sync-status` and `delete`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::process::{Child, Stdio};

use chantal_testkit::repository::{Advisory, Repository};
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::{Fault, Upstream};
use serde_json::{Value, json};
use support::{Chantal, Ran, feed, repository};

const V1: &[(&str, &str)] = &[("bash", "5.1"), ("zsh", "5.8")];
const V2: &[(&str, &str)] = &[("bash", "5.2"), ("fish", "3.0")];

/// A repository `el9` of the first version, synced.
fn synced(more: &str) -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    chantal.configure(&repository("el9", &feed::url(&chantal.path("feed")), more));
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal
}

impl Chantal {
    fn value(&self, words: &[&str], schema: &str) -> Value {
        let mut all = words.to_vec();
        all.extend(["--format", "json"]);
        self.run(&all).expect(0).json(schema)
    }

    /// Everything that a verb which changes nothing must leave alone.
    fn state(&self) -> Value {
        json!([
            self.value(&["repo", "show", "el9"], "repo-show"),
            self.value(&["pool", "stats"], "pool-stats")["blobs"],
            self.value(&["cache", "list"], "cache-list"),
            self.value(&["repo", "history"], "repo-history"),
        ])
    }
}

#[test]
fn updates_are_shown_by_version_and_nothing_is_changed() {
    let chantal = synced("");
    let before = chantal.state();
    let words = ["repo", "check-updates", "el9"];
    let told = chantal.run(&words).expect(0);
    assert_eq!(told.stdout, "");
    assert!(told.stderr.contains("el9: the feed has not changed"), "{}", told.stderr);
    chantal.run(&[&words[..], &["--exit-code"]].concat()).expect(0);

    feed::write(&chantal.path("feed"), 2, V2);
    let runs = chantal.value(&words, "repo-check-updates");
    let found = &runs[0]["result"];
    assert_eq!(
        (&found["different"], &found["unchanged"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        found["counts"],
        json!({"added": 1, "removed": 1, "upgraded": 1, "downgraded": 0, "rebuilt": 0})
    );
    let table = chantal.run(&words).expect(0);
    let rows: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [
            vec!["Repository", "Change", "Package", "Arch", "From", "To"],
            vec!["el9", "upgraded", "bash", "noarch", "5.1-1", "5.2-1"],
            vec!["el9", "added", "fish", "noarch", "3.0-1"],
            vec!["el9", "removed", "zsh", "noarch", "5.8-1"],
        ]
    );
    chantal.run(&[&words[..], &["--exit-code"]].concat()).expect(10);
    assert_eq!(chantal.state(), before);
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal.run(&[&words[..], &["--exit-code"]].concat()).expect(0);
}

fn advisory(id: &str, severity: &str, rpm: &Rpm) -> Advisory {
    Advisory {
        id: id.into(),
        kind: "security".into(),
        severity: severity.into(),
        title: format!("{} is fixed", rpm.name),
        issued: "2026-01-02 03:04:05".into(),
        cves: vec!["CVE-2026-0001".into()],
        fixes: vec![rpm.into()],
    }
}

#[test]
fn an_unchanged_feed_costs_one_request_and_new_advisories_are_counted_by_severity() {
    let old = Rpm::new("tool", "1.0", "1", "noarch");
    let first = Repository::new()
        .with(old.clone())
        .advisory(advisory("A-1", "Low", &old));
    let upstream = Upstream::start(first.build().site());
    let chantal = Chantal::with(&repository("el9", &upstream.url("/"), ""));
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    upstream.clear_log();
    chantal.run(&["repo", "check-updates", "el9", "--exit-code"]).expect(0);
    let asked: Vec<_> = upstream.log().into_iter().map(|hit| (hit.path, hit.status)).collect();
    assert_eq!(asked, [("/repodata/repomd.xml".to_owned(), 304)]);

    let new = Rpm::new("tool", "1.1", "1", "noarch");
    let second = first
        .with(new.clone())
        .advisory(advisory("A-2", "Critical", &new))
        .advisory(advisory("A-3", "Critical", &new))
        .revision(1_700_100_000);
    let site = second.build().site();
    upstream.change(|there| *there = site);
    let runs = chantal.value(&["repo", "check-updates", "el9"], "repo-check-updates");
    let found = &runs[0]["result"];
    assert_eq!(found["new_advisories"], json!({"critical": 2}));
    assert_eq!(
        (&found["advisories"][0]["id"], &found["advisories"][0]["cves"]),
        (&json!("A-2"), &json!(["CVE-2026-0001"]))
    );
    assert_eq!(found["changed"], "2023-11-16T02:00:00Z");
    let told = chantal.run(&["repo", "check-updates", "el9"]).expect(0).stderr;
    assert!(
        told.contains("1 added, 0 removed, 0 upgraded; new advisories: critical 2"),
        "{told}"
    );
}

#[test]
fn rules_select_and_what_is_disabled_is_named() {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(
        &(repository("a-one", &url, "tags: [prod]")
            + &repository("a-off", &url, "enabled: false\ntags: [prod]")
            + &repository("b-two", &url, "")),
    );
    chantal.run(&["init"]).expect(0);
    let repos = |words: &[&str]| -> Vec<String> {
        let mut all = words.to_vec();
        all.extend(["--format", "json"]);
        let ran = chantal.run(&all).expect(0);
        let told_of_disabled = ran.stderr.contains("skipped, since `enabled: false`: a-off");
        assert!(told_of_disabled || words.contains(&"b-*"), "{}", ran.stderr);
        let runs: Value = serde_json::from_str(&ran.stdout).unwrap();
        runs.as_array()
            .unwrap()
            .iter()
            .map(|run| run["repo"].as_str().unwrap().to_owned())
            .collect()
    };
    for verb in [
        &["repo", "sync"][..],
        &["repo", "check-updates"],
        &["publish", "repo"],
        &["repo", "sync", "--dry-run"],
    ] {
        for (rule, expected) in [
            (&["--all"][..], &["a-one", "b-two"][..]),
            (&["--pattern", "a-*"], &["a-one"]),
            (&["--pattern", "b-*"], &["b-two"]),
            (&["--tag", "prod"], &["a-one"]),
            (&["--type", "rpm"], &["a-one", "b-two"]),
        ] {
            assert_eq!(repos(&[verb, rule].concat()), expected, "{verb:?} {rule:?}");
        }
    }
    let none = chantal.run(&["repo", "check-updates", "--pattern", "x*"]).expect(2);
    assert!(none.stderr.contains("no enabled repository matches"), "{}", none.stderr);
}

#[test]
fn the_history_is_limited_and_the_newest_run_of_each_repository_is_asked_for() {
    let chantal = synced("");
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(
        &(repository("el9", &url, "") + &repository("new", &url, "") + &repository("gone", "file:///nowhere/", "")),
    );
    chantal.run(&["repo", "sync", "el9", "new"]).expect(0);
    chantal.run(&["repo", "sync", "gone"]).expect(3);
    let runs = |words: &[&str]| -> Vec<String> {
        let rows = chantal.value(&[&["repo", "history"], words].concat(), "repo-history");
        let text = |row: &Value| {
            format!(
                "{} {} {}",
                row["repo"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
                row["exit_code"]
            )
        };
        rows.as_array().unwrap().iter().map(text).collect()
    };
    assert_eq!(runs(&["--all"]).len(), 4);
    assert_eq!(runs(&["--limit", "1"]), ["gone failed 3"]);
    assert_eq!(
        runs(&["--last"]),
        ["gone failed 3", "new succeeded 0", "el9 succeeded 0"]
    );
    assert_eq!(runs(&["--last", "--limit", "2"]).len(), 2);
    assert_eq!(runs(&["el9"]).len(), 2);
    assert_eq!(runs(&["el9", "--last"]), ["el9 succeeded 0"]);
    chantal.run(&["repo", "history", "el9", "--all"]).expect(2);
    chantal.run(&["repo", "history", "nothing"]).expect(2);
}

#[test]
fn a_repository_that_was_never_synced_has_an_empty_history_and_says_so() {
    let chantal = Chantal::with(&repository("el9", "file:///nowhere/", ""));
    assert_eq!(chantal.value(&["repo", "history", "el9"], "repo-history"), json!([]));
    let rows = chantal.value(&["repo", "sync-status"], "repo-sync-status");
    assert_eq!((&rows[0]["state"], &rows[0]["last"]), (&json!("never"), &Value::Null));
}

/// A sync that stands still in a download.
fn stalled(chantal: &Chantal, upstream: &Upstream, repository: &Repository) -> Child {
    let tree = repository.build();
    let path = format!("/{}", tree.find(".rpm").unwrap());
    upstream.set_fault(&path, Fault::StallAfter(10), 1);
    let mut command = chantal.command(&["--config", "config.yaml", "repo", "sync", "el9", "--progress", "none"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Asks until the answer is as wished; the test's own limit ends it.
fn until(chantal: &Chantal, wish: impl Fn(&Value) -> bool) -> Value {
    loop {
        let rows = chantal.value(&["repo", "sync-status", "el9"], "repo-sync-status");
        if wish(&rows[0]) {
            return rows[0].clone();
        }
    }
}

#[test]
fn another_process_sees_how_far_a_sync_is_and_that_it_was_killed() {
    let packages = Repository::random(5, 3);
    let upstream = Upstream::start(packages.build().site());
    let chantal = Chantal::with(&repository("el9", &upstream.url("/"), ""));
    let mut child = stalled(&chantal, &upstream, &packages);
    let status = until(&chantal, |row| row["progress"]["step"] == "download");
    assert_eq!(
        (&status["state"], &status["holder"]["alive"]),
        (&json!("running"), &json!(true))
    );
    assert_eq!(status["holder"]["pid"], child.id());
    let total = status["progress"]["total"].as_u64().unwrap();
    assert!(status["progress"]["done"].as_u64().unwrap() < total, "{status}");
    let shown = chantal.run(&["repo", "sync-status"]).expect(0).stdout;
    assert!(
        shown.contains("running") && shown.contains("download") && shown.contains(" %)"),
        "{shown}"
    );
    let busy = chantal.run(&["repo", "sync", "el9"]).expect(7).stderr;
    assert!(busy.contains("`chantal repo sync-status` shows"), "{busy}");
    let runs = chantal.value(&["repo", "history"], "repo-history");
    assert_eq!(runs[0]["status"], "running");

    child.kill().unwrap();
    child.wait().unwrap();
    let status = until(&chantal, |_| true);
    assert_eq!(
        (&status["state"], &status["holder"]["alive"]),
        (&json!("killed"), &json!(false))
    );
    assert_eq!(
        (&status["last"]["status"], &status["progress"]["step"]),
        (&json!("killed"), &json!("download"))
    );
    let shown = chantal.run(&["repo", "sync-status", "el9"]).expect(0);
    assert!(
        shown.stderr.contains("goes on with what it fetched"),
        "{}",
        shown.stderr
    );

    chantal.run(&["repo", "sync", "el9"]).expect(0);
    let status = until(&chantal, |_| true);
    assert_eq!((&status["state"], &status["holder"]), (&json!("idle"), &Value::Null));
    assert_eq!(
        (&status["last"]["status"], &status["last"]["revision"]),
        (&json!("succeeded"), &json!(1))
    );
}

/// A repository with a snapshot, both published, and another one with the same packages.
fn used() -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    let url = feed::url(&chantal.path("feed"));
    let base_url = "publish: {base_url: 'https://example.org/'}";
    chantal.configure(&(repository("el9", &url, base_url) + &repository("other", &url, "")));
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "--all", "--publish"]).expect(0);
    chantal.run(&["snapshot", "create", "el9", "--name", "may"]).expect(0);
    chantal
        .run(&["publish", "snapshot", "el9", "--snapshot", "may"])
        .expect(0);
    chantal
}

fn delete(chantal: &Chantal, options: &[&str]) -> Ran {
    chantal.run(&[&["repo", "delete", "el9"], options].concat())
}

fn ids(chantal: &Chantal) -> Vec<String> {
    let rows = chantal.value(&["repo", "list"], "repo-list");
    let known = rows.as_array().unwrap().iter().filter(|row| !row["revision"].is_null());
    known.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_the_configuration_has_no_more_is_shown_and_can_be_deleted() {
    let chantal = used();
    chantal.run(&["snapshot", "delete", "el9", "may", "--force"]).expect(0);
    chantal.configure("");
    let shown = chantal.run(&["repo", "show", "el9"]).expect(0);
    assert!(shown.stdout.contains("el9"), "{}", shown.stdout);
    for part in ["not in the configuration any more", "chantal repo delete el9"] {
        assert!(shown.stderr.contains(part), "{part}: {}", shown.stderr);
    }
    chantal.run(&["snapshot", "list", "el9"]).expect(0);
    chantal.run(&["repo", "show", "nothing"]).expect(2);
}

#[test]
fn what_is_published_or_pinned_is_not_deleted_by_accident() {
    let chantal = used();
    for (options, text) in [
        (&["--yes"][..], "is published at"),
        (&["--yes", "--unpublish"], "has 1 snapshots, such as may"),
        (&["--unpublish", "--force"], "must be confirmed"),
    ] {
        let ran = delete(&chantal, options).expect(2);
        assert!(
            ran.stderr.contains(text) && ran.stderr.contains("hint:"),
            "{options:?}: {}",
            ran.stderr
        );
    }
    for (options, against) in [(&[][..], 2), (&["--unpublish"], 1), (&["--force"], 0)] {
        let ran = delete(&chantal, &[&["--dry-run", "--format", "json"], options].concat()).expect(0);
        let plan = ran.json("repo-delete-plan");
        assert_eq!(plan["snapshots"], json!(["may"]));
        let obstacles = plan["obstacles"].as_array().unwrap();
        assert_eq!(obstacles.len(), against, "{options:?}: {obstacles:?}");
        assert_eq!(
            ran.stderr.matches("it would be refused").count(),
            against,
            "{}",
            ran.stderr
        );
    }
    let none = chantal.run(&["repo", "delete", "nothing", "--yes"]).expect(2).stderr;
    assert!(none.contains("nothing is recorded of repository nothing"), "{none}");
    assert_eq!(ids(&chantal), ["el9", "other"]);
    assert!(feed::entry(&chantal.path("published/el9/latest")).is_file());
}

#[test]
fn a_deleted_repository_leaves_no_trace_but_the_packages_that_others_share() {
    let chantal = used();
    // It may be gone from the configuration, as is usual.
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(&repository("other", &url, ""));
    let plan = chantal.value(
        &["repo", "delete", "el9", "--dry-run", "--force", "--unpublish"],
        "repo-delete-plan",
    );
    assert_eq!(
        (&plan["configured"], &plan["snapshots"]),
        (&json!(false), &json!(["may"]))
    );
    assert_eq!(plan["published"].as_array().unwrap().len(), 2);
    assert_eq!(ids(&chantal), ["other", "el9"], "a dry run deleted it");
    let report = chantal.value(
        &["repo", "delete", "el9", "--yes", "--force", "--unpublish"],
        "repo-delete",
    );
    assert_eq!(
        (&report["taken_down"], &report["left"]),
        (&plan["published"], &json!([]))
    );

    assert_eq!(ids(&chantal), ["other"]);
    let left: Vec<String> = chantal_testkit::tree::digests(&chantal.path("published/el9"))
        .unwrap()
        .into_keys()
        .collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(
        chantal
            .value(&["publish", "list"], "publish-list")
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["repo"] == "other")
    );
    for words in [["db", "verify"], ["pool", "verify"], ["pool", "missing"]] {
        chantal.run(&words).expect(0);
    }
    let packages = chantal.value(&["package", "list", "other"], "package-list");
    assert_eq!(packages.as_array().unwrap().len(), 2);

    // It can begin anew.
    chantal.configure(&(repository("el9", &url, "") + &repository("other", &url, "")));
    chantal.run(&["repo", "sync", "el9", "--publish"]).expect(0);
    assert_eq!(chantal.value(&["repo", "show", "el9"], "repo-show")["revision"], 1);
}

#[test]
fn forced_without_unpublish_the_trees_stay_and_the_configuration_is_mentioned() {
    let chantal = used();
    let before = chantal_testkit::tree::digests(&chantal.path("published/el9")).unwrap();
    let told = delete(&chantal, &["--yes", "--force"]).expect(0).stderr;
    assert!(
        told.contains("was left as it is, and nobody looks after it any more"),
        "{told}"
    );
    assert!(told.contains("the configuration still has it"), "{told}");
    assert!(told.contains("packages stay in the pool"), "{told}");
    assert_eq!(
        chantal_testkit::tree::digests(&chantal.path("published/el9")).unwrap(),
        before
    );
    assert_eq!(ids(&chantal), ["other"]);
}

#[test]
fn a_repository_that_is_being_synced_is_not_deleted() {
    let packages = Repository::random(5, 3);
    let upstream = Upstream::start(packages.build().site());
    let chantal = Chantal::with(&repository("el9", &upstream.url("/"), ""));
    let mut child = stalled(&chantal, &upstream, &packages);
    until(&chantal, |row| row["state"] == "running");
    // The row comes with the first lease, so there is something to delete.
    delete(&chantal, &["--yes"]).expect(7);
    child.kill().unwrap();
    child.wait().unwrap();
    delete(&chantal, &["--yes"]).expect(0);
    assert_eq!(chantal.value(&["repo", "history"], "repo-history"), json!([]));
}
