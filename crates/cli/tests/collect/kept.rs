//! What stays, and why.

use crate::bench::{Bench, LEAST, next_second};

fn words(reasons: &[(String, String)]) -> Vec<&str> {
    reasons.iter().map(|(word, _)| word.as_str()).collect()
}

#[test]
fn every_reason_has_its_word() {
    let bench = Bench::new("");
    bench.configure_grace("", "1h");
    bench.sync(1, &["--publish"]);
    bench.chantal.run(&["snapshot", "create", "r", "--name", "s"]).ok();
    bench.sync(2, &["--publish"]);
    bench.sync(3, &[]);
    bench.sync(4, &[]);
    assert_eq!(words(&bench.why("kept")), ["newest", "snapshot", "grace", "published"]);
    let first = bench.why("changing@1-1");
    assert_eq!(words(&first), ["snapshot", "grace"]);
    assert_eq!(first[0].1, "s");
    assert!(first[1].1.starts_with("r/latest, served until 2"), "{first:?}");
    assert_eq!(bench.why("changing@2-1"), [("published".into(), "r/latest".into())]);
    assert_eq!(
        bench.why("changing@3-1"),
        [("revision".into(), "r3, which `revisions:` keeps".into())]
    );
    assert_eq!(words(&bench.why("changing@4-1")), ["newest"]);
    let none = bench.chantal.run(&["pool", "why", "nothing"]).expect(2);
    assert!(none.stderr.contains("no package nothing"), "{}", none.stderr);
    let unknown = bench.why(&"0".repeat(64));
    assert_eq!(words(&unknown), ["unknown"]);
}

#[test]
fn a_hold_keeps_a_blob_until_it_is_taken_away() {
    let bench = Bench::new("");
    bench.sync(1, &[]);
    bench.sync(2, &[]);
    bench
        .chantal
        .run(&["pool", "hold", "changing@1-1", "--reason", "audit"])
        .ok();
    bench.configure(LEAST);
    next_second();
    bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!(bench.why("changing@1-1"), [("hold".into(), "audit".into())]);
    let holds = bench.chantal.json(&["pool", "holds"]);
    assert_eq!(holds.as_array().unwrap().len(), 1);
    assert_eq!(holds[0]["reason"], "audit");
    let blob = holds[0]["blob"].as_str().unwrap().to_owned();
    assert!(bench.blobs().contains_key(&blob));

    bench.chantal.run(&["pool", "release", &blob]).ok();
    let none = bench.chantal.run(&["pool", "release", &blob]).expect(2);
    assert!(none.stderr.contains("nothing holds"), "{}", none.stderr);
    let done = bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!(done["unused"], 1, "{done}");
    assert!(!bench.blobs().contains_key(&blob));
    bench.is_sound();
}

#[test]
fn adopted_packages_wait_for_their_first_sync() {
    let bench = Bench::new("");
    let tree = bench.chantal.path().join("old");
    crate::bench::feed(7).write_to(&tree).unwrap();
    bench
        .chantal
        .run(&["pool", "adopt", tree.to_str().unwrap(), "--copy"])
        .ok();
    let adopted = bench.blobs().len();
    assert_eq!(bench.cleanup(&[])["waiting"], adopted as u64);
    assert_eq!(bench.blobs().len(), adopted);
    bench.sync(7, &[]);
    let after = bench.cleanup(&["--keep-for", "0s"]);
    assert_eq!(after["unused"], 0, "{after}");
    bench.is_sound();
}
