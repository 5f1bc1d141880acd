//! Repositories from feed to clients: sync, publish, listings, and `mirror` without any configuration.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use serde_json::{Value, json};
use support::{Chantal, feed, keeps_to, repository};

const V1: &[(&str, &str)] = &[("bash", "5.1"), ("zsh", "5.8")];
const V2: &[(&str, &str)] = &[("bash", "5.2"), ("fish", "3.0")];

fn synced(more: &str) -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    chantal.configure(&repository("el9", &feed::url(&chantal.path("feed")), more));
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal
}

fn names(rows: &Value) -> Vec<String> {
    let mut names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}-{}", row["name"].as_str().unwrap(), row["version"].as_str().unwrap()))
        .collect();
    names.sort();
    names
}

#[test]
fn a_sync_says_what_changed_and_what_clients_see() {
    let chantal = synced("");
    feed::write(&chantal.path("feed"), 2, V2);
    let told = chantal.run(&["repo", "sync", "el9"]).expect(0);
    assert!(told.stdout.is_empty(), "{}", told.stdout);
    assert!(
        told.stderr.contains("1 added, 1 removed, 1 upgraded"),
        "{}",
        told.stderr
    );
    assert!(
        told.stderr
            .contains("recorded r2; clients see nothing yet: `chantal publish repo el9`"),
        "{}",
        told.stderr
    );

    let same = chantal.run(&["repo", "sync", "--repo-id", "el9"]).expect(0).stderr;
    assert!(same.contains("r2 is up to date"), "{same}");
}

#[test]
fn sync_reports_keep_to_their_schema() {
    let chantal = synced("");
    feed::write(&chantal.path("feed"), 2, V2);
    let words = [
        "repo",
        "sync",
        "el9",
        "--publish",
        "--snapshot-name",
        "may",
        "--format",
        "json",
    ];
    let runs = chantal.run(&words).expect(0).json("repo-sync");
    let report = &runs[0]["result"];
    assert_eq!(
        report["plan"]["counts"],
        json!({"added": 1, "removed": 1, "upgraded": 1, "downgraded": 0, "rebuilt": 0})
    );
    assert_eq!(
        (&report["revision"], &report["snapshot"], &report["served"]),
        (&json!(2), &json!("may"), &json!("r2"))
    );
    assert_eq!(
        chantal
            .run(&["snapshot", "list", "el9", "--format", "json"])
            .expect(0)
            .json("snapshot-list")[0]["name"],
        "may"
    );
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let chantal = synced("");
    let before = chantal
        .run(&["pool", "stats", "--format", "json"])
        .expect(0)
        .json("pool-stats");
    feed::write(&chantal.path("feed"), 2, V2);
    let plan = chantal
        .run(&["repo", "sync", "el9", "--dry-run", "--format", "json"])
        .expect(0)
        .json("repo-sync-plan");
    assert_eq!(plan[0]["result"]["counts"]["upgraded"], 1);
    let table = chantal.run(&["repo", "sync", "el9", "--dry-run"]).expect(0);
    assert!(
        table.stdout.contains("upgraded") && table.stderr.contains("dry run"),
        "{table:?}"
    );
    let csv = chantal
        .run(&["repo", "sync", "el9", "--dry-run", "--format", "csv"])
        .expect(0)
        .stdout;
    assert!(
        csv.starts_with("repo,change,name,arch,from.version,to.version\n"),
        "{csv}"
    );
    assert!(csv.contains("el9,upgraded,bash,noarch,5.1-1,5.2-1\n"), "{csv}");

    let after = chantal
        .run(&["pool", "stats", "--format", "json"])
        .expect(0)
        .json("pool-stats");
    assert_eq!((&before["blobs"], &before["bytes"]), (&after["blobs"], &after["bytes"]));
    assert_eq!(
        chantal
            .run(&["repo", "list", "--format", "json"])
            .expect(0)
            .json("repo-list")[0]["revision"],
        1
    );
}

#[test]
fn listings_keep_to_their_schemas_and_agree_in_every_format() {
    let chantal = synced("tags: [prod]");
    chantal.run(&["publish", "repo", "el9"]).expect(0);
    for (words, schema) in [
        (&["repo", "list"][..], "repo-list"),
        (&["repo", "show", "el9"], "repo-show"),
        (&["repo", "history"], "repo-history"),
        (&["repo", "history", "--repo-id", "el9", "--limit", "1"], "repo-history"),
        (&["publish", "list"], "publish-list"),
        (&["publish", "repo", "el9", "--dry-run"], "publish-plan"),
        (&["publish", "repo", "el9"], "publish"),
        (&["package", "list"], "package-list"),
        (&["content", "list", "--repo-id", "el9"], "package-list"),
        (&["package", "search", "ba", "el9"], "package-list"),
        (&["package", "show", "bash"], "package-show"),
        (&["stats"], "stats"),
        (&["stats", "el9"], "stats-repo"),
        (&["pool", "stats"], "pool-stats"),
        (&["pool", "verify"], "pool-problems"),
        (&["pool", "orphaned"], "pool-problems"),
        (&["pool", "missing"], "pool-problems"),
        (&["cache", "stats"], "cache-stats"),
        (&["cache", "list"], "cache-list"),
        (&["db", "status"], "db-status"),
        (&["db", "current"], "db-current"),
        (&["db", "history"], "db-history"),
        (&["db", "stats"], "db-stats"),
        (&["db", "orphaned"], "db-orphaned"),
        (&["stats", "packages"], "stats-packages"),
        (&["stats", "dedup"], "stats-dedup"),
        (&["db", "verify"], "db-verify"),
        (&["config", "validate"], "config-validate"),
        (&["config", "test", "el9"], "config-test"),
    ] {
        let run = |format: &str| {
            let mut all = words.to_vec();
            all.extend(["--format", format]);
            chantal.run(&all).expect(0)
        };
        let json = run("json").json(schema);
        let rows = json.as_array().map(Vec::len);
        if let Some(rows) = rows {
            // Values with line breaks would need a parser here; ours have none.
            assert_eq!(run("csv").stdout.lines().count(), rows + 1, "{words:?}");
        }
        assert!(!run("yaml").stdout.is_empty(), "{words:?}");
        let table = run("table").stdout;
        assert!(
            rows == Some(0) || schema == "config-validate" || !table.is_empty(),
            "{words:?}"
        );
    }
}

#[test]
fn publishing_all_into_a_target_gives_each_repository_a_directory() {
    let chantal = Chantal::new();
    feed::write(&chantal.path("a"), 1, V1);
    feed::write(&chantal.path("b"), 1, V2);
    let off = repository("off", &feed::url(&chantal.path("b")), "enabled: false");
    chantal.configure(
        &(repository("a", &feed::url(&chantal.path("a")), "")
            + &repository("b", &feed::url(&chantal.path("b")), "")
            + &off),
    );
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "--all"]).expect(0);
    chantal.run(&["publish", "repo", "--all", "--target", "out"]).expect(0);
    for (id, file) in [("a", "zsh-5.8-1.noarch.rpm"), ("b", "fish-3.0-1.noarch.rpm")] {
        assert!(
            feed::entry(&chantal.path(&format!("out/{id}"))).is_file(),
            "{id} has no entry file"
        );
        assert!(chantal.path(&format!("out/{id}/{file}")).is_file(), "{id} lacks {file}");
    }
    assert!(!chantal.path("out/off").exists());
}

#[test]
fn published_files_are_there_until_unpublished() {
    let chantal = synced("");
    let told = chantal.run(&["publish", "repo", "el9"]).expect(0).stderr;
    assert!(told.contains("r1 is served at"), "{told}");
    let again = chantal.run(&["publish", "repo", "el9"]).expect(0).stderr;
    assert!(again.contains("is served already"), "{again}");
    assert!(feed::entry(&chantal.path("published/el9/latest")).is_file());
    chantal.run(&["publish", "unpublish", "el9"]).expect(0);
    assert!(!feed::entry(&chantal.path("published/el9/latest")).exists());
    assert_eq!(
        chantal
            .run(&["publish", "list", "--format", "json"])
            .expect(0)
            .json("publish-list"),
        json!([])
    );
}

#[test]
fn packages_are_found_by_text_and_by_identity() {
    let chantal = synced("");
    let found = chantal
        .run(&["package", "search", "as", "--format", "json"])
        .expect(0)
        .json("package-list");
    assert_eq!(names(&found), ["bash-5.1-1"]);
    let found = chantal
        .run(&["package", "list", "el9", "--limit", "1", "--format", "json"])
        .expect(0)
        .json("package-list");
    assert_eq!(found.as_array().unwrap().len(), 1);
    let shown = chantal
        .run(&["package", "show", "bash@5.1-1", "--format", "json"])
        .expect(0)
        .json("package-show");
    assert_eq!(shown[0]["repositories"], json!(["el9"]));
    let sha256 = shown[0]["sha256"].as_str().unwrap();
    assert_eq!(
        chantal
            .run(&["package", "show", sha256, "--format", "json"])
            .expect(0)
            .json("package-show"),
        shown
    );
    chantal.run(&["package", "show", "nothing"]).expect(2);
}

#[test]
fn a_cache_that_was_cleared_makes_the_next_sync_read_everything() {
    let chantal = synced("");
    let feeds = || {
        chantal
            .run(&["cache", "stats", "--format", "json"])
            .expect(0)
            .json("cache-stats")["feeds"]
            .clone()
    };
    assert_eq!(feeds(), 1);
    chantal.run(&["cache", "clear", "el9"]).expect(0);
    assert_eq!(feeds(), 0);
    let told = chantal.run(&["repo", "sync", "el9"]).expect(0).stderr;
    assert!(told.contains("r1 is up to date"), "{told}");
    assert_eq!(feeds(), 1);
}

#[test]
fn a_missing_blob_is_exit_8() {
    let chantal = synced("");
    let shown = chantal
        .run(&["package", "show", "bash", "--format", "json"])
        .expect(0)
        .json("package-show");
    let sha256 = shown[0]["sha256"].as_str().unwrap();
    std::fs::remove_file(chantal.path(&format!("state/pool/{}/{sha256}", &sha256[..2]))).unwrap();
    let problems = chantal
        .run(&["pool", "missing", "--format", "json"])
        .expect(8)
        .json("pool-problems");
    assert_eq!(
        (&problems[0]["blob"], &problems[0]["kind"]),
        (&json!(sha256), &json!("missing"))
    );
    chantal.run(&["pool", "verify"]).expect(8);
}

#[test]
fn progress_as_json_is_one_event_per_line() {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    chantal.configure(&repository("el9", &feed::url(&chantal.path("feed")), ""));
    chantal.run(&["init"]).expect(0);
    let told = chantal
        .run(&["repo", "sync", "el9", "--progress", "json"])
        .expect(0)
        .stderr;
    let events: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    for event in &events {
        keeps_to("event", event);
    }
    assert!(events.iter().any(|event| event["event"] == "end"), "{told}");

    let quiet = chantal.run(&["repo", "sync", "el9", "--quiet"]).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn the_configuration_is_shown_with_secrets_masked() {
    let chantal = synced("auth: {type: basic, username: me, password: hunter2}");
    for words in [
        &["config", "show"][..],
        &["config", "show", "el9", "--format", "json"],
        &["repo", "list", "--format", "json"],
    ] {
        let shown = chantal.run(words).expect(0);
        assert!(
            shown.stdout.contains("el9") && !shown.stdout.contains("hunter2"),
            "{}",
            shown.stdout
        );
    }
}

#[test]
fn a_mirror_needs_no_configuration_and_is_brought_up_to_date() {
    let chantal = Chantal::new();
    let source = chantal.path("feed");
    feed::write(&source, 1, V1);
    let url = feed::url(&source);
    chantal.run_bare(&["mirror", &url, "out"]).expect(0);
    assert_eq!(
        std::fs::read(feed::entry(&chantal.path("out"))).unwrap(),
        std::fs::read(feed::entry(&source)).unwrap()
    );
    assert!(chantal.path("out/zsh-5.8-1.noarch.rpm").is_file() && chantal.path("out/.chantal").is_dir());

    feed::write(&source, 2, V2);
    let runs = chantal
        .run_bare(&["mirror", source.to_str().unwrap(), "out", "--format", "json"])
        .expect(0)
        .json("repo-sync");
    assert_eq!(runs[0]["result"]["recorded"], true);
    assert_eq!(
        std::fs::read(feed::entry(&chantal.path("out"))).unwrap(),
        std::fs::read(feed::entry(&source)).unwrap()
    );
}

#[test]
fn a_mirror_can_be_filtered() {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    let url = feed::url(&chantal.path("feed"));
    chantal.run_bare(&["mirror", &url, "out", "--include", "^ba"]).expect(0);
    assert!(chantal.path("out/bash-5.1-1.noarch.rpm").is_file());
    assert!(!chantal.path("out/zsh-5.8-1.noarch.rpm").exists());
}

#[test]
fn a_listing_says_how_the_newest_run_ended() {
    let chantal = synced("");
    let row = |words: &[&str], schema: &str| {
        let shown = chantal
            .run(&[words, &["--format", "json"]].concat())
            .expect(0)
            .json(schema);
        shown.get(0).unwrap_or(&shown).clone()
    };
    assert_eq!(row(&["repo", "list"], "repo-list")["last"]["status"], "succeeded");
    std::fs::remove_dir_all(chantal.path("feed")).unwrap();
    chantal.run(&["repo", "sync", "el9"]).expect(3);
    for (words, schema) in [
        (&["repo", "list"][..], "repo-list"),
        (&["repo", "show", "el9"], "repo-show"),
        (&["stats", "el9"], "stats-repo"),
    ] {
        let row = row(words, schema);
        assert_eq!(
            (&row["last"]["status"], &row["last"]["exit_code"]),
            (&json!("failed"), &json!(3))
        );
        assert!(row["last_sync"].is_string(), "the last success stays: {row}");
        let table = chantal.run(words).expect(0).stdout;
        assert!(table.contains("failed"), "{table}");
    }
}

#[test]
fn a_history_that_is_cut_off_says_so() {
    let chantal = synced("");
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    for (words, told) in [
        (&["el9", "--limit", "0"][..], "0 syncs, and there are more"),
        (&["el9", "--limit", "1"], "1 sync, and there are more"),
        (&["el9", "--limit", "2"], ""),
    ] {
        let said = chantal.run(&[&["repo", "history"], words].concat()).expect(0).stderr;
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn csv_holds_every_list_of_a_record() {
    let chantal = synced("");
    let csv = |words: &[&str]| {
        let ran = chantal.run(&[words, &["--format", "csv"]].concat()).expect(0);
        let sections: Vec<String> = ran
            .stdout
            .lines()
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect();
        sections
    };
    assert_eq!(
        csv(&["stats", "packages"]),
        [
            "section",
            "summary",
            "largest",
            "largest",
            "by_arch",
            "by_series",
            "by_series"
        ]
    );
    assert_eq!(csv(&["stats", "dedup"]), ["section", "summary", "repositories"]);
    assert_eq!(csv(&["repo", "show", "el9"]), ["section", "summary", "revisions"]);
}

#[test]
fn a_vacuum_says_what_the_database_took_up_with_its_log() {
    let chantal = synced("");
    let size = |name: &str| std::fs::metadata(chantal.path(name)).map_or(0, |meta| meta.len());
    let done = chantal
        .run(&["db", "vacuum", "--format", "json"])
        .expect(0)
        .json("db-vacuum");
    let (before, now) = (
        done["before_bytes"].as_u64().unwrap(),
        done["now_bytes"].as_u64().unwrap(),
    );
    assert!(before >= now, "{done}");
    assert!(size("state/chantal.db") >= now, "{done}");
    let table = chantal.run(&["db", "vacuum"]).expect(0);
    assert_eq!(
        table.stdout, "",
        "a command that changes something writes no data unasked"
    );
}
