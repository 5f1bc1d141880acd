//! Checks a tree against the JSON Schema that the types derive, and finds everything that is wrong at once.

use serde_json::Value as Json;

use crate::node::{Node, Place, Value};
use crate::schema::Schema;

/// Something wrong at a place.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Checks a tree; the schema is the subset that `schemars` writes.
pub(crate) fn check(schema: &Schema, tree: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    Checker { all: schema }.node(schema.root(), tree, "", &mut findings);
    findings
}

/// Reads text as the switch or number that the schema wants: `yes`, `off`, `"8"`, and what variables put in.
pub(crate) fn coerce(schema: &Schema, tree: &mut Node) {
    Checker { all: schema }.coerce(schema.root(), tree);
}

struct Checker<'a> {
    all: &'a Schema,
}

impl<'a> Checker<'a> {
    /// The schemas that a value may have, references and choices followed.
    fn choices(&self, schema: &'a Json) -> Vec<&'a Json> {
        let schema = self.all.resolve(schema);
        let choices = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        choices.map_or_else(
            || vec![schema],
            |choices| choices.iter().flat_map(|choice| self.choices(choice)).collect(),
        )
    }

    fn coerce(&self, schema: &'a Json, node: &mut Node) {
        let choices = self.choices(schema);
        let wants = |word: &str| choices.iter().any(|choice| type_words(choice).contains(&word));
        match &mut node.value {
            Value::Text(_) if wants("string") || choices.iter().any(|choice| words(choice).is_some()) => {}
            Value::Text(text) => {
                let switch = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "true" => Some(true),
                    "no" | "off" | "false" => Some(false),
                    _ => None,
                };
                let number = text.trim().parse().ok();
                if let Some(switch) = switch.filter(|_| wants("boolean")) {
                    node.value = Value::Bool(switch);
                } else if let Some(number) = number.filter(|_| wants("integer")) {
                    node.value = Value::Int(number);
                }
            }
            Value::List(items) => {
                let schema = choices
                    .iter()
                    .map(|choice| &choice["items"])
                    .find(|items| items.is_object());
                if let Some(schema) = schema {
                    for item in items {
                        self.coerce(schema, item);
                    }
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    let property = |choice: &&'a Json| choice["properties"].get(&key.name);
                    if let Some(schema) = choices.iter().find_map(property) {
                        self.coerce(schema, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn node(&self, schema: &'a Json, node: &Node, path: &str, findings: &mut Vec<Finding>) {
        let schema = self.all.resolve(schema);
        for word in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[word].as_array() {
                return self.one_of(choices, node, path, findings);
            }
        }
        if let Some(words) = words(schema) {
            return literal(&words, node, path, findings);
        }
        if !has_type(schema, node) {
            findings.push(Finding {
                place: node.place,
                message: format!(
                    "{} must be {}, not {}",
                    named(path),
                    types(schema).join(" or "),
                    node.kind()
                ),
                hint: None,
            });
            return;
        }
        match &node.value {
            Value::Map(_) => self.map(schema, node, path, findings),
            Value::List(items) if !schema["items"].is_null() => {
                for item in items {
                    self.node(&schema["items"], item, path, findings);
                }
            }
            Value::Int(number) => range(schema, *number as f64, node, path, findings),
            Value::Float(number) => range(schema, *number, node, path, findings),
            _ => {}
        }
    }

    fn one_of(&self, choices: &'a [Json], node: &Node, path: &str, findings: &mut Vec<Finding>) {
        let mut best: Option<Vec<Finding>> = None;
        let mut all_words = Vec::new();
        let mut all_types = Vec::new();
        for choice in choices {
            let mut found = Vec::new();
            self.node(choice, node, path, &mut found);
            if found.is_empty() {
                return;
            }
            let choice = self.all.resolve(choice);
            all_words.extend(words(choice).unwrap_or_default());
            all_types.extend(types(choice));
            // What has the right type says best what is wrong.
            let fits = words(choice).is_none() && has_type(choice, node);
            if fits && best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        match best {
            Some(best) => findings.extend(best),
            None if !all_words.is_empty() => literal(&all_words, node, path, findings),
            None => findings.push(Finding {
                place: node.place,
                message: format!(
                    "{} must be {}, not {}",
                    named(path),
                    all_types.join(" or "),
                    node.kind()
                ),
                hint: None,
            }),
        }
    }

    fn map(&self, schema: &'a Json, node: &Node, path: &str, findings: &mut Vec<Finding>) {
        let Value::Map(entries) = &node.value else { return };
        let properties = schema["properties"].as_object();
        for (key, value) in entries {
            let inner = if path.is_empty() {
                key.name.clone()
            } else {
                format!("{path}.{}", key.name)
            };
            if let Some(property) = properties.and_then(|properties| properties.get(&key.name)) {
                self.node(property, value, &inner, findings);
            } else if schema["additionalProperties"].is_object() {
                self.node(&schema["additionalProperties"], value, &inner, findings);
            } else if schema["additionalProperties"] == Json::Bool(false) {
                let known: Vec<&str> = properties
                    .into_iter()
                    .flat_map(|p| p.keys().map(String::as_str))
                    .collect();
                findings.push(Finding {
                    place: key.place,
                    message: match path {
                        "" => format!("unknown key {:?}", key.name),
                        _ => format!("unknown key {:?} in {path}", key.name),
                    },
                    hint: similar(&key.name, &known).map(|near| format!("did you mean `{near}`?")),
                });
            }
        }
        for required in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            if node.get(required).is_none() {
                findings.push(Finding {
                    place: node.place,
                    message: format!("{} needs {required:?}", named(path)),
                    hint: None,
                });
            }
        }
    }
}

fn named(path: &str) -> &str {
    if path.is_empty() { "the configuration" } else { path }
}

fn range(schema: &Json, number: f64, node: &Node, path: &str, findings: &mut Vec<Finding>) {
    let bound = |word: &str| schema[word].as_f64();
    let largest = match schema["format"].as_str() {
        Some("uint32") => Some(f64::from(u32::MAX)),
        _ => None,
    };
    let wrong = match (bound("minimum"), bound("maximum").or(largest)) {
        (Some(minimum), _) if number < minimum => format!("at least {minimum}"),
        (_, Some(maximum)) if number > maximum => format!("at most {maximum}"),
        _ => return,
    };
    findings.push(Finding {
        place: node.place,
        message: format!("{} must be {wrong}, not {number}", named(path)),
        hint: None,
    });
}

/// The words that a schema allows, if it is a choice of words.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    let words: Vec<&str> = schema["enum"].as_array()?.iter().filter_map(Json::as_str).collect();
    Some(words)
}

fn literal(words: &[&str], node: &Node, path: &str, findings: &mut Vec<Finding>) {
    let shown = match &node.value {
        Value::Text(text) if words.contains(&text.as_str()) => return,
        Value::Text(text) => format!("{text:?}"),
        _ => node.kind().to_owned(),
    };
    let hint = match &node.value {
        Value::Text(text) => similar(text, words).map(|near| format!("did you mean `{near}`?")),
        _ => None,
    };
    findings.push(Finding {
        place: node.place,
        message: format!("{} must be {}, not {shown}", named(path), words.join(" or ")),
        hint,
    });
}

fn type_words(schema: &Json) -> Vec<&str> {
    match &schema["type"] {
        Json::String(word) => vec![word],
        Json::Array(words) => words.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn types(schema: &Json) -> Vec<&'static str> {
    type_words(schema)
        .into_iter()
        .filter_map(|word| match word {
            "string" => Some("text"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            "boolean" => Some("true or false"),
            "array" => Some("a list"),
            "object" => Some("a mapping"),
            _ => None,
        })
        .collect()
}

fn has_type(schema: &Json, node: &Node) -> bool {
    let words = type_words(schema);
    words.is_empty()
        || words.into_iter().any(|word| {
            matches!(
                (word, &node.value),
                ("string", Value::Text(_))
                    | ("integer" | "number", Value::Int(_))
                    | ("number", Value::Float(_))
                    | ("boolean", Value::Bool(_))
                    | ("array", Value::List(_))
                    | ("object", Value::Map(_))
                    | ("null", Value::Null)
            )
        })
}

/// The known word that was probably meant.
pub(crate) fn similar<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|one| (strsim::damerau_levenshtein(word, one), *one))
        .filter(|(distance, one)| *distance <= 1 + one.len() / 4)
        .min()
        .map(|(_, one)| one)
}
