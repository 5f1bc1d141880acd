//! Replays the corpus of the fuzz target, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/config_harness.rs"]
mod config_harness;

use std::path::Path;

#[test]
fn every_input_of_the_corpus_is_accepted_or_refused_at_a_place() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/config");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        config_harness::run(&std::fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}
