//! Two repositories over one feed: `r` as it came, `f` generated, with a snapshot that is published too.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

/// Digests of files by path, of all published trees.
pub(crate) type Trees = BTreeMap<String, String>;

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
}

impl Bench {
    pub(crate) fn new(packages: usize) -> Self {
        Self::with(&Repository::random(11, packages), "")
    }

    /// Synced, published, with a snapshot `s` of `f`; `storage` stands in the block of that name.
    pub(crate) fn with(repository: &Repository, storage: &str) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(repository.build().site()),
        };
        let (base, url) = (bench.chantal.path().display(), bench.upstream.url("/"));
        bench.chantal.config(&format!(
            "storage: {{base_path: {base}, pool_path: {base}/pool, published_path: {base}/published{storage}}}\n\
             publish: {{base_url: \"http://mirror.invalid/\"}}\nrepositories:\n  \
             - {{id: r, type: rpm, feed: \"{url}\", mode: mirror}}\n  \
             - {{id: f, type: rpm, feed: \"{url}\", mode: filtered, download: {{retry_attempts: 0}}}}\n"
        ));
        bench.chantal.run(&["init"]).ok();
        bench.chantal.run(&["repo", "sync", "--all", "--publish"]).ok();
        bench.chantal.run(&["snapshot", "create", "f", "--name", "s"]).ok();
        bench.chantal.run(&["publish", "snapshot", "f", "--snapshot", "s"]).ok();
        bench
    }

    pub(crate) fn offer(&self, repository: &Repository) {
        let site = repository.build().site();
        self.upstream.change(|old| *old = site);
    }

    /// Every file below the published root; symbolic links as what they name.
    pub(crate) fn trees(&self) -> Trees {
        let mut trees = self.chantal.published_digests("");
        trees.retain(|path, _| !path.ends_with(".lock"));
        trees
    }

    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        self.chantal.pool().join(&digest[..2]).join(digest)
    }

    /// Digests of all blobs, in order.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let mut blobs = Vec::new();
        for directory in std::fs::read_dir(self.chantal.pool()).unwrap().flatten() {
            if directory.file_name().len() == 2 {
                let names = std::fs::read_dir(directory.path()).unwrap().flatten();
                blobs.extend(names.map(|entry| entry.file_name().into_string().unwrap()));
            }
        }
        blobs.sort();
        blobs
    }

    /// The digest of a package that all trees have.
    pub(crate) fn package(&self) -> String {
        let trees = self.trees();
        let is_package = |path: &&String| path.starts_with("f/latest/") && path.ends_with(".rpm");
        let path = trees.keys().find(is_package).unwrap();
        trees[path].clone()
    }

    /// Runs `pool verify` with more arguments; what it lists.
    #[track_caller]
    pub(crate) fn verify(&self, more: &[&str], code: i32) -> Vec<Value> {
        let mut arguments = vec!["--format", "json", "pool", "verify"];
        arguments.extend(more);
        let output = self.chantal.run(&arguments).expect(code);
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// What was put aside.
    pub(crate) fn quarantine(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.chantal.pool().join("quarantine"));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// All is whole, and the trees are these.
    #[track_caller]
    pub(crate) fn is_whole(&self, trees: &Trees, context: &str) {
        let rows = self.verify(&[], 0);
        assert!(rows.is_empty(), "{context}: {rows:#?}");
        assert_eq!(&self.trees(), trees, "{context}");
        self.chantal.run(&["db", "verify"]).ok();
    }
}

/// Changes one byte of a file in place, as a failing disk or a careless person does.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x20;
    edit(path, &bytes);
}

/// Writes into a file in place: all its names have the new bytes.
pub(crate) fn edit(path: &Path, bytes: &[u8]) {
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

pub(crate) fn words<'v>(rows: &'v [Value], key: &str) -> Vec<&'v str> {
    rows.iter().map(|row| row[key].as_str().unwrap_or_default()).collect()
}
