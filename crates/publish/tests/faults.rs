//! Publishing under faults that the system makes: kills at any file operation, too many links, other file systems, a
//! strict umask. Each runs in a process of its own, which is this test binary again.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod repository;

use std::cell::Cell;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use chantal_model::Sha256;
use chantal_publish::{LinkMode, PublishError, Site, SiteOptions, SwitchMode};
use repository::{Bench, ENTRY, Pair, Publisher, State, assert_exactly, entry_dir, path, read_as_client, tree};

/// Tells the child what to do and where.
const ROLE: &str = "CHANTAL_PUBLISH_ROLE";
const DONE: i32 = 100;

/// The child's side. As a test of its own it has nothing to do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, directory) = role.split_once(':').unwrap();
    let directory = Path::new(directory);
    if role == "umask" {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    let switch = if role == "rename" {
        SwitchMode::Rename
    } else {
        SwitchMode::Exchange
    };
    let options = SiteOptions {
        switch,
        ..SiteOptions::default()
    };
    let site = Site::open(&directory.join("published"), options).unwrap();
    let publisher = Publisher {
        site: &site,
        pool: directory,
    };
    match role {
        "emlink" => add_with_renewal(publisher),
        "umask" => {
            publisher.publish(&State::new(1), &[]).unwrap();
            site.generation(&tree(), &entry_dir(), 1).unwrap();
            site.write_file(&path("repo/mirrorlist"), b"x").unwrap();
        }
        _ => publisher.publish(&State::new(1), &[&State::new(0)]).unwrap(),
    }
    std::process::exit(DONE);
}

/// Adds while one link fails, and stages while another one does.
fn add_with_renewal(publisher: Publisher<'_>) {
    let state = State::new(0);
    let renewed = Cell::new(0);
    let renew = |source: &Path| {
        renewed.set(renewed.get() + 1);
        let bytes = std::fs::read(source)?;
        let copy = source.with_extension("copy");
        std::fs::write(&copy, bytes)?;
        std::fs::rename(&copy, source)
    };
    let mut files = state
        .packages
        .iter()
        .map(|(name, bytes)| (path(name), publisher.blob(bytes)));
    publisher.site.add(&tree(), &mut files, &renew, &|| {}).unwrap();
    assert_eq!(renewed.get(), 1);
    let next = publisher.stage(&state, &[]).unwrap();
    publisher.site.switch(next).unwrap();
    assert_eq!(
        read_as_client(&publisher.site.root().join("repo/latest"), Pair::Checked),
        Some(Ok(()))
    );
}

/// Runs a role, under strace where arguments for it are given. Its exit code is `DONE` where all went well.
fn run(role: &str, directory: &Path, strace: &[&str]) -> Output {
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
        .env(ROLE, format!("{role}:{}", directory.display()))
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

/// Kills a publication at the n-th call of one kind, for every n, and looks what clients find and what the next run
/// makes of it. Gives the number of kills.
fn kill_at_every(call: &str, role: &str, switch: SwitchMode) -> u32 {
    let (old, new) = (State::new(0), State::new(1));
    for n in 1.. {
        let bench = Bench::quick(switch);
        bench.publish(&old, &[]);
        let inject = format!("inject=?{call}:signal=SIGKILL:when={n}");
        let trace = format!("trace=?{call}");
        let output = run(
            role,
            bench.directory.path(),
            &["-e", &trace, "-e", &inject, "-o", "/dev/null"],
        );
        let is_over = output.status.code() == Some(DONE);

        if switch != SwitchMode::Rename {
            let found = read_as_client(&bench.tree(), Pair::Checked);
            assert_eq!(found, Some(Ok(())), "{role}: killed at {call} {n}");
        }
        let found = read_as_client(&bench.tree(), Pair::NotChecked);
        assert_eq!(found, Some(Ok(())), "{role}: killed at {call} {n}");
        bench.site.recover(&tree(), &entry_dir()).unwrap();
        let found = read_as_client(&bench.tree(), Pair::Checked);
        assert_eq!(found, Some(Ok(())), "{role}: recovered after {call} {n}");
        let next = if n % 2 == 0 { &new } else { &old };
        bench.publish(next, &[]);
        assert_exactly(&bench.tree(), next);
        if is_over {
            return n - 1;
        }
    }
    unreachable!("the loop has no end");
}

fn kill_everywhere(role: &str, switch: SwitchMode) {
    if !has_strace() {
        return;
    }
    let calls = [
        "linkat",
        "renameat",
        "renameat2",
        "unlinkat",
        "mkdirat",
        "fsync",
        "fchmod",
        "getdents64",
    ];
    let kills: u32 = calls.iter().map(|call| kill_at_every(call, role, switch)).sum();
    assert!(kills > 40, "{kills} kills");
}

#[test]
fn a_publisher_killed_at_any_file_operation_leaves_a_whole_state() {
    kill_everywhere("exchange", SwitchMode::Exchange);
}

#[test]
fn a_publisher_killed_between_renames_leaves_what_the_next_run_finishes() {
    kill_everywhere("rename", SwitchMode::Rename);
}

/// The calls of a log, without what the test harness does itself.
fn calls(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines()
        .filter(|line| line.contains(" = "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn everything_is_durable_before_the_switch_the_switch_before_anything_goes() {
    if !has_strace() {
        return;
    }
    let bench = Bench::with_switch(SwitchMode::Exchange);
    bench.publish(&State::new(0), &[]);
    let log = bench.directory.path().join("log");
    let trace = [
        "-y",
        "-e",
        "trace=fsync,?renameat2,unlinkat,linkat",
        "-o",
        log.to_str().unwrap(),
    ];
    let output = run("exchange", bench.directory.path(), &trace);
    assert_eq!(
        output.status.code(),
        Some(DONE),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let calls = calls(&log);
    let switch = calls.iter().position(|call| call.contains("RENAME_EXCHANGE")).unwrap();
    let tree = bench.tree().display().to_string();
    let synced = |calls: &[String], path: &str| calls.iter().any(|call| call.contains(&format!("{tree}{path}>)")));
    let last_link = calls
        .iter()
        .rposition(|call| call.contains("linkat(") && !call.contains("unlinkat("))
        .unwrap();
    assert!(last_link < switch, "{calls:#?}");
    for path in [
        "/Packages/1",
        "/Packages",
        "/.stage-repodata/repomd.xml",
        "/.stage-repodata/repomd.xml.asc",
        "/.stage-repodata",
        "",
    ] {
        assert!(
            synced(&calls[..switch], path),
            "{path} is not durable before the switch: {calls:#?}"
        );
    }
    let gone = calls[switch..]
        .iter()
        .position(|call| call.contains("unlinkat("))
        .unwrap();
    assert!(
        synced(&calls[switch..switch + gone], ""),
        "the switch is not durable before files go: {calls:#?}"
    );
}

#[test]
fn renames_go_by_rank_after_the_intent_is_durable_and_the_old_files_go_last() {
    if !has_strace() {
        return;
    }
    let bench = Bench::with_switch(SwitchMode::Rename);
    bench.publish(&State::new(0), &[]);
    let log = bench.directory.path().join("log");
    let trace = [
        "-y",
        "-e",
        "trace=fsync,?renameat,?renameat2,unlinkat",
        "-o",
        log.to_str().unwrap(),
    ];
    let output = run("rename", bench.directory.path(), &trace);
    assert_eq!(
        output.status.code(),
        Some(DONE),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let calls = calls(&log);
    let tree = bench.tree().display().to_string();
    let find = |from: usize, what: &str, which: &str| {
        let found = calls[from..]
            .iter()
            .position(|call| call.contains(what) && call.contains(which));
        from + found.unwrap_or_else(|| panic!("no {what} {which} after call {from}: {calls:#?}"))
    };
    let live = format!("<{tree}/repodata>");
    let metadata = find(0, "rename", "-primary.xml");
    let durable = find(metadata, "fsync", &live);
    let intent = find(durable, "rename", "\".renaming\"");
    let stage_durable = find(intent, "fsync", &format!("<{tree}/.stage-repodata>"));
    let signature = find(stage_durable, "rename", &format!("{live}, \"repomd.xml.asc\""));
    let entry = find(signature, "rename", &format!("{live}, \"repomd.xml\""));
    find(entry, "fsync", &live);
}

#[test]
fn too_many_links_to_a_file_never_fail_a_publication() {
    if !has_strace() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // The second link of a package, and the second one of the metadata: two of two files, after four packages and the
    // one that is tried again.
    for when in ["2", "2..7+5"] {
        let inject = format!("inject=linkat:error=EMLINK:when={when}");
        let output = run(
            "emlink",
            directory.path(),
            &["-e", "trace=linkat", "-e", &inject, "-o", "/dev/null"],
        );
        assert_eq!(
            output.status.code(),
            Some(DONE),
            "{when}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        std::fs::remove_dir_all(directory.path().join("published")).unwrap();
    }
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let output = run("umask", directory.path(), &[]);
    assert_eq!(
        output.status.code(),
        Some(DONE),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let root = directory.path().join("published");
    let mut left = vec![root.clone()];
    let mut files = 0;
    while let Some(next) = left.pop() {
        let meta = next.symlink_metadata().unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_dir() {
            assert_eq!(mode, 0o755, "{}", next.display());
            left.extend(std::fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_file() && !next.ends_with(".lock") {
            assert_eq!(mode, 0o444, "{}", next.display());
            files += 1;
        }
    }
    // Four packages; four files of metadata, in the tree and in the generation; the list.
    assert_eq!(files, 4 + 2 * 4 + 1);
}

/// A file system of its own; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn tmpfs() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "tmpfs", "-o", "mode=0755"])
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
fn links_to_another_file_system_are_refused_by_name_and_copies_are_not() {
    let Some(mount) = Mount::tmpfs() else { return };
    let pool = tempfile::tempdir().unwrap();
    let publish = |link_mode| {
        let options = SiteOptions {
            link_mode,
            ..SiteOptions::default()
        };
        let site = Site::open(&mount.0.path().join("published"), options).unwrap();
        let publisher = Publisher {
            site: &site,
            pool: pool.path(),
        };
        publisher.publish(&State::new(0), &[])
    };
    let error = publish(LinkMode::Hardlink).unwrap_err();
    let PublishError::CrossDevice {
        from_mount, to_mount, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(to_mount, mount.0.path());
    assert_ne!(from_mount, to_mount);
    assert!(error.to_string().contains("link_mode hardlink"), "{error}");
    assert_eq!(error.exit_code(), 2);

    publish(LinkMode::Copy).unwrap();
    publish(LinkMode::Copy).unwrap();
    let latest = mount.0.path().join("published/repo/latest");
    assert_eq!(read_as_client(&latest, Pair::Checked), Some(Ok(())));
    let entry = std::fs::metadata(latest.join(ENTRY)).unwrap();
    assert_eq!((entry.nlink(), entry.permissions().mode() & 0o7777), (1, 0o444));
}

#[test]
fn a_full_disk_stops_a_publication_and_what_was_served_still_is() {
    let Some(mount) = Mount::tmpfs() else { return };
    let options = SiteOptions {
        link_mode: LinkMode::Copy,
        ..SiteOptions::default()
    };
    let site = Site::open(&mount.0.path().join("published"), options).unwrap();
    let pool = tempfile::tempdir().unwrap();
    let publisher = Publisher {
        site: &site,
        pool: pool.path(),
    };
    publisher.publish(&State::new(0), &[]).unwrap();
    let filled = Command::new("mount")
        .args(["-o", "remount,size=64k"])
        .arg(mount.0.path())
        .status();
    assert!(filled.unwrap().success());
    let ballast = mount.0.path().join("ballast");
    // Stops where the disk is full.
    let _ = std::fs::write(&ballast, vec![0; 1024 * 1024]);

    let error = publisher.publish(&State::new(1), &[]).unwrap_err();
    assert_eq!(error.exit_code(), 6, "{error}");
    let latest = mount.0.path().join("published/repo/latest");
    assert_eq!(read_as_client(&latest, Pair::Checked), Some(Ok(())));
    let live = site.live_entry(&tree(), &path(ENTRY)).unwrap().unwrap();
    assert_eq!(live.sha256, Sha256::of(&State::new(0).entry));

    std::fs::remove_file(ballast).unwrap();
    publisher.publish(&State::new(1), &[]).unwrap();
    assert_exactly(&latest, &State::new(1));
}
