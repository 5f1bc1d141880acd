//! YAML configuration to typed values, with every error at its line.
//!
//! One set of types makes the JSON Schema; the tree is checked against it, so that every unknown key and wrong type is
//! found at once, then against what only makes sense together. Keys that this version does not act on are in one table
//! ([`Unbuilt`]).

mod build;
mod check;
mod diagnostic;
mod effective;
mod formats;
mod node;
mod raw;
mod reference;
mod secret;
mod show;
mod tree;
mod unbuilt;
mod units;

pub use diagnostic::{Diagnostic, LoadError};
pub use effective::{
    Auth, Config, Database, Download, Filters, Limits, Log, Metadata, Proxy, Publish, Repository, Ssl, Storage, Words,
};
pub use raw::{Durability, LinkMode, LogFormat, LogLevel, OnPackageError};
pub use reference::reference_markdown;
pub use secret::{Secret, SecretError};
pub use unbuilt::Unbuilt;

use std::path::{Path, PathBuf};

use check::Finding;

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Keys that this version does not act on.
    pub warnings: Vec<Diagnostic>,
    /// The main file and those that it includes.
    pub files: Vec<PathBuf>,
}

/// Loads a configuration. `env` answers for `${NAME}`.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    load_text(path, text, env)
}

/// Loads a configuration whose main file was read already; `path` is where relative paths begin.
pub fn load_text(path: &Path, text: String, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, LoadError> {
    let mut tree = tree::read(path, text, env);
    let mut findings = std::mem::take(&mut tree.findings);
    findings.extend(check::check(&json_schema(), &tree.root));
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let base = absolute.parent().unwrap_or(Path::new("/"));
    let mut config = None;
    // What the schema refused cannot be read into types: it is left out, and the rest is checked all the same.
    let places: Vec<node::Place> = findings.iter().map(|finding| finding.place).collect();
    let mut readable = tree.root.without(&places).unwrap_or_else(|| tree.root.clone());
    if !findings.is_empty() {
        readable.retain_items("repositories", &|item| {
            serde_json::from_value::<raw::Repository>(item.to_json()).is_ok()
        });
    }
    match serde_json::from_value::<raw::File>(readable.to_json()) {
        Ok(file) => {
            let mut builder = build::Builder {
                root: &readable,
                files: &tree.files,
                base,
                findings: Vec::new(),
            };
            config = Some(builder.config(&file));
            findings.extend(builder.findings);
        }
        Err(error) if findings.is_empty() => findings.push(Finding {
            place: tree.root.place,
            message: error.to_string(),
            hint: None,
        }),
        Err(_) => {}
    }
    let shown = |findings: Vec<Finding>| -> Vec<Diagnostic> {
        let mut findings = findings;
        findings.sort_by_key(|finding| finding.place);
        findings
            .into_iter()
            .map(|finding| diagnose(finding, &tree.files))
            .collect()
    };
    match config {
        Some(config) if findings.is_empty() => Ok(Loaded {
            config,
            warnings: shown(warnings(&tree.root)),
            files: tree.files.iter().map(|(path, _)| path.clone()).collect(),
        }),
        _ => Err(LoadError::Invalid(shown(findings))),
    }
}

fn warnings(root: &node::Node) -> Vec<Finding> {
    let mut sets = unbuilt::top(root);
    for repository in root.get("repositories").map(node::Node::items).unwrap_or_default() {
        sets.extend(unbuilt::repository(repository));
    }
    let mut warnings: Vec<Finding> = sets
        .into_iter()
        .map(|set| Finding {
            place: set.place,
            message: format!("{} is accepted but not acted on yet ({})", set.key, set.feature),
            hint: None,
        })
        .collect();
    for repository in root.get("repositories").map(node::Node::items).unwrap_or_default() {
        warnings.extend(unbuilt_values(repository));
    }
    warnings
}

/// Values, rather than keys, that this version does not act on.
fn unbuilt_values(repository: &node::Node) -> Vec<Finding> {
    let word = |path: &[&str]| match repository.at(path).map(|node| (&node.value, node.place)) {
        Some((node::Value::Text(text), place)) => Some((text.clone(), place)),
        _ => None,
    };
    let one = |place, message: String, hint: Option<&str>| Finding {
        place,
        message,
        hint: hint.map(str::to_owned),
    };
    let mut found = Vec::new();
    let mode = word(&["mode"]);
    if let Some((policy, place)) = word(&["retention", "policy"])
        && policy != "mirror"
    {
        let hint = mode.as_ref().is_some_and(|(mode, _)| mode == "mirror").then_some(
            "in mode mirror only policy mirror can be synced, since the metadata are upstream's own: `mode: filtered`",
        );
        found.push(one(
            place,
            format!("retention.policy {policy} is accepted but not acted on yet"),
            hint,
        ));
    }
    if let Some((_, place)) = mode.filter(|(mode, _)| mode == "hosted") {
        found.push(one(place, "mode hosted is accepted but not acted on yet".into(), None));
    }
    if let Some((name, place)) = word(&["type"]) {
        let built =
            serde_json::from_value::<formats::FormatName>(name.clone().into()).is_ok_and(formats::FormatName::is_built);
        if !built {
            found.push(one(
                place,
                format!("type {name} is accepted but not acted on yet"),
                None,
            ));
        }
    }
    found
}

fn diagnose(finding: Finding, files: &[(PathBuf, String)]) -> Diagnostic {
    let (file, text) = files
        .get(finding.place.file)
        .map(|(path, text)| (path.clone(), text.as_str()))
        .unwrap_or_default();
    let line = finding.place.line.max(1);
    Diagnostic {
        file,
        line,
        column: finding.place.column.max(1),
        message: finding.message,
        excerpt: masked(text.lines().nth(line - 1).unwrap_or_default()),
        hint: finding.hint,
    }
}

/// A line of the file for people, without the value of a key that holds a secret.
fn masked(line: &str) -> String {
    const SECRET: [&str; 3] = ["password", "passphrase", "token"];
    match line.split_once(':') {
        Some((key, value))
            if SECRET.iter().any(|word| key.contains(word))
                && !["env:", "file:"]
                    .iter()
                    .any(|reference| value.trim_start_matches([' ', '"', '\'']).starts_with(reference)) =>
        {
            format!("{key}: ***")
        }
        _ => line.to_owned(),
    }
}

/// The JSON Schema (draft 2020-12) of a configuration.
pub fn json_schema() -> serde_json::Value {
    let schema = schemars::schema_for!(raw::File);
    let mut value = serde_json::to_value(schema).expect("a schema is plain data");
    value["title"] = "chantal configuration".into();
    value
}

/// The commented example that `init` writes.
pub fn example() -> &'static str {
    include_str!("example.yaml")
}

/// A configuration for one feed without any file: state in `<directory>/.chantal`, the tree is `directory`.
pub fn defaults(feed: &str, directory: &Path) -> Result<Config, LoadError> {
    let state = directory.join(".chantal");
    let text = serde_json::json!({
        "storage": { "base_path": state, "published_path": directory.parent().unwrap_or(Path::new("/")) },
        "repositories": [{ "id": "mirror", "type": formats::default_name(), "mode": "filtered", "feed": feed }],
    });
    load_text(&state.join("config.yaml"), text.to_string(), &|_| None).map(|loaded| loaded.config)
}

#[cfg(test)]
mod tests;
