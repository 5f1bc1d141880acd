//! Reading a share of the blobs.

use crate::bench::{Bench, flip, words};

#[test]
fn parts_together_find_what_one_run_over_all_finds() {
    let bench = Bench::new(20);
    let damaged: Vec<String> = bench.blobs().into_iter().step_by(3).collect();
    for digest in &damaged {
        flip(&bench.blob(digest), 50);
    }
    let mut found = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let output = bench
            .chantal
            .run(&["--format", "json", "pool", "verify", "--read-data-subset", part]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
        found.extend(words(&rows, "blob").into_iter().map(str::to_owned));
    }
    found.sort();
    found.dedup();
    assert_eq!(found, damaged);
}

#[test]
fn runs_over_a_percentage_go_on_where_the_last_one_ended() {
    let bench = Bench::new(20);
    let damaged: Vec<String> = bench.blobs().into_iter().step_by(4).collect();
    for digest in &damaged {
        flip(&bench.blob(digest), 50);
    }
    let mut found = Vec::new();
    for _ in 0..4 {
        let output = bench
            .chantal
            .run(&["--format", "json", "pool", "verify", "--read-data-subset", "25%"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
        assert!(rows.len() < damaged.len(), "not all at once");
        found.extend(words(&rows, "blob").into_iter().map(str::to_owned));
    }
    found.sort();
    found.dedup();
    assert_eq!(found, damaged);
    // Whether blobs are there is looked at in every run.
    std::fs::remove_file(bench.blob(&damaged[0])).unwrap();
    for _ in 0..4 {
        let rows = bench.verify(&["--read-data-subset", "1%"], 8);
        assert!(words(&rows, "kind").contains(&"missing"), "{rows:#?}");
    }
    for wrong in ["5", "0%", "8/7", "all"] {
        bench
            .chantal
            .run(&["pool", "verify", "--read-data-subset", wrong])
            .expect(2);
    }
}
