//! Many at once, and servers and processes that end in the middle.

use std::collections::BTreeMap;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Fault, Upstream};

use crate::{BINARY, configure};

const REPOSITORIES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn configure_many(chantal: &Chantal, upstream: &Upstream, url: Option<&str>) {
    let database = url.map_or_else(String::new, |url| format!("database: {{url: \"{url}\"}}\n"));
    let feed = upstream.url("/");
    let repositories = REPOSITORIES.map(|id| format!("  - {{id: {id}, type: rpm, feed: \"{feed}\"}}\n"));
    chantal.config(&format!("{database}repositories:\n{}", repositories.concat()));
}

fn trees(chantal: &Chantal) -> Vec<BTreeMap<String, String>> {
    let tree = |id: &&str| {
        let mut digests = chantal.published_digests(&format!("{id}/latest"));
        digests.remove(".lock");
        digests
    };
    REPOSITORIES.iter().map(tree).collect()
}

#[test]
fn four_workers_and_two_first_processes_at_once_end_as_on_a_file() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::random(3, 60).build().site());
    let (on_file, on_server) = (Chantal::new(BINARY), Chantal::new(BINARY));
    configure_many(&on_file, &upstream, None);
    configure_many(&on_server, &upstream, Some(&server.url(&server.database())));
    for chantal in [&on_file, &on_server] {
        let both = [chantal.spawn(&["init"]), chantal.spawn(&["init"])];
        for one in both {
            let output = one.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        chantal
            .run(&["repo", "sync", "--all", "--workers", "4", "--publish"])
            .ok();
        assert_eq!(chantal.json(&["db", "verify"]), on_file.json(&["db", "verify"]));
    }
    let trees = [trees(&on_file), trees(&on_server)];
    assert!(trees[0].iter().all(|tree| tree.len() > 60));
    assert_eq!(trees[0], trees[1]);
}

#[test]
fn a_server_that_stops_in_the_middle_breaks_nothing_and_the_next_run_goes_on() {
    let Some(mut server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(BINARY);
    configure(&chantal, &upstream, Some(&server.url(&server.database())), "");
    chantal.run(&["init"]).ok();
    chantal.run(&["repo", "sync", "f", "--publish"]).ok();
    let before = chantal.published_digests("f/latest");
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    upstream.set_fault("/repodata/repomd.xml", Fault::SlowBytes(2), 1);
    let running = chantal.spawn(&["repo", "sync", "f", "--publish"]);
    while chantal.json(&["repo", "sync-status", "f"])[0]["state"] != "running" {
        std::thread::yield_now();
    }
    server.stop();
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(8), "{said}");
    assert!(said.contains("is the server running"), "{said}");
    assert!(!said.contains("restore it from a backup"), "{said}");
    assert_eq!(chantal.published_digests("f/latest"), before);
    let away = chantal.run(&["repo", "list"]).expect(8);
    assert!(away.stderr.contains("is the server running"), "{}", away.stderr);
    server.start_again();
    chantal.run(&["repo", "sync", "f", "--publish"]).ok();
    assert_ne!(chantal.published_digests("f/latest"), before);
    chantal.run(&["db", "verify"]).ok();
    chantal.run(&["pool", "verify"]).ok();
}
