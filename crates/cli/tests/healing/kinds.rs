//! Each kind of damage to the pool.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::bench::{Bench, edit, words};

type Harm = (&'static str, fn(&Path));

const HARMS: [Harm; 8] = [
    ("missing", |blob| std::fs::remove_file(blob).unwrap()),
    ("truncated", |blob| {
        let bytes = std::fs::read(blob).unwrap();
        edit(blob, &bytes[..bytes.len() / 2]);
    }),
    ("altered", |blob| {
        let mut bytes = std::fs::read(blob).unwrap();
        bytes.extend(b"more");
        edit(blob, &bytes);
    }),
    ("not-a-file", |blob| {
        std::fs::remove_file(blob).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", blob).unwrap();
    }),
    ("not-a-file", |blob| {
        std::fs::remove_file(blob).unwrap();
        std::fs::create_dir(blob).unwrap();
        std::fs::write(blob.join("inside"), "x").unwrap();
    }),
    ("foreign", |blob| {
        std::fs::write(blob.with_file_name("note"), "x").unwrap();
    }),
    ("foreign", |blob| {
        std::fs::write(blob.parent().unwrap().parent().unwrap().join("README"), "x").unwrap();
    }),
    ("mode", |blob| {
        std::fs::set_permissions(blob, Permissions::from_mode(0o600)).unwrap();
    }),
];

#[test]
fn every_kind_of_damage_is_found_and_made_good() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    let (digest, blobs) = (bench.package(), bench.blobs());
    for (kind, harm) in HARMS {
        harm(&bench.blob(&digest));
        let found = bench.verify(&[], 8);
        assert_eq!(words(&found, "kind"), [kind], "{found:#?}");
        if kind != "foreign" {
            let row = &found[0];
            assert_eq!(row["blob"], *digest, "{kind}");
            let users: Vec<_> = row["used_by"].as_array().unwrap().iter().collect();
            assert_eq!(users, ["f", "f/s", "r"], "{kind}");
            let served: Vec<_> = row["published"].as_array().unwrap().iter().collect();
            assert_eq!(served, ["f/latest", "f/snapshots/s", "r/latest"], "{kind}");
        }
        let healed = bench.verify(&["--repair"], 0);
        assert_eq!(words(&healed, "kind"), [kind]);
        bench.is_whole(&trees, kind);
        assert_eq!(bench.blobs(), blobs, "{kind}");
    }
    let aside = bench.quarantine();
    assert_eq!(
        aside.len(),
        6,
        "neither what was missing nor what had a wrong mode: {aside:?}"
    );
}

#[test]
fn a_missing_blob_comes_back_from_a_published_tree_without_a_request() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    for digest in bench.blobs() {
        if trees.values().any(|served| *served == digest) {
            std::fs::remove_file(bench.blob(&digest)).unwrap();
        }
    }
    bench.upstream.clear_log();
    let healed = bench.verify(&["--repair"], 0);
    assert!(healed.len() > 12);
    assert_eq!(bench.upstream.log().len(), 0);
    bench.is_whole(&trees, "all from published trees");
}

#[test]
fn what_nothing_names_is_put_aside_and_what_nothing_needs_is_forgotten() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    let orphan = "ab".repeat(32);
    std::fs::create_dir_all(bench.blob(&orphan).parent().unwrap()).unwrap();
    std::fs::write(bench.blob(&orphan), "not what its name says").unwrap();
    let found = bench.verify(&[], 8);
    assert_eq!(words(&found, "blob"), [orphan.as_str()]);
    bench.verify(&["--repair"], 0);
    bench.is_whole(&trees, "an orphan");
    assert_eq!(bench.quarantine(), [orphan]);
}

#[test]
fn a_blob_of_somebody_else_gets_its_owner_back() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    let blob = bench.blob(&bench.package());
    if std::os::unix::fs::chown(&blob, Some(12_345), None).is_err() {
        eprintln!("skipped: only the superuser gives files away");
        return;
    }
    let found = bench.verify(&[], 8);
    assert_eq!(words(&found, "kind"), ["owner"]);
    bench.verify(&["--repair"], 0);
    bench.is_whole(&trees, "the owner is back");
}

#[test]
fn one_repair_runs_at_a_time_and_none_beside_a_collection() {
    let bench = Bench::new(12);
    let database = bench.chantal.path().join("chantal.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let catalog = chantal_catalog::Catalog::open(&database, chantal_catalog::Access::Write)
            .await
            .unwrap();
        let lease = catalog.acquire(chantal_catalog::COLLECT, None).await.unwrap();
        bench.verify(&[], 0);
        let busy = bench.chantal.run(&["pool", "verify", "--repair"]).expect(7);
        assert!(busy.stderr.contains("collect"), "{}", busy.stderr);
        lease.release().await.unwrap();
    });
    bench.verify(&["--repair"], 0);
}
