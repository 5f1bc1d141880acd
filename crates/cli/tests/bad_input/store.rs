//! Databases and pools that somebody damaged.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use chantal_testkit::corpus::Draw;
use chantal_testkit::corpus::mutate::{KINDS, damage};

use crate::bench::{Bench, none_is, variants, whole};

const VERBS: [&[&str]; 4] = [
    &["repo", "show", "r"],
    &["repo", "sync", "r"],
    &["publish", "repo", "r"],
    &["db", "verify"],
];

/// The database as one file without a log.
fn database(bench: &Bench) -> (PathBuf, Vec<u8>) {
    let path = bench.chantal.path().join("chantal.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let access = chantal_catalog::Access::Write;
        chantal_catalog::Catalog::open(&path, access)
            .await
            .unwrap()
            .close()
            .await;
    });
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

fn lay(path: &Path, bytes: &[u8]) {
    for log in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(path.with_extension(log));
    }
    std::fs::write(path, bytes).unwrap();
}

/// A damaged database: its bytes, and the codes that a verb may give.
fn damaged(good: &[u8], draw: &mut Draw) -> (String, Vec<u8>, &'static [i32]) {
    const REFUSED: &[i32] = &[2, 8];
    const ANY: &[i32] = &[0, 2, 5, 6, 7, 8];
    match draw.turn() % 6 {
        // An empty database is created, so that a sync begins anew.
        0 => ("0 bytes".into(), Vec::new(), &[0, 2]),
        1 => {
            let count = draw.between(1, 20_000);
            (format!("{count} random bytes"), draw.bytes(count), REFUSED)
        }
        2 => {
            let count = draw.between(1, good.len() - 4097);
            (format!("cut after {count} bytes"), good[..count].to_vec(), REFUSED)
        }
        3 => {
            let mut bytes = good.to_vec();
            bytes[draw.below(16)] ^= 0xff;
            ("another magic".into(), bytes, REFUSED)
        }
        _ => {
            let kind = *draw.pick(&KINDS);
            (kind.to_owned(), damage(kind, good, draw), ANY)
        }
    }
}

#[test]
fn a_damaged_database_is_refused_or_read_and_never_a_panic() {
    let bench = Bench::new();
    let before = bench.tree();
    let (path, good) = database(&bench);
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let mut draw = Draw::new(seed.wrapping_mul(0x5851_f42d), seed);
        let (what, bytes, codes) = damaged(&good, &mut draw);
        for verb in VERBS {
            lay(&path, &bytes);
            let ran = bench.run(verb);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            if !codes.contains(&ran.code) || said.contains("panicked") {
                wrong.push(format!(
                    "seed {seed}: {what}: {verb:?} gives {}:\n{said:.800}",
                    ran.code
                ));
            }
        }
        let now = bench.tree();
        let lost = before.iter().find(|(path, digest)| now.get(*path) != Some(digest));
        if let Some((path, _)) = lost {
            wrong.push(format!("seed {seed}: {what}: {path} is served no more"));
        }
    }
    none_is(&wrong);
    lay(&path, &good);
    bench.run(&["repo", "sync", "r", "--publish"]).ok();
}

/// How another program holds the file of a database: as its only writer, alone, for all its life, without a log.
const HOLDS: [&str; 4] = [
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE",
    "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE",
];

/// Runs a verb while another program holds the database, until it says that it waits; what is wrong, if anything.
fn waits(seed: u64) -> Option<String> {
    const WRITING: [&[&str]; 5] = [
        &["repo", "sync", "r"],
        &["repo", "sync", "r", "--force", "--publish"],
        &["publish", "repo", "r"],
        &["snapshot", "create", "r", "--name", "s"],
        &["pool", "cleanup"],
    ];
    let bench = Bench::new();
    let mut draw = Draw::new(seed, seed);
    let hold = *draw.each(&HOLDS);
    let verb = *draw.pick(&WRITING);
    let (path, _) = database(&bench);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch(hold).unwrap();
    let mut waiting = bench.chantal.spawn(verb);
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let told = lines.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.contains("waiting for the database"))
    });
    let is_waiting = waiting.try_wait().unwrap().is_none();
    drop(other);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let code = waiting.wait().unwrap().code();
    let is_named = told.is_some_and(|line| line.unwrap().contains("which another program holds"));
    let went_well = is_named && is_waiting && code == Some(0);
    (!went_well).then(|| format!("seed {seed}: {hold}: {verb:?}: exit {code:?}, {is_named}, {is_waiting}:\n{rest:?}"))
}

#[test]
fn a_database_that_another_program_holds_is_waited_for_and_that_is_told() {
    // Each is silent for some seconds, so they wait together.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..variants()).map(|seed| scope.spawn(move || waits(seed))).collect();
        all.into_iter().filter_map(|one| one.join().unwrap()).collect()
    });
    none_is(&wrong);
}

#[test]
fn a_repository_that_somebody_holds_is_busy() {
    let bench = Bench::new();
    bench.upstream.change(|site| {
        *site = chantal_testkit::corpus::Feed::next().site();
        let stall = chantal_testkit::upstream::Fault::StallAfter(10);
        site.set_fault("/repodata/repomd.xml", stall, 9);
    });
    let mut holder = bench.chantal.spawn(&["repo", "sync", "r"]);
    while !is_held(&bench) {
        std::thread::yield_now();
    }
    let refused = bench.run(&["repo", "sync", "r"]).expect(7);
    assert!(refused.stderr.contains("is held by"), "{}", refused.stderr);
    holder.kill().unwrap();
    holder.wait().unwrap();
    bench
        .upstream
        .change(|site| *site = chantal_testkit::corpus::Feed::next().site());
    bench.run(&["repo", "sync", "r", "--publish"]).ok();
}

/// Whether a run holds the repository: its history says so.
fn is_held(bench: &Bench) -> bool {
    let rows = bench.chantal.json(&["repo", "history", "r"]);
    rows.as_array().unwrap().iter().any(|row| row["status"] == "running")
}

/// What somebody can do to a blob; how `pool verify` calls it.
type Harm = fn(&Path, &mut Draw) -> &'static str;

/// The name of a file that somebody puts beside blobs.
const STRANGER: &str = "not-a-blob";

const HARMS: [Harm; 8] = [
    |blob, _| {
        std::fs::remove_file(blob).unwrap();
        "missing"
    },
    |blob, draw| {
        let bytes = std::fs::read(blob).unwrap();
        rewrite(blob, &bytes[..draw.below(bytes.len())]);
        "truncated"
    },
    |blob, draw| {
        let mut bytes = std::fs::read(blob).unwrap();
        let at = draw.below(bytes.len());
        bytes[at] ^= 1 << draw.below(8);
        rewrite(blob, &bytes);
        "altered"
    },
    |blob, draw| {
        let mut bytes = std::fs::read(blob).unwrap();
        bytes.extend(draw.bytes(10));
        rewrite(blob, &bytes);
        "altered|truncated|size"
    },
    |blob, _| {
        std::fs::set_permissions(blob, Permissions::from_mode(0o666)).unwrap();
        "mode"
    },
    |blob, _| {
        let aside = blob.with_extension("aside");
        std::fs::rename(blob, &aside).unwrap();
        symlink(&aside, blob).unwrap();
        "not-a-file"
    },
    |blob, _| {
        std::fs::remove_file(blob).unwrap();
        std::fs::create_dir(blob).unwrap();
        "not-a-file"
    },
    |blob, _| {
        std::fs::write(blob.with_file_name(STRANGER), "x").unwrap();
        "foreign"
    },
];

/// Replaces a blob; published files that share its inode keep theirs.
fn rewrite(blob: &Path, bytes: &[u8]) {
    std::fs::remove_file(blob).unwrap();
    std::fs::write(blob, bytes).unwrap();
    std::fs::set_permissions(blob, Permissions::from_mode(0o444)).unwrap();
}

#[test]
fn every_harm_to_the_pool_is_found_with_its_name() {
    let mut wrong = Vec::new();
    let mut bench = Bench::new();
    for seed in 0..variants() {
        let mut draw = Draw::new(seed, seed);
        let tree = bench.tree();
        let packages: Vec<&String> = tree
            .iter()
            .filter(|(path, _)| path.ends_with(".rpm"))
            .map(|(_, digest)| digest)
            .collect();
        let digest = (*draw.pick(&packages)).clone();
        let blob = bench.chantal.pool().join(&digest[..2]).join(&digest);
        let kind = draw.each(&HARMS)(&blob, &mut draw);
        let ran = bench.run(&["--format", "json", "pool", "verify"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let is_found = kind.split('|').any(|kind| said.contains(&format!("\"{kind}\"")));
        let name = if kind == "foreign" { STRANGER } else { digest.as_str() };
        if ran.code != 8 || !is_found || !said.contains(name) || said.contains("panicked") {
            wrong.push(format!("seed {seed}: {kind}: exit {}:\n{said:.800}", ran.code));
        }
        let forced = bench.run(&["repo", "sync", "r", "--force", "--publish"]);
        if forced.stderr.contains("panicked") || ![0, 2, 8].contains(&forced.code) {
            wrong.push(format!(
                "seed {seed}: {kind}: a forced sync gives {}:\n{}",
                forced.code, forced.stderr
            ));
        }
        // What is served is another name of the same bytes, or the bytes before.
        if let Err(reason) = whole(&bench.chantal.published().join("r/latest")) {
            wrong.push(format!("seed {seed}: {kind}: after a forced sync, {reason}"));
        }
        bench = Bench::new();
    }
    none_is(&wrong);
}
