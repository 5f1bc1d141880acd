//! A repository with two versions, the first one synced and published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chantal_testkit::chantal::{Chantal, Output};
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

/// Digests of files by path.
pub(crate) type Tree = BTreeMap<String, String>;

/// Packages of the first version; the second one has twice as many.
pub(crate) const PACKAGES: usize = 20;

/// The verbs that bring a new version of the feed to the clients.
pub(crate) const VERBS: [&[&str]; 2] = [&["repo", "sync", "r"], &["publish", "repo", "r"]];

/// Where its directories are, below the directory of the test.
pub(crate) struct Layout {
    pub(crate) state: &'static str,
    pub(crate) pool: &'static str,
    pub(crate) published: &'static str,
    pub(crate) link_mode: &'static str,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            state: "state",
            pool: "state/pool",
            published: "published",
            link_mode: "hardlink",
        }
    }
}

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
    pub(crate) layout: Layout,
    feeds: tempfile::TempDir,
}

impl Bench {
    /// Nothing but a configuration; upstream serves the first version.
    pub(crate) fn new(layout: Layout) -> Self {
        Self::in_directory(Chantal::new(env!("CARGO_BIN_EXE_chantal")), layout)
    }

    /// The same around a directory that has been prepared.
    pub(crate) fn in_directory(chantal: Chantal, layout: Layout) -> Self {
        let feeds = tempfile::tempdir().unwrap();
        for (name, count, revision) in [("v1", PACKAGES, 1_700_000_000), ("v2", 2 * PACKAGES, 1_700_100_000)] {
            let repository = Repository::random(11, count).revision(revision);
            repository.write_to(&feeds.path().join(name)).unwrap();
        }
        let upstream = Upstream::serve_dir(&feeds.path().join("v1"));
        let bench = Self {
            chantal,
            upstream,
            layout,
            feeds,
        };
        bench.configure(bench.layout.link_mode);
        bench
    }

    pub(crate) fn configure(&self, link_mode: &str) {
        let base = self.chantal.path().display();
        let Layout {
            state, pool, published, ..
        } = self.layout;
        self.chantal.config(&format!(
            "storage:\n  base_path: {base}/{state}\n  pool_path: {base}/{pool}\n  published_path: {base}/{published}\n  \
             link_mode: {link_mode}\nrepositories:\n  - id: r\n    type: rpm\n    feed: {}\n    mode: filtered\n    \
             download: {{retry_attempts: 0}}\n",
            self.upstream.url("/")
        ));
    }

    /// The first version is served, upstream has the second one.
    pub(crate) fn served(layout: Layout) -> Self {
        Self::new(layout).serve()
    }

    pub(crate) fn serve(self) -> Self {
        self.chantal.run(&["init"]).ok();
        for verb in VERBS {
            self.chantal.run(verb).ok();
        }
        self.upstream
            .change(|site| site.set_directory(&self.feeds.path().join("v2")));
        self
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.chantal.path().join(below)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path(self.layout.state).join("chantal.db")
    }

    pub(crate) fn pool(&self) -> PathBuf {
        self.path(self.layout.pool)
    }

    /// Paths of the packages that upstream serves now and did not serve before.
    pub(crate) fn new_packages(&self) -> Vec<String> {
        let files = |version: &str| chantal_testkit::tree::digests(&self.feeds.path().join(version)).unwrap();
        let old = files("v1");
        files("v2")
            .into_keys()
            .filter(|path| path.ends_with(".rpm") && !old.contains_key(path))
            .collect()
    }

    /// A file of the second version.
    pub(crate) fn upstream_file(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.feeds.path().join("v2").join(path)).unwrap()
    }

    /// What clients see.
    pub(crate) fn tree(&self) -> Tree {
        tree(&self.path(self.layout.published).join("r/latest"))
    }

    /// The newest recorded revision.
    pub(crate) fn revision(&self) -> serde_json::Value {
        self.chantal.json(&["repo", "show", "r"])["revision"].clone()
    }

    /// Runs the verbs until one fails; gives its output, or `None` if all of them ended well.
    pub(crate) fn run_verbs(&self) -> Option<(&'static [&'static str], Output)> {
        VERBS
            .into_iter()
            .map(|verb| (verb, self.chantal.run(verb)))
            .find(|(_, output)| output.code != 0)
    }

    /// Whether the new version is served, whole; if not, the old tree must be, untouched.
    #[track_caller]
    pub(crate) fn new_is_served(&self, old: &Tree, context: &str) -> bool {
        let now = self.tree();
        let entry = "repodata/repomd.xml";
        if now.get(entry) == old.get(entry) {
            for (path, digest) in old {
                assert_eq!(now.get(path), Some(digest), "{context}: {path} of the old tree");
            }
            return false;
        }
        self.check_new_tree(context);
        true
    }

    /// Every package of the second version is there as upstream has it, and so is every file that the entry names.
    #[track_caller]
    fn check_new_tree(&self, context: &str) {
        let served = self.tree();
        let upstream = tree(&self.feeds.path().join("v2"));
        let packages = |tree: &Tree| -> Tree {
            let rpms = tree.iter().filter(|(path, _)| path.ends_with(".rpm"));
            rpms.map(|(path, digest)| (path.clone(), digest.clone())).collect()
        };
        assert_eq!(packages(&served), packages(&upstream), "{context}");
        let root = self.path(self.layout.published).join("r/latest");
        let entry = std::fs::read_to_string(root.join("repodata/repomd.xml")).unwrap();
        let named: Vec<(&str, &str)> = entry
            .split("<data ")
            .skip(1)
            .map(|data| {
                let digest = between(data, "<checksum type=\"sha256\">", "</checksum>");
                (between(data, "<location href=\"", "\""), digest)
            })
            .collect();
        assert!(named.len() >= 3, "{context}: {entry}");
        for (path, digest) in named {
            assert_eq!(served.get(path).map(String::as_str), Some(digest), "{context}: {path}");
        }
    }

    /// The cause is gone: both verbs end well, the new version is served whole, and nothing is damaged or left over.
    #[track_caller]
    pub(crate) fn recovers(&self, context: &str) {
        if let Some((verb, output)) = self.run_verbs() {
            panic!("{context}: {verb:?} gives {}: {}", output.code, output.stderr);
        }
        self.check_new_tree(context);
        for verb in [["pool", "verify"], ["db", "verify"]] {
            let output = self.chantal.run(&verb);
            assert_eq!(
                output.code, 0,
                "{context}: {verb:?}: {}{}",
                output.stdout, output.stderr
            );
        }
        assert_eq!(leftovers(self.chantal.path()), Vec::<PathBuf>::new(), "{context}");
    }
}

/// The text after `start` up to `end`.
#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0
}

/// Digests of a tree, without the locks.
fn tree(directory: &Path) -> Tree {
    let mut digests = chantal_testkit::tree::digests(directory).unwrap_or_default();
    digests.retain(|path, _| !path.starts_with('.'));
    digests
}

/// Files of unfinished work, in the trees and in the pool.
pub(crate) fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = [".stage-", ".gone-", ".new-"]
            .iter()
            .any(|start| name.starts_with(start));
        if is_ours || directory.ends_with("pool/tmp") {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}
