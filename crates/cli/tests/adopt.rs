//! `pool adopt`: what another mirror has on disk is not fetched again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chantal_model::{Algorithm, Sha256};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::needs::need;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

struct Setting {
    chantal: Chantal,
    upstream: Upstream,
    tree: PathBuf,
}

/// A repository at an upstream, and its tree as another mirror's `tree`.
fn setting(repository: &Repository) -> Setting {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let tree = chantal.path().join("tree");
    let made = repository.write_to(&tree).unwrap();
    let upstream = Upstream::start(made.site());
    chantal.repository("r", &upstream.url("/"), &[]);
    chantal.run(&["init"]).ok();
    Setting {
        chantal,
        upstream,
        tree,
    }
}

impl Setting {
    fn adopt(&self, more: &[&str]) -> Value {
        let mut words = vec!["pool", "adopt", "tree"];
        words.extend(more);
        self.chantal.json(&words)
    }

    /// Syncs and gives the packages that were fetched.
    fn fetched(&self) -> Vec<String> {
        self.upstream.clear_log();
        self.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        let log = self.upstream.log();
        log.into_iter()
            .map(|hit| hit.path)
            .filter(|path| is_package(path))
            .collect()
    }
}

fn is_package(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|suffix| suffix == "rpm")
}

fn packages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if is_package(&path.to_string_lossy()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn blob(chantal: &Chantal, bytes: &[u8]) -> PathBuf {
    let name = Sha256::of(bytes).hex();
    chantal.pool().join(&name[..2]).join(name)
}

#[test]
fn a_sync_after_adopting_a_mirrored_tree_fetches_no_package() {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let setting = setting(&Repository::sample().checksum(algorithm));
        let files = packages(&setting.tree);
        let report = setting.adopt(&[]);
        assert_eq!(report["files"], files.len(), "{report}");
        assert_eq!(report["linked"], files.len(), "{report}");
        assert!(report["other_files"].as_u64().unwrap() > 3, "{report}");
        for file in &files {
            let meta = std::fs::metadata(file).unwrap();
            assert_eq!(meta.permissions().mode() & 0o7777, 0o444);
            let there = std::fs::metadata(blob(&setting.chantal, &std::fs::read(file).unwrap())).unwrap();
            assert_eq!(there.ino(), meta.ino());
        }
        assert_eq!(setting.fetched(), Vec::<String>::new(), "{algorithm:?}");
        assert_eq!(
            packages(&setting.chantal.published().join("r/latest")).len(),
            files.len()
        );
        setting.chantal.run(&["pool", "verify"]).ok();
    }
}

#[test]
fn a_tree_of_apt_mirror_is_counted_and_taken_where_its_names_are_given() {
    let setting = setting(&Repository::sample());
    let pool = "mirror/archive.example.org/debian/pool/main/g/greet";
    let directory = setting.chantal.path().join(pool);
    std::fs::create_dir_all(&directory).unwrap();
    for (name, bytes) in [
        ("greet_1.0_amd64.deb", b"a"),
        ("greet-di_1.0_amd64.udeb", b"b"),
        ("Release", b"c"),
    ] {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    let counts = |report: &Value| ["files", "other_files", "foreign_files"].map(|key| report[key].as_u64().unwrap());
    let ran = setting
        .chantal
        .run(&["pool", "adopt", "mirror", "--format", "json"])
        .ok();
    assert_eq!(counts(&serde_json::from_str(&ran.stdout).unwrap()), [0, 3, 2]);
    assert!(
        ran.stderr.contains("2 files may be packages of formats") && ran.stderr.contains("--include"),
        "{}",
        ran.stderr
    );

    let words = [
        "pool",
        "adopt",
        "mirror",
        "--copy",
        "--include",
        "*.deb",
        "--include",
        "*.udeb",
    ];
    assert_eq!(counts(&setting.chantal.json(&words)), [2, 1, 0]);
    for bytes in [b"a", b"b"] {
        assert!(blob(&setting.chantal, bytes).is_file());
    }
    assert!(!blob(&setting.chantal, b"c").exists());
}

#[test]
fn without_it_all_packages_are_fetched() {
    let setting = setting(&Repository::sample());
    assert_eq!(setting.fetched().len(), packages(&setting.tree).len());
}

/// The pool of the Python original: `<sha256>_<file name>` in `ab/cd`.
#[test]
fn a_pool_with_digests_in_its_names_is_adopted_and_what_is_altered_in_it_is_not() {
    let setting = setting(&Repository::sample());
    let old = setting.chantal.path().join("old");
    let files = packages(&setting.tree);
    for (index, file) in files.iter().enumerate() {
        let mut bytes = std::fs::read(file).unwrap();
        let hex = Sha256::of(&bytes).hex();
        let directory = old.join(&hex[..2]).join(&hex[2..4]);
        std::fs::create_dir_all(&directory).unwrap();
        if index == 0 {
            bytes.truncate(bytes.len() - 1);
        }
        let name = file.file_name().unwrap().to_str().unwrap();
        std::fs::write(directory.join(format!("{hex}_{name}")), bytes).unwrap();
    }
    let ran = setting
        .chantal
        .run(&["pool", "adopt", "old", "--format", "json"])
        .expect(9);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["linked"], files.len() - 1);
    let reason = report["left_out"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("its name promises another digest"), "{reason}");
    assert_eq!(setting.fetched().len(), 1);
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let setting = setting(&Repository::sample());
    let modes = || {
        packages(&setting.tree)
            .iter()
            .map(|file| std::fs::metadata(file).unwrap().mode())
            .collect::<Vec<_>>()
    };
    let before = modes();
    let mut planned = setting.adopt(&["--dry-run"]);
    assert_eq!(modes(), before);
    assert_eq!(setting.chantal.json(&["pool", "stats"])["blobs"], 0);
    planned["dry_run"] = false.into();
    assert_eq!(setting.adopt(&[]), planned);
}

#[test]
fn a_second_run_finds_everything_there() {
    let setting = setting(&Repository::sample());
    let files = packages(&setting.tree).len();
    setting.adopt(&[]);
    let again = setting.adopt(&[]);
    assert_eq!(
        (&again["already_there"], &again["linked"], &again["copied"]),
        (&files.into(), &0.into(), &0.into())
    );
    let copied = setting.adopt(&["--copy"]);
    assert_eq!(
        (&copied["already_there"], &copied["copied"]),
        (&files.into(), &0.into())
    );
}

#[test]
fn a_copy_leaves_the_tree_alone_and_a_move_empties_it() {
    let first = setting(&Repository::sample());
    let files = packages(&first.tree);
    let modes = std::fs::metadata(&files[0]).unwrap().mode();
    let report = first.adopt(&["--copy"]);
    assert_eq!((&report["copied"], &report["linked"]), (&files.len().into(), &0.into()));
    let meta = std::fs::metadata(&files[0]).unwrap();
    assert_eq!((meta.mode(), meta.nlink()), (modes, 1));

    let second = setting(&Repository::sample());
    let report = second.adopt(&["--move"]);
    assert_eq!(report["removed"], files.len());
    assert!(packages(&second.tree).is_empty());
    assert_eq!(second.fetched(), Vec::<String>::new());
}

#[test]
fn what_clients_read_is_never_moved() {
    let setting = setting(&Repository::sample());
    setting.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    let tree = setting.chantal.published().join("r/latest");
    let served = packages(&tree);
    assert!(!served.is_empty());
    for more in [&["--move"][..], &["--copy"], &["--dry-run"]] {
        let mut words = vec!["pool", "adopt", tree.to_str().unwrap()];
        words.extend(more);
        let refused = setting.chantal.run(&words).expect(2);
        assert!(
            refused.stderr.contains("is in the published tree"),
            "{}",
            refused.stderr
        );
    }
    // A tree with everything in it, the published one as well.
    let old = packages(&setting.tree).len();
    let everything = setting.chantal.path().to_str().unwrap();
    let adopt = |more: &[&str]| {
        let mut words = vec!["pool", "adopt", everything, "--move"];
        words.extend(more);
        setting.chantal.json(&words)
    };
    let mut planned = adopt(&["--dry-run"]);
    assert_eq!(planned["removed"], old, "{planned}");
    planned["dry_run"] = false.into();
    assert_eq!(adopt(&[]), planned);
    assert!(packages(&setting.tree).is_empty());
    assert_eq!(packages(&tree), served);
}

#[test]
fn a_tree_on_another_file_system_is_copied_and_that_is_said() {
    let setting = setting(&Repository::sample());
    let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    let shared = Path::new("/dev/shm");
    let is_other = device(shared).is_some_and(|there| Some(there) != device(setting.chantal.path()));
    if !need(is_other, "a second file system at /dev/shm") {
        return;
    }
    let elsewhere = tempfile::tempdir_in(shared).unwrap();
    Repository::sample().write_to(elsewhere.path()).unwrap();
    let ran = setting
        .chantal
        .run(&["pool", "adopt", elsewhere.path().to_str().unwrap()])
        .ok();
    assert!(
        ran.stderr
            .contains("copied, since links cannot go from there to the pool"),
        "{}",
        ran.stderr
    );
    assert_eq!(setting.fetched(), Vec::<String>::new());
}

#[test]
fn what_the_old_tool_does_to_a_linked_file_is_found() {
    let setting = setting(&Repository::sample());
    setting.adopt(&[]);
    let file = packages(&setting.tree).remove(0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let found = setting.chantal.run(&["pool", "verify"]).expect(8);
    assert!(found.stdout.contains("altered"), "{}", found.stdout);
}

#[test]
fn a_killed_run_leaves_nothing_that_the_next_one_minds() {
    let setting = setting(&Repository::sample());
    let many = setting.chantal.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for index in 0..600_u32 {
        let bytes = index.to_le_bytes().repeat(20_000);
        std::fs::write(many.join(format!("p{index}.rpm")), bytes).unwrap();
    }
    for _ in 0..3 {
        let mut child = setting.chantal.spawn(&["pool", "adopt", "many"]);
        let before = count(&setting.chantal.pool());
        while count(&setting.chantal.pool()) == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let report = setting.chantal.json(&["pool", "adopt", "many"]);
    let sum = |keys: &[&str]| keys.iter().map(|key| report[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&["linked", "already_there"]), 600, "{report}");
    assert_eq!(setting.chantal.json(&["pool", "stats"])["blobs"], 600);
    setting.chantal.run(&["pool", "verify"]).ok();
}

/// Blobs in the pool.
fn count(pool: &Path) -> usize {
    let directories = std::fs::read_dir(pool).unwrap().flatten().map(|entry| entry.path());
    let blobs = directories.filter(|path| !path.ends_with("tmp") && path.is_dir());
    blobs
        .filter_map(|path| std::fs::read_dir(path).ok())
        .map(Iterator::count)
        .sum()
}

#[test]
fn a_tree_that_is_not_there_or_is_the_pool_is_refused() {
    let setting = setting(&Repository::sample());
    let told = setting.chantal.run(&["pool", "adopt", "pool"]).expect(2).stderr;
    assert!(told.contains("is in the pool"), "{told}");
    let told = setting.chantal.run(&["pool", "adopt", "nowhere"]).expect(2).stderr;
    assert!(told.contains("nowhere"), "{told}");
    std::fs::write(setting.chantal.path().join("file"), b"x").unwrap();
    let refused = setting.chantal.run(&["pool", "adopt", "file"]).expect(2);
    assert!(refused.stderr.contains("file is no directory"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    setting
        .chantal
        .run(&["pool", "adopt", "tree", "--copy", "--move"])
        .expect(2);
}
