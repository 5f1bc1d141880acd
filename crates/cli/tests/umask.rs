//! Modes of everything that a run writes do not depend on the umask of who runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use chantal_testkit::chantal::{Chantal, finish};
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

/// Runs a verb under a umask.
#[track_caller]
fn run_under(umask: &str, chantal: &Chantal, verb: &[&str]) {
    let plain = chantal.command(verb);
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(chantal.path())
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(&mut command).ok();
}

fn mode(path: &Path) -> u32 {
    let meta = std::fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    meta.permissions().mode() & 0o7777
}

/// Counts files and directories below a published directory, and lists those with another mode than they must have.
fn published(directory: &Path, wrong: &mut Vec<String>) -> (usize, usize) {
    let (mut files, mut directories) = (0, 1);
    let mut check = |path: &Path, wanted: u32| {
        let found = mode(path);
        if found != wanted {
            wrong.push(format!("{} is {found:04o} instead of {wanted:04o}", path.display()));
        }
    };
    check(directory, 0o755);
    let mut below = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        // The lock of a tree is nothing that clients read.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            below.push(entry.path());
        } else {
            check(&entry.path(), 0o444);
            files += 1;
        }
    }
    for child in below {
        let (more_files, more_directories) = published(&child, wrong);
        files += more_files;
        directories += more_directories;
    }
    (files, directories)
}

/// Everything that a first and a second run write under a umask.
fn modes_are_right(umask: &str, lines: &[&str]) {
    let context = format!("umask {umask}, {lines:?}");
    let directory = tempfile::tempdir().unwrap();
    Repository::random(3, 8).write_to(directory.path()).unwrap();
    let upstream = Upstream::serve_dir(directory.path());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository("r", &upstream.url("/"), lines);
    let run = |verb: &[&str]| run_under(umask, &chantal, verb);
    run(&["init"]);
    run(&["repo", "sync", "r"]);
    run(&["snapshot", "create", "r", "--name", "first"]);
    run(&["publish", "repo", "r"]);
    run(&["publish", "snapshot", "r", "--snapshot", "first"]);
    Repository::random(3, 12).write_to(directory.path()).unwrap();
    run(&["repo", "sync", "r"]);
    run(&["publish", "repo", "r"]);

    let mut wrong = Vec::new();
    let (files, directories) = published(&chantal.published(), &mut wrong);
    assert_eq!(wrong, Vec::<String>::new(), "{context}");
    assert!(
        files > 20 && directories > 5,
        "{context}: {files} files, {directories} directories"
    );
    for name in ["chantal.db", "chantal.db-wal", "chantal.db-shm"] {
        let path = chantal.path().join(name);
        if path.exists() {
            assert_eq!(mode(&path), 0o600, "{context}: {name}");
        }
    }
    assert_eq!(mode(&chantal.path().join("chantal.db")), 0o600, "{context}");
    assert_eq!(mode(&chantal.pool().join("tmp")), 0o700, "{context}: pool/tmp");
    blobs_are_read_only(&chantal.pool(), &context);
}

/// A blob that is linked into a tree shares its mode with the published file.
fn blobs_are_read_only(pool: &Path, context: &str) {
    let mut blobs = 0;
    for shard in std::fs::read_dir(pool).unwrap().flatten() {
        if shard.file_name().len() != 2 {
            continue;
        }
        for blob in std::fs::read_dir(shard.path()).unwrap().flatten() {
            assert_eq!(mode(&blob.path()), 0o444, "{context}: {}", blob.path().display());
            assert_eq!(blob.metadata().unwrap().mode() & 0o6000, 0, "{context}");
            blobs += 1;
        }
    }
    assert!(blobs >= 12, "{context}: {blobs} blobs");
}

#[test]
fn a_strict_umask_keeps_nothing_from_clients() {
    modes_are_right("0077", &["mode: filtered"]);
    modes_are_right("0077", &["mode: mirror"]);
}

#[test]
fn a_lax_umask_opens_nothing() {
    modes_are_right("0000", &["mode: filtered"]);
}
