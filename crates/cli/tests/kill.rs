//! `kill -9` at points spread over sync, snapshot and publish. Before any other command runs, nothing is lost and the
//! old or the new tree is served; the next run finishes at once and without repair.
//!
//! `CHANTAL_KILL_POINTS` sets the number of points, 100 by default; at least 15 are in each of download, record, add and
//! switch.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(
    clippy::format_collect,
    clippy::print_stdout,
    reason = "small texts of tests; what was counted is told"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chantal_model::Sha256;
use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

/// Phases that must be hit often, and how often.
const WANTED: [(&str, usize); 4] = [("download", 15), ("record", 15), ("add", 15), ("switch", 15)];

/// The verbs of one run, in order.
const VERBS: [&[&str]; 3] = [
    &["repo", "sync", "r"],
    &["snapshot", "create", "r", "--name", "second"],
    &["publish", "repo", "r"],
];

type Tree = BTreeMap<String, String>;

struct Bench {
    chantal: Chantal,
    upstream: Upstream,
    /// State after the first version was published, to start each round from.
    saved: PathBuf,
    feeds: tempfile::TempDir,
    old: Tree,
    new: Tree,
}

impl Bench {
    fn new() -> Self {
        let feeds = tempfile::tempdir().unwrap();
        let write = |name: &str, repository: Repository| {
            let directory = feeds.path().join(name);
            repository.write_to(&directory).unwrap();
            directory
        };
        let first = write("v1", Repository::random(7, 120).revision(1_700_000_000));
        write("v2", Repository::random(7, 240).revision(1_700_100_000));
        let upstream = Upstream::serve_dir(&first);
        let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
        chantal.repository("r", &upstream.url("/"), &["mode: filtered"]);
        chantal.run(&["init"]).ok();
        chantal.run(&["repo", "sync", "r"]).ok();
        chantal.run(&["snapshot", "create", "r", "--name", "first"]).ok();
        chantal.run(&["publish", "repo", "r"]).ok();
        let mut bench = Self {
            saved: feeds.path().join("saved"),
            old: tree(&chantal.published().join("r/latest")),
            new: Tree::new(),
            chantal,
            upstream,
            feeds,
        };
        std::fs::create_dir(&bench.saved).unwrap();
        copy(bench.chantal.path(), &bench.saved);
        bench
            .upstream
            .change(|site| site.set_directory(&bench.feeds.path().join("v2")));
        for verb in VERBS {
            bench.chantal.run(verb).ok();
        }
        bench.new = tree(&bench.chantal.published().join("r/latest"));
        bench
    }

    /// Puts the saved state back: blobs and published files by links, the rest as copies.
    fn restore(&self) {
        for entry in std::fs::read_dir(self.chantal.path()).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            }
            .unwrap();
        }
        copy(&self.saved, self.chantal.path());
    }

    /// Everything that must hold right after a kill, seen without the program.
    fn check_nothing_is_lost(&self, context: &str) {
        let database = self.chantal.path().join("chantal.db");
        let pool = self.chantal.pool();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (blobs, problems) = runtime.block_on(async {
            let catalog = chantal_catalog::Catalog::open(&database, chantal_catalog::Access::Read)
                .await
                .unwrap();
            let found = (catalog.all_blobs().await.unwrap(), catalog.verify().await.unwrap());
            catalog.close().await;
            found
        });
        assert_eq!(problems, Vec::<String>::new(), "{context}");
        for (sha256, size) in blobs {
            let hex = sha256.hex();
            let bytes =
                std::fs::read(pool.join(&hex[..2]).join(&hex)).unwrap_or_else(|e| panic!("{context}: {hex}: {e}"));
            assert_eq!((bytes.len() as u64, Sha256::of(&bytes)), (size, sha256), "{context}");
        }
        self.served(context);
    }

    /// Which state is served: `false` the old one, `true` the new one; whole in any case.
    fn served(&self, context: &str) -> bool {
        let served = tree(&self.chantal.published().join("r/latest"));
        let entry = "repodata/repomd.xml";
        let is_new = served.get(entry) == self.new.get(entry);
        let whole = if is_new { &self.new } else { &self.old };
        for (path, digest) in whole {
            assert_eq!(served.get(path), Some(digest), "{context}: {path}, new state: {is_new}");
        }
        is_new
    }

    fn check_next_run_finishes(&self, context: &str) {
        let has = self.chantal.run(&["snapshot", "show", "r", "second"]).code == 0;
        for verb in VERBS.iter().filter(|verb| verb[0] != "snapshot" || !has) {
            let ran = self.chantal.run(verb);
            assert_eq!(ran.code, 0, "{context}: {verb:?}: {}", ran.stderr);
        }
        assert!(self.served(context), "{context}: the new state is not served");
        let left: Vec<PathBuf> = leftovers(self.chantal.path());
        assert_eq!(left, Vec::<PathBuf>::new(), "{context}");
    }
}

/// Files of unfinished work. Temporary files of the pool are younger than a day and may wait for their sweep.
fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".stage-", ".gone-", ".new-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}

/// Digests of a tree without what is no part of it.
fn tree(directory: &Path) -> Tree {
    let mut digests = chantal_testkit::tree::digests(directory).unwrap_or_default();
    digests.retain(|path, _| !path.starts_with('.'));
    digests
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        let linked = name == "pool" || name == "published";
        let status = Command::new("cp")
            .arg(if linked { "-al" } else { "-a" })
            .arg(entry.path())
            .arg(to)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

/// What a run was doing, told by its events.
struct Watched {
    child: Child,
    events: mpsc::Receiver<(Instant, String)>,
}

impl Watched {
    fn start(chantal: &Chantal, verb: &[&str]) -> Self {
        let arguments: Vec<&str> = ["--progress", "json"].into_iter().chain(verb.iter().copied()).collect();
        let mut command = chantal.command(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if send.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    /// Waits until a step begins; `false` if the run ended before.
    fn wait_for(&mut self, step: &str, seen: &mut Vec<String>) -> bool {
        while let Ok((_, line)) = self.events.recv_timeout(Duration::from_secs(20)) {
            let begins = step_of(&line, "begin").as_deref() == Some(step);
            seen.push(line);
            if begins {
                return true;
            }
        }
        false
    }

    /// Kills it; gives the step that it was in, or `None` if it had ended.
    fn kill(mut self, mut seen: Vec<String>) -> Option<String> {
        let ended = self.child.try_wait().unwrap().is_some();
        let _ = self.child.kill();
        let _ = self.child.wait();
        seen.extend(self.events.iter().map(|(_, line)| line));
        if ended {
            return None;
        }
        let mut open: Vec<String> = Vec::new();
        for line in &seen {
            if let Some(step) = step_of(line, "begin") {
                open.push(step);
            } else if let Some(step) = step_of(line, "end") {
                open.retain(|one| *one != step);
            }
        }
        Some(open.pop().unwrap_or_else(|| "between".into()))
    }
}

fn step_of(line: &str, event: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    (value["event"] == event)
        .then(|| value["step"].as_str().map(str::to_owned))
        .flatten()
}

/// The length of each verb and of each step, from one run that nobody disturbs.
fn measure(bench: &Bench) -> (Vec<Duration>, BTreeMap<String, Duration>) {
    bench.restore();
    let mut verbs = Vec::new();
    let mut steps: BTreeMap<String, Duration> = BTreeMap::new();
    for verb in VERBS {
        let start = Instant::now();
        let mut watched = Watched::start(&bench.chantal, verb);
        assert!(watched.child.wait().unwrap().success(), "{verb:?}");
        verbs.push(start.elapsed());
        let mut begun: BTreeMap<String, Instant> = BTreeMap::new();
        for (at, line) in &watched.events {
            if let Some(step) = step_of(&line, "begin") {
                begun.insert(step, at);
            } else if let Some(step) = step_of(&line, "end")
                && let Some(since) = begun.get(&step)
            {
                steps.insert(step, at.duration_since(*since));
            }
        }
    }
    (verbs, steps)
}

/// Numbers between 0 and 1 that look drawn and are the same in every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One round: a run killed after `delay`, or in a step at `fraction` of its length. Gives the phase.
fn round(bench: &Bench, delay: Duration, target: Option<(&str, Duration)>) -> Option<String> {
    bench.restore();
    let deadline = Instant::now() + delay;
    for verb in VERBS {
        let mut watched = Watched::start(&bench.chantal, verb);
        let mut seen = Vec::new();
        if let Some((step, into)) = target {
            if !watched.wait_for(step, &mut seen) {
                assert!(watched.child.wait().unwrap().success());
                continue;
            }
            spin(into);
            return watched.kill(seen);
        }
        loop {
            if Instant::now() >= deadline {
                return watched.kill(seen);
            }
            if watched.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    None
}

/// Sleeps as exactly as a step of some microseconds needs.
fn spin(length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[test]
fn a_killed_run_loses_nothing_and_the_next_one_finishes() {
    let points: usize = std::env::var("CHANTAL_KILL_POINTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100);
    let bench = Bench::new();
    let (verbs, steps) = measure(&bench);
    let whole: Duration = verbs.iter().sum();
    let mut draw = Draw(42);
    let mut histogram: BTreeMap<String, usize> = BTreeMap::new();
    let mut killed = 0;
    let mut tries = 0;
    while killed < points
        || WANTED
            .iter()
            .any(|(step, n)| histogram.get(*step).copied().unwrap_or(0) < *n)
    {
        tries += 1;
        assert!(
            tries < points * 6 + 400,
            "phases are not hit: {histogram:?}, steps {steps:?}"
        );
        let wanted = WANTED
            .iter()
            .find(|(step, n)| histogram.get(*step).copied().unwrap_or(0) < *n);
        // Every third round is drawn over the whole run, the others make sure that each phase gets its share.
        let target = wanted.filter(|_| tries % 3 != 0).map(|(step, _)| {
            let length = steps.get(*step).copied().unwrap_or(Duration::from_millis(1));
            (*step, length.mul_f64(draw.next() * 0.9))
        });
        let delay = whole.mul_f64(draw.next() * 1.1);
        let phase = round(&bench, delay, target);
        let context = format!("round {tries}, killed in {phase:?}, aimed at {target:?}, delay {delay:?}");
        bench.check_nothing_is_lost(&context);
        bench.check_next_run_finishes(&context);
        *histogram
            .entry(phase.clone().unwrap_or_else(|| "after the end".into()))
            .or_default() += 1;
        killed += usize::from(phase.is_some());
    }
    println!("{killed} kills in {tries} rounds over {whole:?}, by phase: {histogram:?}");
}
