//! The promises of ARCHITECTURE.md that a compiler does not hold: which crate may know which, and who may name a
//! format. Both checks are also run on a made-up offence, so that a check that cannot fail is noticed.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is a failure with a place")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

const STAGES: [&str; 7] = ["config", "fetch", "formats", "select", "pool", "catalog", "publish"];

/// What each crate may depend on, beside itself and `model`.
fn allowed(name: &str) -> BTreeSet<&'static str> {
    let stages = STAGES.into_iter();
    match name {
        "engine" => stages.collect(),
        "cli" => stages.chain(["engine"]).collect(),
        // It measures the binary from outside.
        "bench" => BTreeSet::from(["testkit"]),
        _ => BTreeSet::new(),
    }
}

/// Arrows that may not be there, as `from -> to`.
fn forbidden_arrows(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut forbidden = Vec::new();
    for (from, targets) in arrows {
        let allowed = allowed(from);
        for to in targets {
            let fine = to == "model" && from != "model" || allowed.contains(to.as_str());
            if !fine {
                forbidden.push(format!("{from} -> {to}"));
            }
        }
    }
    forbidden
}

/// Arrows between the workspace's crates, tests and build scripts left out.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &str| name.strip_prefix("chantal-").map(str::to_owned);
    let mut arrows = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let from = short(package["name"].as_str().unwrap()).expect("every crate of the workspace is chantal-…");
        let targets = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| short(dependency["name"].as_str().unwrap()))
            .collect();
        arrows.insert(from, targets);
    }
    arrows
}

#[test]
fn structure_arrows_point_one_way() {
    let arrows = arrows();
    assert!(
        arrows.contains_key("engine") && arrows["engine"].contains("pool"),
        "metadata was not read: {arrows:?}"
    );
    assert_eq!(forbidden_arrows(&arrows), Vec::<String>::new());
}

#[test]
fn structure_a_forbidden_arrow_is_found() {
    let mut arrows = arrows();
    arrows.get_mut("publish").unwrap().insert("pool".into());
    arrows.get_mut("model").unwrap().insert("select".into());
    assert_eq!(forbidden_arrows(&arrows), ["model -> select", "publish -> pool"]);
}

/// Words that name a format, its tools or its files.
const FORMAT_WORDS: [&str; 12] = [
    "rpm",
    "apt",
    "deb",
    "apk",
    "helm",
    "pypi",
    "dnf",
    "zypper",
    "repomd",
    "repodata",
    "updateinfo",
    "modulemd",
];

/// Lines of code that name a format; comments and tests may.
fn format_names(file: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().to_lowercase();
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        if let Some(word) = words.into_iter().find(|word| FORMAT_WORDS.contains(word)) {
            found.push(format!("{file}:{}: {word}", number + 1));
        }
    }
    found
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether a file may name formats: their own folders, the registry, and what is only for tests.
fn may_name_formats(path: &str) -> bool {
    let own_folder = ["crates/formats/src/rpm/", "crates/config/src/formats/"];
    let registry = ["crates/formats/src/lib.rs"];
    own_folder.iter().any(|folder| path.starts_with(folder))
        || registry.contains(&path)
        || path.starts_with("crates/testkit/")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/")
}

#[test]
fn structure_no_crate_outside_formats_names_a_format() {
    let root = root();
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files);
    let mut checked = 0;
    let mut found = Vec::new();
    for file in files {
        let shown = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if shown.contains("/src/") && !may_name_formats(&shown) {
            checked += 1;
            found.extend(format_names(&shown, &std::fs::read_to_string(&file).unwrap()));
        }
    }
    assert!(checked > 20, "only {checked} files were looked at");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn structure_a_format_name_is_found() {
    let offence = "fn f(kind: &str) {\n    // rpm in a comment is fine\n    if kind == \"rpm\" {}\n}\n";
    assert_eq!(format_names("x.rs", offence), ["x.rs:3: rpm"]);
    assert!(!may_name_formats("crates/engine/src/sync.rs"));
    assert!(may_name_formats("crates/formats/src/rpm/primary.rs"));
}
