//! What goes.

use serde_json::json;

use crate::bench::{Bench, LEAST, next_second};

/// Versions 1 to 5 synced, 3 published before 5, a snapshot of 4.
fn with_history() -> Bench {
    let bench = Bench::new("");
    for version in 1..=4 {
        bench.sync(version, if version == 3 { &["--publish"] } else { &[] });
    }
    bench.chantal.run(&["snapshot", "create", "r", "--name", "s"]).ok();
    bench.sync(5, &["--publish"]);
    bench.configure(LEAST);
    next_second();
    bench
}

#[test]
fn what_nothing_refers_to_goes_and_the_plan_says_so_to_the_byte() {
    let bench = with_history();
    let served = bench.chantal.published_digests("r/latest");
    let content = bench.chantal.json(&["snapshot", "content", "r", "s"]);
    let before = bench.blobs();

    let mut planned = bench.cleanup(&["--dry-run", "--keep-for", "0s"]);
    assert_eq!(bench.blobs(), before, "a dry run changes nothing");
    assert_eq!(planned, bench.cleanup(&["--dry-run", "--keep-for", "0s"]));
    let done = bench.cleanup(&["--keep-for", "0s"]);
    planned["dry_run"] = json!(false);
    assert_eq!(done, planned);
    let size = |blobs: &std::collections::BTreeMap<String, u64>| blobs.values().sum::<u64>();
    let after = bench.blobs();
    assert_eq!(done["freed_bytes"], size(&before) - size(&after));
    assert_eq!(
        done["unused"].as_u64().unwrap(),
        (before.len() - after.len()) as u64,
        "{done}"
    );
    assert_eq!(done["revisions"], 3, "1, 2 and 3: 4 is pinned and 5 the newest");
    // Packages 1 to 3 and 5 kinds of metadata: only `changing` of 4 and 5, `kept`, and what they come with stay.
    for (version, stays) in [(1, false), (2, false), (3, false), (4, true), (5, true)] {
        let found = bench
            .chantal
            .run(&["package", "show", &format!("changing@{version}-1")]);
        assert_eq!(found.code == 0, stays, "{version}: {}", found.stderr);
    }

    bench.is_sound();
    let still = bench.chantal.published_digests("r/latest");
    assert!(still.iter().all(|(path, digest)| served.get(path) == Some(digest)));
    let gone = served.keys().filter(|path| !still.contains_key(*path));
    assert_eq!(gone.count() as u64, done["pruned_files"].as_u64().unwrap());
    assert_eq!(bench.chantal.json(&["snapshot", "content", "r", "s"]), content);
    bench.chantal.run(&["publish", "snapshot", "r", "--snapshot", "s"]).ok();
    let again = bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!((&again["freed_bytes"], &again["unused"]), (&json!(0), &json!(0)));
    // What comes again is fetched again.
    bench.sync(2, &["--publish"]);
    bench.is_sound();
}

#[test]
fn by_default_a_day_passes_first() {
    let bench = with_history();
    let before = bench.blobs();
    let first = bench.cleanup(&[]);
    assert_eq!(first["freed_bytes"], 0);
    assert_eq!(bench.blobs(), before);
    let waiting = first["waiting"].as_u64().unwrap();
    assert!(waiting >= 3, "{first}");
    let due: jiff::Timestamp = first["next_due"].as_str().unwrap().parse().unwrap();
    let hours = due.duration_since(jiff::Timestamp::now()).as_secs() / 60;
    assert!((23 * 60..=24 * 60).contains(&hours), "{due}");
    assert_eq!(bench.why("changing@1-1")[0].0, "unused");
    // What is used again begins anew.
    bench.sync(1, &[]);
    assert_eq!(bench.why("changing@1-1")[0].0, "newest");
    assert_eq!(
        bench.cleanup(&[])["waiting"],
        waiting - 5,
        "one package and the four files of its metadata"
    );
}

#[test]
fn files_that_the_catalog_does_not_know_go_when_they_are_old() {
    let bench = Bench::new("");
    bench.sync(1, &[]);
    let name = "ab".repeat(32);
    let directory = bench.chantal.pool().join("ab");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(&name), "left by a run that was killed").unwrap();
    let young = bench.cleanup(&[]);
    assert_eq!(young["orphaned"], 0);
    assert!(bench.blobs().contains_key(&name));
    next_second();
    let planned = bench.cleanup(&["--dry-run", "--keep-for", "1s"]);
    assert_eq!(
        (&planned["orphaned"], &planned["orphaned_bytes"]),
        (&json!(1), &json!(29))
    );
    let old = bench.cleanup(&["--keep-for", "1s"]);
    assert_eq!((&old["orphaned"], &old["freed_bytes"]), (&json!(1), &json!(29)));
    assert!(!bench.blobs().contains_key(&name));
    bench.is_sound();
}

#[test]
fn snapshots_go_by_number_and_published_ones_stay() {
    let bench = Bench::new("");
    for version in 1..=4 {
        bench.sync(version, &[]);
        let name = format!("s{version}");
        bench.chantal.run(&["snapshot", "create", "r", "--name", &name]).ok();
        next_second();
    }
    bench
        .chantal
        .run(&["publish", "snapshot", "r", "--snapshot", "s1"])
        .ok();
    let names = |report: &serde_json::Value| -> Vec<String> {
        let gone = report["snapshots"].as_array().unwrap().iter();
        gone.map(|one| one["snapshot"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&bench.cleanup(&["--dry-run"])).is_empty(), "all stay by default");
    bench.configure(&format!("{LEAST}snapshots: {{keep_last: 2}}\n"));
    let planned = bench.cleanup(&["--dry-run", "--keep-for", "0s"]);
    let done = bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!(names(&planned), ["s2"]);
    assert_eq!(names(&done), ["s2"]);
    assert_eq!(planned["freed_bytes"], done["freed_bytes"]);
    bench.configure(&format!("{LEAST}snapshots: {{keep_last: 1, keep_published: false}}\n"));
    let planned = bench.cleanup(&["--dry-run", "--keep-for", "0s"]);
    let done = bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!(names(&planned), ["s1", "s3"]);
    assert_eq!(names(&done), ["s1", "s3"]);
    assert_eq!(planned["freed_bytes"], done["freed_bytes"]);
    assert!(!bench.chantal.published().join("r/snapshots/s1").exists());
    // What a repository's path is pinned to stays in any case.
    bench.chantal.run(&["publish", "switch", "r", "--snapshot", "s4"]).ok();
    bench.sync(5, &[]);
    next_second();
    bench.chantal.run(&["snapshot", "create", "r", "--name", "s5"]).ok();
    for more in [&["--dry-run"][..], &[]] {
        let report = bench.cleanup(more);
        assert!(names(&report).is_empty(), "{report}");
        assert!(
            report["left"][0].as_str().unwrap().starts_with("snapshot s4 of r: "),
            "{report}"
        );
    }
    bench.is_sound();
}

#[test]
fn old_files_of_a_tree_go_without_a_publication() {
    let bench = Bench::new("");
    bench.sync(1, &["--publish"]);
    bench.sync(2, &["--publish"]);
    let tree = || bench.chantal.published_digests("r/latest");
    let has_old =
        |tree: std::collections::BTreeMap<String, String>| tree.keys().any(|path| path.contains("changing-1-1"));
    assert!(has_old(tree()), "the grace is not over within the same second");
    next_second();
    let planned = bench.cleanup(&["--dry-run"]);
    let done = bench.cleanup(&[]);
    assert!(!has_old(tree()));
    assert_eq!(planned["pruned_files"], done["pruned_files"]);
    assert!(done["pruned_files"].as_u64().unwrap() >= 1, "{done}");
}
