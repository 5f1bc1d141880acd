//! Collections beside syncs and publications, and collections that are killed.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use chantal_testkit::chantal::finish;
use chantal_testkit::needs::{need, programs};
use chantal_testkit::postgres::Postgres;

use crate::bench::{Bench, LEAST, next_second};

/// Rounds of the crowd: in each, what was unused comes back while it may be collected.
const ROUNDS: u64 = 25;

#[test]
fn syncs_and_publications_go_on_meanwhile() {
    crowd(&Bench::new(LEAST), ROUNDS);
}

#[test]
fn syncs_and_publications_go_on_meanwhile_on_postgresql() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url(&server.database());
    crowd(&Bench::new(&format!("{LEAST}database: {{url: \"{url}\"}}\n")), ROUNDS);
}

fn crowd(bench: &Bench, rounds: u64) {
    bench.sync(1, &["--publish"]);
    let is_over = AtomicBool::new(false);
    let collected = std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut freed = 0;
            while !is_over.load(Ordering::Relaxed) {
                let report = bench.cleanup(&["--keep-for", "0s"]);
                freed += report["unused"].as_u64().unwrap();
            }
            freed
        });
        // Also where a round fails, or the collector would go on for ever.
        let ends = Ends(&is_over);
        for round in 0..rounds {
            bench.sync(1 + round % 3, &["--publish"]);
            let tree = bench.chantal.published_digests("r/latest");
            let wanted = format!("changing-{}-1", 1 + round % 3);
            assert!(
                tree.keys().any(|path| path.contains(&wanted)),
                "round {round}: {tree:?}"
            );
        }
        drop(ends);
        collector.join().unwrap()
    });
    assert!(collected > 0, "nothing was ever unused, so that this shows nothing");
    bench.is_sound();
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills a collection at the so-manieth call; `false` once it ends by itself.
fn is_killed(bench: &Bench, call: &str, when: usize) -> bool {
    let plain = bench.chantal.command(&["pool", "cleanup", "--keep-for", "0s"]);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={when}")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(bench.chantal.path())
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(&mut command).code != 0
}

#[test]
fn a_killed_collection_leaves_nothing_missing_and_the_next_one_finishes() {
    let traced = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let can_trace = programs(&["strace"]) && traced().is_ok_and(|output| output.status.success());
    if !need(can_trace, "tracing with strace") {
        return;
    }
    let mut killed = 0;
    for call in ["unlink", "fsync", "pwrite64"] {
        let bench = Bench::new("");
        for version in 1..=5 {
            bench.sync(version, if version < 3 { &["--publish"] } else { &[] });
        }
        bench.configure(LEAST);
        next_second();
        let served = bench.chantal.published_digests("r/latest");
        let step = if call == "pwrite64" { 7 } else { 1 };
        let mut when = 1;
        while when < 60 && is_killed(&bench, call, when) {
            killed += 1;
            when += step;
            bench.is_sound();
        }
        let last = bench.cleanup(&["--keep-for", "0s"]);
        assert_eq!(last["spared"], 0, "{last}");
        bench.is_sound();
        assert_eq!(
            bench.chantal.json(&["pool", "orphaned"]),
            serde_json::json!([]),
            "{call}"
        );
        let now = bench.chantal.published_digests("r/latest");
        let gone: Vec<_> = served.keys().filter(|path| !now.contains_key(*path)).collect();
        assert!(
            gone.iter()
                .all(|path| path.contains("changing-1-1") || path.starts_with("repodata/")),
            "{gone:?}"
        );
    }
    assert!(killed >= 10, "{killed}");
}
