//! A directory with repositories on a schedule, and schedulers that look after them.

use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

use chantal_catalog::{Access, Catalog};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

/// Once a year: nothing is due by itself while a test runs.
const YEARLY: &str = "schedule: {enabled: true, cron: \"0 0 1 1 *\", time_zone: UTC, chain: [snapshot, publish]}";

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
    database: Option<String>,
}

impl Bench {
    pub(crate) fn new(ids: &[&str], database: Option<String>) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(Repository::sample().build().site()),
            database,
        };
        bench.configure(ids);
        bench.chantal.run(&["init"]).ok();
        bench
    }

    pub(crate) fn configure(&self, ids: &[&str]) {
        let url = self.upstream.url("/");
        let one = |id: &&str| format!("  - {{id: {id}, type: rpm, feed: \"{url}\", {YEARLY}}}\n");
        let repositories = ids.iter().map(one).collect::<Vec<_>>().concat();
        let database = self
            .database
            .as_ref()
            .map_or_else(String::new, |url| format!("database: {{url: \"{url}\"}}\n"));
        self.chantal.config(&format!(
            "{database}scheduler: {{lease_seconds: 10}}\nrepositories:\n{repositories}"
        ));
    }

    pub(crate) fn start(&self) -> Running {
        let child = self.chantal.spawn(&["scheduler", "start"]);
        let pid = i64::from(child.id());
        let running = Running { child: Some(child) };
        until("it has begun", || {
            let rows = self.chantal.json(&["scheduler", "status"]);
            rows.as_array().unwrap().iter().any(|row| row["pid"] == pid)
        });
        running
    }

    pub(crate) fn list(&self) -> Vec<Value> {
        let listed = self.chantal.json(&["scheduler", "list"]);
        listed.as_array().unwrap().clone()
    }

    /// Makes everything due that a scheduler has planned.
    pub(crate) fn make_due(&self) {
        until("everything is planned", || self.planned() == self.list().len());
        self.with_catalog(async |catalog| {
            for row in catalog.schedules().await.unwrap() {
                catalog.plan_schedule(&row.repository, "", 0).await.unwrap();
                catalog.plan_schedule(&row.repository, &row.spec, 1).await.unwrap();
            }
        });
    }

    pub(crate) fn planned(&self) -> usize {
        let mut planned = 0;
        self.with_catalog(async |catalog| planned = catalog.schedules().await.unwrap().len());
        planned
    }

    pub(crate) fn with_catalog(&self, work: impl AsyncFnOnce(Catalog)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { work(self.catalog().await).await });
    }

    /// As [`Self::with_catalog`], but gives up when it takes longer than a transaction does.
    fn with_catalog_soon(&self, work: impl AsyncFnOnce(Catalog)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let work = async { work(self.catalog().await).await };
        let _ = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(500), work).await });
        runtime.shutdown_background();
    }

    async fn catalog(&self) -> Catalog {
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
        catalog.unwrap()
    }

    /// Stops a process between two of its transactions: one that stands still within a transaction keeps every other
    /// writer of a SQLite database out, for as long as it stands.
    pub(crate) fn pause(&self, process: &Running) {
        until("it can be paused between two transactions", || {
            process.signal("-STOP");
            let mut free = false;
            self.with_catalog_soon(async |catalog| {
                catalog.drop_schedule("no such repository", 0).await.unwrap();
                free = true;
            });
            if !free {
                process.signal("-CONT");
            }
            free
        });
    }

    pub(crate) fn runs(&self, id: &str) -> usize {
        self.chantal.json(&["repo", "history", id]).as_array().unwrap().len()
    }
}

#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "it took too long until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) struct Running {
    child: Option<Child>,
}

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Tells it to stop; gives what it said.
    pub(crate) fn stop(mut self) -> String {
        self.signal("-TERM");
        let start = Instant::now();
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }

    pub(crate) fn kill(mut self) {
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
