//! The reference of all keys, generated from the schema.

use std::fmt::Write;

use serde_json::Value;

use crate::unbuilt;

/// `docs/reference/configuration.md`.
pub fn reference_markdown() -> String {
    let schema = crate::json_schema();
    let mut text = String::from(
        "# Configuration reference\n\nGenerated from the program's own types by `make docs`; a test compares. `[]` marks \
         a list. Keys and words marked † are accepted and not acted on: `config validate` says why, and a repository \
         that sets one to something other than its default is refused with exit 2. Those marked ‡ come from configurations of \
         Chantal 1.x and have nothing to do: the pool keeps metadata by digest, so that nothing is fetched twice.\n\n\
         | key | type | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for leaf in leaves(&schema) {
        let mark = match (is_unbuilt(&leaf.key), is_moot(&leaf.key)) {
            (true, _) => " †",
            (_, true) => " ‡",
            _ => "",
        };
        let default = leaf.default.map_or_else(String::new, |default| match default {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        });
        let meaning = leaf.meaning.replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| `{}`{mark} | {} | {default} | {meaning} |", leaf.key, leaf.kind);
    }
    text
}

/// A key of the schema that has no keys below it.
pub(crate) struct Leaf {
    /// Path; `[]` marks a list of mappings.
    pub(crate) key: String,
    /// Its type, for people.
    pub(crate) kind: String,
    /// What holds where it is not set, if that is one value.
    pub(crate) default: Option<Value>,
    /// Its description.
    pub(crate) meaning: String,
}

/// Every key with its type, default and meaning.
pub(crate) fn leaves(schema: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(schema, schema, "", &mut found, 0);
    found
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = match schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        Some(path) => root.pointer(path).unwrap_or(schema),
        None => schema,
    };
    match schema["anyOf"].as_array() {
        // An optional value: the other choice is null.
        Some(choices) if choices.iter().any(|choice| choice["type"] == "null") => choices
            .iter()
            .find(|choice| choice["type"] != "null")
            .map_or(schema, |choice| resolve(root, choice)),
        _ => schema,
    }
}

fn walk(root: &Value, schema: &Value, path: &str, found: &mut Vec<Leaf>, depth: usize) {
    let schema = resolve(root, schema);
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, property) in properties {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let inner = resolve(root, property);
        let meaning = [property, inner]
            .iter()
            .find_map(|schema| schema["description"].as_str())
            .unwrap_or_default();
        let items = &inner["items"];
        // The same keys again as below `repositories`.
        let is_repeated = key == "defaults";
        if inner["properties"].is_object() && depth < 8 && !is_repeated {
            walk(root, inner, &key, found, depth + 1);
        } else if resolve(root, items)["properties"].is_object() {
            walk(root, items, &format!("{key}[]"), found, depth + 1);
        } else {
            let kind = if is_repeated {
                "mapping".to_owned()
            } else {
                marked(&key, &kind(root, inner))
            };
            found.push(Leaf {
                key,
                kind,
                default: property.get("default").cloned(),
                meaning: meaning.to_owned(),
            });
        }
    }
}

/// The words of a type, those that are not acted on marked.
fn marked(key: &str, kind: &str) -> String {
    let mark = |word: &str| match word.split('`').nth(1) {
        Some(inner) if unbuilt::is_unbuilt_word(key, inner) => format!("{word} †"),
        _ => word.to_owned(),
    };
    let words: Vec<String> = kind.split(", ").map(mark).collect();
    words.join(", ")
}

fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(words) = words(schema) {
        return words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices
            .iter()
            .map(|choice| kind(root, choice))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .filter(|word| *word != "null")
            .collect(),
        _ => vec!["any"],
    };
    let word = types.join(" or ").replace("string", "text");
    match word.as_str() {
        "array" => format!("list of {}", kind(root, &schema["items"])),
        "object" => "mapping".to_owned(),
        _ => word,
    }
}

fn words(schema: &Value) -> Option<Vec<String>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(
            words
                .iter()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
        );
    }
    let choices = schema["oneOf"].as_array()?;
    let mut words = Vec::new();
    for choice in choices {
        match choice["const"].as_str() {
            Some(word) => words.push(word.to_owned()),
            None => words.extend(
                choice["enum"]
                    .as_array()?
                    .iter()
                    .filter_map(|word| word.as_str().map(str::to_owned)),
            ),
        }
    }
    Some(words)
}

/// Whether a key, as [`leaves`] writes it, is in the table of those that are not acted on.
pub(crate) fn is_unbuilt(key: &str) -> bool {
    unbuilt::TOP.iter().any(|(entry, _, _)| below(key, entry))
        || key.strip_prefix("repositories[].").is_some_and(|key| {
            unbuilt::REPOSITORY
                .iter()
                .chain(crate::formats::UNBUILT)
                .any(|(entry, _)| below(key, entry))
        })
}

/// Whether a key has nothing to do in this program.
pub(crate) fn is_moot(key: &str) -> bool {
    unbuilt::MOOT.iter().any(|entry| below(key, entry))
}

/// Whether a key is `entry`, or below it.
fn below(key: &str, entry: &str) -> bool {
    key == entry || key.starts_with(&format!("{entry}.")) || key.starts_with(&format!("{entry}[]"))
}
