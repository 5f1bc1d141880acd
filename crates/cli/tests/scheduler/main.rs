//! The scheduler, through the binary: what is due is done once, by whoever lives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
mod workers;

use std::time::Duration;

use chantal_testkit::postgres::Postgres;
use chantal_testkit::upstream::Fault;

use bench::{Bench, Running, until};

#[test]
fn what_was_missed_is_done_once_with_its_snapshot_and_publication() {
    let bench = Bench::new(&["r"], None);
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("r-%Y-%m-%d")
        .to_string();
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    bench.chantal.run(&["snapshot", "create", "r", "--name", &today]).ok();
    let first = bench.start();
    bench.make_due();
    first.stop();
    // While nobody was there, it became due.
    let second = bench.start();
    until("it is done", || bench.list()[0]["status"] == "succeeded");
    let listed = bench.list().remove(0);
    assert_eq!((&listed["running"], &listed["exit_code"]), (&false.into(), &0.into()));
    assert!(
        listed["next"].as_str().unwrap().ends_with("-01-01T00:00:00Z"),
        "{listed}"
    );
    let said = second.stop();
    assert!(said.contains("r: started by its schedule"), "{said}");
    assert!(
        said.contains(&format!("snapshot {today}-2")),
        "the name was taken: {said}"
    );
    assert_eq!(bench.runs("r"), 2, "one by hand, one by the schedule");
    assert!(bench.chantal.published().join("r/latest/repodata/repomd.xml").exists());
    assert_eq!(bench.chantal.json(&["scheduler", "status"]), serde_json::json!([]));
}

fn taken_over(bench: &Bench) {
    bench
        .upstream
        .set_fault("/repodata/repomd.xml", Fault::DelayMillis(60_000), 1);
    let first = bench.start();
    bench.make_due();
    first.signal("-HUP");
    until("it is at work", || bench.list()[0]["running"] == true);
    first.kill();
    // It may have been killed before it asked.
    bench
        .upstream
        .set_fault("/repodata/repomd.xml", Fault::DelayMillis(0), 1);
    assert_eq!(bench.list()[0]["status"], "killed");
    let second = bench.start();
    until("another has done it", || bench.list()[0]["status"] == "succeeded");
    assert!(bench.list()[0]["next"].as_str().unwrap().ends_with("-01-01T00:00:00Z"));
    second.stop();
    bench.chantal.run(&["db", "verify"]).ok();
}

#[test]
fn the_run_of_a_killed_scheduler_is_taken_over() {
    taken_over(&Bench::new(&["r"], None));
}

#[test]
fn the_run_of_a_killed_scheduler_is_taken_over_on_postgresql() {
    let Some(server) = Postgres::start() else { return };
    taken_over(&Bench::new(&["r"], Some(server.url(&server.database()))));
}

fn shared(bench: &Bench, ids: &[&str]) {
    let first = bench.start();
    bench.make_due();
    first.stop();
    let both = [bench.start(), bench.start()];
    until("all is done", || {
        bench.list().iter().all(|row| row["status"] == "succeeded")
    });
    let said = both.map(Running::stop);
    for id in ids {
        let started = format!("{id}: started by its schedule");
        let times = said.iter().map(|said| said.matches(&started).count()).sum::<usize>();
        assert_eq!((times, bench.runs(id)), (1, 1), "{id}: {said:?}");
    }
}

#[test]
fn two_schedulers_share_the_work_and_do_nothing_twice() {
    let ids = ["a", "b", "c", "d", "e", "f"];
    shared(&Bench::new(&ids, None), &ids);
}

#[test]
fn two_schedulers_share_a_server_and_do_nothing_twice() {
    let Some(server) = Postgres::start() else { return };
    let ids = ["a", "b", "c", "d", "e", "f"];
    shared(&Bench::new(&ids, Some(server.url(&server.database()))), &ids);
}

#[test]
fn a_new_configuration_is_taken_and_a_wrong_one_is_not() {
    let bench = Bench::new(&["a", "b"], None);
    let running = bench.start();
    bench.configure(&["b", "c"]);
    running.signal("-HUP");
    until("the new one is planned", || {
        let mut ids = Vec::new();
        bench.with_catalog(async |catalog| {
            ids = catalog
                .schedules()
                .await
                .unwrap()
                .into_iter()
                .map(|row| row.repository)
                .collect();
        });
        ids == ["b", "c"]
    });
    std::fs::write(bench.chantal.config_path(), "repositories: {}\n").unwrap();
    running.signal("-HUP");
    std::thread::sleep(Duration::from_millis(500));
    bench.configure(&["b", "c"]);
    assert_eq!(bench.planned(), 2);
    let said = running.stop();
    assert!(said.contains("c: new") && said.contains("a: gone"), "{said}");
    assert!(said.contains("the configuration stays as it was"), "{said}");
}

#[test]
fn one_that_is_told_to_stop_rolls_back_what_takes_too_long() {
    let bench = Bench::new(&["r"], None);
    bench
        .upstream
        .set_fault("/repodata/repomd.xml", Fault::DelayMillis(120_000), 5);
    let running = bench.start();
    bench.make_due();
    running.signal("-HUP");
    until("it is at work", || bench.list()[0]["running"] == true);
    let said = running.stop();
    assert!(said.contains("waits for 1 job to end"), "{said}");
    assert_eq!(bench.list()[0]["status"], "queued", "the next one starts it again");
    assert_eq!(bench.chantal.json(&["repo", "history", "r"])[0]["status"], "cancelled");
}

#[test]
fn the_pool_is_cleaned_up_by_itself() {
    let bench = Bench::new(&["r"], None);
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    let config = std::fs::read_to_string(bench.chantal.config_path()).unwrap();
    std::fs::write(
        bench.chantal.config_path(),
        config.replace("scheduler: {", "scheduler: {cleanup: \"0 0 1 1 *\", "),
    )
    .unwrap();
    let running = bench.start();
    bench.make_due();
    running.signal("-HUP");
    until("all is done", || {
        bench.list().iter().all(|row| row["status"] == "succeeded")
    });
    let said = running.stop();
    assert!(said.contains("pool cleanup: freed 0 bytes"), "{said}");
    assert_eq!(bench.list()[1]["job"], "pool cleanup");
}

#[test]
fn it_runs_in_the_background_until_it_is_stopped() {
    let bench = Bench::new(&["r"], None);
    let none = bench.chantal.run(&["scheduler", "stop"]).expect(2);
    assert!(
        none.stderr.contains("no scheduler runs on this host"),
        "{}",
        none.stderr
    );
    bench.chantal.run(&["scheduler", "start", "--daemon"]).ok();
    assert_eq!(
        bench.chantal.json(&["scheduler", "status"]).as_array().unwrap().len(),
        1
    );
    bench.chantal.run(&["scheduler", "stop"]).ok();
    assert_eq!(bench.chantal.json(&["scheduler", "status"]), serde_json::json!([]));
    let log = std::fs::read_to_string(bench.chantal.path().join("scheduler.log")).unwrap();
    assert!(log.contains("looks after 1 scheduled job"), "{log}");
}
