//! A repository whose feed changes, with graces that are over at once.

use std::collections::BTreeMap;
use std::time::Duration;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

/// Keeps only what has to be kept.
pub(crate) const LEAST: &str = "revisions: {keep_last: 1, keep_days: 0}\n";

pub(crate) fn feed(version: u64) -> Repository {
    let kept = Rpm::new("kept", "1", "1", "noarch");
    let changing = Rpm::new("changing", &version.to_string(), "1", "noarch");
    Repository::new().revision(version).with(kept).with(changing)
}

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
}

impl Bench {
    pub(crate) fn new(top: &str) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(feed(1).build().site()),
        };
        bench.configure(top);
        bench
    }

    /// Sets what stands before the repositories.
    pub(crate) fn configure(&self, top: &str) {
        self.configure_grace(top, "0s");
    }

    /// As [`Bench::configure`], with graces of another length.
    pub(crate) fn configure_grace(&self, top: &str, grace: &str) {
        let url = self.upstream.url("/");
        self.chantal.config(&format!(
            "{top}publish: {{metadata_grace: {grace}, package_grace: {grace}}}\nrepositories:\n  \
             - {{id: r, type: rpm, feed: \"{url}\", mode: filtered, allow_rollback: true}}\n"
        ));
    }

    pub(crate) fn offer(&self, version: u64) {
        let site = feed(version).build().site();
        self.upstream.change(|old| *old = site);
    }

    pub(crate) fn sync(&self, version: u64, more: &[&str]) {
        self.offer(version);
        let mut arguments = vec!["repo", "sync", "r"];
        arguments.extend(more);
        self.chantal.run(&arguments).ok();
    }

    pub(crate) fn cleanup(&self, more: &[&str]) -> Value {
        let mut arguments = vec!["pool", "cleanup"];
        arguments.extend(more);
        self.chantal.json(&arguments)
    }

    /// What keeps a package: the words and what they are about.
    pub(crate) fn why(&self, ident: &str) -> Vec<(String, String)> {
        let reasons = self.chantal.json(&["pool", "why", ident]);
        let word = |reason: &Value, key: &str| reason[key].as_str().unwrap_or_default().to_owned();
        let reasons = reasons.as_array().unwrap().iter();
        reasons.map(|one| (word(one, "keeper"), word(one, "what"))).collect()
    }

    /// Every blob on disk with its size.
    pub(crate) fn blobs(&self) -> BTreeMap<String, u64> {
        let mut blobs = BTreeMap::new();
        for directory in std::fs::read_dir(self.chantal.pool()).unwrap().flatten() {
            if directory.file_name().len() != 2 {
                continue;
            }
            for blob in std::fs::read_dir(directory.path()).unwrap().flatten() {
                let name = blob.file_name().into_string().unwrap();
                blobs.insert(name, blob.metadata().unwrap().len());
            }
        }
        blobs
    }

    /// Whether catalog and pool agree, and nothing is damaged.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        self.chantal.run(&["db", "verify"]).ok();
        self.chantal.run(&["pool", "verify"]).ok();
    }
}

/// Graces of no seconds are over with the next one.
pub(crate) fn next_second() {
    std::thread::sleep(Duration::from_millis(1100));
}
