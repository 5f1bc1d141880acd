//! CSV: bare values under the names that JSON has.

use serde_json::Value;

use super::{Column, at, unwritable};
use crate::failure::Failure;

/// A header and one line per row.
pub(super) fn csv(rows: &[Value], columns: &[Column]) -> Result<String, Failure> {
    let mut lines = vec![columns.iter().map(|column| column.key.to_owned()).collect::<Vec<_>>()];
    lines.extend(
        rows.iter()
            .map(|row| columns.iter().map(|column| cell(at(row, column.key))).collect()),
    );
    encode(&lines)
}

/// One line per leaf of a tree: its dotted path and its value.
pub(super) fn leaves(tree: &Value) -> Result<String, Failure> {
    let mut lines = vec![vec!["key".to_owned(), "value".to_owned()]];
    walk(String::new(), tree, &mut lines);
    encode(&lines)
}

fn walk(path: String, value: &Value, lines: &mut Vec<Vec<String>>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| walk(below(key), value, lines)),
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| walk(below(&index.to_string()), value, lines));
        }
        leaf => lines.push(vec![path, cell(leaf)]),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) if !list.iter().any(|one| one.is_object() || one.is_array()) => {
            list.iter().map(cell).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

fn encode(lines: &[Vec<String>]) -> Result<String, Failure> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(|error| unwritable(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.error()))?;
    String::from_utf8(bytes).map_err(|error| unwritable(&error))
}
