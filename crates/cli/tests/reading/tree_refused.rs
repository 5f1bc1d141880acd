//! Installation trees that are not as they should be.

use chantal_model::Algorithm;
use chantal_testkit::repository::{InstallTree, Repository};
use chantal_testkit::tree::Tree;
use chantal_testkit::upstream::Fault;

use super::bench::{BOTH, Bench, sample, with_tree};

fn tree(install: &InstallTree) -> Tree {
    with_tree(&Repository::sample(), install)
}

fn serves_a_tree(bench: &Bench) -> bool {
    bench
        .published()
        .iter()
        .any(|path| path == ".treeinfo" || path.starts_with("images/"))
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    for path in [
        "../outside",
        "images/../../outside",
        "/etc/outside",
        "repodata/repomd.xml",
        "http://127.0.0.1/x",
    ] {
        for mode in BOTH {
            let bench = Bench::new(
                &tree(&InstallTree::sample().line("images-x86_64", "evil", path)),
                &[mode],
            );
            let said = bench.sync(5).stderr;
            assert!(
                said.contains("unsafe path") && said.contains(".treeinfo"),
                "{mode} {path}: {said}"
            );
            assert!(!bench.chantal.published().join("r/latest").exists(), "{mode} {path}");
        }
    }
}

#[test]
fn a_file_that_is_not_what_is_promised_fails_the_sync_and_the_old_state_stays_served() {
    for mode in BOTH {
        let bench = Bench::new(&sample(), &[mode]);
        bench.sync(0);
        let before = bench.chantal.published_digests("r/latest");
        let install = InstallTree::sample()
            .without("images/install.img")
            .promised("images/install.img", b"new");
        bench.serve(&with_tree(&Repository::sample_v2(), &install));
        bench.upstream.put("/images/install.img", "old");
        let said = bench.sync(4).stderr;
        assert!(
            said.contains("images/install.img") && said.contains("expected sha256:"),
            "{mode}: {said}"
        );
        assert_eq!(bench.chantal.published_digests("r/latest"), before, "{mode}");
    }
}

#[test]
fn a_file_that_upstream_does_not_have_is_judged_by_the_policy() {
    for (keys, code) in [
        (&["mode: mirror"][..], 3),
        (&["mode: mirror", "on_package_error: accept_missing"], 9),
        (&["mode: filtered"], 9),
        (&["mode: filtered", "on_package_error: fail"], 3),
    ] {
        let bench = Bench::new(&sample(), keys);
        bench.upstream.remove("/images/boot.iso");
        let said = bench.sync(code).stderr;
        assert!(said.contains("images/boot.iso"), "{keys:?}: {said}");
        if code == 3 {
            assert!(said.contains("files could not be had"), "{keys:?}: {said}");
        }
        if code == 9 {
            assert!(bench.published().contains(&"images/install.img".to_owned()));
            // It is looked for again, though the feed has not changed.
            bench.serve(&sample());
            bench.sync(0);
            assert!(bench.published().contains(&"images/boot.iso".to_owned()));
        }
    }
}

#[test]
fn weak_digests_need_a_permission_and_md5_has_none() {
    let sha1 = InstallTree::new()
        .checksum(Algorithm::Sha1)
        .image("stage2", "mainimage", "images/a.img", b"a");
    let md5 = InstallTree::new()
        .checksum(Algorithm::Md5)
        .image("stage2", "mainimage", "images/a.img", b"a");
    let none = InstallTree::new().line("stage2", "mainimage", "images/a.img");
    for (install, what) in [(&sha1, "sha1"), (&md5, "md5"), (&none, "no digest")] {
        let bench = Bench::new(&tree(install), &["mode: mirror"]);
        let said = bench.sync(4).stderr;
        assert!(
            said.contains(what) && said.contains("images/a.img") && said.contains("hint:"),
            "{said}"
        );

        // A filtered repository does not hang on it: the tree is left out as a whole, and named each time.
        let bench = Bench::new(&tree(install), &["mode: filtered"]);
        for _ in 0..2 {
            let said = bench.sync(9).stderr;
            assert!(said.contains("left out") && said.contains(what), "{said}");
        }
        assert!(!serves_a_tree(&bench), "{what}");
        bench.serve(&sample());
        bench.sync(0);
        assert!(serves_a_tree(&bench), "{what}");
    }
    for mode in BOTH {
        let bench = Bench::new(&tree(&sha1), &[mode, "allow_weak: [sha1]"]);
        let said = bench.sync(0).stderr;
        assert!(said.contains("by sha1 only, which is weak"), "{said}");
        assert!(serves_a_tree(&bench), "{mode}");
    }
}

#[test]
fn a_page_for_people_and_a_store_that_refuses_are_no_tree() {
    for fault in [Fault::HtmlPage, Fault::Status(403, vec![]), Fault::Status(410, vec![])] {
        for mode in BOTH {
            let bench = Bench::new(&Repository::sample().build(), &[mode]);
            for path in ["/.treeinfo", "/treeinfo", "/repodata/repomd.xml.asc"] {
                let is_page = matches!(fault, Fault::HtmlPage) && path.ends_with(".asc");
                if !is_page {
                    bench.upstream.set_fault(path, fault.clone(), 9);
                }
            }
            bench.sync(0);
            assert!(!serves_a_tree(&bench), "{mode} {fault:?}");
        }
    }
}

#[test]
fn what_is_neither_a_tree_nor_a_page_is_malformed() {
    let bench = Bench::new(&Repository::sample().build(), &[]);
    bench.upstream.put("/.treeinfo", "[images-x86_64]\nkernel = a\n");
    let said = bench.sync(5).stderr;
    assert!(said.contains("neither [general] nor [header]"), "{said}");
}

#[test]
fn a_file_at_the_place_of_a_package_is_refused() {
    let repository = Repository::sample();
    let package = repository.href(repository.package("hello-chantal-doc"));
    let below = format!("{package}/x");
    for path in [&package, &below] {
        for mode in BOTH {
            let install = InstallTree::new().image("stage2", "mainimage", path, b"evil");
            let bench = Bench::new(&Repository::sample().build(), &[mode]);
            bench.upstream.put("/.treeinfo", install.text());
            let said = bench.sync(5).stderr;
            assert!(said.contains("cannot both be published"), "{mode} {path}: {said}");
        }
    }
}
