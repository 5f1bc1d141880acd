//! Single files in a tree: link modes, what is in the way, what others put there.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod repository;

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use chantal_publish::{Added, LinkMode, PublishError, Site, SiteOptions, Source, SwitchMode};
use repository::{Bench, ENTRY, State, all_files, assert_exactly, entry_dir, path, tree};

fn add(bench: &Bench, name: &str, bytes: &[u8]) -> Result<Added, PublishError> {
    let source = bench.publisher().blob(bytes);
    bench.site.add(
        &tree(),
        &mut [(path(name), source)].into_iter(),
        &|_| panic!("too many links"),
        &|| {},
    )
}

fn with_links(link_mode: LinkMode) -> Bench {
    Bench::new(SiteOptions {
        link_mode,
        ..SiteOptions::default()
    })
}

fn counts(added: Added) -> (u64, u64, u64) {
    (added.linked, added.unchanged, added.replaced)
}

#[test]
fn a_file_is_linked_once_then_unchanged_then_replaced() {
    for mode in [LinkMode::Hardlink, LinkMode::Copy] {
        let bench = with_links(mode);
        assert_eq!(
            counts(add(&bench, "Packages/a.rpm", b"one").unwrap()),
            (1, 0, 0),
            "{mode:?}"
        );
        assert_eq!(
            counts(add(&bench, "Packages/a.rpm", b"one").unwrap()),
            (0, 1, 0),
            "{mode:?}"
        );
        assert_eq!(
            counts(add(&bench, "Packages/a.rpm", b"two").unwrap()),
            (0, 0, 1),
            "{mode:?}"
        );
        assert_eq!(std::fs::read(bench.tree().join("Packages/a.rpm")).unwrap(), b"two");
        assert_eq!(all_files(&bench.tree()).len(), 1, "{mode:?}: debris");
    }
}

#[test]
fn copies_are_other_inodes_that_a_later_run_knows() {
    let bench = with_links(LinkMode::Copy);
    let state = State::new(0);
    bench.publish(&state, &[]);
    bench.publish(&state, &[]);
    assert_exactly(&bench.tree(), &state);
    for name in state.packages.keys() {
        assert_eq!(std::fs::metadata(bench.tree().join(name)).unwrap().nlink(), 1, "{name}");
    }
    assert_eq!(counts(bench.publisher().add(&state).unwrap()), (0, 4, 0));
}

#[test]
fn a_copy_whose_time_was_changed_is_compared_by_its_bytes() {
    let bench = with_links(LinkMode::Copy);
    add(&bench, "a.rpm", b"one").unwrap();
    let copy = std::fs::File::open(bench.tree().join("a.rpm")).unwrap();
    copy.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(counts(add(&bench, "a.rpm", b"one").unwrap()), (0, 1, 0));
    copy.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(counts(add(&bench, "a.rpm", b"two").unwrap()), (0, 0, 1));
}

#[test]
fn a_published_file_that_somebody_changed_is_replaced() {
    let bench = with_links(LinkMode::Hardlink);
    add(&bench, "a.rpm", b"one").unwrap();
    let published = bench.tree().join("a.rpm");
    std::fs::remove_file(&published).unwrap();
    std::fs::write(&published, b"eno").unwrap();
    assert_eq!(counts(add(&bench, "a.rpm", b"one").unwrap()), (0, 0, 1));
    assert_eq!(std::fs::read(&published).unwrap(), b"one");
}

#[test]
fn clones_where_the_file_system_cannot_are_refused_with_the_way_out() {
    let bench = with_links(LinkMode::Reflink);
    match add(&bench, "a.rpm", b"one") {
        Ok(added) => assert_eq!(counts(added), (1, 0, 0)),
        Err(error) => {
            assert!(matches!(error, PublishError::NoReflink { .. }), "{error}");
            assert_eq!(error.exit_code(), 2);
            assert!(error.hint().unwrap().contains("copy"));
            assert_eq!(all_files(&bench.tree()), HashSet::new());
        }
    }
}

#[test]
fn symbolic_links_in_a_tree_are_never_followed() {
    let bench = with_links(LinkMode::Hardlink);
    let outside = bench.directory.path().join("outside");
    std::fs::create_dir_all(outside.join("a")).unwrap();
    std::fs::write(outside.join("a/precious"), b"x").unwrap();
    std::fs::create_dir_all(bench.tree()).unwrap();
    symlink(&outside, bench.tree().join("Packages")).unwrap();
    for name in ["Packages/x.rpm", "Packages/a/x.rpm"] {
        let error = add(&bench, name, b"one").unwrap_err();
        assert!(
            matches!(&error, PublishError::InTheWay { path, .. } if path.ends_with("Packages")),
            "{name}: {error}"
        );
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(
        bench
            .site
            .live_entry(&tree(), &path("Packages/a/precious"))
            .ok()
            .flatten(),
        None
    );
    bench.site.prune(&tree(), &mut |_| false).unwrap();
    assert!(!bench.tree().join("Packages").exists());
    assert_eq!(all_files(&outside), HashSet::from(["a/precious".to_owned()]));
}

#[test]
fn a_link_in_the_place_of_the_tree_or_the_entry_directory_is_not_followed() {
    let bench = with_links(LinkMode::Hardlink);
    let outside = bench.directory.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("repomd.xml"), b"precious").unwrap();
    std::fs::create_dir_all(bench.tree()).unwrap();
    symlink(&outside, bench.tree().join("repodata")).unwrap();
    let state = State::new(0);
    assert!(bench.publisher().publish(&state, &[]).is_err());
    std::fs::remove_file(bench.tree().join("repodata")).unwrap();
    std::fs::remove_dir_all(bench.tree()).unwrap();
    symlink(&outside, bench.tree()).unwrap();
    assert!(bench.publisher().publish(&state, &[]).is_err());
    assert!(bench.site.write_file(&path("repo/latest/x"), b"x").is_err());
    assert_eq!(all_files(&outside), HashSet::from(["repomd.xml".to_owned()]));
    bench.site.remove(&tree()).unwrap();
    assert_eq!(std::fs::read(outside.join("repomd.xml")).unwrap(), b"precious");
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_its_target_kept() {
    for mode in [LinkMode::Hardlink, LinkMode::Copy] {
        let bench = with_links(mode);
        let outside = bench.directory.path().join("outside");
        std::fs::write(&outside, b"one").unwrap();
        std::fs::create_dir_all(bench.tree()).unwrap();
        for name in ["a.rpm", ".new-b.rpm", "c"] {
            symlink(&outside, bench.tree().join(name)).unwrap();
        }
        assert_eq!(counts(add(&bench, "a.rpm", b"one").unwrap()), (0, 0, 1), "{mode:?}");
        add(&bench, "b.rpm", b"two").unwrap();
        bench.site.write_file(&path("repo/latest/c"), b"three").unwrap();
        for (name, bytes) in [("a.rpm", "one"), ("b.rpm", "two"), ("c", "three")] {
            let published = bench.tree().join(name);
            assert!(published.symlink_metadata().unwrap().is_file(), "{mode:?} {name}");
            assert_eq!(std::fs::read_to_string(published).unwrap(), bytes);
        }
        assert_eq!(std::fs::read(&outside).unwrap(), b"one");
    }
}

#[test]
fn a_directory_in_the_place_of_a_file_is_in_the_way() {
    let bench = with_links(LinkMode::Hardlink);
    add(&bench, "a/b.rpm", b"one").unwrap();
    let error = add(&bench, "a", b"two").unwrap_err();
    assert!(matches!(error, PublishError::InTheWay { .. }), "{error}");
    let error = add(&bench, "a/b.rpm/c.rpm", b"two").unwrap_err();
    assert!(matches!(error, PublishError::InTheWay { .. }), "{error}");
}

#[test]
fn paths_of_unfinished_work_and_very_deep_ones_are_refused() {
    let bench = with_links(LinkMode::Hardlink);
    for name in [
        ".stage-repodata/repomd.xml",
        "a/.new-b",
        ".gone-x",
        &format!("{}x", "d/".repeat(64)),
    ] {
        let error = add(&bench, name, b"one").unwrap_err();
        assert!(matches!(error, PublishError::BadName { .. }), "{name}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
    add(&bench, &format!("{}x", "d/".repeat(63)), b"one").unwrap();
    for name in ["a/b", "..", "", ".new-x"] {
        let staged = chantal_publish::Staged {
            name: name.into(),
            source: Source::Bytes(Vec::new()),
            rank: None,
        };
        let error = bench
            .site
            .stage(&tree(), &entry_dir(), vec![staged], &|_| false)
            .unwrap_err();
        assert!(matches!(error, PublishError::BadName { .. }), "{name}: {error}");
    }
}

#[test]
fn pruning_keeps_what_it_is_told_to_and_removes_empty_directories() {
    let bench = with_links(LinkMode::Hardlink);
    for name in ["a/b/one.rpm", "a/two.rpm", "c/three.rpm", "four"] {
        add(&bench, name, name.as_bytes()).unwrap();
    }
    std::fs::write(bench.tree().join(".htaccess"), b"x").unwrap();
    std::fs::write(bench.tree().join(".lock"), b"").unwrap();
    std::fs::write(bench.tree().join("a/.new-two.rpm"), b"half").unwrap();
    let mut asked = HashSet::new();
    let pruned = bench.site.prune(&tree(), &mut |path| {
        asked.insert(path.to_string());
        ["a/two.rpm", ".htaccess"].contains(&path.as_str())
    });
    let pruned = pruned.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (3, 2));
    assert_eq!(
        asked,
        [".htaccess", "a/b/one.rpm", "a/two.rpm", "c/three.rpm", "four"]
            .map(str::to_owned)
            .into()
    );
    assert_eq!(
        all_files(&bench.tree()),
        [".htaccess", ".lock", "a/two.rpm"].map(str::to_owned).into()
    );
    assert!(!bench.tree().join("a/b").exists() && !bench.tree().join("c").exists());
    assert_eq!(
        bench.site.files(&tree()).unwrap(),
        HashSet::from([path("a/two.rpm"), path(".htaccess")])
    );
}

#[test]
fn recovering_leaves_the_neighbours_unfinished_work_alone() {
    let bench = with_links(LinkMode::Hardlink);
    bench.publish(&State::new(0), &[]);
    let beside = bench.site.root().join("repo");
    for name in [
        ".gone-latest/repodata",
        ".gone-other",
        "latest/.stage-repodata",
        "latest/.gone-x",
    ] {
        std::fs::create_dir_all(beside.join(name)).unwrap();
    }
    for name in [".new-other.repo", "latest/.new-a", "latest/repodata/.new-b"] {
        std::fs::write(beside.join(name), b"half").unwrap();
    }
    bench.site.recover(&tree(), &entry_dir()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&beside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".gone-other", ".new-other.repo", "latest"]);
    assert!(!all_files(&bench.tree()).iter().any(|name| name.contains(".new-")));
    assert!(!bench.tree().join(".stage-repodata").exists() && !bench.tree().join(".gone-x").exists());
}

#[test]
fn a_single_file_is_written_once_and_its_mtime_rises_with_each_change() {
    let bench = with_links(LinkMode::Hardlink);
    let list = path("repo/mirrorlist");
    let look = || std::fs::metadata(bench.site.root().join("repo/mirrorlist")).unwrap();
    bench.site.write_file(&list, b"one").unwrap();
    let first = look();
    bench.site.write_file(&list, b"one").unwrap();
    assert_eq!((look().ino(), look().mtime()), (first.ino(), first.mtime()));
    bench.site.write_file(&list, b"two").unwrap();
    assert!(look().mtime() > first.mtime());
    assert_eq!(look().permissions().mode() & 0o7777, 0o444);
    bench.site.remove_file(&list).unwrap();
    bench.site.remove_file(&list).unwrap();
    assert_eq!(all_files(bench.site.root()), HashSet::new());
}

#[test]
fn a_root_that_everybody_may_write_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let open = |mode| {
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        Site::open(directory.path(), SiteOptions::default())
    };
    let error = open(0o777).unwrap_err();
    assert!(matches!(error, PublishError::Exposed { mode: 0o777, .. }), "{error}");
    assert_eq!(error.exit_code(), 2);
    open(0o1777).unwrap();
    open(0o775).unwrap();
}

#[test]
fn a_tree_that_is_not_there_has_no_entry_and_no_files() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    assert_eq!(bench.site.live_entry(&tree(), &path(ENTRY)).unwrap(), None);
    assert_eq!(bench.site.files(&tree()).unwrap(), HashSet::new());
    bench.site.recover(&tree(), &entry_dir()).unwrap();
    assert_eq!(bench.site.prune(&tree(), &mut |_| false).unwrap().removed, 0);
    assert_eq!(bench.site.prune_generations(&tree(), &|_| false).unwrap(), 0);
    assert!(bench.site.generation(&tree(), &entry_dir(), 1).is_err());
    assert_eq!(
        std::fs::read_dir(bench.site.root())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().path() != Path::new("repo") })
            .count(),
        1
    );
}
