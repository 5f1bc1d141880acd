//! Examples and documents that the program must agree with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn env(name: &str) -> Option<String> {
    (name == "HOST").then(|| "mirror.example.org".to_owned())
}

#[test]
fn every_example_loads_without_a_warning() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|suffix| suffix == "yaml") {
            let loaded = chantal_config::load(&path, &env).unwrap_or_else(|error| panic!("{error}"));
            assert!(loaded.warnings.is_empty(), "{}: {:?}", path.display(), loaded.warnings);
            assert!(!loaded.config.repositories.is_empty());
            count += 1;
        }
    }
    assert!(count >= 3);
}

/// YAML blocks of a document that are whole configurations.
fn configurations(text: &str) -> Vec<String> {
    text.split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.contains("repositories:"))
        .map(str::to_owned)
        .collect()
}

fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_configuration_in_the_documents_loads() {
    let mut files = vec![root().join("README.md")];
    documents(&root().join("docs"), &mut files);
    let mut count = 0;
    for file in files {
        for text in configurations(&std::fs::read_to_string(&file).unwrap()) {
            let loaded = chantal_config::load_text(Path::new("/etc/chantal/config.yaml"), text.clone(), &env);
            assert!(loaded.is_ok(), "{}: {}\n{text}", file.display(), loaded.err().unwrap());
            count += 1;
        }
    }
    assert!(count >= 2, "{count} configurations were found");
}

fn compare(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("CHANTAL_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is out of date: `make docs` writes it anew",
        path.display()
    );
}

#[test]
fn generated_configuration_reference() {
    compare("docs/reference/configuration.md", &chantal_config::reference_markdown());
}

#[test]
fn generated_configuration_schema() {
    let schema = serde_json::to_string_pretty(&chantal_config::json_schema()).unwrap() + "\n";
    compare("docs/reference/config.schema.json", &schema);
}

#[test]
fn generated_schema_of_the_program() {
    let schema = serde_json::to_string(&chantal_config::checked_schema()).unwrap() + "\n";
    compare("crates/config/src/schema.json", &schema);
}
