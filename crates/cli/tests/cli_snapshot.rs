//! Snapshots: pinned, compared, published, switched to.

mod support;

use serde_json::json;
use support::{Chantal, feed, repository};

const V1: &[(&str, &str)] = &[("bash", "5.1"), ("zsh", "5.8")];
const V2: &[(&str, &str)] = &[("bash", "5.2"), ("fish", "3.0")];

/// A repository with r1, pinned by snapshot `old`, and r2.
fn two_revisions() -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, V1);
    chantal.configure(&repository("el9", &feed::url(&chantal.path("feed")), ""));
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal
        .run(&[
            "snapshot",
            "create",
            "--repo-id",
            "el9",
            "--name",
            "old",
            "--description",
            "before",
        ])
        .expect(0);
    feed::write(&chantal.path("feed"), 2, V2);
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal
}

#[test]
fn a_snapshot_pins_the_newest_revision_and_is_listed() {
    let chantal = two_revisions();
    let made = chantal
        .run(&["snapshot", "create", "el9", "--name", "new", "--format", "json"])
        .expect(0)
        .json("snapshot");
    assert_eq!((&made["revision"], &made["packages"]), (&json!(2), &json!(2)));
    let rows = chantal
        .run(&["snapshot", "list", "el9", "--format", "json"])
        .expect(0)
        .json("snapshot-list");
    assert_eq!(rows.as_array().unwrap().len(), 2);
    let old = chantal
        .run(&["snapshot", "show", "el9", "old", "--format", "json"])
        .expect(0)
        .json("snapshot");
    assert_eq!((&old["revision"], &old["description"]), (&json!(1), &json!("before")));
    let same = chantal
        .run(&["snapshot", "show", "--repo-id", "el9", "old", "--format", "json"])
        .expect(0)
        .json("snapshot");
    assert_eq!(same, old);

    let told = chantal
        .run(&["snapshot", "create", "el9", "--name", "new"])
        .expect(2)
        .stderr;
    assert!(told.contains("already"), "{told}");
}

#[test]
fn a_diff_is_in_words_and_exit_10_only_on_request() {
    let chantal = two_revisions();
    let table = chantal.run(&["snapshot", "diff", "el9", "old", "latest"]).expect(0);
    for line in ["upgraded  bash", "added     fish", "removed   zsh"] {
        assert!(table.stdout.contains(line), "{line} is not in {}", table.stdout);
    }
    let words = ["snapshot", "diff", "--repo-id", "el9", "r1", "r2", "--format", "json"];
    let diff = chantal.run(&words).expect(0).json("snapshot-diff");
    assert_eq!(
        diff["counts"],
        json!({"added": 1, "removed": 1, "upgraded": 1, "downgraded": 0, "rebuilt": 0})
    );
    chantal
        .run(&["snapshot", "diff", "el9", "old", "latest", "--exit-code"])
        .expect(10);
    chantal
        .run(&["snapshot", "diff", "el9", "old", "r1", "--exit-code"])
        .expect(0);
    chantal.run(&["snapshot", "diff", "el9", "old", "nowhere"]).expect(2);
}

#[test]
fn content_is_that_of_the_pinned_revision() {
    let chantal = two_revisions();
    let content = |state: &str| {
        let run = chantal
            .run(&["snapshot", "content", "el9", state, "--format", "csv"])
            .expect(0);
        run.stdout
            .lines()
            .skip(1)
            .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(content("old"), ["bash 5.1-1", "zsh 5.8-1"]);
    assert_eq!(content("latest"), ["bash 5.2-1", "fish 3.0-1"]);
    let words = [
        "package",
        "list",
        "--repo-id",
        "el9",
        "--snapshot",
        "old",
        "--format",
        "json",
    ];
    assert_eq!(
        chantal
            .run(&words)
            .expect(0)
            .json("package-list")
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_copy_is_a_second_name_for_the_same_state() {
    let chantal = two_revisions();
    chantal
        .run(&["snapshot", "copy", "el9", "--source", "old", "--target", "prod"])
        .expect(0);
    chantal
        .run(&["snapshot", "diff", "el9", "old", "prod", "--exit-code"])
        .expect(0);
    chantal.run(&["snapshot", "delete", "el9", "old"]).expect(0);
    let prod = chantal
        .run(&["snapshot", "show", "el9", "prod", "--format", "json"])
        .expect(0)
        .json("snapshot");
    assert_eq!(prod["revision"], 1);
}

#[test]
fn a_published_snapshot_is_served_beside_the_newest_and_guarded() {
    let chantal = two_revisions();
    chantal.run(&["publish", "repo", "el9"]).expect(0);
    let plan = chantal.run(&[
        "publish",
        "snapshot",
        "el9",
        "--snapshot",
        "old",
        "--dry-run",
        "--format",
        "json",
    ]);
    assert_eq!(plan.expect(0).json("publish-plan")[0]["result"]["snapshot"], "old");
    assert!(!chantal.path("published/el9/snapshots/old").exists());
    chantal
        .run(&["publish", "snapshot", "el9", "--snapshot", "old"])
        .expect(0);
    assert!(
        chantal
            .path("published/el9/snapshots/old/zsh-5.8-1.noarch.rpm")
            .is_file()
    );
    assert!(chantal.path("published/el9/latest/fish-3.0-1.noarch.rpm").is_file());

    let told = chantal.run(&["snapshot", "delete", "el9", "old"]).expect(2).stderr;
    assert!(told.contains("is published at"), "{told}");
    chantal.run(&["snapshot", "delete", "el9", "old", "--force"]).expect(0);
    assert!(!feed::entry(&chantal.path("published/el9/snapshots/old")).exists());
}

#[test]
fn a_repository_that_is_switched_to_a_snapshot_stays_there_until_it_is_switched_back() {
    let chantal = two_revisions();
    chantal.run(&["publish", "repo", "el9"]).expect(0);
    let runs = chantal
        .run(&["publish", "switch", "el9", "--snapshot", "old", "--format", "json"])
        .expect(0)
        .json("publish");
    assert_eq!(runs[0]["result"]["plan"]["revision"], 1);
    let told = chantal.run(&["publish", "repo", "el9"]).expect(7).stderr;
    assert!(told.contains("publish switch el9 --latest"), "{told}");
    let list = chantal
        .run(&["publish", "list", "--format", "json"])
        .expect(0)
        .json("publish-list");
    assert_eq!((&list[0]["pinned"], &list[0]["revision"]), (&json!(true), &json!(1)));

    chantal.run(&["publish", "switch", "el9", "--latest"]).expect(0);
    let list = chantal
        .run(&["publish", "list", "--format", "json"])
        .expect(0)
        .json("publish-list");
    assert_eq!((&list[0]["pinned"], &list[0]["revision"]), (&json!(false), &json!(2)));
}
