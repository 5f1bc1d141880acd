//! Bit rot: bytes change in place, in blobs and, through their links, in every tree.

use std::collections::BTreeSet;

use crate::bench::{Bench, Draw, flip, words};

/// How many blobs lose a bit; by hand `CHANTAL_BITROT=1000`.
fn flips() -> usize {
    std::env::var("CHANTAL_BITROT").map_or(50, |text| text.parse().unwrap())
}

#[test]
fn bitrot_is_found_in_each_blob_and_healed_from_upstream() {
    let count = flips();
    let bench = Bench::new(count.max(60));
    let trees = bench.trees();
    let mut draw = Draw(0x5eed_cafe);
    let mut left = bench.blobs();
    let mut rotten = BTreeSet::new();
    while rotten.len() < count {
        let digest = left.swap_remove(draw.below(left.len()));
        flip(&bench.blob(&digest), draw.below(1 << 20));
        rotten.insert(digest);
    }
    assert_ne!(bench.trees(), trees);

    let found = bench.verify(&[], 8);
    let altered: BTreeSet<String> = found
        .iter()
        .filter(|row| row["kind"] == "altered")
        .map(|row| row["blob"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(altered, rotten);
    let others: Vec<_> = words(&found, "kind")
        .into_iter()
        .filter(|kind| *kind != "altered")
        .collect();
    assert!(others.is_empty(), "{others:?}");

    let healed = bench.verify(&["--repair"], 0);
    assert!(healed.iter().all(|row| row["repaired"] == true), "{healed:#?}");
    let aside: BTreeSet<String> = bench.quarantine().into_iter().collect();
    assert_eq!(aside, rotten, "what was damaged is kept aside");
    bench.is_whole(&trees, "after the repair");
}

#[test]
fn what_upstream_has_no_more_is_named_and_healed_once_it_is_back() {
    let bench = Bench::new(12);
    let trees = bench.trees();
    let whole = chantal_testkit::repository::Repository::random(11, 12);
    let (gone, there) = (bench.package(), bench.blobs());
    let path = trees
        .iter()
        .find(|(path, digest)| path.starts_with("r/latest/") && **digest == gone)
        .map(|(path, _)| path.trim_start_matches("r/latest").to_owned())
        .unwrap();
    let is_package = |digest: &&String| {
        let named = |(path, found): (&String, &String)| found == *digest && path.ends_with(".rpm");
        **digest != gone && trees.iter().any(named)
    };
    let other = there.iter().find(is_package).unwrap();
    flip(&bench.blob(&gone), 100);
    flip(&bench.blob(other), 100);
    bench.upstream.remove(&path);

    let rows = bench.verify(&["--repair"], 8);
    let row = |digest: &str| rows.iter().find(|row| row["blob"] == digest).unwrap();
    assert_eq!(
        (&row(other)["repaired"], &row(&gone)["repaired"]),
        (&true.into(), &false.into())
    );
    let reason = row(&gone)["outcome"].as_str().unwrap();
    assert!(reason.contains("404") && reason.contains(&path), "{reason}");
    assert!(!bench.blob(&gone).exists(), "nothing takes it for whole");
    let still = bench.verify(&[], 8);
    assert_eq!(
        still.iter().filter(|row| row["kind"] == "missing").count(),
        1,
        "{still:#?}"
    );
    assert!(still.iter().all(|row| row["blob"] == gone), "{still:#?}");
    bench.verify(&["--repair"], 8);

    bench.offer(&whole);
    bench.verify(&["--repair"], 0);
    bench.is_whole(&trees, "upstream has it again");
}

#[test]
fn a_package_that_moved_upstream_is_found_by_its_digest() {
    use chantal_testkit::repository::{Place, Repository};
    let repository = Repository::random(11, 12);
    let bench = Bench::with(&repository, "");
    let trees = bench.trees();
    let digest = bench.package();
    flip(&bench.blob(&digest), 3);
    bench.offer(&repository.place(Place::Prefix("moved/".into())));
    let rows = bench.verify(&["--repair"], 0);
    assert_eq!(words(&rows, "kind"), ["altered"]);
    bench.is_whole(&trees, "fetched from where it is now");
}
