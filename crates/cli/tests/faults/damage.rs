//! Blobs and databases that are not what they were.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chantal_testkit::chantal::Chantal;

use crate::bench::{Bench, Layout};
use crate::mounts::Mount;

/// What can happen to a blob.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Altered,
    Truncated,
    Missing,
}

impl Damage {
    const ALL: [Self; 3] = [Self::Altered, Self::Truncated, Self::Missing];

    fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Truncated => "truncated",
            Self::Missing => "missing",
        }
    }

    /// Damages a blob alone: published files that share its inode keep theirs.
    fn befall(self, blob: &Path) {
        let mut bytes = std::fs::read(blob).unwrap();
        std::fs::remove_file(blob).unwrap();
        match self {
            Self::Altered => bytes[100] ^= 1,
            Self::Truncated => bytes.truncate(100),
            Self::Missing => return,
        }
        std::fs::write(blob, bytes).unwrap();
        std::fs::set_permissions(blob, Permissions::from_mode(0o444)).unwrap();
    }
}

/// The blob of the first published package, and its digest.
fn some_package(bench: &Bench) -> (PathBuf, String) {
    let tree = bench.tree();
    let (_, digest) = tree.iter().find(|(path, _)| path.ends_with(".rpm")).unwrap();
    (bench.pool().join(&digest[..2]).join(digest), digest.clone())
}

#[test]
fn a_damaged_blob_is_found_with_those_who_use_it() {
    for damage in Damage::ALL {
        let bench = Bench::served(Layout::default());
        bench.chantal.run(&["snapshot", "create", "r", "--name", "kept"]).ok();
        let (blob, digest) = some_package(&bench);
        damage.befall(&blob);
        let verified = bench.chantal.run(&["--format", "json", "pool", "verify"]).expect(8);
        let found: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
        let rows = found.as_array().unwrap();
        assert_eq!(rows.len(), 1, "{damage:?}: {found:#}");
        assert_eq!(rows[0]["blob"], digest, "{damage:?}");
        assert_eq!(rows[0]["kind"], damage.name(), "{damage:?}");
        let users = rows[0]["used_by"].to_string();
        assert!(users.contains("\"r\"") && users.contains("kept"), "{damage:?}: {users}");
    }
}

#[test]
fn a_state_with_a_missing_or_truncated_blob_is_not_published_and_the_old_one_stays() {
    for damage in [Damage::Missing, Damage::Truncated] {
        let bench = Bench::served(Layout::default());
        let old = bench.tree();
        bench.chantal.run(&["repo", "sync", "r"]).ok();
        let (path, digest) = a_new_package(&bench);
        damage.befall(&bench.pool().join(&digest[..2]).join(&digest));
        let refused = bench.chantal.run(&["publish", "repo", "r"]).expect(8);
        for wanted in [digest.as_str(), &path, "pool verify"] {
            assert!(
                refused.stderr.contains(wanted),
                "{damage:?}: no {wanted}: {}",
                refused.stderr
            );
        }
        assert_eq!(bench.tree(), old, "{damage:?}");
    }
}

/// A package of the second version that no tree has yet: its path and digest.
fn a_new_package(bench: &Bench) -> (String, String) {
    let path = bench.new_packages().swap_remove(0);
    let digest = chantal_model::Sha256::of(&bench.upstream_file(&path)).hex();
    (path, digest)
}

#[test]
fn a_forced_sync_fetches_missing_and_truncated_blobs_again() {
    for damage in [Damage::Missing, Damage::Truncated] {
        let bench = Bench::served(Layout::default());
        let (blob, _) = some_package(&bench);
        damage.befall(&blob);
        bench.chantal.run(&["pool", "verify"]).expect(8);
        bench.chantal.run(&["repo", "sync", "r", "--force"]).ok();
        bench.chantal.run(&["pool", "verify"]).ok();
        bench.recovers(damage.name());
    }
}

/// Verbs that need the database.
const READING: [&[&str]; 4] = [
    &["repo", "sync", "r"],
    &["publish", "repo", "r"],
    &["repo", "show", "r"],
    &["db", "verify"],
];

/// No verb may end well, end in another way than `codes`, or panic.
fn is_refused(bench: &Bench, codes: &[i32], text: &[&str], context: &str) {
    for verb in READING {
        let refused = bench.chantal.run(verb);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(
            codes.contains(&refused.code),
            "{context}: {verb:?} gives {}: {said}",
            refused.code
        );
        assert!(text.iter().any(|one| said.contains(one)), "{context}: {verb:?}: {said}");
        assert!(!said.contains("panicked"), "{context}: {verb:?}: {said}");
    }
}

/// A served bench whose database is one file without a log, and that file's bytes.
fn with_database() -> (Bench, Vec<u8>) {
    let bench = Bench::served(Layout::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let access = chantal_catalog::Access::Write;
        chantal_catalog::Catalog::open(&bench.database(), access)
            .await
            .unwrap()
            .close()
            .await;
    });
    assert!(!log_of(&bench, "wal").exists(), "the log went into the database");
    let bytes = std::fs::read(bench.database()).unwrap();
    (bench, bytes)
}

fn log_of(bench: &Bench, kind: &str) -> PathBuf {
    bench.database().with_extension(format!("db-{kind}"))
}

#[test]
fn a_damaged_database_is_refused_and_the_tree_stays() {
    let (bench, bytes) = with_database();
    let old = bench.tree();
    let page = 4096;
    let mut random: Vec<u8> = bytes.clone();
    let mut number = 1_u32;
    for byte in &mut random {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (number >> 24) as u8;
    }
    let mut body = bytes.clone();
    body[page..].copy_from_slice(&random[page..]);
    for (what, damaged) in [
        ("100 bytes", bytes[..100].to_vec()),
        ("one page", bytes[..page].to_vec()),
        ("half", bytes[..bytes.len() / 2 / page * page].to_vec()),
        ("random", random),
        ("random after the first page", body),
    ] {
        std::fs::write(bench.database(), damaged).unwrap();
        let text = ["restore it from a backup", "db verify", "problem"];
        is_refused(&bench, &[8], &text, what);
        assert_eq!(bench.tree(), old, "{what}");
        for kind in ["wal", "shm"] {
            let _ = std::fs::remove_file(log_of(&bench, kind));
        }
    }
    std::fs::write(bench.database(), bytes).unwrap();
    bench.recovers("the backup is back");
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let (bench, _) = with_database();
    let old = bench.tree();
    let raised = std::process::Command::new("sqlite3")
        .arg(bench.database())
        .arg("insert into schema_version values (9999, 'of the future', 0)")
        .output();
    if !chantal_testkit::needs::need(raised.is_ok(), "sqlite3") {
        return;
    }
    is_refused(&bench, &[2], &["newer version of chantal"], "a newer schema");
    assert_eq!(bench.tree(), old);
}

#[test]
fn a_database_on_a_read_only_file_system_is_refused() {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let Some(mount) = Mount::tmpfs(&chantal.path().join("disk"), "size=32m") else {
        return;
    };
    let layout = Layout {
        state: "disk/state",
        pool: "pool",
        ..Layout::default()
    };
    let bench = Bench::in_directory(chantal, layout).serve();
    let old = bench.tree();
    mount.remount("ro");
    for verb in [["repo", "sync", "r"], ["publish", "repo", "r"]] {
        let refused = bench.chantal.run(&verb).expect(8);
        assert!(refused.stderr.contains("read-only"), "{verb:?}: {}", refused.stderr);
    }
    assert_eq!(bench.tree(), old);
    mount.remount("rw");
    bench.recovers("writable again");
}
