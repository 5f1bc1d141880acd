//! The database is lost, and comes back from the pool.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

use crate::bench::flip;

struct Life {
    chantal: Chantal,
    upstream: Upstream,
}

/// What people see of a catalog.
type Seen = Vec<Value>;

impl Life {
    /// Two repositories, one as it came and one generated, with three revisions, snapshots, and trees of all kinds.
    fn new(url: Option<&str>) -> Self {
        let life = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(Repository::sample().build().site()),
        };
        life.configure(url);
        life.chantal.run(&["init"]).ok();
        life.run(&["repo", "sync", "--all", "--publish"]);
        life.run(&[
            "snapshot",
            "create",
            "f",
            "--name",
            "first",
            "--description",
            "the first",
        ]);
        life.run(&["snapshot", "create", "r", "--name", "first"]);
        life.offer(&Repository::sample_v2());
        life.run(&["repo", "sync", "--all", "--publish"]);
        life.run(&["publish", "snapshot", "f", "--snapshot", "first"]);
        life.run(&["publish", "switch", "r", "--snapshot", "first"]);
        life.offer(
            &Repository::sample_v2()
                .with(Rpm::new("third", "1", "1", "noarch"))
                .revision(1_700_300_000),
        );
        life.run(&["repo", "sync", "--all"]);
        life.run(&["snapshot", "create", "f", "--name", "third"]);
        life.run(&["pool", "hold", "hello-chantal", "--reason", "audit"]);
        life
    }

    fn configure(&self, url: Option<&str>) {
        let database = url.map_or_else(String::new, |url| format!("database: {{url: \"{url}\"}}\n"));
        let feed = self.upstream.url("/");
        self.chantal.config(&format!(
            "{database}publish: {{base_url: \"http://mirror.invalid/\"}}\nrepositories:\n  \
             - {{id: r, type: rpm, mode: mirror, feed: \"{feed}\"}}\n  \
             - {{id: f, type: rpm, feed: \"{feed}\", filters: {{patterns: {{exclude: [doc]}}}}, \
             retention: {{policy: keep-last-n, keep_count: 2}}}}\n"
        ));
    }

    fn run(&self, words: &[&str]) {
        self.chantal.run(words).ok();
    }

    fn offer(&self, repository: &Repository) {
        let site = repository.build().site();
        self.upstream.change(|old| *old = site);
    }

    fn database(&self) -> PathBuf {
        self.chantal.path().join("chantal.db")
    }

    fn lose_database(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let path = format!("{}{suffix}", self.database().display());
            let _ = std::fs::remove_file(path);
        }
    }

    fn seen(&self) -> Seen {
        [
            &["repo", "list"][..],
            &["repo", "show", "f"],
            &["repo", "show", "r"],
            &["snapshot", "list"],
            &["snapshot", "content", "f", "first"],
            &["snapshot", "content", "f", "third"],
            &["snapshot", "diff", "f", "first", "latest"],
            &["snapshot", "diff", "r", "r1", "r2"],
            &["publish", "list"],
            &["package", "list", "f"],
            &["package", "show", "libgreet"],
            &["pool", "holds"],
            &["pool", "missing"],
        ]
        .iter()
        .map(|words| without_times(self.chantal.json(words)))
        .collect()
    }

    /// Takes everything that is published away and publishes it again.
    fn published_again(&self) -> BTreeMap<String, String> {
        std::fs::remove_dir_all(self.chantal.published()).unwrap();
        self.run(&["publish", "repo", "f"]);
        self.run(&["publish", "snapshot", "f", "--snapshot", "first"]);
        self.run(&["publish", "switch", "r", "--snapshot", "first"]);
        self.trees()
    }

    /// Files of the trees, without those of older states.
    fn trees(&self) -> BTreeMap<String, String> {
        let mut trees = self.chantal.published_digests("");
        trees.retain(|path, _| !path.ends_with(".lock") && !path.contains("/gen/") && !path.ends_with("mirrorlist"));
        trees
    }

    fn manifests(&self, below: &str) -> Vec<PathBuf> {
        let directory = self.chantal.pool().join("manifests/repositories").join(below);
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        found
    }
}

/// When a run was is not kept in the pool.
fn without_times(mut value: Value) -> Value {
    match &mut value {
        Value::Object(object) => {
            for run in ["last_sync", "last_checked", "checked", "last_run", "last", "status"] {
                object.remove(run);
            }
            let entries = std::mem::take(object);
            *object = entries
                .into_iter()
                .map(|(key, value)| (key, without_times(value)))
                .collect();
        }
        Value::Array(list) => {
            let entries = std::mem::take(list);
            *list = entries.into_iter().map(without_times).collect();
        }
        _ => {}
    }
    value
}

#[track_caller]
fn comes_back(life: &Life, lose: impl FnOnce(&Life)) {
    let trees = life.published_again();
    let seen = life.seen();
    lose(life);
    let made = life.chantal.json(&["db", "rebuild"]);
    assert_eq!(made["repositories"], 2, "{made:#}");
    assert_eq!(made["snapshots"], 3, "{made:#}");
    life.run(&["db", "verify"]);
    let again = life.seen();
    for (before, after) in seen.iter().zip(&again) {
        assert_eq!(before, after);
    }
    life.run(&["pool", "verify"]);
    // An unchanged feed costs one request.
    for repository in ["r", "f"] {
        life.upstream.clear_log();
        life.run(&["repo", "sync", repository]);
        assert_eq!(life.upstream.log().len(), 1, "{repository}: {:#?}", life.upstream.log());
    }
    assert_eq!(life.published_again(), trees);
    // And the next change is recorded on top.
    life.offer(&Repository::sample().revision(1_700_400_000));
    life.run(&["repo", "sync", "f", "--force-removals", "--publish"]);
    life.run(&["db", "verify"]);
    life.run(&["pool", "verify"]);
}

#[test]
fn a_deleted_database_comes_back_and_publishes_the_same_bytes() {
    comes_back(&Life::new(None), Life::lose_database);
}

#[test]
fn so_does_one_on_a_server() {
    let Some(server) = Postgres::start() else { return };
    let life = Life::new(Some(&server.url(&server.database())));
    let other = server.url(&server.database());
    comes_back(&life, |life| life.configure(Some(&other)));
    life.chantal.run(&["db", "rebuild"]).expect(2);
    life.chantal.run(&["db", "rebuild", "--replace"]).expect(2);
}

#[test]
fn what_was_rendered_is_rendered_again_to_the_same_bytes() {
    let life = Life::new(None);
    let trees = life.published_again();
    life.lose_database();
    for repository in ["r", "f"] {
        let publications = life
            .chantal
            .pool()
            .join("manifests/repositories")
            .join(repository)
            .join("publications");
        std::fs::remove_dir_all(publications).unwrap();
    }
    life.run(&["db", "rebuild"]);
    assert_eq!(life.published_again(), trees);
}

#[test]
fn a_database_that_is_there_is_not_replaced_unasked_and_then_kept() {
    let life = Life::new(None);
    let seen = life.seen();
    let refused = life.chantal.run(&["db", "rebuild"]).expect(2);
    assert!(refused.stderr.contains("--replace"), "{}", refused.stderr);
    std::fs::write(life.database(), "not a database any more").unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", life.database().display()));
    }
    let made = life.chantal.json(&["db", "rebuild", "--replace"]);
    let kept = made["kept"].as_str().unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), b"not a database any more");
    assert_eq!(life.seen(), seen);
}

#[test]
fn a_torn_manifest_is_named_and_never_believed() {
    let life = Life::new(None);
    let manifests = life.manifests("f");
    let last = manifests
        .iter()
        .rfind(|path| path.to_string_lossy().contains("/r-"))
        .unwrap();
    flip(last, 200);
    let found = life.chantal.run(&["--format", "json", "pool", "verify"]).expect(8);
    assert!(found.stdout.contains("\"manifest\""), "{}", found.stdout);
    life.lose_database();
    let made = life.chantal.run(&["--format", "json", "db", "rebuild"]).expect(8);
    let report: Value = serde_json::from_str(&made.stdout).unwrap();
    let problems = report["problems"].to_string();
    let name = last.file_name().unwrap().to_str().unwrap();
    assert!(problems.contains(name) && problems.contains("third"), "{problems}");
    life.run(&["db", "verify"]);
    // The next sync makes up for it, and the series is whole again.
    life.run(&["repo", "sync", "f", "--publish"]);
    life.lose_database();
    life.run(&["db", "rebuild"]);

    flip(&life.manifests("f")[0], 100);
    life.run(&["pool", "verify", "--repair"]);
    life.run(&["pool", "verify"]);
    life.lose_database();
    life.run(&["db", "rebuild"]);
}

#[test]
fn what_is_remembered_of_a_feed_is_not_believed_without_the_revision_that_came_of_it() {
    let life = Life::new(None);
    let revisions = || {
        let shown = life.chantal.json(&["repo", "show", "f"]);
        shown["revisions"].as_array().unwrap().len()
    };
    let before = revisions();
    // A sync that begins to write another third revision removes the manifest of the one that was never recorded.
    let manifests = life.manifests("f");
    let last = manifests
        .iter()
        .rfind(|path| path.to_string_lossy().contains("/r-"))
        .unwrap();
    std::fs::remove_file(last).unwrap();
    life.lose_database();
    life.chantal.run(&["db", "rebuild"]).expect(8);
    assert_eq!(revisions(), before - 1);
    life.run(&["repo", "sync", "f"]);
    assert_eq!(revisions(), before);
}

#[test]
fn a_pool_without_manifests_gets_them_by_the_next_sync() {
    let life = Life::new(None);
    let manifests = life.chantal.pool().join("manifests");
    for write in [&["repo", "sync", "--all"][..], &["db", "rebuild", "--write-manifests"]] {
        let seen = life.seen();
        std::fs::remove_dir_all(&manifests).unwrap();
        let told = life.chantal.run(&["pool", "verify"]).ok();
        assert!(told.stderr.contains("behind"), "{}", told.stderr);
        life.run(write);
        let told = life.chantal.run(&["pool", "verify"]).ok();
        assert!(!told.stderr.contains("behind"), "{}", told.stderr);
        if write[0] == "db" {
            life.lose_database();
            life.run(&["db", "rebuild"]);
            assert_eq!(life.seen(), seen);
        }
    }
    // Nothing at all is said so.
    life.lose_database();
    std::fs::remove_dir_all(&manifests).unwrap();
    life.chantal.run(&["db", "rebuild"]).expect(8);
}

#[test]
fn retired_revisions_deleted_snapshots_and_repositories_do_not_come_back() {
    let life = Life::new(None);
    life.run(&["snapshot", "delete", "f", "third"]);
    life.run(&["repo", "delete", "r", "--force", "--unpublish", "--yes"]);
    let config = std::fs::read_to_string(life.chantal.config_path()).unwrap();
    let least = "revisions: {keep_last: 1, keep_days: 0}\npublish: {metadata_grace: 0s, package_grace: 0s, ";
    std::fs::write(life.chantal.config_path(), config.replace("publish: {", least)).unwrap();
    for version in 4..9 {
        let package = Rpm::new("changing", &version.to_string(), "1", "noarch");
        life.offer(&Repository::sample().with(package).revision(1_700_400_000 + version));
        life.run(&["repo", "sync", "f", "--publish", "--force-removals"]);
    }
    std::thread::sleep(Duration::from_millis(1100));
    life.run(&["pool", "cleanup", "--keep-for", "0s"]);
    let listed = |life: &Life| {
        [
            &["snapshot", "list"][..],
            &["package", "list", "f"],
            &["pool", "missing"],
            &["publish", "list"],
        ]
        .map(|words| without_times(life.chantal.json(words)))
    };
    let before = listed(&life);
    life.lose_database();
    let made = life.chantal.json(&["db", "rebuild"]);
    assert_eq!(
        (&made["repositories"], &made["snapshots"]),
        (&1.into(), &1.into()),
        "{made:#}"
    );
    assert_eq!(listed(&life), before);
    life.run(&["db", "verify"]);
    life.run(&["pool", "verify"]);
}

#[test]
fn a_rebuild_that_was_killed_is_done_by_the_next_one() {
    let life = Life::new(None);
    let seen = life.seen();
    life.lose_database();
    for millis in [1, 5, 10, 20, 40, 80] {
        let mut child = life.chantal.spawn(&["db", "rebuild"]);
        std::thread::sleep(Duration::from_millis(millis));
        let _ = child.kill();
        let ended = child.wait().unwrap();
        if ended.success() {
            break;
        }
        assert!(!life.database().exists() || life.chantal.run(&["db", "verify"]).code == 0);
        if life.database().exists() {
            break;
        }
    }
    if !life.database().exists() {
        life.run(&["db", "rebuild"]);
    }
    assert_eq!(life.seen(), seen);
    let left: Vec<_> = std::fs::read_dir(life.chantal.path()).unwrap().flatten().collect();
    assert!(
        left.iter()
            .all(|entry| !entry.file_name().to_string_lossy().contains("rebuild"))
    );
}
