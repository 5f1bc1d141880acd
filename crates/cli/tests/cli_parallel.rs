//! Several repositories at the same time: one that fails does not stop the others, a signal stops all, connections to a
//! host are counted over all of them.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    reason = "published names are of one spelling; small texts of tests"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Fault, Upstream};
use serde_json::{Value, json};

/// A server with several feeds and a configuration that has them all, `r00` and on.
struct Bench {
    chantal: Chantal,
    upstream: Upstream,
    _feeds: tempfile::TempDir,
}

/// The path of a feed on the server.
fn feed(n: usize) -> String {
    format!("/f{n:02}")
}

fn entry(n: usize) -> String {
    format!("{}/repodata/repomd.xml", feed(n))
}

impl Bench {
    fn new(count: usize, packages: usize, more: &str) -> Self {
        let feeds = tempfile::tempdir().unwrap();
        for n in 0..count {
            let repository = Repository::random(100 + n as u64, packages);
            repository.write_to(&feeds.path().join(&feed(n)[1..])).unwrap();
        }
        let upstream = Upstream::serve_dir(feeds.path());
        let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
        let repositories: String = (0..count)
            .map(|n| format!("  - {{id: r{n:02}, type: rpm, feed: '{}/'}}\n", upstream.url(&feed(n))))
            .collect();
        chantal.config(&format!("{more}repositories:\n{repositories}"));
        chantal.run(&["init"]).ok();
        Self {
            chantal,
            upstream,
            _feeds: feeds,
        }
    }

    fn revisions(&self) -> Vec<Value> {
        let rows = self.chantal.json(&["repo", "list"]);
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["revision"].clone())
            .collect()
    }
}

const NO_RETRIES: &str = "download: {retry_attempts: 0}\n";

#[test]
fn twelve_repositories_with_four_workers_end_each_with_its_own_code() {
    let bench = Bench::new(12, 6, NO_RETRIES);
    bench
        .upstream
        .set_fault(&entry(0), Fault::Status(404, Vec::new()), usize::MAX);
    bench
        .upstream
        .set_fault(&entry(2), Fault::Status(503, Vec::new()), usize::MAX);
    bench.upstream.set_fault(&entry(5), Fault::HtmlPage, usize::MAX);
    bench.upstream.set_fault(&entry(7), Fault::DropConnection, usize::MAX);
    let primary = bench.chantal.run(&["--format", "json", "config", "test", "r09"]).ok();
    let primary: Value = serde_json::from_str(&primary.stdout).unwrap();
    let files = primary[0]["result"]["files"].as_array().unwrap().clone();
    let corrupted = files
        .iter()
        .find_map(|file| file.as_str().filter(|name| name.contains("primary")));
    let corrupted = format!("{}/{}", feed(9), corrupted.unwrap());
    bench.upstream.set_fault(&corrupted, Fault::CorruptByte(30), usize::MAX);

    let words = [
        "--format",
        "json",
        "repo",
        "sync",
        "--all",
        "--workers",
        "4",
        "--publish",
    ];
    let output = bench.chantal.run(&words).expect(9);
    let runs: Value = serde_json::from_str(&output.stdout).unwrap();
    let codes: Vec<u64> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["exit_code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [3, 0, 3, 0, 0, 5, 0, 3, 0, 4, 0, 0], "{}", output.stderr);
    for (n, code) in codes.iter().enumerate() {
        let entry = format!("r{n:02}/latest/repodata/repomd.xml");
        assert_eq!(bench.chantal.published().join(entry).exists(), *code == 0, "r{n:02}");
    }
    let expected: Vec<Value> = codes
        .iter()
        .map(|code| if *code == 0 { json!(1) } else { Value::Null })
        .collect();
    assert_eq!(bench.revisions(), expected);
    let last = bench.chantal.json(&["repo", "history", "--last"]);
    let failed = last
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["status"] == "failed")
        .count();
    assert_eq!((last.as_array().unwrap().len(), failed), (12, 5));
    bench.chantal.run(&["pool", "verify"]).ok();
    bench.chantal.run(&["db", "verify"]).ok();
}

#[test]
fn repositories_that_fail_alike_give_their_code_and_a_table_closes_the_run() {
    let bench = Bench::new(3, 2, NO_RETRIES);
    for n in 0..3 {
        bench
            .upstream
            .set_fault(&entry(n), Fault::Status(500, Vec::new()), usize::MAX);
    }
    let told = bench
        .chantal
        .run(&["repo", "sync", "--all", "--workers", "3"])
        .expect(3);
    assert_eq!(told.stdout, "");
    let header = told
        .stderr
        .lines()
        .position(|line| line.starts_with("Repository  Status"));
    let rows: Vec<&str> = told
        .stderr
        .lines()
        .skip(header.expect("no table") + 1)
        .take(3)
        .collect();
    for (n, row) in rows.iter().enumerate() {
        let words: Vec<&str> = row.split_whitespace().take(3).collect();
        assert_eq!(words, [&format!("r{n:02}"), "failed", "3"], "{}", told.stderr);
    }
    assert!(
        told.stderr
            .contains("0 of 3 repositories succeeded; failed: r00, r01, r02")
    );
}

#[test]
fn connections_to_a_host_are_counted_over_all_repositories() {
    let bench = Bench::new(4, 12, "download: {per_host: 3}\n");
    bench.upstream.change(|site| site.delay_millis = 20);
    bench.chantal.run(&["repo", "sync", "--all", "--workers", "4"]).ok();
    let most = bench.upstream.most_at_once();
    assert!((2..=3).contains(&most), "{most} requests at the same time");
}

#[test]
fn two_processes_with_several_workers_each_share_the_one_writer() {
    let bench = Bench::new(8, 20, "");
    let start = |from: usize| {
        let ids: Vec<String> = (from..from + 4).map(|n| format!("r{n:02}")).collect();
        let mut words = vec!["repo", "sync", "--workers", "4", "--publish"];
        words.extend(ids.iter().map(String::as_str));
        bench.chantal.spawn(&words)
    };
    let children = [start(0), start(4)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(bench.revisions(), vec![json!(1); 8]);
    bench.chantal.run(&["db", "verify"]).ok();
}

#[test]
fn packages_that_several_repositories_have_are_stored_once() {
    let bench = Bench::new(1, 10, "");
    let feed = bench.upstream.url(&feed(0));
    let repositories: String = (0..6)
        .map(|n| format!("  - {{id: same{n}, type: rpm, feed: '{feed}/'}}\n"))
        .collect();
    bench.chantal.config(&format!("repositories:\n{repositories}"));
    bench
        .chantal
        .run(&["repo", "sync", "--all", "--workers", "6", "--publish"])
        .ok();
    let repositories = bench.chantal.json(&["repo", "list"]);
    let packages: Vec<u64> = repositories
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["packages"].as_u64().unwrap())
        .collect();
    assert_eq!(packages, [10; 6]);
    bench.chantal.run(&["pool", "verify"]).ok();
    bench.chantal.run(&["db", "verify"]).ok();
    // Every tree links the one copy.
    let tree = bench.chantal.published().join("same0/latest");
    let digests = chantal_testkit::tree::digests(&tree).unwrap();
    let package = digests.keys().find(|path| path.ends_with(".rpm")).unwrap();
    assert_eq!(std::fs::metadata(tree.join(package)).unwrap().nlink(), 7);
}

/// Starts a sync of all, waits until so many downloads stand still, sends a signal; gives the exit code and what was said.
fn stopped(bench: &Bench, downloads: usize, signal: &str) -> (i32, Vec<String>) {
    let words = ["--progress", "json", "repo", "sync", "--all", "--workers", "4"];
    let mut command = bench.chantal.command(&words);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut begun = std::collections::BTreeSet::new();
    while begun.len() < downloads {
        let line = lines.next().expect("it ended before the downloads began");
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "begin" && event["step"] == "download" {
            begun.insert(event["repo"].as_str().unwrap().to_owned());
        }
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let said = lines.collect();
    (child.wait().unwrap().code().unwrap_or(-1), said)
}

#[test]
fn a_signal_stops_all_repositories_and_leaves_none_of_them_changed() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let bench = Bench::new(4, 5, NO_RETRIES);
        let stalled: Vec<String> = (0..4)
            .map(|n| {
                let repository = Repository::random(100 + n as u64, 5).build();
                format!("{}/{}", feed(n), repository.find(".rpm").unwrap())
            })
            .collect();
        for path in &stalled {
            bench.upstream.set_fault(path, Fault::StallAfter(100), 1);
        }
        let (actual, said) = stopped(&bench, 4, signal);
        assert_eq!(actual, code, "{said:#?}");
        assert_eq!(bench.revisions(), vec![Value::Null; 4], "{signal}");
        let temporary: Vec<_> = std::fs::read_dir(bench.chantal.pool().join("tmp"))
            .unwrap()
            .flatten()
            .collect();
        assert!(temporary.is_empty(), "{signal}: {temporary:?}");
        let last = bench.chantal.json(&["repo", "history", "--last"]);
        assert!(
            last.as_array().unwrap().iter().all(|run| run["status"] == "killed"),
            "{last:#}"
        );

        // Nobody holds anything any more, and what was fetched is used.
        for path in &stalled {
            bench.upstream.set_fault(path, Fault::StallAfter(0), 0);
        }
        bench.chantal.run(&["repo", "sync", "--all", "--workers", "4"]).ok();
        assert_eq!(bench.revisions(), vec![json!(1); 4]);
    }
}

#[test]
fn every_line_of_a_parallel_run_is_an_event_whatever_is_logged() {
    let bench = Bench::new(4, 3, NO_RETRIES);
    bench
        .upstream
        .set_fault(&entry(1), Fault::Status(500, Vec::new()), usize::MAX);
    let words = ["--progress", "json", "repo", "sync", "--all", "--workers", "4"];
    let mut command = bench.chantal.command(&words);
    let output = chantal_testkit::chantal::finish(command.env("CHANTAL_LOG", "trace")).expect(9);
    let schema = chantal_testkit::needs::workspace().join("docs/reference/json/event.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut logged = 0;
    let mut repositories = std::collections::BTreeSet::new();
    for line in output.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(validator.is_valid(&event), "{line}");
        logged += usize::from(event["event"] == "log");
        repositories.extend(event["repo"].as_str().map(str::to_owned));
    }
    assert!(logged > 10, "{logged} log lines");
    assert_eq!(repositories.len(), 4);
}
