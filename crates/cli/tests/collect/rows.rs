//! Rows of the database that nothing refers to.

use chantal_testkit::upstream::Fault;

use crate::bench::{Bench, LEAST, next_second};

#[test]
fn rows_go_packs_are_packed_anew_and_what_is_rendered_stays_the_same() {
    let bench = Bench::new("");
    for version in 1..=6 {
        bench.sync(version, &[]);
    }
    bench.chantal.run(&["publish", "repo", "r"]).ok();
    let served = bench.chantal.published_digests("r/latest");
    bench.configure(LEAST);
    next_second();
    bench.cleanup(&["--keep-for", "0s"]);
    let planned = bench.chantal.json(&["db", "cleanup", "--dry-run"]);
    assert_eq!(
        planned,
        bench.chantal.json(&["db", "cleanup", "--dry-run"]),
        "a dry run changes nothing"
    );
    let done = bench.chantal.json(&["db", "cleanup"]);
    assert_eq!(done, planned);
    assert!(done["records"].as_u64().unwrap() >= 15, "{done}");
    assert!(done["packs"].as_u64().unwrap() >= 12, "{done}");
    bench.is_sound();
    assert_eq!(bench.chantal.json(&["db", "orphaned"]), serde_json::json!([]));
    let again = bench.chantal.json(&["db", "cleanup"]);
    assert_eq!((&again["records"], &again["packages"]), (&0.into(), &0.into()));

    let elsewhere = bench.chantal.path().join("elsewhere");
    bench
        .chantal
        .run(&["publish", "repo", "r", "--target", elsewhere.to_str().unwrap()])
        .ok();
    let rendered = chantal_testkit::tree::digests(&elsewhere).unwrap();
    assert_eq!(rendered, served);
}

#[test]
fn nothing_is_done_while_something_is_synced() {
    let bench = Bench::new("");
    bench.sync(1, &[]);
    bench
        .upstream
        .set_fault("/repodata/repomd.xml", Fault::DelayMillis(20_000), 1);
    let mut syncing = bench.chantal.spawn(&["repo", "sync", "r", "--force"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let refused = bench.chantal.run(&["db", "cleanup"]);
        if refused.code == 7 {
            assert!(refused.stderr.contains("sync:r"), "{}", refused.stderr);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{}", refused.stderr);
    }
    syncing.kill().unwrap();
    syncing.wait().unwrap();
    bench.chantal.run(&["db", "cleanup"]).ok();
}
