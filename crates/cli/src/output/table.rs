//! Aligned columns for people.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::{Column, Show, at, clean, human};

/// Rows under a header; nothing where there are none.
pub(super) fn rows(rows: &[Value], columns: &[Column], color: bool) -> String {
    rows_within(rows, columns, color, None)
}

/// How wide the terminal is, if there is one.
pub(super) fn terminal_width() -> Option<u16> {
    Table::new().width()
}

/// The same; with a width, long cells go on in the next line.
pub(super) fn rows_within(rows: &[Value], columns: &[Column], color: bool, width: Option<u16>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns: Vec<&Column> = columns.iter().filter(|column| column.show != Show::CsvOnly).collect();
    let mut table = plain(color);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table.set_header(columns.iter().map(|column| heading(column.title)).collect::<Vec<_>>());
    for row in rows {
        table.add_row(
            columns
                .iter()
                .map(|column| cell(at(row, column.key), column.show))
                .collect::<Vec<_>>(),
        );
    }
    for (index, column) in columns.iter().enumerate() {
        let right = matches!(column.show, Show::Count | Show::Bytes | Show::Duration);
        if let Some(layout) = table.column_mut(index) {
            layout.set_padding((0, if index + 1 == columns.len() { 0 } else { 2 }));
            if right {
                layout.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    lines(&table)
}

/// One line per column: title and value. Values that are not there are left out.
pub(super) fn record(record: &Value, columns: &[Column], color: bool) -> String {
    let mut table = plain(color);
    for column in columns.iter().filter(|column| column.show != Show::CsvOnly) {
        let shown = cell(at(record, column.key), column.show);
        if !shown.is_empty() {
            table.add_row([heading(column.title), Cell::new(shown)]);
        }
    }
    for (index, padding) in [(0, 2), (1, 0)] {
        if let Some(layout) = table.column_mut(index) {
            layout.set_padding((0, padding));
        }
    }
    lines(&table)
}

fn plain(color: bool) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn lines(table: &Table) -> String {
    let mut text = table.trim_fmt();
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn heading(title: &str) -> Cell {
    Cell::new(title).add_attribute(Attribute::Bold)
}

fn cell(value: &Value, show: Show) -> String {
    let number = value.as_u64();
    match (show, number, value) {
        (_, _, Value::Null) => String::new(),
        (Show::Count, Some(number), _) => human::count(number),
        (Show::Bytes, Some(number), _) => human::bytes(number),
        (Show::Duration, Some(number), _) => human::duration(number),
        (Show::Revision, Some(number), _) => format!("r{number}"),
        (Show::Flag, _, Value::Bool(flag)) => if *flag { "yes" } else { "" }.to_owned(),
        (Show::Time, _, Value::String(text)) => human::time(&clean::line(text)),
        (Show::List, _, Value::Array(list)) => list
            .iter()
            .map(|one| cell(one, Show::Text))
            .collect::<Vec<_>>()
            .join(", "),
        (_, _, Value::String(text)) => clean::line(text).into_owned(),
        (_, _, other) => clean::line(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::column;
    use super::*;
    use serde_json::json;

    #[test]
    fn long_cells_go_on_in_the_next_line_where_the_width_is_known() {
        let columns = [
            column("Check", "check", Show::Text),
            column("Found", "found", Show::Text),
            column("What to do", "hint", Show::Text),
        ];
        let rows = [
            json!({"check": "clock", "found": "right", "hint": null}),
            json!({"check": "weaknesses", "found": "certificates are not checked by anybody at all", "hint": "check them"}),
        ];
        let text = rows_within(&rows, &columns, false, Some(40));
        insta::assert_snapshot!(text, @"
        Check       Found             What to do
        clock       right
        weaknesses  certificates are  check them
                    not checked by
                    anybody at all
        ");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }
}
