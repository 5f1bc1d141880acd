//! Backups through the binary: taken on one database and restored on another, damaged, killed, and of older schemas.

#![allow(clippy::print_stdout, reason = "what was counted is told")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damage;
mod kills;
mod moving;
mod restoring;
mod secrets;
mod upgrading;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_chantal");

/// Digests of files by path.
type Tree = BTreeMap<String, String>;

/// A configuration of repositories `r` (whole) and `f` (filtered), on a server or in a file.
fn configure(chantal: &Chantal, upstream: &Upstream, url: Option<&str>) {
    let database = url.map_or_else(String::new, |url| format!("database: {{url: \"{url}\"}}\n"));
    let feed = upstream.url("/");
    chantal.config(&format!(
        "{database}repositories:\n  - {{id: r, type: rpm, mode: mirror, feed: \"{feed}\"}}\n  \
         - {{id: f, type: rpm, feed: \"{feed}\", filters: {{patterns: {{exclude: [doc]}}}}, \
         retention: {{policy: keep-last-n, keep_count: 2}}}}\n"
    ));
}

fn served() -> Upstream {
    Upstream::start(Repository::sample().build().site())
}

/// Two states of both repositories, and a snapshot `first` of the earlier one.
fn live(chantal: &Chantal, upstream: &Upstream) {
    chantal.run(&["init"]).ok();
    chantal.run(&["repo", "sync", "--all", "--publish"]).ok();
    chantal.run(&["snapshot", "create", "f", "--name", "first"]).ok();
    upstream.change(|site| *site = Repository::sample_v2().build().site());
    chantal.run(&["repo", "sync", "--all", "--publish"]).ok();
    chantal.run(&["publish", "snapshot", "f", "--snapshot", "first"]).ok();
}

/// What a lone SQLite catalog has after that.
fn lived() -> (Chantal, Upstream) {
    let (chantal, upstream) = (Chantal::new(BINARY), served());
    configure(&chantal, &upstream, None);
    live(&chantal, &upstream);
    (chantal, upstream)
}

/// Publishes everything that was published before, into an empty directory; gives what is served.
fn published(chantal: &Chantal) -> Vec<Tree> {
    if chantal.published().exists() {
        std::fs::remove_dir_all(chantal.published()).unwrap();
    }
    chantal.run(&["publish", "repo", "--all"]).ok();
    chantal.run(&["publish", "snapshot", "f", "--snapshot", "first"]).ok();
    let tree = |path: &str| {
        let mut digests = chantal.published_digests(path);
        digests.remove(".lock");
        digests
    };
    ["r/latest", "f/latest", "f/snapshots/first"].map(tree).to_vec()
}

/// Gives another directory the same blobs.
fn share_pool(from: &Chantal, to: &Chantal) {
    let copied = Command::new("cp").arg("-al").arg(from.pool()).arg(to.path()).status();
    assert!(copied.unwrap().success());
}

/// Makes a backup; gives its path.
fn backup(chantal: &Chantal, name: &str) -> PathBuf {
    let path = chantal.path().join(name);
    chantal.run(&["db", "backup", path.to_str().unwrap()]).ok();
    path
}

/// The manifest of an archive, read without the program.
fn manifest(archive: &Path) -> Value {
    let bytes = std::fs::read(archive).unwrap();
    assert_eq!(&bytes[..13], b"manifest.json");
    let digits = std::str::from_utf8(&bytes[124..135]).unwrap();
    let size = usize::from_str_radix(digits, 8).unwrap();
    serde_json::from_slice(&bytes[512..512 + size]).unwrap()
}

/// Digests of the tables of an archive by name. Leases are left out, whose progress is not restored.
fn tables(archive: &Path) -> BTreeMap<String, String> {
    let manifest = manifest(archive);
    let tables = manifest["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            (
                table["name"].as_str().unwrap().to_owned(),
                table["sha256"].as_str().unwrap().to_owned(),
            )
        })
        .filter(|(name, _)| name != "lease")
        .collect()
}

/// Names of the snapshots of `f`.
fn snapshots(chantal: &Chantal) -> Vec<String> {
    let listed = chantal.json(&["snapshot", "list"]);
    let rows = listed.as_array().unwrap().iter();
    let mut names: Vec<String> = rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn database(chantal: &Chantal) -> PathBuf {
    chantal.path().join("chantal.db")
}

/// Files of a directory whose name begins so.
fn files_named(directory: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect()
}

/// Numbers that look drawn and are the same in every run.
struct Draw(u64);

impl Draw {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % end
    }
}
