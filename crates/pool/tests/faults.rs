//! The pool under faults that the system makes: failing barriers, a full disk, a strict umask. Each runs in a process of
//! its own, which is this test binary again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chantal_model::{Landing, Sha256};
use chantal_pool::{Durability, Pool, PoolOptions, Sealed};

/// Tells the child what to do and where.
const ROLE: &str = "CHANTAL_POOL_ROLE";

fn sealed(pool: &Pool, bytes: &[u8]) -> Sealed {
    let mut incoming = pool.incoming(&[]);
    Landing::write(&mut incoming, bytes).unwrap();
    incoming.seal().unwrap()
}

fn settle_twenty(root: &Path, durability: Durability) -> Result<(), u8> {
    let pool = Pool::open(root, PoolOptions { durability }).unwrap();
    let files = (0..20_u32).map(|i| sealed(&pool, &i.to_le_bytes())).collect();
    let result = pool.settle(files).map(drop).map_err(|error| error.exit_code());
    // Left for the parent, which looks what a failure left behind.
    std::mem::forget(pool);
    result
}

/// The child's side. As a test of its own it has nothing to do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, root) = role.split_once(':').unwrap();
    let root = Path::new(root);
    match role {
        "batch" => std::process::exit(settle_twenty(root, Durability::Batch).map_or_else(i32::from, |()| 100)),
        "each" => std::process::exit(settle_twenty(root, Durability::EachFile).map_or_else(i32::from, |()| 100)),
        "umask" => {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            settle_twenty(root, Durability::Batch).unwrap();
            std::process::exit(100);
        }
        _ => unreachable!("{role}"),
    }
}

/// Runs a role, under strace where arguments for it are given. Its exit code is 100 where all went well.
fn run(role: &str, root: &Path, strace: &[&str]) -> Output {
    let this = std::env::current_exe().unwrap();
    let mut command = if strace.is_empty() {
        Command::new(&this)
    } else {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq"]).args(strace).arg(&this);
        command
    };
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command
        .env(ROLE, format!("{role}:{}", root.display()))
        .output()
        .unwrap()
}

fn has_strace() -> bool {
    let works = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|s| s.success());
    if !works {
        assert!(
            std::env::var_os("CHANTAL_REQUIRE_CLIENTS").is_none(),
            "strace does not work here"
        );
        eprintln!("SKIPPED: strace does not work here");
    }
    works
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_failing_barrier_drops_the_batch_and_is_not_tried_again() {
    if !has_strace() {
        return;
    }
    for (role, call, errno, code) in [
        ("batch", "syncfs", "EIO", 8),
        ("batch", "syncfs", "ENOSPC", 6),
        ("each", "fsync", "EIO", 8),
        ("each", "fsync", "EDQUOT", 6),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("pool");
        // Opening a new pool syncs too, which is not what fails here.
        Pool::open(&root, PoolOptions::default()).unwrap();
        let log = directory.path().join("log");
        let inject = format!("inject={call}:error={errno}");
        let output = run(
            role,
            &root,
            &["-e", &inject, "-e", "trace=syncfs,fsync", "-o", log.to_str().unwrap()],
        );
        assert_eq!(
            output.status.code(),
            Some(code),
            "{role} {errno}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(files_below(&root), Vec::<PathBuf>::new(), "{role} {errno}");
        let calls = std::fs::read_to_string(&log)
            .unwrap()
            .lines()
            .filter(|line| line.contains(errno))
            .count();
        let most = if role == "batch" { 1 } else { 8 };
        assert!((1..=most).contains(&calls), "{role} {errno}: {calls} calls of {call}");
    }
}

#[test]
fn no_blob_gets_its_name_before_its_bytes_are_durable() {
    if !has_strace() {
        return;
    }
    for (role, barriers) in [("batch", 1), ("each", 20)] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("pool");
        Pool::open(&root, PoolOptions::default()).unwrap();
        let log = directory.path().join("log");
        let trace = [
            "-e",
            "trace=syncfs,fsync,rename,renameat,renameat2",
            "-o",
            log.to_str().unwrap(),
        ];
        let output = run(role, &root, &trace);
        assert_eq!(
            output.status.code(),
            Some(100),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let log = std::fs::read_to_string(&log).unwrap();
        let calls: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("sync") || line.contains("rename") && !line.contains("ENOENT"))
            .collect();
        let first = calls.iter().position(|call| call.contains("rename")).unwrap();
        let last = calls.iter().rposition(|call| call.contains("rename")).unwrap();
        assert_eq!(calls.iter().filter(|call| call.contains("rename")).count(), 20, "{log}");
        assert!(
            calls[..first].iter().filter(|call| call.contains("sync")).count() >= barriers,
            "{log}"
        );
        assert!(
            calls[last..].iter().any(|call| call.contains("sync")),
            "names are not durable: {log}"
        );
    }
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("pool");
    let output = run("umask", &root, &[]);
    assert_eq!(
        output.status.code(),
        Some(100),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&root), mode(&root.join("tmp"))), (0o755, 0o700));
    let blobs = files_below(&root);
    assert_eq!(blobs.len(), 20);
    for blob in blobs {
        assert_eq!(
            (mode(&blob), mode(blob.parent().unwrap())),
            (0o444, 0o755),
            "{}",
            blob.display()
        );
    }
}

/// A small file system of its own; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn tmpfs(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(directory));
        }
        eprintln!("SKIPPED: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_but_what_was_there() {
    let Some(mount) = Mount::tmpfs("size=1m,mode=0755") else {
        return;
    };
    let pool = Pool::open(&mount.0.path().join("pool"), PoolOptions::default()).unwrap();
    let first = pool.settle(vec![sealed(&pool, b"abc")]).unwrap();
    assert!(pool.free_space().unwrap().0 < 1024 * 1024);

    let mut incoming = pool.incoming(&[]);
    let error = (0..400)
        .find_map(|_| Landing::write(&mut incoming, &[7; 10_000]).err())
        .unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(incoming);

    assert_eq!(files_below(pool.root()), [pool.path(&first[0].sha256)]);
    assert_eq!(
        pool.settle(vec![sealed(&pool, b"def")]).unwrap()[0].sha256,
        Sha256::of(b"def")
    );
}

#[test]
fn too_few_inodes_are_exit_code_6() {
    let Some(mount) = Mount::tmpfs("nr_inodes=8,mode=0755") else {
        return;
    };
    let pool = Pool::open(&mount.0.path().join("pool"), PoolOptions::default()).unwrap();
    let mut held = Vec::new();
    let error = loop {
        match pool.incoming(&[]).seal() {
            Ok(sealed) => held.push(sealed),
            Err(error) => break error,
        }
    };
    assert_eq!(error.exit_code(), 6, "{error}");
}

#[test]
fn another_file_system_is_named_with_both_mount_points() {
    let Some(mount) = Mount::tmpfs("mode=0755") else { return };
    let directory = tempfile::tempdir().unwrap();
    let pool = Pool::open(&mount.0.path().join("pool"), PoolOptions::default()).unwrap();
    let (own, other) = pool.shares_file_system(directory.path()).unwrap().unwrap();
    assert_eq!(own, mount.0.path());
    assert!(
        directory.path().starts_with(&other) && other != own,
        "{}",
        other.display()
    );
}

#[test]
fn a_bind_mount_counts_as_another_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let (pool, published) = (
        directory.path().join("pool"),
        Mount(tempfile::tempdir_in(directory.path()).unwrap()),
    );
    let mounted = Command::new("mount")
        .arg("--bind")
        .args([published.0.path(), published.0.path()])
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: nothing can be mounted here");
        return;
    }
    let pool = Pool::open(&pool, PoolOptions::default()).unwrap();
    let blob = pool.settle(vec![sealed(&pool, b"abc")]).unwrap().remove(0);
    let linked = std::fs::hard_link(pool.path(&blob.sha256), published.0.path().join("x"));
    assert_eq!(linked.unwrap_err().kind(), std::io::ErrorKind::CrossesDevices);
    let (_, other) = pool
        .shares_file_system(published.0.path())
        .unwrap()
        .expect("links cannot go there");
    assert_eq!(other, published.0.path());
}
