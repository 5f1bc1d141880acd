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
mod header;
mod inherit;
mod mask;
mod matrix;
mod node;
mod raw;
mod reference;
mod schema;
mod secret;
mod show;
mod stripped;
mod tree;
mod unbuilt;
mod units;

pub use diagnostic::{Diagnostic, LoadError};
pub use effective::{
    Auth, Backups, BuildTime, Config, Database, Download, Feed, FeedKind, FieldChoice, Filters, Guards, Keep, KeyFile,
    Limits, Log, Metadata, Notify, NotifyTarget, Proxy, Publish, Repository, Retention, Revisions, Scheduled,
    SnapshotRetention, Ssl, Storage, Words,
};
pub use header::is_header_value;
pub use raw::{Durability, LinkMode, LogFormat, LogLevel, NotifyOn, OnPackageError};
pub use reference::reference_markdown;
pub use secret::{Secret, SecretError};
pub use stripped::without_secrets;
pub use unbuilt::Unbuilt;

use std::path::{Path, PathBuf};

use check::Finding;

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Keys that this version does not act on, and what else deserves a look.
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
    let schema = schema::schema();
    let mut tree = tree::read(path, text, env);
    check::coerce(schema, &mut tree.root);
    let mut findings = std::mem::take(&mut tree.findings);
    // As they are written: a matrix may change them.
    let secrets = mask::secrets(&tree.root);
    let completed = inherit::complete(schema, &mut tree.root, &mut findings);
    check::coerce(schema, &mut tree.root);
    findings.extend(check::check(schema, &tree.root));
    let mut warned = warnings(&tree.root);
    let config = build(path, &tree, completed, &mut findings, &mut warned);
    let shown = |findings| diagnostics(findings, &tree, &secrets);
    match config {
        Some(config) if findings.is_empty() => Ok(Loaded {
            config,
            warnings: shown(warned),
            files: tree.files.iter().map(|(path, _)| path.clone()).collect(),
        }),
        _ => Err(LoadError::Invalid(shown(findings))),
    }
}

/// Reads the tree into types and checks what only makes sense together.
fn build(
    path: &Path,
    tree: &tree::Tree,
    completed: inherit::Completed,
    findings: &mut Vec<Finding>,
    warnings: &mut Vec<Finding>,
) -> Option<Config> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
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
                whole: &tree.root,
                refused: &places,
                files: &tree.files,
                base: absolute.parent().unwrap_or(Path::new("/")),
                completed,
                findings: Vec::new(),
                warnings: Vec::new(),
            };
            let config = builder.config(&file);
            findings.extend(builder.findings);
            warnings.extend(builder.warnings);
            Some(config)
        }
        Err(error) if findings.is_empty() => {
            findings.push(Finding {
                place: tree.root.place,
                message: error.to_string(),
                hint: None,
            });
            None
        }
        Err(_) => None,
    }
}

fn warnings(root: &node::Node) -> Vec<Finding> {
    let repositories = root.get("repositories").map(node::Node::items).unwrap_or_default();
    let mut sets = unbuilt::top(root);
    sets.extend(repositories.iter().flat_map(unbuilt::repository));
    let unbuilt = sets.into_iter().map(|set| Finding {
        place: set.place,
        message: format!("{} is accepted but not acted on ({})", set.key, set.why),
        hint: set.hint.map(str::to_owned),
    });
    let moot = unbuilt::moot(root).into_iter().map(|(key, place, why)| Finding {
        place,
        message: format!("{key} has nothing to do here: {why}"),
        hint: Some("it can be taken out".to_owned()),
    });
    unbuilt.chain(moot).collect()
}

/// Findings for people, each once, in the order of files and lines.
fn diagnostics(mut findings: Vec<Finding>, tree: &tree::Tree, written: &[(node::Place, String)]) -> Vec<Diagnostic> {
    findings.sort_by(|one, other| (one.place, &one.message).cmp(&(other.place, &other.message)));
    findings.dedup_by(|one, other| one.place == other.place && one.message == other.message);
    let mut secrets = mask::secrets(&tree.root);
    secrets.extend_from_slice(written);
    let diagnose = |finding: Finding| {
        let (file, text) = tree
            .files
            .get(finding.place.file)
            .map(|(path, text)| (path.clone(), text.as_str()))
            .unwrap_or_default();
        let line = finding.place.line.max(1);
        let excerpt = text.lines().nth(line - 1).unwrap_or_default();
        Diagnostic {
            file,
            line,
            column: finding.place.column.max(1),
            message: finding.message,
            excerpt: mask::line(excerpt, finding.place.file, line, &secrets),
            hint: finding.hint,
        }
    };
    findings.into_iter().map(diagnose).collect()
}

/// [`json_schema`] without what is only for people: what `schema.json` has. Reading it takes a small part of the time that
/// making it takes.
pub fn checked_schema() -> serde_json::Value {
    let mut schema = json_schema();
    strip(&mut schema);
    schema
}

/// Takes texts out of a schema. Below `properties` and `$defs` keys are names, and one of them is `description`.
fn strip(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(keys) => {
            keys.retain(|key, value| {
                !(matches!(key.as_str(), "description" | "title" | "$schema") && value.is_string())
            });
            keys.values_mut().for_each(strip);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The JSON Schema (draft 2020-12) of a configuration, made from the types that it is read into.
pub fn json_schema() -> serde_json::Value {
    let schema = schemars::schema_for!(raw::File);
    let mut value = serde_json::to_value(schema).expect("a schema is plain data");
    value["title"] = "chantal configuration".into();
    value
}

/// Reads a duration as the configuration has them: `90s`, `12h`, `7d`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    units::duration(text)
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
