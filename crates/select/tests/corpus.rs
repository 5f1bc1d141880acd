//! Replays the corpus of the fuzz target, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/query_harness.rs"]
mod query_harness;

use std::path::Path;

#[test]
fn every_query_of_the_corpus_reads_back_or_is_refused_at_a_column() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/query");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        query_harness::run(&std::fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}
