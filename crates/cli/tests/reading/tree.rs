//! Installation trees that are as they should be.

use std::path::Path;
use std::process::Command;

use chantal_testkit::chantal::finish;
use chantal_testkit::needs::{need, programs, workspace};
use chantal_testkit::repository::{InstallTree, Repository};
use chantal_testkit::tree::{Tree, tree_digests};
use chantal_testkit::upstream::Fault;

use super::bench::{BOTH, Bench, sample, with_tree};

/// What another reader of `.treeinfo` says about a tree.
fn judge(tree: &Path) -> Option<String> {
    if !need(programs(&["python3"]), "python3") {
        return None;
    }
    let script = workspace().join("scripts/check_treeinfo.py");
    Some(finish(Command::new("python3").arg(script).arg(tree)).ok().stdout)
}

fn requests(bench: &Bench) -> Vec<String> {
    bench.upstream.log().into_iter().map(|hit| hit.path).collect()
}

#[test]
fn a_tree_is_published_as_it_came_in_both_modes() {
    let upstream = tree_digests(&sample());
    for mode in BOTH {
        let bench = Bench::new(&sample(), &[mode]);
        bench.sync(0);
        let published = bench.chantal.published_digests("r/latest");
        for path in InstallTree::sample()
            .files()
            .iter()
            .map(|(path, _)| path.as_str())
            .chain([".treeinfo"])
        {
            assert_eq!(published.get(path), upstream.get(path), "{mode}: {path}");
        }
        if let Some(said) = judge(&bench.chantal.published().join("r/latest")) {
            assert!(said.starts_with("8 files, 8 digests"), "{mode}: {said}");
        }
    }
}

#[test]
fn a_tree_whose_description_has_no_dot_is_found_too() {
    let mut tree = sample();
    let text = tree.remove(".treeinfo").unwrap();
    tree.put("treeinfo", text);
    let bench = Bench::new(&tree, &["mode: mirror"]);
    bench.sync(0);
    assert!(bench.published().contains(&"EFI/BOOT/BOOTX64.EFI".to_owned()));
    assert!(bench.published().contains(&"treeinfo".to_owned()));
}

#[test]
fn an_unchanged_feed_costs_one_request_whether_it_has_a_tree_or_not() {
    for (tree, asked) in [(sample(), 1), (Repository::sample().build(), 2)] {
        let bench = Bench::new(&tree, &[]);
        bench.sync(0);
        let tries = bench.asked("/.treeinfo") + bench.asked("/treeinfo");
        assert_eq!(tries, asked, "each name is tried once");
        bench.upstream.clear_log();
        bench.sync(0);
        assert_eq!(requests(&bench), ["/repodata/repomd.xml"]);
    }
}

#[test]
fn reading_the_same_tree_again_adds_nothing_and_fetches_no_image() {
    let bench = Bench::new(&sample(), &[]);
    bench.sync(0);
    let stats = || {
        let mut stats = bench.chantal.json(&["stats"]);
        // The file shrinks and grows with its log.
        stats.as_object_mut().unwrap().remove("database_bytes");
        stats
    };
    let before = stats();
    bench.upstream.clear_log();
    bench
        .chantal
        .run(&["repo", "sync", "r", "--force", "--progress", "none"])
        .ok();
    assert_eq!(bench.revisions(), 1);
    assert_eq!(stats(), before);
    let asked = requests(&bench);
    assert!(
        !asked
            .iter()
            .any(|path| path.starts_with("/images/") || path.starts_with("/EFI/")),
        "{asked:?}"
    );
}

#[test]
fn an_installation_tree_is_left_out_where_filters_say_so() {
    let bench = Bench::new(&sample(), &[]);
    bench.sync(0);
    let with_tree = bench.published();
    assert!(with_tree.iter().any(|path| path == "images/boot.iso"), "{with_tree:?}");
    bench.configure(&["filters: {rpm: {exclude_installation_tree: true}}"]);
    let before = requests(&bench).len();
    bench.sync(0);
    assert_eq!(bench.asked("/images/boot.iso"), 1);
    assert!(!requests(&bench)[before..].iter().any(|path| path.ends_with("treeinfo")));
    let revisions = bench.chantal.json(&["repo", "history", "r"]);
    assert_eq!(revisions.as_array().unwrap().len(), 2, "{revisions}");
    let fresh = Bench::new(&sample(), &["filters: {rpm: {exclude_installation_tree: true}}"]);
    fresh.sync(0);
    let without = fresh.published();
    let is_of_tree = |path: &String| path.starts_with("images/") || path.ends_with("treeinfo");
    assert!(!without.iter().any(is_of_tree), "{without:?}");
    assert!(without.iter().any(|path| path.ends_with(".rpm")), "{without:?}");

    let mirror = Bench::new(
        &sample(),
        &["mode: mirror", "filters: {rpm: {exclude_installation_tree: true}}"],
    );
    let ran = mirror.chantal.run(&["repo", "sync", "r"]).expect(2);
    assert!(ran.stderr.contains("mirror"), "{}", ran.stderr);
}

#[test]
fn a_dry_run_counts_the_files_and_fetches_none() {
    let bench = Bench::new(&sample(), &[]);
    bench.chantal.run(&["init"]).ok();
    let plan = bench.chantal.json(&["repo", "sync", "r", "--dry-run"]);
    let plan = &plan[0]["result"];
    let number = |key: &str| plan[key].as_u64().unwrap_or_else(|| panic!("{key}: {plan:#}"));
    let (packages, files) = (number("chosen"), number("download_files"));
    assert_eq!(files, packages + 8, "{plan:#}");
    assert_eq!(bench.asked("/images/boot.iso"), 0);
}

#[test]
fn what_upstream_dropped_from_its_tree_leaves_after_the_grace() {
    let keys = [
        "publish: {metadata_grace: 0s, package_grace: 0s}",
        "allow_rollback: true",
    ];
    let bench = Bench::new(&sample(), &keys);
    bench.sync(0);
    let theirs = bench.chantal.published().join("r/latest/.htaccess");
    std::fs::write(&theirs, b"# of the web server").unwrap();
    let next = with_tree(
        &Repository::sample_v2(),
        &InstallTree::sample()
            .without("images/install.img")
            .promised("images/new.img", b"new"),
    );
    bench.serve(&next);
    bench.configure(&["publish: {metadata_grace: 1h, package_grace: 1h}"]);
    bench.sync(0);
    let both = bench.published();
    for path in ["images/install.img", "images/new.img"] {
        assert!(both.contains(&path.to_owned()), "{path} is needed in the grace");
    }
    assert_eq!(
        bench.chantal.published_digests("r/latest")[".treeinfo"],
        tree_digests(&next)[".treeinfo"]
    );
    bench.configure(&keys);
    bench.serve(&Repository::sample().build());
    bench.sync(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    bench.chantal.run(&["publish", "repo", "r", "--force"]).ok();
    let after = bench.published();
    assert!(
        !after
            .iter()
            .any(|path| path.starts_with("images/") || path == ".treeinfo"),
        "{after:?}"
    );
    assert!(theirs.exists(), "a file of the administrator is nobody else's");
}

#[test]
fn a_snapshot_keeps_the_tree_that_it_was_made_of() {
    let bench = Bench::new(&sample(), &[]);
    bench.sync(0);
    bench.chantal.run(&["snapshot", "create", "r", "--name", "s"]).ok();
    let install = InstallTree::sample().without("images/install.img");
    bench.serve(&with_tree(&Repository::sample_v2(), &install));
    bench.sync(0);
    bench.chantal.run(&["publish", "snapshot", "r", "--snapshot", "s"]).ok();
    let tree = bench.chantal.published_digests("r/snapshots/s");
    let upstream = tree_digests(&sample());
    for path in [".treeinfo", "images/install.img"] {
        assert_eq!(tree[path], upstream[path], "{path}");
    }
}

#[test]
fn an_image_whose_transfer_broke_off_goes_on_where_it_stopped() {
    let bench = Bench::new(&sample(), &["mode: mirror", "download: {retry_attempts: 2}"]);
    let keys = "mode: mirror";
    bench.chantal.repository("r", &bench.upstream.url("/"), &[keys]);
    bench
        .upstream
        .set_fault("/images/boot.iso", Fault::TruncateAfter(500_000), 1);
    bench.sync(0);
    let hits = bench.upstream.hits("/images/boot.iso");
    assert_eq!(hits.len(), 2);
    assert!(
        hits[1]
            .range
            .as_deref()
            .is_some_and(|range| range.starts_with("bytes=")),
        "{hits:?}"
    );
}

#[test]
fn other_repositories_of_a_tree_are_named_in_a_warning() {
    let install = InstallTree::sample()
        .line("variant-AppStream", "name", "AppStream")
        .line("variant-AppStream", "repository", "../../AppStream/x86_64/os")
        .line("addon-HA", "repository", "addons/HA");
    let bench = Bench::new(&with_tree(&Repository::sample(), &install), &[]);
    let said = bench.sync(0).stderr;
    assert!(
        said.contains("HA (addons/HA), AppStream (../../AppStream/x86_64/os)"),
        "{said}"
    );
}

#[test]
fn delta_packages_are_fetched_with_the_packages_and_only_by_a_mirror() {
    let tree: Tree = Repository::sample_v2().build();
    let deltas: Vec<String> = tree.ending(".drpm").map(str::to_owned).collect();
    assert!(!deltas.is_empty(), "the sample has no delta packages");
    for mode in BOTH {
        let bench = Bench::new(&tree, &[mode]);
        bench.sync(0);
        for path in &deltas {
            assert_eq!(
                bench.published().contains(path),
                mode == "mode: mirror",
                "{mode}: {path}"
            );
        }
    }
    // One that upstream does not have is judged as a package is.
    let path = format!("/{}", deltas[0]);
    let bench = Bench::new(&tree, &["mode: mirror"]);
    bench.upstream.remove(&path);
    bench.sync(3);
    bench.configure(&["mode: mirror", "on_package_error: accept_missing"]);
    assert!(bench.sync(9).stderr.contains(&deltas[0]));
}
