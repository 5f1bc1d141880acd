//! `publish repo` into directories of one's own: nothing is overwritten, every file is a link to the one copy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::os::unix::fs::MetadataExt as _;

use chantal_testkit::tree::digests;
use serde_json::Value;
use support::{Chantal, feed, repository};

const A: &[(&str, &str)] = &[("bash", "5.1"), ("both", "1.0")];
const B: &[(&str, &str)] = &[("zsh", "5.8"), ("both", "1.0")];

/// Two repositories that share a package, synced and published.
fn two() -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed-a"), 1, A);
    feed::write(&chantal.path("feed-b"), 1, B);
    chantal.configure(
        &(repository("a", &feed::url(&chantal.path("feed-a")), "")
            + &repository("b", &feed::url(&chantal.path("feed-b")), "")),
    );
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "--all", "--publish"]).expect(0);
    chantal
}

#[test]
fn all_repositories_go_into_one_target_side_by_side() {
    let chantal = two();
    let words = ["publish", "repo", "--all", "--target", "out", "--format", "json"];
    let runs = chantal.run(&words).expect(0).json("publish");
    let linked: Vec<&Value> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["result"]["linked"])
        .collect();
    assert_eq!(linked, [2, 2]);
    for (id, own) in [("a", "bash-5.1-1.noarch.rpm"), ("b", "zsh-5.8-1.noarch.rpm")] {
        let out = chantal.path(&format!("out/{id}"));
        let published = chantal.path(&format!("published/{id}/latest"));
        assert_eq!(digests(&out).unwrap(), digests(&published).unwrap(), "{id}");
        // Pool, published tree, target.
        assert_eq!(std::fs::metadata(out.join(own)).unwrap().nlink(), 3, "{id}");
        assert_eq!(
            std::fs::metadata(out.join("both-1.0-1.noarch.rpm")).unwrap().nlink(),
            5,
            "{id}"
        );
    }
    let top: Vec<_> = std::fs::read_dir(chantal.path("out")).unwrap().flatten().collect();
    assert_eq!(top.len(), 2, "{top:?}");
    // Each again by name, where it is, changes nothing.
    let before = digests(&chantal.path("out")).unwrap();
    chantal.run(&["publish", "repo", "a", "--target", "out/a"]).expect(0);
    chantal.run(&words).expect(0);
    assert_eq!(digests(&chantal.path("out")).unwrap(), before);
}

#[test]
fn a_target_where_something_else_lives_is_refused() {
    let chantal = two();
    chantal.run(&["publish", "repo", "--all", "--target", "out"]).expect(0);
    std::os::unix::fs::symlink("out", chantal.path("link")).unwrap();
    let before = digests(&chantal.path("")).unwrap();
    for (words, text) in [
        ("b --target out/a", "a tree of a is in"),
        ("b --target link/a", "a tree of a is in"),
        ("b --target out", "a tree of a is in"),
        ("a --target out/b/below", "a tree of b is in"),
        ("b --target published/a/latest", "it overlaps with the trees of a in"),
        ("a --target published/a/latest", "it overlaps with the trees of a in"),
        ("a --target published/b", "it overlaps with the trees of b in"),
        (
            "a --target published/b/snapshots/x",
            "it overlaps with the trees of b in",
        ),
        ("--all --target published", "it overlaps with the trees of"),
        ("a --target published", "it holds"),
        ("a --target state/pool", "it overlaps with the store in"),
        ("a --target state/pool/aa", "it overlaps with the store in"),
        ("a --target state", "it"),
        ("a --target .", "it"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let words: Vec<&str> = ["publish", "repo"].into_iter().chain(words.split(' ')).collect();
            let told = chantal.run(&[&words[..], more].concat()).expect(2).stderr;
            assert!(told.contains(text) && told.contains("hint:"), "{words:?}: {told}");
        }
    }
    let mut after = digests(&chantal.path("")).unwrap();
    let mut before = before;
    for tree in [&mut before, &mut after] {
        tree.retain(|path, _| !path.contains("chantal.db"));
    }
    assert_eq!(after, before);
}
