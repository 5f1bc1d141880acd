//! Valid files with one damage each: a hundred of every kind to every file, always the same ones.
//!
//! What a fuzz target asserts holds for all of them: nothing panics, no more comes out than may, and whatever is accepted
//! can be rendered and read again.
#![expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]

#[path = "../../testkit/src/corpus/draw.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the corpus of the binary")]
mod draw;
#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../testkit/src/corpus/mutate.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the corpus of the binary")]
mod mutate;

use std::panic::catch_unwind;
use std::path::Path;

use draw::Draw;

const EACH: u64 = 100;

fn base(target: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Damages a file in every way, and says which seed makes its target panic.
#[track_caller]
fn survive(target: &'static str, name: &str) {
    let good = base(target, name);
    harness::run(target, &good);
    for kind in mutate::KINDS {
        for seed in 0..EACH {
            let bytes = mutate::damage(kind, &good, &mut Draw::new(seed << 8, seed));
            let input = bytes.clone();
            let result = catch_unwind(move || harness::run(target, &input));
            assert!(
                result.is_ok(),
                "{kind} with seed {seed} of {target}/{name}:\n{}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

#[test]
fn damaged_entry_points_are_survived() {
    survive("repomd", "good");
}

#[test]
fn damaged_package_lists_are_survived() {
    survive("primary", "good");
}

#[test]
fn damaged_file_lists_are_survived() {
    survive("filelists", "good");
}

#[test]
fn damaged_changelogs_are_survived() {
    for name in ["good", "both-packages"] {
        survive("other", name);
    }
}

#[test]
fn damaged_advisories_are_survived() {
    survive("updateinfo", "good");
}

#[test]
fn damaged_groups_are_survived() {
    survive("comps", "good");
}

#[test]
fn damaged_modules_are_survived() {
    survive("modulemd", "good");
}

#[test]
fn damaged_deltas_are_survived() {
    survive("prestodelta", "good");
}

#[test]
fn damaged_installation_trees_are_survived() {
    for name in ["good", "general"] {
        survive("treeinfo", name);
    }
}

#[test]
fn damaged_dependencies_are_survived() {
    for name in ["record", "if", "with", "deep-good"] {
        survive("relations", name);
    }
}

#[test]
fn damaged_archives_are_survived() {
    for name in [
        "gzip-thousand",
        "gzip",
        "bzip2",
        "xz",
        "zstd",
        "gzip-members",
        "xz-streams",
    ] {
        survive("compressed", name);
    }
}

#[test]
fn damaged_names_are_survived() {
    for name in ["plain", "wide", "encoded", "digits", "http"] {
        survive("location", name);
    }
    survive("relpath", "plain");
    for name in ["rc", "el", "separators", "epoch", "carets"] {
        survive("version", name);
    }
}
