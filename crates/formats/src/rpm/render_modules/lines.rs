//! Where a value stands in a YAML document of block style.
//!
//! Goes by indentation alone, so it may be wrong inside of quoted scalars of several lines; who cuts checks the result.

use std::ops::Range;

struct Line<'a> {
    range: Range<usize>,
    indent: usize,
    /// Without indentation and white space at the end.
    text: &'a str,
}

/// The plain or quoted entries of the sequence at a path of keys, each with the range of its lines.
///
/// Entries with an anchor, an alias, a tag or in another style are left out.
pub(super) fn entries<'a>(text: &'a str, path: &[&str]) -> Vec<(&'a str, Range<usize>)> {
    let lines = lines(text);
    let mut block = lines.as_slice();
    for key in path {
        block = below(block, key);
    }
    let Some(indent) = block.first().map(|line| line.indent) else {
        return Vec::new();
    };
    let mut found: Vec<(&str, Range<usize>)> = Vec::new();
    for line in block {
        match line.text.strip_prefix("- ") {
            Some(value) if line.indent == indent => found.push((value.trim(), line.range.clone())),
            _ => {
                if let Some((_, range)) = found.last_mut() {
                    range.end = line.range.end;
                }
            }
        }
    }
    found.into_iter().filter_map(|(value, range)| Some((scalar(value)?, range))).collect()
}

/// The line of the pair at a path of keys, if its value stands there too.
pub(super) fn pair(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let (last, path) = path.split_last()?;
    let lines = lines(text);
    let mut block = lines.as_slice();
    for key in path {
        block = below(block, key);
    }
    let indent = block.first()?.indent;
    let line = block.iter().find(|line| line.indent == indent && value(line.text, last).is_some_and(|v| !v.is_empty()))?;
    Some(line.range.clone())
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let line = line.trim_end();
        let text = line.trim_start_matches(' ');
        let is_marker = line == "---" || line.starts_with("--- ");
        if !text.is_empty() && !text.starts_with('#') && !is_marker {
            lines.push(Line {
                range,
                indent: line.len() - text.len(),
                text,
            });
        }
    }
    lines
}

/// The lines of the value of a key of a mapping.
fn below<'b, 'a>(mapping: &'b [Line<'a>], key: &str) -> &'b [Line<'a>] {
    let Some(indent) = mapping.first().map(|line| line.indent) else {
        return &[];
    };
    let at = mapping.iter().position(|line| line.indent == indent && value(line.text, key) == Some(""));
    let rest = at.map_or(&[][..], |at| &mapping[at + 1..]);
    // A sequence may stand as deep as its key.
    let end = rest.iter().position(|line| line.indent < indent || (line.indent == indent && !line.text.starts_with("- ")));
    &rest[..end.unwrap_or(rest.len())]
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.strip_prefix(key)?.strip_prefix(':')?;
    (value.is_empty() || value.starts_with([' ', '\t'])).then(|| value.trim())
}

fn scalar(value: &str) -> Option<&str> {
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    if let Some(inside) = quoted('"').or_else(|| quoted('\'')) {
        return Some(inside);
    }
    let plain = !value.starts_with(['&', '*', '!', '|', '>', '[', '{', '"', '\'', '#', '%', '@', '`']);
    plain.then(|| value.split(" #").next().unwrap_or(value).trim_end())
}
