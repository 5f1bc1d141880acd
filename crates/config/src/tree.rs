//! Reads files into one tree: includes, variables, other names of keys, defaults.

use std::path::{Path, PathBuf};

use crate::check::Finding;
use crate::node::{Key, Node, Place, Value, parse};

/// Everything that was read.
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// Path and text of each file, by the numbers in places.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) findings: Vec<Finding>,
}

/// Reads the main file and what it includes.
pub(crate) fn read(path: &Path, text: String, env: &dyn Fn(&str) -> Option<String>) -> Tree {
    let mut tree = Tree {
        root: Node::new(Place::default(), Value::Map(Vec::new())),
        files: vec![(path.to_owned(), text)],
        findings: Vec::new(),
    };
    if let Some(root) = tree.parse(0, env) {
        tree.root = root;
        tree.include(path, env);
    }
    for node in tree.root.entries_mut().into_iter().flatten() {
        match (node.0.name.as_str(), &mut node.1) {
            ("defaults", defaults) => rename_in_repository(defaults, &mut tree.findings),
            (
                "repositories",
                Node {
                    value: Value::List(repositories),
                    ..
                },
            ) => {
                for repository in repositories {
                    rename_in_repository(repository, &mut tree.findings);
                }
            }
            _ => {}
        }
    }
    tree
}

impl Tree {
    fn parse(&mut self, file: usize, env: &dyn Fn(&str) -> Option<String>) -> Option<Node> {
        match parse(&self.files[file].1, file) {
            Ok(mut node) => {
                interpolate(&mut node, env, &mut self.findings);
                Some(node)
            }
            Err(broken) => {
                self.find(broken.place, broken.message, None);
                None
            }
        }
    }

    fn find(&mut self, place: Place, message: String, hint: Option<&str>) {
        self.findings.push(Finding {
            place,
            message,
            hint: hint.map(str::to_owned),
        });
    }

    fn include(&mut self, main: &Path, env: &dyn Fn(&str) -> Option<String>) {
        let Some(node) = self.root.get("include") else { return };
        let (place, Value::Text(pattern)) = (node.place, &node.value) else {
            return;
        };
        let pattern = pattern.clone();
        let base = main.parent().unwrap_or(Path::new("."));
        let paths = match matching(base, &pattern) {
            Ok(paths) if paths.iter().all(|path| is_same(path, main)) => {
                let absolute = base.join(&pattern);
                return self.find(
                    place,
                    format!("include {pattern:?} matches no file ({})", absolute.display()),
                    None,
                );
            }
            Ok(paths) => paths,
            Err(message) => return self.find(place, message, None),
        };
        // A pattern may match the file that it stands in.
        for path in paths.into_iter().filter(|path| !is_same(path, main)) {
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    self.files.push((path, text));
                    self.merge(self.files.len() - 1, env);
                }
                Err(error) => self.find(place, format!("cannot read {}: {error}", path.display()), None),
            }
        }
    }

    /// Adds the repositories and views of an included file.
    fn merge(&mut self, file: usize, env: &dyn Fn(&str) -> Option<String>) {
        let Some(node) = self.parse(file, env) else { return };
        let Value::Map(entries) = node.value else {
            return self.find(node.place, "an included file must be a mapping".into(), None);
        };
        for (key, value) in entries {
            if key.name != "repositories" && key.name != "views" {
                let message = format!(
                    "included files may only have repositories and views, not {:?}",
                    key.name
                );
                self.find(key.place, message, Some("put it into the main file"));
                continue;
            }
            let Value::List(items) = value.value else {
                let message = format!("{} must be a list, not {}", key.name, value.kind());
                self.find(value.place, message, None);
                continue;
            };
            let Some(root) = self.root.entries_mut() else { continue };
            match root.iter_mut().find(|(there, _)| there.name == key.name) {
                Some((
                    _,
                    Node {
                        value: Value::List(list),
                        ..
                    },
                )) => list.extend(items),
                _ => root.push((key, Node::new(value.place, Value::List(items)))),
            }
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Files that a pattern matches, in order; only the file name may hold `*` and `?`.
fn matching(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let full = base.join(pattern);
    if !pattern.contains(['*', '?', '[', '{']) {
        return Ok(if full.is_file() { vec![full] } else { Vec::new() });
    }
    let (directory, name) = (full.parent().unwrap_or(base), full.file_name().unwrap_or_default());
    if directory.to_string_lossy().contains(['*', '?', '[', '{']) {
        return Err(format!("include {pattern:?}: only the file name may hold wildcards"));
    }
    let glob = globset::Glob::new(&name.to_string_lossy())
        .map_err(|error| format!("include {pattern:?} is no pattern: {error}"))?
        .compile_matcher();
    let mut found: Vec<PathBuf> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .flatten()
            .filter(|entry| glob.is_match(Path::new(&entry.file_name())))
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect(),
        Err(_) => Vec::new(),
    };
    found.sort();
    Ok(found)
}

/// Replaces `${NAME}` by the environment's value; `$${` stands for `${`.
fn interpolate(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, findings: &mut Vec<Finding>) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => match expand(text, env) {
            Ok(expanded) => *text = expanded,
            Err(message) => findings.push(Finding {
                place: node.place,
                message,
                hint: Some("`$${` stands for `${`".into()),
            }),
        },
        Value::List(items) => items.iter_mut().for_each(|item| interpolate(item, env, findings)),
        Value::Map(entries) => entries
            .iter_mut()
            .for_each(|(_, item)| interpolate(item, env, findings)),
        _ => {}
    }
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            expanded.push_str(&rest[..at]);
            expanded.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        expanded.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let end = tail.find('}').ok_or_else(|| "\"${\" without \"}\"".to_owned())?;
        let name = &tail[..end];
        // The text itself may be a secret and is not shown.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err("\"${…}\" holds no name of an environment variable".to_owned());
        }
        expanded.push_str(&env(name).ok_or_else(|| format!("environment variable {name:?} is not set"))?);
        rest = &tail[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Gives keys that have two names their first one.
fn rename_in_repository(node: &mut Node, findings: &mut Vec<Finding>) {
    rename(node, "upstream", "feed", findings);
    if let Some(entries) = node.entries_mut() {
        for (key, value) in entries.iter_mut() {
            match key.name.as_str() {
                "retention" => rename(value, "keep_versions", "keep_count", findings),
                "filters" => lift_legacy_filters(value, findings),
                _ => {}
            }
        }
    }
}

fn rename(node: &mut Node, alias: &str, name: &str, findings: &mut Vec<Finding>) {
    let both = node.get(name).is_some();
    let Some(entries) = node.entries_mut() else { return };
    let Some((key, _)) = entries.iter_mut().find(|(key, _)| key.name == alias) else {
        return;
    };
    if both {
        findings.push(Finding {
            place: key.place,
            message: format!("{alias:?} and {name:?} are the same key; give one"),
            hint: None,
        });
        entries.retain(|(key, _)| key.name != alias);
        return;
    }
    name.clone_into(&mut key.name);
}

/// Flat filter keys of old files, and where they belong.
const LEGACY: [(&str, &[&str], &str); 4] = [
    ("include_packages", &["patterns"], "include"),
    ("exclude_packages", &["patterns"], "exclude"),
    ("include_architectures", &["metadata", "architectures"], "include"),
    ("exclude_architectures", &["metadata", "architectures"], "exclude"),
];

fn lift_legacy_filters(filters: &mut Node, findings: &mut Vec<Finding>) {
    for (legacy, blocks, name) in LEGACY {
        let Some(entries) = filters.entries_mut() else { return };
        let Some(at) = entries.iter().position(|(key, _)| key.name == legacy) else {
            continue;
        };
        let (key, value) = entries.remove(at);
        let mut block = &mut *filters;
        for step in blocks {
            block = child(block, step, key.place);
        }
        if block.get(name).is_some() {
            findings.push(Finding {
                place: key.place,
                message: format!(
                    "{legacy:?} and \"{}.{name}\" are the same key; give one",
                    blocks.join(".")
                ),
                hint: None,
            });
        } else if let Some(entries) = block.entries_mut() {
            entries.push((
                Key {
                    name: name.to_owned(),
                    place: key.place,
                },
                value,
            ));
        }
    }
}

/// The mapping under a key, made where it is missing.
fn child<'a>(node: &'a mut Node, name: &str, place: Place) -> &'a mut Node {
    if node.get(name).is_none() {
        let entry = (
            Key {
                name: name.to_owned(),
                place,
            },
            Node::new(place, Value::Map(Vec::new())),
        );
        match &mut node.value {
            Value::Map(entries) => entries.push(entry),
            other => *other = Value::Map(vec![entry]),
        }
    }
    let entries = node.entries_mut().expect("it is a mapping now");
    &mut entries
        .iter_mut()
        .find(|(key, _)| key.name == name)
        .expect("it was just made")
        .1
}
