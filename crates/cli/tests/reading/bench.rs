//! A feed, a configuration and short words for what a run left behind.

use chantal_testkit::chantal::{Chantal, Output};
use chantal_testkit::repository::{InstallTree, Repository};
use chantal_testkit::tree::Tree;
use chantal_testkit::upstream::Upstream;

pub(crate) const BOTH: [&str; 2] = ["mode: mirror", "mode: filtered"];

/// A feed of files, and a configuration of it.
pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
}

impl Bench {
    pub(crate) fn new(tree: &Tree, keys: &[&str]) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream: Upstream::start(tree.site()),
        };
        bench.configure(keys);
        bench
    }

    pub(crate) fn configure(&self, keys: &[&str]) {
        let mut all = vec!["download: {retry_attempts: 0}"];
        all.extend(keys);
        self.chantal.repository("r", &self.upstream.url("/"), &all);
    }

    pub(crate) fn serve(&self, tree: &Tree) {
        self.upstream.change(|site| *site = tree.site());
    }

    pub(crate) fn sync(&self, code: i32) -> Output {
        self.chantal
            .run(&["repo", "sync", "r", "--publish", "--progress", "none"])
            .expect(code)
    }

    /// Paths of the published tree.
    pub(crate) fn published(&self) -> Vec<String> {
        self.chantal.published_digests("r/latest").into_keys().collect()
    }

    pub(crate) fn revisions(&self) -> usize {
        self.chantal.json(&["repo", "show", "r"])["revisions"]
            .as_array()
            .unwrap()
            .len()
    }

    /// How often each path was asked for since the log was cleared.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.upstream.hits(path).len()
    }
}

/// The sample repository with an installation tree.
pub(crate) fn with_tree(repository: &Repository, install: &InstallTree) -> Tree {
    let mut tree = repository.build();
    install.put_into(&mut tree);
    tree
}

/// The sample with its own tree.
pub(crate) fn sample() -> Tree {
    with_tree(&Repository::sample(), &InstallTree::sample())
}
