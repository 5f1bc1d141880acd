//! Restoring on SQLite, and the backups' directory.

use std::os::unix::fs::PermissionsExt as _;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Fault;

use crate::{BINARY, backup, configure, database, files_named, lived, manifest, published, served, snapshots, tables};

#[test]
fn a_deleted_database_comes_back_and_publishes_the_same_bytes() {
    let (chantal, _upstream) = lived();
    let (served, archive) = (published(&chantal), backup(&chantal, "a.tar"));
    assert_eq!(std::fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    for file in files_named(chantal.path(), "chantal.db") {
        std::fs::remove_file(file).unwrap();
    }
    // There is nothing to lose, so nobody is asked.
    chantal.run(&["db", "restore", archive.to_str().unwrap()]).ok();
    assert_eq!(
        std::fs::metadata(database(&chantal)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(tables(&archive), tables(&backup(&chantal, "b.tar")));
    assert_eq!(published(&chantal), served);
    chantal.run(&["db", "verify"]).ok();
    chantal.run(&["repo", "sync", "--all"]).ok();
}

#[test]
fn restoring_asks_first_keeps_what_was_there_and_a_dry_run_changes_nothing() {
    let (chantal, _upstream) = lived();
    let archive = backup(&chantal, "a.tar");
    let archive = archive.to_str().unwrap();
    chantal.run(&["snapshot", "create", "f", "--name", "later"]).ok();
    let plan = chantal.json(&["db", "restore", archive, "--dry-run"]);
    let snapshot_rows = plan["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["table"] == "snapshot")
        .unwrap();
    assert_eq!(
        (&snapshot_rows["backup_rows"], &snapshot_rows["database_rows"]),
        (&1.into(), &2.into())
    );
    let asked = chantal.run(&["db", "restore", archive]).expect(2);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(snapshots(&chantal), ["first", "later"]);
    let report = chantal.json(&["db", "restore", archive, "--yes"]);
    assert_eq!(snapshots(&chantal), ["first"]);
    let previous = report["previous"].as_str().unwrap();
    assert!(previous.contains("chantal.db.before-restore-"), "{previous}");
    assert_eq!(std::fs::metadata(previous).unwrap().permissions().mode() & 0o777, 0o600);
    // The copy is a database like any other.
    for file in files_named(chantal.path(), "chantal.db")
        .into_iter()
        .filter(|file| file.to_str() != Some(previous))
    {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::rename(previous, database(&chantal)).unwrap();
    assert_eq!(snapshots(&chantal), ["first", "later"]);
    chantal.run(&["db", "verify"]).ok();
}

#[test]
fn nothing_is_restored_under_a_running_sync_which_a_backup_does_not_disturb() {
    let (chantal, upstream) = (Chantal::new(BINARY), served());
    configure(&chantal, &upstream, None);
    chantal.run(&["init"]).ok();
    chantal.run(&["repo", "sync", "f"]).ok();
    let archive = backup(&chantal, "a.tar");
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    upstream.set_fault("/repodata/repomd.xml", Fault::SlowBytes(5), 1);
    let running = chantal.spawn(&["repo", "sync", "f"]);
    while chantal.json(&["repo", "sync-status", "f"])[0]["state"] != "running" {
        std::thread::yield_now();
    }
    let beside = backup(&chantal, "beside.tar");
    let busy = chantal
        .run(&["db", "restore", archive.to_str().unwrap(), "--yes"])
        .expect(7);
    assert!(busy.stderr.contains("sync:f"), "{}", busy.stderr);
    assert!(files_named(chantal.path(), "chantal.db.before").is_empty());
    let ended = running.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // What ran when the backup was made is not taken for running.
    chantal.run(&["db", "restore", beside.to_str().unwrap(), "--yes"]).ok();
    assert_ne!(chantal.json(&["repo", "sync-status", "f"])[0]["state"], "running");
    let history = chantal.json(&["repo", "history", "f"]);
    assert_eq!(history[0]["status"], "killed");
    chantal.run(&["repo", "sync", "f"]).ok();
}

#[test]
fn a_damaged_database_is_put_aside_and_replaced() {
    let (chantal, _upstream) = lived();
    let archive = backup(&chantal, "a.tar");
    let mut bytes = std::fs::read(database(&chantal)).unwrap();
    for damage in [0..100, 4096..bytes.len()] {
        bytes[damage].fill(0x5a);
        std::fs::write(database(&chantal), &bytes).unwrap();
        let asked = chantal.run(&["db", "restore", archive.to_str().unwrap()]).expect(2);
        assert!(asked.stderr.contains("must be confirmed"), "{}", asked.stderr);
        let report = chantal.json(&["db", "restore", archive.to_str().unwrap(), "--yes"]);
        assert!(report["damage"].is_string(), "{report}");
        assert_eq!(std::fs::read(report["previous"].as_str().unwrap()).unwrap(), bytes);
        chantal.run(&["db", "verify"]).ok();
        assert_eq!(snapshots(&chantal), ["first"]);
        bytes = std::fs::read(database(&chantal)).unwrap();
    }
}

#[test]
fn blobs_that_the_pool_lacks_are_counted_and_named() {
    let (chantal, _upstream) = lived();
    let archive = backup(&chantal, "a.tar");
    let archive = archive.to_str().unwrap();
    assert_eq!(
        chantal.json(&["db", "backup-verify", archive, "--pool"])["missing"],
        serde_json::json!([])
    );
    let blob = std::fs::read_dir(chantal.pool())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().len() == 2)
        .flat_map(|fan| std::fs::read_dir(fan.path()).unwrap().flatten())
        .next()
        .unwrap();
    std::fs::remove_file(blob.path()).unwrap();
    let name = blob.file_name().into_string().unwrap();
    let verified = chantal.run(&["db", "backup-verify", archive, "--pool"]).expect(9);
    assert!(verified.stdout.contains(&name), "{}", verified.stdout);
    let restored = chantal.run(&["db", "restore", archive, "--yes"]).expect(9);
    assert!(
        restored.stderr.contains("the pool lacks 1 of") && restored.stderr.contains(&name),
        "{}",
        restored.stderr
    );
    chantal.run(&["db", "backup-verify", archive]).ok();
}

#[test]
fn backups_get_names_of_their_own_and_the_oldest_go() {
    let (chantal, upstream) = lived();
    let feed = upstream.url("/");
    chantal.config(&format!(
        "backup: {{directory: kept, keep_last: 2}}\nrepositories:\n  - {{id: f, type: rpm, feed: \"{feed}\"}}\n"
    ));
    let kept = chantal.path().join("kept");
    assert_eq!(chantal.json(&["db", "backup-list"]), serde_json::json!([]));
    let names: Vec<String> = (0..4)
        .map(|_| chantal.json(&["db", "backup"])["file"].as_str().unwrap().to_owned())
        .collect();
    std::fs::write(kept.join("other.tar"), "not ours").unwrap();
    let listed = chantal.json(&["db", "backup-list"]);
    let listed: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["file"].as_str().unwrap())
        .collect();
    assert_eq!(listed, names[2..]);
    let info = chantal.json(&["db", "backup-info", &names[3]]);
    assert_eq!(
        info["tables"].as_array().unwrap().len(),
        manifest(names[3].as_ref())["tables"].as_array().unwrap().len()
    );
    for listing in [
        &["db", "backup-list"][..],
        &["db", "backup-info", &names[3]],
        &["db", "backup-verify", &names[3]],
    ] {
        assert!(chantal.run(listing).ok().stdout.contains(&names[3]));
    }
    let taken = chantal.run(&["db", "backup", &names[3]]).expect(2);
    assert!(taken.stderr.contains("is there already"), "{}", taken.stderr);
    assert!(files_named(&kept, ".new-").is_empty());
}
