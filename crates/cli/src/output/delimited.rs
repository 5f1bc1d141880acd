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

/// A record and the lists in it in one table. The first column says what a row is: `summary` or the name of its list; a
/// value has the column of its name, in whichever of them it is.
pub(super) fn sections(
    record: &Value,
    columns: &[Column],
    sections: &[(&str, &str, &[Column])],
) -> Result<String, Failure> {
    let mut keys: Vec<&str> = Vec::new();
    for column in sections
        .iter()
        .fold(columns.to_vec(), |all, one| [&all, one.2].concat())
    {
        if !keys.contains(&column.key) {
            keys.push(column.key);
        }
    }
    let line = |section: &str, row: &Value, columns: &[Column]| {
        let value = |key: &&str| {
            let is_own = columns.iter().any(|column| column.key == *key);
            if is_own { cell(at(row, key)) } else { String::new() }
        };
        [section.to_owned()].into_iter().chain(keys.iter().map(value)).collect()
    };
    let header = ["section"].iter().chain(&keys);
    let mut lines: Vec<Vec<String>> = vec![header.map(|key| (*key).to_owned()).collect()];
    if !columns.is_empty() {
        lines.push(line("summary", record, columns));
    }
    for (_, key, columns) in sections {
        let rows = at(record, key).as_array().map(Vec::as_slice).unwrap_or_default();
        lines.extend(rows.iter().map(|row| line(key, row, columns)));
    }
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
