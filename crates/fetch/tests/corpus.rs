//! Replays the corpora of the fuzz targets, so that what fuzzing found once stays found on every build.

#[path = "../../../fuzz/mirrors_harness.rs"]
mod mirrors_harness;
#[path = "../../../fuzz/resolve_harness.rs"]
mod resolve_harness;

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
fn no_location_of_the_corpus_leads_where_it_must_not() {
    replay("resolve", resolve_harness::run);
}

#[test]
fn no_list_of_the_corpus_leads_to_this_machine() {
    replay("mirrors", mirrors_harness::run);
}
