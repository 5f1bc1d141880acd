//! Replays the corpora of the fuzz targets, so that what fuzzing found once stays found on every build.
#![expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]

#[path = "../../../fuzz/harness.rs"]
mod harness;

use std::fs;
use std::path::Path;

fn replay(target: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("the directory can be read").path();
        eprintln!("{}", path.display());
        harness::run(target, &fs::read(&path).expect("the input can be read"));
        inputs += 1;
    }
    assert!(inputs > 10, "{}: {inputs} inputs", directory.display());
}

#[test]
fn every_target_takes_every_input_of_its_corpus() {
    for target in harness::TARGETS {
        replay(target);
    }
}

#[test]
fn every_target_takes_what_is_too_large_to_keep() {
    let attribute = format!("<x a='{}'/>", "y".repeat(1 << 20));
    let attributes = format!(
        "<x {}/>",
        (0..1000).map(|at| format!("a{at}=''")).collect::<Vec<_>>().join(" ")
    );
    let text = format!("<x>{}</x>", "y".repeat(17 << 20));
    let deep = "<x>".repeat(1 << 20);
    for body in [attribute, attributes, text, deep] {
        for (target, root) in [
            ("repomd", "repomd"),
            ("primary", "metadata"),
            ("filelists", "filelists"),
            ("other", "otherdata"),
            ("updateinfo", "updates"),
            ("comps", "comps"),
        ] {
            harness::run(target, format!("<{root}>{body}</{root}>").as_bytes());
        }
    }
    harness::run(
        "modulemd",
        format!("---\ndocument: {}", "x".repeat(17 << 20)).as_bytes(),
    );
    harness::run("modulemd", "--- a\n".repeat(100_000).as_bytes());
}
