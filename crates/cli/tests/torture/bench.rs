//! A mirror with some history, and the state before each verb to start from again.

use std::path::{Path, PathBuf};
use std::process::Command;

use chantal_catalog::Catalog;
use chantal_testkit::chantal::{Chantal, Output, finish};
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

use crate::facts::{Facts, Place, read};
use crate::verbs::{ADOPTED, CHAIN, Config, PUBLISH, REPAIR, VERBS, Verb};

/// Packages of the first version; the second one has twice as many.
const PACKAGES: usize = 12;
/// What the verbs change, in the directory of the bench.
const DISK: &str = "disk";

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    _upstream: Upstream,
    saved: tempfile::TempDir,
    /// What holds before each verb of the chain and after the last one, then the same of what stands alone.
    facts: Vec<(Facts, Facts)>,
}

/// Where it is quick: nothing here depends on the disk, but for what brings its own.
fn directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && tempfile::tempfile_in(memory).is_ok() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        // A long run may have a copy of its own, so that building goes on meanwhile.
        let binary = std::env::var_os("CHANTAL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_chantal").into());
        let chantal = Chantal::new_in(binary, &directory());
        let saved = tempfile::tempdir_in(directory()).unwrap();
        let feeds = chantal.path().join("feeds");
        let write = |name: &str, seed, count, revision| {
            let repository = Repository::random(seed, count).revision(revision);
            repository.write_to(&feeds.join(name)).unwrap();
        };
        write("r", 11, PACKAGES, 1_700_000_000);
        write("gone", 12, PACKAGES / 2, 1_700_000_000);
        Repository::random(13, PACKAGES / 2)
            .write_to(&chantal.path().join(ADOPTED))
            .unwrap();
        let upstream = Upstream::serve_dir(&feeds);
        for config in [Config::Usual, Config::Least, Config::Old] {
            write_config(&chantal, config, &upstream.url(""));
        }
        let mut bench = Self {
            chantal,
            _upstream: upstream,
            saved,
            facts: Vec::new(),
        };
        std::fs::create_dir(bench.disk()).unwrap();
        bench.begin();
        write("r", 11, 2 * PACKAGES, 1_700_100_000);
        bench.record();
        bench
    }

    /// The first version is served, and so is a repository that will go.
    fn begin(&self) {
        for words in [
            &["init"][..],
            &["repo", "sync", "r"],
            &["snapshot", "create", "r", "--name", "first"],
            &["publish", "repo", "r"],
            &["repo", "sync", "gone"],
            &["snapshot", "create", "gone", "--name", "last"],
            &["publish", "repo", "gone"],
        ] {
            self.chantal.run(words).ok();
        }
    }

    /// Runs every verb once and saves what was before it.
    fn record(&mut self) {
        let mut facts = vec![self.read().unwrap()];
        for (place, verb) in VERBS.iter().enumerate().take(CHAIN) {
            self.save(place);
            self.wait_for_graces(verb);
            self.run(verb).ok();
            facts.push(self.read().unwrap());
        }
        self.facts = facts.windows(2).map(|two| (two[0].clone(), two[1].clone())).collect();
        for (place, verb) in VERBS.iter().enumerate().skip(CHAIN) {
            match verb.config {
                Config::Old => self.begin_old(),
                _ if verb.name == REPAIR => {
                    self.restore(PUBLISH + 1);
                    self.damage();
                }
                _ => self.restore(PUBLISH),
            }
            self.save(place);
            let before = self.read().unwrap();
            self.run(verb).ok();
            self.facts.push((before, self.read().unwrap()));
        }
    }

    /// A grace of no seconds is over with the next one.
    pub(crate) fn wait_for_graces(&self, verb: &Verb) {
        if verb.name == "collect" {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }

    /// Harms three packages, each in its way: the blob, the published file, and both. Every file gets an inode of its own
    /// first, for what is saved shares them.
    fn damage(&self) {
        let tree = self.disk().join("published/r/latest");
        let packages = self.before(PUBLISH).served["r/latest"].iter();
        let packages: Vec<_> = packages.filter(|(path, _)| path.ends_with(".rpm")).take(3).collect();
        let replace = |path: PathBuf| {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[100] ^= 1;
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
        };
        let blob = |digest: &str| self.disk().join("state/pool").join(&digest[..2]).join(digest);
        replace(blob(packages[0].1));
        replace(tree.join(packages[1].0));
        replace(tree.join(packages[2].0));
        std::fs::remove_file(blob(packages[2].1)).unwrap();
    }

    /// Nothing but a database of the first schema.
    fn begin_old(&self) {
        empty(&self.disk());
        let state = self.disk().join("state");
        std::fs::create_dir(&state).unwrap();
        let first = &Catalog::migrations()[0];
        let connection = rusqlite::Connection::open(state.join("chantal.db")).unwrap();
        let noted = format!(
            "PRAGMA journal_mode = WAL; \
             CREATE TABLE schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL); \
             INSERT INTO schema_version VALUES ({}, '{}', 1700000000)",
            first.version, first.name
        );
        connection.execute_batch(&noted).unwrap();
        connection.execute_batch(first.sqlite).unwrap();
        connection.close().unwrap();
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.chantal.path().join(DISK)
    }

    pub(crate) fn read(&self) -> Result<Facts, String> {
        let state = self.disk().join("state");
        read(&Place {
            database: &state.join("chantal.db"),
            pool: &state.join("pool"),
            published: &self.disk().join("published"),
        })
    }

    fn save(&self, place: usize) {
        let to = self.saved.path().join(place.to_string());
        std::fs::create_dir(&to).unwrap();
        copy(&self.disk(), &to, Sharing::Links);
    }

    /// Puts back what was before a verb.
    pub(crate) fn restore(&self, place: usize) {
        empty(&self.disk());
        self.put(place, Sharing::Links);
    }

    pub(crate) fn empty(&self) {
        empty(&self.disk());
    }

    /// Puts what was before a verb onto an empty disk.
    pub(crate) fn put(&self, place: usize, sharing: Sharing) {
        copy(&self.saved.path().join(place.to_string()), &self.disk(), sharing);
    }

    pub(crate) fn before(&self, place: usize) -> &Facts {
        &self.facts[place].0
    }

    pub(crate) fn after(&self, place: usize) -> &Facts {
        &self.facts[place].1
    }

    pub(crate) fn command(&self, verb: &Verb) -> Command {
        self.command_with(verb, "")
    }

    /// A run in which something more fails, see `chantal_model::fault`.
    pub(crate) fn command_with(&self, verb: &Verb, failpoints: &str) -> Command {
        let mut command = self.chantal.bare_command(&["--config", config_name(verb.config)]);
        command.args(verb.words);
        command.env("FAILPOINTS", format!("{};{failpoints}", verb.failpoints));
        command
    }

    pub(crate) fn run(&self, verb: &Verb) -> Output {
        finish(&mut self.command(verb))
    }

    /// Right after a fault, before anything else runs: nothing is lost, and each part is old or new.
    pub(crate) fn check(&self, place: usize) -> Result<(), String> {
        self.read()?.lies_between(self.before(place), self.after(place))
    }

    /// The cause is gone: the verb finishes, everything is as if nothing had happened, and nothing is left over.
    pub(crate) fn finishes(&self, place: usize) -> Result<(), String> {
        let verb = &VERBS[place];
        let output = self.run(verb);
        let was_done = verb.was_done.is_some_and(|text| output.stderr.contains(text));
        if output.code != 0 && !was_done {
            return Err(format!("again: exit {}: {}", output.code, output.stderr));
        }
        self.is_done(place)?;
        match leftovers(&self.disk().join("published")) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("left over: {left:?}")),
        }
    }

    /// Whether a verb has done all that it does.
    pub(crate) fn is_done(&self, place: usize) -> Result<(), String> {
        let (now, after) = (self.read()?, self.after(place));
        now.lies_between(after, after)?;
        if now.snapshots != after.snapshots || now.revisions != after.revisions {
            return Err(format!("{:?} {:?} is recorded", now.snapshots, now.revisions));
        }
        let unlike = after
            .served
            .iter()
            .find(|(path, tree)| now.served.get(*path) != Some(tree));
        if let Some((path, _)) = unlike {
            return Err(format!("{path} is not as it should be"));
        }
        if now.served.len() != after.served.len() {
            return Err(format!("{:?} are served", now.served.keys()));
        }
        Ok(())
    }

    /// The rest of the chain ends well too, and the program finds nothing wrong.
    pub(crate) fn goes_on(&self, place: usize) -> Result<(), String> {
        for (next, verb) in VERBS.iter().enumerate().take(CHAIN).skip(place + 1) {
            self.wait_for_graces(verb);
            let output = self.run(verb);
            if output.code != 0 {
                return Err(format!("{} after it: {}: {}", verb.name, output.code, output.stderr));
            }
            self.read()?.lies_between(self.after(next), self.after(next))?;
        }
        for words in [["pool", "verify"], ["db", "verify"]] {
            let output = self.chantal.run(&words);
            if output.code != 0 {
                return Err(format!(
                    "{words:?}: {}: {}{}",
                    output.code, output.stdout, output.stderr
                ));
            }
        }
        Ok(())
    }
}

fn config_name(config: Config) -> &'static str {
    match config {
        Config::Usual => "config.yaml",
        Config::Least => "least.yaml",
        Config::Old => "old.yaml",
    }
}

fn write_config(chantal: &Chantal, config: Config, upstream: &str) {
    let base = chantal.path().join(DISK).display().to_string();
    let (grace, revisions) = match config {
        Config::Least => ("0s", "revisions: {keep_last: 1, keep_days: 0}\n"),
        Config::Usual | Config::Old => ("1h", ""),
    };
    let repository = |id: &str| {
        format!(
            "  - id: {id}\n    type: rpm\n    feed: {upstream}/{id}/\n    mode: filtered\n    \
             download: {{retry_attempts: 0}}\n"
        )
    };
    let text = format!(
        "storage:\n  base_path: {base}/state\n  published_path: {base}/published\n{revisions}\
         publish: {{metadata_grace: {grace}, package_grace: {grace}, base_url: \"http://127.0.0.1:9/\"}}\n\
         repositories:\n{}{}",
        repository("r"),
        repository("gone")
    );
    std::fs::write(chantal.path().join(config_name(config)), text).unwrap();
}

/// Whether a copy may share inodes of files that are never written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Links,
    Nothing,
}

fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// Copies a state. Without links to the source, those within it are kept: a published package is its blob.
fn copy(from: &Path, to: &Path, sharing: Sharing) {
    if sharing == Sharing::Nothing {
        let status = Command::new("cp")
            .arg("-a")
            .arg(from.join("."))
            .arg(to)
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&source, &target, sharing);
            std::fs::set_permissions(&target, std::fs::metadata(&source).unwrap().permissions()).unwrap();
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source).unwrap(), &target).unwrap();
        } else if is_written_in_place(&entry.file_name().to_string_lossy()) {
            std::fs::copy(&source, &target).unwrap();
        } else {
            std::fs::hard_link(&source, &target).unwrap();
        }
    }
}

/// The database and its log.
fn is_written_in_place(name: &str) -> bool {
    name.starts_with("chantal.db")
}

/// Files of unfinished work in trees. Temporary files of the pool and of copies of the database wait a day for their sweep.
fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".stage-", ".gone-", ".new-"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}
