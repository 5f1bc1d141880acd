//! Replays the corpus of the fuzz target, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/resolve_harness.rs"]
mod resolve_harness;

use std::path::Path;

#[test]
fn no_input_of_the_corpus_leads_where_it_must_not() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/resolve");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        resolve_harness::run(&std::fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}
