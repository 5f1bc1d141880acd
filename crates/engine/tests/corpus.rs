//! Replays the corpora of the fuzz targets, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/backup_harness.rs"]
mod backup_harness;
#[path = "../../../fuzz/manifest_harness.rs"]
mod manifest_harness;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        run(&std::fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}

#[test]
fn no_manifest_of_the_corpus_makes_half_a_catalog() {
    replay("manifest", manifest_harness::run);
}

#[test]
fn no_archive_of_the_corpus_is_believed_against_its_sum() {
    replay("backup", backup_harness::run);
}
