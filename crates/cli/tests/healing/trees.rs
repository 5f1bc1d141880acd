//! Published files that are not what was published.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use crate::bench::{Bench, edit, words};

/// A published package of the generated tree.
fn package(bench: &Bench) -> (String, PathBuf) {
    let trees = bench.trees();
    let is_package = |path: &&String| path.starts_with("f/latest/") && path.ends_with(".rpm");
    let path = trees.keys().find(is_package).unwrap();
    (trees[path].clone(), bench.chantal.published().join(path))
}

#[test]
fn an_edit_of_one_published_link_alters_the_pool_and_is_healed_everywhere() {
    let bench = Bench::new(12);
    let (digest, link) = package(&bench);
    let stray = bench.chantal.published().join("f/latest/second-name.rpm");
    std::fs::hard_link(&link, &stray).unwrap();
    let trees = bench.trees();
    let before = link.metadata().unwrap();
    let mut bytes = std::fs::read(&link).unwrap();
    bytes.extend(b"x\n");
    edit(&link, &bytes);

    let found = bench.verify(&[], 8);
    assert_eq!(words(&found, "kind"), ["altered"], "{found:#?}");
    assert_eq!(found[0]["blob"], *digest);
    assert_eq!(found[0]["used_by"].to_string(), r#"["f","f/s","r"]"#);
    assert_eq!(
        found[0]["published"].to_string(),
        r#"["f/latest","f/snapshots/s","r/latest"]"#
    );

    bench.verify(&["--repair"], 0);
    bench.is_whole(&trees, "healed");
    let after = link.metadata().unwrap();
    assert_ne!(after.ino(), before.ino(), "a new inode");
    assert_eq!(after.ino(), bench.blob(&digest).metadata().unwrap().ino());
    assert_eq!(
        after.ino(),
        stray.metadata().unwrap().ino(),
        "names that no state has too"
    );
    assert_eq!(after.permissions().mode() & 0o7777, 0o444);
    let aside = bench.chantal.pool().join("quarantine").join(&digest);
    assert_eq!(std::fs::read(&aside).unwrap(), bytes, "the edit is kept");
    assert_eq!(aside.metadata().unwrap().nlink(), 1);
}

/// How verification calls it, the file, and what is done to it.
type Harm<'a> = (&'a str, &'a PathBuf, &'a dyn Fn(&PathBuf));

#[test]
fn published_files_that_were_removed_replaced_or_opened_are_put_in_place_again() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    let (_, link) = package(&bench);
    let entry = bench.chantal.published().join("r/latest/repodata/repomd.xml");
    let written = entry.metadata().unwrap().mtime();
    let harms: [Harm<'_>; 7] = [
        ("published-missing", &link, &|path| std::fs::remove_file(path).unwrap()),
        ("published-altered", &link, &|path| {
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, "something else").unwrap();
        }),
        ("published-altered", &link, &|path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        }),
        ("published-altered", &entry, &|path| {
            let bytes = std::fs::read(path).unwrap();
            edit(path, &bytes[..bytes.len() - 1]);
        }),
        ("published-altered", &entry, &|path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[20] ^= 1;
            edit(path, &bytes);
        }),
        ("published-mode", &entry, &|path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("published-missing", &entry, &|path| std::fs::remove_file(path).unwrap()),
    ];
    for (kind, path, harm) in harms {
        let time = std::fs::File::open(path)
            .unwrap()
            .metadata()
            .unwrap()
            .modified()
            .unwrap();
        harm(path);
        if kind != "published-missing" && !path.is_symlink() {
            std::fs::File::open(path).unwrap().set_modified(time).unwrap();
        }
        let found = bench.verify(&[], 8);
        assert!(
            words(&found, "kind").iter().all(|found| *found == kind),
            "{kind}: {found:#?}"
        );
        let shown = path.strip_prefix(bench.chantal.published()).unwrap().to_str().unwrap();
        assert!(words(&found, "path").contains(&shown), "{kind}: {found:#?}");
        let mended = bench.verify(&["--repair"], 0);
        assert_eq!(mended.len(), found.len());
        bench.is_whole(&trees, kind);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o444, "{kind}");
        if kind != "published-missing" && path == &entry {
            assert_eq!(entry.metadata().unwrap().mtime(), written, "{kind}: its time is kept");
        }
    }
    // A directory in a file's place is nobody's to remove.
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let rows = bench.verify(&["--repair"], 8);
    assert_eq!(rows[0]["repaired"], false);
    assert!(rows[0]["outcome"].as_str().unwrap().contains("in the way"), "{rows:#?}");
}

#[test]
fn copies_are_read_too_and_heal_the_pool() {
    let bench = Bench::with(
        &chantal_testkit::repository::Repository::random(11, 12),
        ", link_mode: copy",
    );
    let trees = bench.trees();
    let (digest, copy) = package(&bench);
    let time = copy.metadata().unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes[10] ^= 1;
    edit(&copy, &bytes);
    std::fs::File::open(&copy).unwrap().set_modified(time).unwrap();
    let found = bench.verify(&[], 8);
    assert_eq!(words(&found, "kind"), ["published-altered"]);
    bench.verify(&["--repair"], 0);
    bench.is_whole(&trees, "a copy");

    edit(&bench.blob(&digest), b"gone");
    bench.upstream.clear_log();
    bench.verify(&["--repair"], 0);
    assert_eq!(bench.upstream.log().len(), 0, "a tree has the bytes");
    bench.is_whole(&trees, "a blob");
}
