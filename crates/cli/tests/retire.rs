//! Retention of revisions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::Upstream;
use serde_json::{Value, json};

fn feed(version: u64) -> Repository {
    let kept = Rpm::new("kept", "1", "1", "noarch");
    let changing = Rpm::new("changing", &version.to_string(), "1", "noarch");
    Repository::new().revision(version).with(kept).with(changing)
}

struct Bench {
    chantal: Chantal,
    upstream: Upstream,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(feed(1).build().site()),
        };
        bench.keep("{}");
        bench
    }

    /// Sets `revisions:`, and graces that are over at once.
    fn keep(&self, revisions: &str) {
        let url = self.upstream.url("/");
        let text = format!(
            "revisions: {revisions}\npublish: {{metadata_grace: 0s, package_grace: 0s}}\nrepositories:\n  \
             - {{id: r, type: rpm, feed: \"{url}\", mode: filtered}}\n"
        );
        self.chantal.config(&text);
    }

    fn sync(&self, version: u64, more: &[&str]) -> Value {
        let site = feed(version).build().site();
        self.upstream.change(|old| *old = site);
        let mut arguments = vec!["repo", "sync", "r"];
        arguments.extend(more);
        self.chantal.json(&arguments)[0]["result"].clone()
    }

    fn held(&self) -> Vec<u64> {
        let shown = self.chantal.json(&["repo", "show", "r"]);
        let mut held: Vec<u64> = shown["revisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|revision| revision["revision"].as_u64().unwrap())
            .collect();
        held.sort_unstable();
        held
    }

    fn retire(&self, more: &[&str]) -> (Value, u64) {
        let mut arguments = vec!["repo", "retire", "r"];
        arguments.extend(more);
        let report = self.chantal.json(&arguments)[0]["result"].clone();
        let numbers = report["retired"].as_array().unwrap().iter();
        (
            numbers.map(|retired| retired["revision"].clone()).collect(),
            report["kept"].as_u64().unwrap(),
        )
    }
}

#[test]
fn revisions_retire_but_for_the_last_the_pinned_and_the_served() {
    let bench = Bench::new();
    bench.sync(1, &[]);
    bench.sync(2, &[]);
    bench.sync(3, &["--publish"]);
    bench.sync(4, &[]);
    bench.chantal.run(&["snapshot", "create", "r", "--name", "s"]).ok();
    bench.sync(5, &[]);
    bench.sync(6, &[]);
    assert_eq!(
        bench.held(),
        [1, 2, 3, 4, 5, 6],
        "thirty and ninety days stay by default"
    );
    let of_snapshot = bench.chantal.json(&["snapshot", "content", "r", "s"]);

    bench.keep("{keep_last: 1, keep_days: 0}");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let planned = bench.retire(&["--dry-run"]);
    assert_eq!(planned, (json!([1, 2, 5]), 3));
    assert_eq!(bench.held().len(), 6, "a dry run changes nothing");
    assert_eq!(bench.retire(&[]), planned);
    assert_eq!(bench.held(), [3, 4, 6]);
    assert_eq!(bench.retire(&[]), (json!([]), 3));

    assert_eq!(bench.chantal.json(&["snapshot", "content", "r", "s"]), of_snapshot);
    bench.chantal.run(&["snapshot", "diff", "r", "r3", "r6"]).ok();
    let gone = bench.chantal.run(&["snapshot", "diff", "r", "r2", "r6"]).expect(2);
    assert!(
        gone.stderr.contains("revision r2 of repository r was retired at 2"),
        "{}",
        gone.stderr
    );
    assert!(gone.stderr.contains("hint:"), "{}", gone.stderr);
    bench.chantal.run(&["db", "verify"]).ok();
    bench.chantal.run(&["publish", "snapshot", "r", "--snapshot", "s"]).ok();
}

#[test]
fn a_sync_that_records_something_retires_what_is_not_kept() {
    let bench = Bench::new();
    for version in 1..=3 {
        assert_eq!(bench.sync(version, &[])["retired"], 0);
    }
    bench.keep("{keep_last: 2, keep_days: 0}");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(bench.sync(3, &["--force"])["retired"], 0, "nothing was recorded");
    assert_eq!(bench.held(), [1, 2, 3]);
    let said = bench.sync(4, &[]);
    assert_eq!(said["retired"], 2);
    assert_eq!(bench.held(), [3, 4]);
}
