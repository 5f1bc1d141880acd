//! That no row of the corpus is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use chantal_testkit::corpus::{
    Row, archives, documents, http, locations, metadata, modules, names, packages, times, trees,
};
use regex::Regex;

/// Every module of the corpus that has rows.
const MODULES: [(&str, &[Row]); 10] = [
    ("archives", archives::ROWS),
    ("documents", documents::ROWS),
    ("http", http::ROWS),
    ("locations", locations::ROWS),
    ("metadata", metadata::ROWS),
    ("modules", modules::ROWS),
    ("names", names::ROWS),
    ("packages", packages::ROWS),
    ("times", times::ROWS),
    ("trees", trees::ROWS),
];

/// The source of every file of a directory, by its name without the suffix.
fn sources(directory: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "rs"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn every_row_of_the_corpus_has_a_test_that_runs_it() {
    let row = Regex::new(r#"pub const ([A-Z0-9_]+): Row = Row \{\s*id: "([^"]+)""#).unwrap();
    let tests: String = sources("tests/bad_input").into_iter().map(|(_, text)| text).collect();
    let (mut ids, mut modules) = (BTreeSet::new(), BTreeSet::new());
    for (module, text) in sources("../testkit/src/corpus") {
        let Some((_, listed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            assert!(!row.is_match(&text), "{module} has rows and is not on the list");
            continue;
        };
        let listed: BTreeSet<&str> = listed.iter().map(|row| row.id).collect();
        let written: BTreeSet<String> = row.captures_iter(&text).map(|found| found[2].to_owned()).collect();
        let written: BTreeSet<&str> = written.iter().map(String::as_str).collect();
        assert_eq!(listed, written, "`ROWS` of {module} is not what it has");
        for found in row.captures_iter(&text) {
            let (name, id) = (&found[1], &found[2]);
            let used = Regex::new(&format!(r"\b{module}::{name}\b")).unwrap();
            assert!(used.is_match(&tests), "no test runs {module}::{name}");
            assert!(ids.insert(id.to_owned()), "two rows are called {id}");
        }
        modules.insert(module);
    }
    assert_eq!(modules.len(), MODULES.len());
}
