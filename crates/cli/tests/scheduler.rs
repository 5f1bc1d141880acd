//! The scheduler, through the binary: what is due is done once, by whoever lives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

use chantal_catalog::{Access, Catalog};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Fault, Upstream};
use serde_json::Value;

/// Once a year: nothing is due by itself while a test runs.
const YEARLY: &str = "schedule: {enabled: true, cron: \"0 0 1 1 *\", time_zone: UTC, chain: [snapshot, publish]}";

struct Bench {
    chantal: Chantal,
    upstream: Upstream,
    database: Option<String>,
}

impl Bench {
    fn new(ids: &[&str], database: Option<String>) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(Repository::sample().build().site()),
            database,
        };
        bench.configure(ids);
        bench.chantal.run(&["init"]).ok();
        bench
    }

    fn configure(&self, ids: &[&str]) {
        let url = self.upstream.url("/");
        let one = |id: &&str| format!("  - {{id: {id}, type: rpm, feed: \"{url}\", {YEARLY}}}\n");
        let repositories = ids.iter().map(one).collect::<Vec<_>>().concat();
        let database = self
            .database
            .as_ref()
            .map_or_else(String::new, |url| format!("database: {{url: \"{url}\"}}\n"));
        self.chantal.config(&format!("{database}repositories:\n{repositories}"));
    }

    fn start(&self) -> Running {
        let child = self.chantal.spawn(&["scheduler", "start"]);
        let pid = i64::from(child.id());
        let running = Running { child: Some(child) };
        until("it has begun", || {
            let rows = self.chantal.json(&["scheduler", "status"]);
            rows.as_array().unwrap().iter().any(|row| row["pid"] == pid)
        });
        running
    }

    fn list(&self) -> Vec<Value> {
        let listed = self.chantal.json(&["scheduler", "list"]);
        listed.as_array().unwrap().clone()
    }

    /// Makes everything due that a scheduler has planned.
    fn make_due(&self) {
        until("everything is planned", || self.planned() == self.list().len());
        self.with_catalog(async |catalog| {
            for row in catalog.schedules().await.unwrap() {
                catalog.plan_schedule(&row.repository, "", 0).await.unwrap();
                catalog.plan_schedule(&row.repository, &row.spec, 1).await.unwrap();
            }
        });
    }

    fn planned(&self) -> usize {
        let mut planned = 0;
        self.with_catalog(async |catalog| planned = catalog.schedules().await.unwrap().len());
        planned
    }

    fn with_catalog(&self, work: impl AsyncFnOnce(Catalog)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let catalog = match &self.database {
                None => Catalog::open(&self.chantal.path().join("chantal.db"), Access::Write).await,
                Some(url) => {
                    let server = chantal_catalog::Server {
                        url: url.clone(),
                        shown: String::new(),
                        files: Vec::new(),
                        connections: 2,
                    };
                    Catalog::connect(&server, Access::Write).await
                }
            };
            work(catalog.unwrap()).await;
        });
    }

    fn runs(&self, id: &str) -> usize {
        self.chantal.json(&["repo", "history", id]).as_array().unwrap().len()
    }
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it took too long until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct Running {
    child: Option<Child>,
}

impl Running {
    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Tells it to stop; gives what it said.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        let start = Instant::now();
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }

    fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let mut said = String::new();
            let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            let _ = child.wait();
            eprintln!("{said}");
        }
    }
}

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
    assert_eq!(bench.list()[0]["status"], "killed", "the next one starts it again");
}

#[test]
fn the_pool_is_cleaned_up_by_itself() {
    let bench = Bench::new(&["r"], None);
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    let config = std::fs::read_to_string(bench.chantal.config_path()).unwrap();
    std::fs::write(
        bench.chantal.config_path(),
        format!("{config}scheduler: {{cleanup: \"0 0 1 1 *\"}}\n"),
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
