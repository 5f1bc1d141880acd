//! Replays the corpus of the fuzz target, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/schedule_harness.rs"]
mod schedule_harness;

use std::path::Path;

#[test]
fn every_schedule_of_the_corpus_comes_later_or_is_refused() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/schedule");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        schedule_harness::run(&std::fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}
