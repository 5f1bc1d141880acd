//! Several schedulers on one server, of which some are killed or paused.

use chantal_testkit::postgres::Postgres;
use chantal_testkit::upstream::Fault;
use serde_json::Value;

use crate::bench::{Bench, until};

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// How often a scheduler is killed.
fn kills() -> usize {
    let number = std::env::var("CHANTAL_WORKER_KILLS").ok();
    number.map_or(5, |number| number.parse().unwrap())
}

fn tasks(bench: &Bench) -> Vec<Value> {
    let listed = bench
        .chantal
        .json(&["task", "list", "--verb", "repo sync", "--limit", "1000000"]);
    listed.as_array().unwrap().clone()
}

fn in_state(tasks: &[Value], state: &str) -> usize {
    tasks.iter().filter(|task| task["state"] == state).count()
}

#[test]
fn no_run_is_lost_or_done_twice_while_schedulers_are_killed_again_and_again() {
    let Some(server) = Postgres::start() else { return };
    let database = server.database();
    let bench = Bench::new(&IDS, Some(server.url(&database)));
    let mut workers = [bench.start(), bench.start()].map(Some);
    until("everything is planned", || bench.planned() == IDS.len());
    let kills = kills();
    for round in 0..kills {
        // Long enough to be hit in the middle, each time somewhere else.
        let delay = Fault::DelayMillis(100 + 137 * (round as u64 % 11));
        bench.upstream.set_fault("/repodata/repomd.xml", delay, IDS.len());
        server.query(&database, "UPDATE schedule SET next_at = 1");
        let wanted = round % IDS.len();
        until("enough is done to kill one", || {
            let now = &tasks(&bench)[..];
            in_state(now, "succeeded") >= round * IDS.len() + wanted && !now.is_empty()
                || in_state(now, "running") > 0 && wanted == 0
        });
        if let Some(worker) = workers[round % 2].take() {
            worker.kill();
        }
        until("all is done by whoever is left", || {
            let now = tasks(&bench);
            now.len() == (round + 1) * IDS.len() && in_state(&now, "succeeded") == now.len()
        });
        workers[round % 2] = Some(bench.start());
    }
    let all = tasks(&bench);
    assert_eq!(all.len(), kills * IDS.len());
    for id in IDS {
        let of = all
            .iter()
            .filter(|task| task["subject"] == id && task["state"] == "succeeded");
        assert_eq!(of.count(), kills, "{id}");
    }
    let taken_over = all.iter().filter(|task| task["attempts"].as_i64().unwrap() > 1).count();
    for worker in workers.into_iter().flatten() {
        worker.stop();
    }
    bench.chantal.run(&["db", "verify"]).ok();
    bench.chantal.run(&["pool", "verify"]).ok();
    for id in IDS {
        assert!(
            bench
                .chantal
                .published()
                .join(id)
                .join("latest/repodata/repomd.xml")
                .exists()
        );
    }
    eprintln!(
        "{kills} kills: {} runs succeeded once each, {taken_over} of them taken over",
        all.len()
    );
}

fn paused(bench: &Bench) {
    // The answer comes while nobody can take it.
    let delay = Fault::DelayMillis(5_000);
    bench.upstream.set_fault("/repodata/repomd.xml", delay, 1);
    let first = bench.start();
    bench.make_due();
    until("it is at work", || bench.list()[0]["running"] == true);
    bench.pause(&first);
    let second = bench.start();
    until("another has done it", || bench.list()[0]["status"] == "succeeded");
    let revisions = || {
        bench.chantal.json(&["repo", "show", "r"])["revisions"]
            .as_array()
            .unwrap()
            .len()
    };
    let published = bench.chantal.published_digests("r/latest");
    first.signal("-CONT");
    until("the first one has noticed", || {
        let history = bench.chantal.json(&["repo", "history", "r"]);
        history.as_array().unwrap().iter().all(|run| run["status"] != "running")
    });
    let task = bench.chantal.json(&["task", "list", "--verb", "repo sync"])[0].clone();
    assert_eq!(
        (&task["state"], &task["attempts"]),
        (&"succeeded".into(), &2.into()),
        "{task}"
    );
    assert_eq!(revisions(), 1);
    assert_eq!(bench.chantal.published_digests("r/latest"), published);
    second.stop();
    // It goes on with what comes next.
    bench.make_due();
    until("the first one works again", || {
        let last = bench.chantal.json(&["task", "list", "--verb", "repo sync"])[0].clone();
        last["id"] != task["id"] && last["state"] == "succeeded"
    });
    let said = first.stop();
    assert!(said.contains("r: exit 7"), "{said}");
    bench.chantal.run(&["db", "verify"]).ok();
}

#[test]
fn a_paused_scheduler_that_was_replaced_writes_nothing_when_it_goes_on() {
    paused(&Bench::new(&["r"], None));
}

#[test]
fn a_paused_scheduler_that_was_replaced_writes_nothing_to_a_server_when_it_goes_on() {
    let Some(server) = Postgres::start() else { return };
    paused(&Bench::new(&["r"], Some(server.url(&server.database()))));
}
