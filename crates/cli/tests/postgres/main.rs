//! Everything through the binary on a PostgreSQL server, and byte for byte as on SQLite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crowds;
mod doors;

use std::collections::BTreeMap;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Fault, Upstream};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_chantal");

/// A configuration of repositories `r` (whole) and `f` (filtered), on a server or in a file.
fn configure(chantal: &Chantal, upstream: &Upstream, url: Option<&str>, more: &str) {
    let database = match url {
        Some(url) => format!("database: {{url: \"{url}\"{more}}}\n"),
        None => format!("database: {{{}}}\n", more.trim_start_matches(", ")),
    };
    let feed = upstream.url("/");
    chantal.config(&format!(
        "{database}repositories:\n  - {{id: r, type: rpm, mode: mirror, feed: \"{feed}\"}}\n  \
         - {{id: f, type: rpm, feed: \"{feed}\", filters: {{patterns: {{exclude: [doc]}}}}, \
         retention: {{policy: keep-last-n, keep_count: 2}}}}\n"
    ));
}

/// What a whole life leaves behind: published trees, and what the listings say.
#[derive(Debug, PartialEq)]
struct Left {
    trees: Vec<BTreeMap<String, String>>,
    said: Vec<Value>,
}

/// Without what differs between two directories of one machine.
fn everywhere(mut said: Value) -> Value {
    if let Some(object) = said.as_object_mut() {
        for own in ["path", "free_bytes", "free_inodes"] {
            object.remove(own);
        }
    }
    said
}

fn life(chantal: &Chantal, upstream: &Upstream) -> Left {
    upstream.change(|site| *site = Repository::sample().build().site());
    chantal.run(&["init"]).ok();
    chantal
        .run(&["repo", "sync", "--all", "--workers", "2", "--publish"])
        .ok();
    chantal.run(&["snapshot", "create", "f", "--name", "first"]).ok();
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    chantal.run(&["repo", "sync", "--all", "--publish"]).ok();
    chantal.run(&["publish", "snapshot", "f", "--snapshot", "first"]).ok();
    chantal.run(&["publish", "switch", "r", "--latest"]).ok();
    let trees = ["r/latest", "f/latest", "f/snapshots/first"].map(|tree| {
        let mut digests = chantal.published_digests(tree);
        digests.remove(".lock");
        digests
    });
    let said = [
        &["snapshot", "diff", "f", "first", "latest"][..],
        &["snapshot", "content", "f", "first"],
        &["package", "list", "f"],
        &["package", "search", "greet"],
        &["package", "show", "hello-chantal"],
        &["stats", "packages"],
        &["stats", "dedup"],
        &["pool", "orphaned"],
        &["pool", "missing"],
        &["pool", "stats"],
        &["db", "verify"],
        &["db", "orphaned"],
    ];
    let said = said
        .iter()
        .map(|arguments| everywhere(chantal.json(arguments)))
        .collect();
    chantal.run(&["pool", "verify"]).ok();
    chantal.run(&["db", "vacuum"]).ok();
    chantal.run(&["db", "stats"]).ok();
    chantal.run(&["repo", "history", "--all"]).ok();
    chantal.run(&["doctor"]).ok();
    for listing in [
        &["repo", "list"][..],
        &["repo", "show", "f"],
        &["snapshot", "list"],
        &["stats"],
    ] {
        chantal.run(listing).ok();
    }
    chantal.run(&["snapshot", "create", "f", "--name", "second"]).ok();
    chantal.run(&["snapshot", "delete", "f", "second"]).ok();
    assert!(!chantal.run(&["snapshot", "list"]).ok().stdout.contains("second"));
    chantal.run(&["repo", "retire", "--all"]).ok();
    Left {
        trees: trees.into(),
        said,
    }
}

#[test]
fn a_life_on_a_server_leaves_what_one_on_a_file_leaves() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let (on_file, on_server) = (Chantal::new(BINARY), Chantal::new(BINARY));
    configure(&on_file, &upstream, None, "");
    configure(&on_server, &upstream, Some(&server.url(&server.database())), "");
    let (file, server) = (life(&on_file, &upstream), life(&on_server, &upstream));
    assert!(file.trees.iter().all(|tree| tree.len() > 8), "{:?}", file.trees);
    assert_eq!(file, server);
    assert!(
        !on_server.path().join("chantal.db").exists(),
        "no file beside the server"
    );
}

#[test]
fn a_repository_is_deleted_and_a_killed_run_goes_on() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(BINARY);
    configure(&chantal, &upstream, Some(&server.url(&server.database())), "");
    chantal.run(&["init"]).ok();
    upstream.set_fault("/repodata/repomd.xml", Fault::SlowBytes(20), 1);
    let mut running = chantal.spawn(&["repo", "sync", "f"]);
    let state = || chantal.json(&["repo", "sync-status", "f"])[0]["state"].clone();
    while state() != "running" {
        std::thread::yield_now();
    }
    chantal.run(&["repo", "sync", "f"]).expect(7);
    running.kill().unwrap();
    running.wait().unwrap();
    chantal.run(&["repo", "sync", "f", "--publish"]).ok();
    let history = chantal.json(&["repo", "history", "f"]);
    let status: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["status"].as_str().unwrap())
        .collect();
    assert_eq!(status, ["succeeded", "killed"]);
    chantal.run(&["repo", "delete", "f", "--unpublish", "--yes"]).ok();
    assert!(!chantal.published().join("f/latest").exists());
}

#[test]
fn a_server_that_refuses_is_told_without_its_password() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(BINARY);
    let url = server.url(&server.database());
    let (before, after) = url.split_once("://").unwrap();
    let after = after.rsplit_once('@').map_or(after, |(_, host)| host);
    let with_password = format!("{before}://somebody:CANARY@{after}");
    let absent = server.url("absent");
    let encrypted = format!("{url}{}sslmode=require", if url.contains('?') { "&" } else { "?" });
    for (url, code, told) in [
        (with_password.as_str(), 2, "somebody"),
        (absent.as_str(), 2, "does not exist"),
        ("postgresql://127.0.0.1:1/nothing", 8, "refused"),
        (encrypted.as_str(), 8, "TLS"),
        ("postgresql://localhost/x?colour=red", 2, "colour"),
        ("postgresql://localhost/x?sslmode=perhaps", 2, "verify-full"),
        ("mysql://localhost/x", 2, "sqlite or postgresql"),
    ] {
        configure(&chantal, &upstream, Some(url), "");
        let ran = chantal.run(&["repo", "sync", "r", "-vv"]).expect(code);
        assert!(ran.stderr.contains(told), "{url}: {}", ran.stderr);
        let shown = chantal.run(&["config", "show"]);
        let all = [ran.stdout, ran.stderr, shown.stdout, shown.stderr].concat();
        assert!(!all.contains("CANARY"), "{all}");
        assert!(!all.contains(" at line "), "{all}");
    }
}

#[test]
fn statements_are_logged_on_demand_and_their_values_never() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(BINARY);
    let url = server.url(&server.database());
    for url in [Some(&*url), None] {
        for (more, is_logged) in [("", false), (", echo: true", true)] {
            configure(&chantal, &upstream, url, more);
            chantal.run(&["init"]).ok();
            let said = chantal.run(&["repo", "sync", "f"]).ok().stderr;
            assert_eq!(said.contains("INSERT INTO"), is_logged, "{said}");
            assert!(!said.contains("hello-chantal"), "{said}");
        }
    }
}
