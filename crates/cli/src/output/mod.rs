//! Data on stdout: one value, four formats.
//!
//! A command hands over what it found and which columns people want to see; the same columns make the table and the
//! CSV header, so both stay in step. JSON and YAML carry the whole value.

pub(crate) mod clean;
mod delimited;
pub(crate) mod human;
mod table;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use crate::exit;
use crate::failure::Failure;

/// How data are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    Table,
    /// JSON, a documented contract (docs/reference/json)
    Json,
    /// Comma-separated values with a header
    Csv,
    /// YAML
    Yaml,
}

/// How a value is shown in a table. CSV always carries the bare value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// As it is.
    Text,
    /// A number with its thousands apart.
    Count,
    /// Bytes with a unit.
    Bytes,
    /// A time to the minute.
    Time,
    /// Milliseconds with a unit.
    Duration,
    /// `r12`.
    Revision,
    /// `yes` or nothing.
    Flag,
    /// Values of a list with commas between.
    List,
    /// Only in CSV.
    CsvOnly,
}

/// A column of a listing, or a line of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Header of the table.
    pub(crate) title: &'static str,
    /// Where the value is in the JSON form, with dots between; the header of CSV.
    pub(crate) key: &'static str,
    /// How a table shows it.
    pub(crate) show: Show,
}

/// Makes a [`Column`].
pub(crate) const fn column(title: &'static str, key: &'static str, show: Show) -> Column {
    Column { title, key, show }
}

/// The value at a dotted path.
fn at<'v>(value: &'v Value, key: &str) -> &'v Value {
    key.split('.').fold(value, |value, part| &value[part])
}

/// Where data go.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    explicit: bool,
    terminal: bool,
    color: bool,
}

impl Output {
    /// Decides from the command line and from what stdout is.
    pub(crate) fn new(format: Option<Format>, color: bool) -> Self {
        Self {
            format: format.unwrap_or(Format::Table),
            explicit: format.is_some(),
            terminal: std::io::stdout().is_terminal(),
            color,
        }
    }

    /// Whether the user asked for a format.
    pub(crate) fn explicit(&self) -> bool {
        self.explicit
    }

    /// The format.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes rows. An empty table says nothing on stdout.
    pub(crate) fn rows<T: Serialize>(&self, rows: &[T], columns: &[Column]) -> Result<(), Failure> {
        self.write(&self.render_rows(&value(&rows)?, columns)?)
    }

    /// The same for long texts: on a terminal, cells break where its lines end.
    pub(crate) fn wrapped<T: Serialize>(&self, rows: &[T], columns: &[Column]) -> Result<(), Failure> {
        let rows = value(&rows)?;
        match (self.format, rows.as_array()) {
            (Format::Table, Some(list)) => {
                let width = self.terminal.then(table::terminal_width).flatten();
                self.write(&table::rows_within(list, columns, self.color, width))
            }
            _ => self.write(&self.render_rows(&rows, columns)?),
        }
    }

    /// Writes one record.
    pub(crate) fn record<T: Serialize>(&self, record: &T, columns: &[Column]) -> Result<(), Failure> {
        let record = value(record)?;
        let text = match self.format {
            Format::Table => table::record(&record, columns, self.color),
            Format::Csv => delimited::csv(std::slice::from_ref(&record), columns)?,
            Format::Json | Format::Yaml => self.whole(&record)?,
        };
        self.write(&text)
    }

    /// Writes records that have much to say: one below the other in a table.
    pub(crate) fn records<T: Serialize>(&self, records: &[T], columns: &[Column]) -> Result<(), Failure> {
        if self.format != Format::Table {
            return self.rows(records, columns);
        }
        let mut shown = Vec::with_capacity(records.len());
        for record in records {
            shown.push(table::record(&value(record)?, columns, self.color));
        }
        self.write(&shown.join("\n"))
    }

    /// Writes a record with lists in it: sections below it in a table; in CSV a column that says of each row which it is.
    pub(crate) fn sections<T: Serialize>(
        &self,
        record: &T,
        columns: &[Column],
        sections: &[(&str, &str, &[Column])],
    ) -> Result<(), Failure> {
        let record = value(record)?;
        let list = |key: &str| at(&record, key).as_array().cloned().unwrap_or_default();
        let text = match (self.format, sections) {
            (Format::Table, _) => {
                let mut text = table::record(&record, columns, self.color);
                for (title, key, columns) in sections {
                    let rows = list(key);
                    if !rows.is_empty() {
                        let gap = if text.is_empty() { "" } else { "\n" };
                        let _ = writeln!(text, "{gap}{title}:");
                        text.push_str(&table::rows(&rows, columns, self.color));
                    }
                }
                text
            }
            (Format::Csv, [(_, key, of_rows)]) if columns.is_empty() => delimited::csv(&list(key), of_rows)?,
            (Format::Csv, _) => delimited::sections(&record, columns, sections)?,
            _ => self.whole(&record)?,
        };
        self.write(&text)
    }

    /// Writes a value that has no columns: YAML where a table is asked for, key and value where CSV is.
    pub(crate) fn tree<T: Serialize>(&self, tree: &T) -> Result<(), Failure> {
        let tree = value(tree)?;
        let text = match self.format {
            Format::Csv => delimited::leaves(&tree)?,
            Format::Json => self.whole(&tree)?,
            Format::Table | Format::Yaml => yaml(&tree)?,
        };
        self.write(&text)
    }

    /// Writes text that is the data itself.
    pub(crate) fn raw(&self, text: &str) -> Result<(), Failure> {
        self.write(text)
    }

    fn render_rows(&self, rows: &Value, columns: &[Column]) -> Result<String, Failure> {
        let list = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        match self.format {
            Format::Table => Ok(table::rows(list, columns, self.color)),
            Format::Csv => delimited::csv(list, columns),
            Format::Json | Format::Yaml => self.whole(rows),
        }
    }

    fn whole(&self, value: &Value) -> Result<String, Failure> {
        if self.format == Format::Yaml {
            return yaml(value);
        }
        let text = serde_json::to_string_pretty(value).map_err(|error| unwritable(&error))?;
        Ok(format!("{}\n", if self.terminal { clean::json(&text) } else { text }))
    }

    /// Writes to stdout. A reader that has gone away is no failure: it has what it wanted.
    fn write(&self, text: &str) -> Result<(), Failure> {
        let text = match (self.terminal, self.format) {
            (true, Format::Csv | Format::Yaml) => clean::text(text),
            _ => text.into(),
        };
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(exit::INTERNAL, "cannot write to stdout").because(&error))
            }
            _ => Ok(()),
        }
    }
}

/// Rows as a table for people, wherever data go.
pub(crate) fn table_of<T: Serialize>(rows: &[T], columns: &[Column], color: bool) -> Result<String, Failure> {
    let rows = value(&rows)?;
    Ok(table::rows(
        rows.as_array().map(Vec::as_slice).unwrap_or_default(),
        columns,
        color,
    ))
}

fn value<T: Serialize>(data: &T) -> Result<Value, Failure> {
    serde_json::to_value(data).map_err(|error| unwritable(&error))
}

fn yaml(value: &Value) -> Result<String, Failure> {
    let mut text = serde_saphyr::to_string(value).map_err(|error| unwritable(&error))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

pub(crate) fn unwritable(error: &dyn std::error::Error) -> Failure {
    Failure::new(exit::INTERNAL, "cannot write the result in this format").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[
        column("Name", "name", Show::Text),
        column("Size", "size", Show::Bytes),
        column("From", "from.version", Show::Text),
        column("Tags", "tags", Show::List),
    ];

    fn rows() -> Value {
        json!([
            {"name": "bash", "size": 2048, "from": {"version": "1,2"}, "tags": ["a", "b"]},
            {"name": "x\u{1b}[31m\"y\"", "size": 0, "from": null, "tags": []},
        ])
    }

    fn shown(format: Format) -> String {
        let output = Output {
            format,
            explicit: true,
            terminal: false,
            color: false,
        };
        output.render_rows(&rows(), COLUMNS).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_clean() {
        insta::assert_snapshot!(shown(Format::Table), @r#"
        Name     Size  From  Tags
        bash  2.0 KiB  1,2   a, b
        x"y"      0 B
        "#);
    }

    #[test]
    fn csv_carries_bare_values_and_quotes_them() {
        insta::assert_snapshot!(shown(Format::Csv).replace('\u{1b}', "<ESC>"), @r#"
        name,size,from.version,tags
        bash,2048,"1,2",a b
        "x<ESC>[31m""y""",0,,
        "#);
    }

    #[test]
    fn csv_of_a_record_with_lists_holds_all_of_them() {
        let record = json!({
            "packages": 3, "bytes": 9,
            "by_arch": [{"arch": "noarch", "packages": 1, "bytes": 4}],
            "largest": [{"name": "a,b", "bytes": 4}, {"name": "c", "bytes": 3}],
        });
        let (packages, bytes) = (
            column("Packages", "packages", Show::Count),
            column("Size", "bytes", Show::Bytes),
        );
        let (arch, name) = (column("Arch", "arch", Show::Text), column("Name", "name", Show::Text));
        let sections: [(&str, &str, &[Column]); 2] = [
            ("By architecture", "by_arch", &[arch, packages]),
            ("Largest", "largest", &[name, bytes]),
        ];
        let text = delimited::sections(&record, &[packages, bytes], &sections).unwrap();
        insta::assert_snapshot!(text, @r#"
        section,packages,bytes,arch,name
        summary,3,9,,
        by_arch,1,,noarch,
        largest,,4,,"a,b"
        largest,,3,,c
        "#);
    }

    #[test]
    fn yaml_and_json_hold_the_same_value() {
        let json: Value = serde_json::from_str(&shown(Format::Json)).unwrap();
        assert_eq!(json, rows());
        let yaml: Value = serde_saphyr::from_str(&shown(Format::Yaml)).unwrap();
        assert_eq!(yaml, rows());
    }

    #[test]
    fn yaml_of_strings_that_look_like_other_things_stays_strings() {
        let tricky = json!({"a": "yes", "b": "1.0", "c": "null", "d": "- x: y", "e": "0x1f", "f": "", "g": "~", "h": "2026-11-23"});
        let read: Value = serde_saphyr::from_str(&yaml(&tricky).unwrap()).unwrap();
        assert_eq!(read, tricky);
    }
}
