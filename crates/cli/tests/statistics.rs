//! Statistics, each number counted again from the feeds, the pool and the published trees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chantal_model::Sha256;
use chantal_testkit::repository::Repository;
use serde_json::{Value, json};
use support::{Chantal, repository};

/// Every file below a directory that a test finds itself; symbolic links are not followed.
fn files(directory: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && wanted(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Blobs in the pool.
fn blobs(chantal: &Chantal) -> Vec<PathBuf> {
    let pool = chantal.path("state/pool");
    let beside = ["tmp", "manifests"].map(|name| pool.join(name));
    files(&pool, &|path| !beside.iter().any(|other| path.starts_with(other)))
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "rpm")
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum()
}

/// Digests with their sizes.
fn unique(files: &[PathBuf]) -> BTreeMap<Sha256, u64> {
    let read = |file: &PathBuf| std::fs::read(file).unwrap();
    files
        .iter()
        .map(read)
        .map(|bytes| (Sha256::of(&bytes), bytes.len() as u64))
        .collect()
}

/// `a` and `b`, which share packages; of `a` a snapshot of its first state; all published.
fn two_repositories() -> Chantal {
    let chantal = Chantal::new();
    let feed = |id: &str| chantal.path(&format!("feed-{id}"));
    let url = |id: &str| format!("file://{}/", feed(id).display());
    Repository::sample().write_to(&feed("a")).unwrap();
    Repository::sample().write_to(&chantal.path("first")).unwrap();
    Repository::sample_v2().write_to(&feed("b")).unwrap();
    chantal.configure(&(repository("a", &url("a"), "") + &repository("b", &url("b"), "")));
    chantal.run(&["init"]).expect(0);
    chantal
        .run(&["repo", "sync", "a", "--snapshot-name", "first"])
        .expect(0);
    std::fs::remove_dir_all(feed("a")).unwrap();
    Repository::sample()
        .without("libgreet")
        .revision(1_700_300_000)
        .write_to(&feed("a"))
        .unwrap();
    chantal.run(&["repo", "sync", "a", "b", "--publish"]).expect(0);
    chantal
        .run(&["publish", "snapshot", "a", "--snapshot", "first"])
        .expect(0);
    chantal
}

fn json(chantal: &Chantal, words: &[&str], schema: &str) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(words);
    chantal.run(&all).expect(0).json(schema)
}

#[test]
fn what_is_saved_is_what_is_counted() {
    let chantal = two_repositories();
    let feeds = ["feed-a", "feed-b", "first"].map(|name| files(&chantal.path(name), &is_package));
    let all = feeds.concat();
    let stored = unique(&all);
    let stored_bytes: u64 = stored.values().sum();
    let published = files(&chantal.path("published"), &is_package);
    let pool = blobs(&chantal);
    let [a, b] = [unique(&feeds[0]), unique(&feeds[1])];
    let own = |one: &BTreeMap<Sha256, u64>, other: &BTreeMap<Sha256, u64>| {
        let own: Vec<u64> = one
            .iter()
            .filter(|(name, _)| !other.contains_key(*name))
            .map(|(_, size)| *size)
            .collect();
        (own.len(), own.iter().sum::<u64>())
    };
    let (own_a, own_b) = (own(&a, &b), own(&b, &a));
    assert!(
        own_a.0 > 0 && own_a.0 < a.len(),
        "the repositories share some packages and not all"
    );

    let expected = json!({
        "states": 3,
        "logical_packages": all.len(),
        "logical_bytes": bytes(&all),
        "stored_packages": stored.len(),
        "stored_bytes": stored_bytes,
        "saved_bytes": bytes(&all) - stored_bytes,
        "published_trees": 3,
        "published_packages": published.len(),
        "published_bytes": bytes(&published),
        "pool_blobs": pool.len(),
        "pool_bytes": bytes(&pool),
        "repositories": [
            {"repo": "a", "packages": a.len(), "bytes": bytes(&feeds[0]), "own_packages": own_a.0, "own_bytes": own_a.1},
            {"repo": "b", "packages": b.len(), "bytes": bytes(&feeds[1]), "own_packages": own_b.0, "own_bytes": own_b.1},
        ],
    });
    assert_eq!(json(&chantal, &["stats", "dedup"], "stats-dedup"), expected);
}

#[test]
fn totals_are_those_of_the_pool_and_of_the_newest_revisions() {
    let chantal = two_repositories();
    let feeds = ["feed-a", "feed-b"].map(|name| files(&chantal.path(name), &is_package));
    let [a, b] = [unique(&feeds[0]), unique(&feeds[1])];
    let pool = blobs(&chantal);
    let size = || std::fs::metadata(chantal.path("state/chantal.db")).unwrap().len();
    let before = size();
    let stats = json(&chantal, &["stats"], "stats");
    let told = stats["database_bytes"].as_u64().unwrap();
    // Whoever closes the database last moves its log into the file.
    assert!([before, size()].contains(&told), "{told} is not {before}");
    assert_eq!(
        (&stats["packages"], &stats["logical_bytes"]),
        (&json!(a.len() + b.len()), &json!(bytes(&feeds[0]) + bytes(&feeds[1])))
    );
    assert_eq!(
        (&stats["blobs"], &stats["blob_bytes"]),
        (&json!(pool.len()), &json!(bytes(&pool)))
    );
    assert_eq!(
        (&stats["repositories"], &stats["revisions"], &stats["snapshots"]),
        (&json!(2), &json!(3), &json!(1))
    );
    let pool_stats = json(&chantal, &["pool", "stats"], "pool-stats");
    assert_eq!(
        (&pool_stats["blobs"], &pool_stats["bytes"]),
        (&json!(pool.len()), &json!(bytes(&pool)))
    );
    assert_eq!(
        (&pool_stats["named"], &pool_stats["orphaned"], &pool_stats["unused"]),
        (&json!(pool.len()), &json!(0), &json!(0))
    );
}

#[test]
fn what_is_in_the_pool_and_nowhere_else_is_counted() {
    let chantal = two_repositories();
    let pool = chantal.path("state/pool");
    let before = json(&chantal, &["pool", "stats"], "pool-stats");
    let orphans: [&[u8]; 2] = [b"bytes that nobody knows", b"others"];
    for bytes in orphans {
        let name = Sha256::of(bytes).hex();
        let directory = pool.join(&name[..2]);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    for name in ["notes.txt", "00/not-a-blob", "zz"] {
        let path = pool.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"something else").unwrap();
    }
    let stats = json(&chantal, &["pool", "stats"], "pool-stats");
    assert_eq!(
        (&stats["orphaned"], &stats["orphaned_bytes"], &stats["foreign"]),
        (&json!(2), &json!(bytes_of(&orphans)), &json!(3))
    );
    let number = |stats: &Value, key: &str| stats[key].as_u64().unwrap();
    assert_eq!(number(&stats, "blobs"), number(&before, "blobs") + 2);
    assert_eq!(number(&stats, "bytes"), number(&before, "bytes") + bytes_of(&orphans));
    assert_eq!(stats["named"], before["named"]);
}

fn bytes_of(all: &[&[u8]]) -> u64 {
    all.iter().map(|bytes| bytes.len() as u64).sum()
}

#[test]
fn packages_are_counted_as_the_feed_has_them() {
    let chantal = two_repositories();
    let found = files(&chantal.path("feed-b"), &is_package);
    let stats = json(&chantal, &["stats", "packages", "b", "--limit", "3"], "stats-packages");
    assert_eq!(
        (&stats["packages"], &stats["bytes"]),
        (&json!(found.len()), &json!(bytes(&found)))
    );

    let mut sizes: Vec<u64> = found
        .iter()
        .map(|file| std::fs::metadata(file).unwrap().len())
        .collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(*size));
    let largest: Vec<u64> = stats["largest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["size"].as_u64().unwrap())
        .collect();
    assert_eq!(largest, sizes[..3]);

    let old = json(
        &chantal,
        &["stats", "packages", "a", "--snapshot", "first"],
        "stats-packages",
    );
    let first = files(&chantal.path("first"), &is_package);
    assert_eq!(
        (&old["packages"], &old["bytes"]),
        (&json!(first.len()), &json!(bytes(&first)))
    );
}

#[test]
fn packages_are_counted_by_architecture_and_by_name() {
    let chantal = two_repositories();
    let found = files(&chantal.path("feed-b"), &is_package);
    let stats = json(&chantal, &["stats", "packages", "b"], "stats-packages");
    let arch = |file: &PathBuf| {
        file.file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut arches: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for file in &found {
        let one = arches.entry(arch(file)).or_default();
        *one = (one.0 + 1, one.1 + std::fs::metadata(file).unwrap().len());
    }
    let told: BTreeMap<String, (u64, u64)> = stats["by_arch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |key: &str| row[key].as_u64().unwrap();
            (
                row["arch"].as_str().unwrap().to_owned(),
                (number("packages"), number("bytes")),
            )
        })
        .collect();
    assert_eq!(told, arches);
}

#[test]
fn packages_are_counted_by_name_and_architecture() {
    let chantal = two_repositories();
    // `name-version-release.arch.rpm`.
    let series = |file: &PathBuf| {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let (rest, arch) = stem.rsplit_once('.').unwrap();
        let name = rest.rsplitn(3, '-').last().unwrap();
        (name.to_owned(), arch.to_owned())
    };
    let mut counted: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for file in files(&chantal.path("feed-b"), &is_package) {
        let one = counted.entry(series(&file)).or_default();
        *one = (one.0 + 1, one.1 + std::fs::metadata(file).unwrap().len());
    }
    let stats = json(&chantal, &["stats", "packages", "b"], "stats-packages");
    let rows = stats["by_series"].as_array().unwrap();
    let told = rows.iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let number = |key: &str| row[key].as_u64().unwrap();
        ((text("name"), text("arch")), (number("packages"), number("bytes")))
    });
    assert_eq!(told.collect::<BTreeMap<_, _>>(), counted);
    assert_eq!(rows.len(), counted.len());
    let greeter = rows.iter().find(|row| row["name"] == "greeter").unwrap();
    assert_eq!((&greeter["versions"], &greeter["packages"]), (&json!(2), &json!(2)));
}

#[test]
fn rows_are_counted_as_the_database_has_them() {
    let chantal = two_repositories();
    let size = || std::fs::metadata(chantal.path("state/chantal.db")).unwrap().len();
    let before = size();
    let stats = json(&chantal, &["db", "stats"], "db-stats");
    let after = size();
    let rows = |table: &str| {
        stats["tables"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["table"] == table)
            .unwrap()["rows"]
            .as_u64()
            .unwrap()
    };
    let pool = blobs(&chantal);
    assert_eq!(
        (rows("repository"), rows("revision"), rows("snapshot"), rows("pin")),
        (2, 3, 1, 1)
    );
    assert_eq!((rows("blob"), rows("publication")), (pool.len() as u64, 3));
    let packages = unique(
        &["feed-a", "feed-b", "first"]
            .map(|name| files(&chantal.path(name), &is_package))
            .concat(),
    );
    assert_eq!(rows("package"), packages.len() as u64);
    let records: u64 = stats["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["records"].as_u64().unwrap())
        .sum();
    assert_eq!(records, rows("record"));
    // Whoever closes the database last moves its log into the file.
    let told = stats["file_bytes"].as_u64().unwrap();
    assert!(
        told == before || told == after,
        "{told} is neither {before} nor {after}"
    );
}

#[test]
fn what_nothing_needs_is_listed() {
    let chantal = two_repositories();
    assert_eq!(json(&chantal, &["db", "orphaned"], "db-orphaned"), json!([]));
    assert_eq!(json(&chantal, &["pool", "orphaned"], "pool-problems"), json!([]));
    std::fs::create_dir(chantal.path("tree")).unwrap();
    std::fs::write(chantal.path("tree/a.rpm"), b"a package that no feed has").unwrap();
    chantal.run(&["pool", "adopt", "tree"]).expect(0);
    let orphaned = json(&chantal, &["pool", "orphaned"], "pool-problems");
    assert_eq!(
        (&orphaned[0]["kind"], orphaned.as_array().unwrap().len()),
        (&json!("unused"), 1)
    );
    assert_eq!(json(&chantal, &["pool", "stats"], "pool-stats")["unused_bytes"], 26);

    chantal.configure(&repository("a", "file:///nowhere/", ""));
    let rows = json(&chantal, &["db", "orphaned"], "db-orphaned");
    assert_eq!(
        rows,
        json!([
            {"kind": "repository", "name": "b", "rows": 1, "reason": "not in the configuration",
             "bytes": bytes(&files(&chantal.path("feed-b"), &is_package))},
            {"kind": "blob", "name": null, "rows": 1, "bytes": 26, "reason": "no content names them"},
        ])
    );
}
