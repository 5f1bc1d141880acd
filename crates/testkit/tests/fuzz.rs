//! Fuzz targets are built by nightly alone, so `make test` does not compile them. It compiles and runs all that is in
//! them: a target is one line around a harness, which tests of the crates include and feed with the target's seeds.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is a failure with a place")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Names in a directory, without what follows the last dot.
fn stems(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

/// The source of a target: of `harness.rs`, which is told its name, or of a harness of its own.
fn source(target: &str, own: bool) -> String {
    let (module, run) = if own {
        (format!("{target}_harness"), format!("{target}_harness::run(bytes)"))
    } else {
        ("harness".to_owned(), format!("harness::run(\"{target}\", bytes)"))
    };
    format!(
        "#![no_main]\n\n#[path = \"../{module}.rs\"]\nmod {module};\n\nlibfuzzer_sys::fuzz_target!(|bytes: &[u8]| {run});\n"
    )
}

#[test]
fn every_fuzz_target_is_one_line_around_a_harness_that_a_test_runs() {
    let targets = stems(&fuzz().join("fuzz_targets"));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let listed = manifest.split("[[bin]]\nname = \"").skip(1);
    let listed: BTreeSet<String> = listed.map(|bin| bin.split('"').next().unwrap().to_owned()).collect();
    assert_eq!(listed, targets, "Cargo.toml and fuzz_targets");
    assert_eq!(stems(&fuzz().join("corpus")), targets, "corpora and fuzz_targets");

    let shared = fs::read_to_string(fuzz().join("harness.rs")).unwrap();
    let crates = fs::read_dir(fuzz().join("../crates")).unwrap();
    let replays =
        crates.map(|entry| fs::read_to_string(entry.unwrap().path().join("tests/corpus.rs")).unwrap_or_default());
    let replays: String = replays.collect();
    for target in targets {
        let own = fuzz().join(format!("{target}_harness.rs")).exists();
        let text = fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert_eq!(text, source(&target, own), "{target}");
        let is_replayed = if own {
            replays.contains(&format!("fuzz/{target}_harness.rs"))
        } else {
            shared.contains(&format!("    \"{target}\",\n"))
        };
        assert!(is_replayed, "no test replays the corpus of {target}");
    }
}
