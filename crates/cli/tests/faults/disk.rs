//! Disks without space or inodes, and a pool on another disk than the trees.

use std::path::{Path, PathBuf};

use chantal_testkit::chantal::Chantal;

use crate::bench::{Bench, Layout, PACKAGES};
use crate::mounts::{Mount, fill_bytes, fill_inodes};

/// Everything on one small disk.
const ONE_DISK: Layout = Layout {
    state: "disk/state",
    pool: "disk/state/pool",
    published: "disk/published",
    link_mode: "hardlink",
};

/// A bench with the first version served from a disk at `disk`; the mount is the first to go.
fn on_disk(layout: Layout, options: &str) -> Option<(Mount, Bench)> {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mount = Mount::tmpfs(&chantal.path().join("disk"), options)?;
    Some((mount, Bench::in_directory(chantal, layout).serve()))
}

/// Fills the disk, runs the verbs, and makes room again, after which they must end well. Gives which verb failed, and
/// how.
fn run_on_a_full_disk(bench: &Bench, context: &str, fill: impl FnOnce(&Path) -> PathBuf) -> Option<String> {
    let (revision, old) = (bench.revision(), bench.tree());
    let ballast = fill(&bench.path("disk"));
    let failed = bench.run_verbs();
    let is_new = bench.new_is_served(&old, context);
    if ballast.is_dir() {
        std::fs::remove_dir_all(ballast).unwrap();
    } else {
        std::fs::remove_file(ballast).unwrap();
    }
    let Some((verb, output)) = failed else {
        assert!(is_new, "{context}");
        bench.recovers(context);
        return None;
    };
    assert_eq!(output.code, 6, "{context}: {verb:?}: {}", output.stderr);
    if verb[0] == "repo" {
        assert!(!is_new, "{context}");
        assert_eq!(bench.tree(), old, "{context}: a failed sync touches no tree");
        assert_eq!(bench.revision(), revision, "{context}: nothing is recorded");
    }
    bench.recovers(context);
    Some(format!(
        "{}: {}",
        verb.join(" "),
        output.stderr.lines().next().unwrap_or_default()
    ))
}

#[test]
fn a_full_disk_stops_a_run_and_the_next_one_finishes() {
    let mut failures = Vec::new();
    for free in [0, 16, 48, 96, 128, 160, 192, 256, 384, 512, 1024, 4096].map(|kib| kib << 10) {
        let Some((_mount, bench)) = on_disk(ONE_DISK, "size=32m") else {
            return;
        };
        let context = format!("{free} bytes free");
        let failure = run_on_a_full_disk(&bench, &context, |disk| fill_bytes(disk, free));
        println!("{context}: {failure:?}");
        failures.push(failure);
    }
    assert!(failures[0].is_some(), "nothing fits on a full disk");
    assert!(failures.last().unwrap().is_none(), "4 MiB are enough");
}

#[test]
fn a_disk_without_inodes_stops_a_run_and_the_next_one_finishes() {
    let mut failures = Vec::new();
    for free in [0, 1, 3, 6, 12, PACKAGES as u64 + 1, 30, 40, 60, 400] {
        let Some((_mount, bench)) = on_disk(ONE_DISK, "size=32m,nr_inodes=1000") else {
            return;
        };
        let context = format!("{free} inodes free");
        let failure = run_on_a_full_disk(&bench, &context, |disk| fill_inodes(disk, free));
        println!("{context}: {failure:?}");
        failures.push(failure);
    }
    assert!(failures[0].is_some(), "nothing fits without inodes");
    assert!(failures.last().unwrap().is_none(), "400 inodes are enough");
}

#[test]
fn a_full_disk_below_the_database_alone_records_nothing() {
    let layout = || Layout {
        state: "disk/state",
        pool: "pool",
        ..Layout::default()
    };
    let mut stopped = 0;
    for free in [0, 8, 32, 64, 128].map(|kib| kib << 10) {
        let Some((_mount, bench)) = on_disk(layout(), "size=16m") else {
            return;
        };
        let context = format!("{free} bytes free for the database");
        let failure = run_on_a_full_disk(&bench, &context, |disk| fill_bytes(disk, free));
        stopped += usize::from(failure.is_some());
        println!("{context}: {failure:?}");
    }
    assert!(stopped > 0, "a full disk stopped nothing");
}

#[test]
fn a_full_disk_below_the_trees_alone_keeps_the_old_one_served() {
    let layout = || Layout {
        published: "disk/published",
        link_mode: "copy",
        ..Layout::default()
    };
    let mut stopped = 0;
    for free in [0, 16, 48, 96, 160].map(|kib| kib << 10) {
        let Some((_mount, bench)) = on_disk(layout(), "size=16m") else {
            return;
        };
        let context = format!("{free} bytes free for trees");
        let failure = run_on_a_full_disk(&bench, &context, |disk| fill_bytes(disk, free));
        if let Some(failure) = &failure {
            assert!(failure.starts_with("publish"), "{context}: {failure}");
            stopped += 1;
        }
        println!("{context}: {failure:?}");
    }
    assert!(stopped > 0, "a full disk stopped nothing");
}

#[test]
fn pool_and_trees_on_two_disks_are_refused_before_anything_is_fetched() {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let disk = chantal.path().join("disk");
    let Some(_mount) = Mount::tmpfs(&disk, "size=16m") else {
        return;
    };
    let layout = Layout {
        published: "disk/published",
        ..Layout::default()
    };
    let bench = Bench::in_directory(chantal, layout);
    for verb in [
        &["init"][..],
        &["repo", "sync", "r"],
        &["repo", "sync", "r", "--dry-run"],
    ] {
        let refused = bench.chantal.run(verb).expect(2);
        let pool_mount = format!("(on {})", topmost_of_its_mount(&bench.chantal.path().join("state")));
        let tree_mount = format!("(on {})", disk.display());
        for wanted in [pool_mount.as_str(), &tree_mount, "link_mode"] {
            assert!(
                refused.stderr.contains(wanted),
                "{verb:?}: no {wanted}: {}",
                refused.stderr
            );
        }
    }
    assert!(
        bench.upstream.log().is_empty(),
        "something was fetched: {:?}",
        bench.upstream.log()
    );

    bench.configure("copy");
    let bench = bench.serve();
    assert_eq!(
        bench.tree().keys().filter(|path| path.ends_with(".rpm")).count(),
        PACKAGES
    );
    bench.recovers("link_mode copy");
}

/// Where the file system of a directory is mounted.
fn topmost_of_its_mount(directory: &Path) -> String {
    let output = std::process::Command::new("stat")
        .args(["-c", "%m"])
        .arg(directory)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
