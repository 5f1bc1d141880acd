//! Rows as lines: a JSON array each, bytes in base64.

use std::io::{self, BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chantal_catalog::{Cell, Column, ColumnKind};
use serde_json::Value;

/// A longer line is none of ours: the largest value is a pack of 128 records.
const LONGEST_LINE: u64 = 1 << 30;

/// A row as a line.
pub(super) fn line(row: &[Cell]) -> Vec<u8> {
    let values = row.iter().map(|cell| match cell {
        Cell::Null => Value::Null,
        Cell::Number(value) => Value::from(*value),
        Cell::Text(text) => Value::String(text.clone()),
        Cell::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
    });
    let mut line = Value::Array(values.collect()).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The next row; `None` at the end.
///
/// # Errors
/// What is wrong with it.
pub(super) fn next(from: &mut impl BufRead, columns: &[Column]) -> Result<Option<Vec<Cell>>, String> {
    let mut text = Vec::new();
    let read = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text);
    match read.map_err(|error: io::Error| error.to_string())? {
        0 => return Ok(None),
        _ if text.last() != Some(&b'\n') => return Err("a row has no end".into()),
        _ => {}
    }
    let values: Vec<Value> = serde_json::from_slice(&text).map_err(|error| format!("a row is no list: {error}"))?;
    if values.len() != columns.len() {
        return Err(format!("a row has {} values, not {}", values.len(), columns.len()));
    }
    let cells = values
        .into_iter()
        .zip(columns)
        .map(|(value, column)| cell(value, column));
    cells.collect::<Result<Vec<_>, _>>().map(Some)
}

fn cell(value: Value, column: &Column) -> Result<Cell, String> {
    let wrong = || format!("a value of {} is of another kind", column.name);
    Ok(match (value, column.kind) {
        (Value::Null, _) => Cell::Null,
        (Value::Number(number), ColumnKind::Number) => Cell::Number(number.as_i64().ok_or_else(wrong)?),
        (Value::String(text), ColumnKind::Text) => Cell::Text(text),
        (Value::String(text), ColumnKind::Bytes) => Cell::Bytes(STANDARD.decode(text).map_err(|_| wrong())?),
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        [ColumnKind::Number, ColumnKind::Text, ColumnKind::Bytes]
            .map(|kind| Column { name: "c".into(), kind })
            .to_vec()
    }

    #[test]
    fn every_value_comes_back() {
        let rows = [
            vec![
                Cell::Number(i64::MAX),
                Cell::Text("ä\n\"\u{0}".into()),
                Cell::Bytes(vec![0, 255, 10]),
            ],
            vec![
                Cell::Number(i64::MIN),
                Cell::Text(String::new()),
                Cell::Bytes(Vec::new()),
            ],
            vec![Cell::Null, Cell::Null, Cell::Null],
        ];
        let text: Vec<u8> = rows.iter().flat_map(|row| line(row)).collect();
        let mut from = &text[..];
        for row in rows {
            assert_eq!(next(&mut from, &columns()), Ok(Some(row)));
        }
        assert_eq!(next(&mut from, &columns()), Ok(None));
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        for text in [
            "[1,\"a\"]\n",
            "[1,\"a\",\"!\"]\n",
            "[1.5,\"\",\"\"]\n",
            "[1,2,\"\"]\n",
            "{}\n",
            "[1,\"\",\"\"]",
        ] {
            assert!(next(&mut text.as_bytes(), &columns()).is_err(), "{text}");
        }
    }
}
