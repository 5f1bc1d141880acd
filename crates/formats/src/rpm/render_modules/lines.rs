//! Where a value stands in a YAML document of block style.
//!
//! Goes by indentation, past block scalars and quoted scalars of several lines. Anything more unusual may mislead it, so
//! who cuts checks the result.

use std::ops::Range;

pub(super) struct Line<'a> {
    pub(super) range: Range<usize>,
    pub(super) indent: usize,
    /// Without indentation and white space at the end.
    pub(super) text: &'a str,
}

/// What to take out of a text so that the sequence at a path of keys loses the entries that are `gone`.
///
/// Plain and quoted entries only, each on lines of its own or all of them on the line of the last key.
pub(super) fn cuts(text: &str, path: &[&str], gone: &mut dyn FnMut(&str) -> bool) -> Vec<Range<usize>> {
    let Some((last, path)) = path.split_last() else {
        return Vec::new();
    };
    let lines = of(text);
    let block = at(&lines, path);
    match flow(block, last, ('[', ']')) {
        Some(inside) => {
            let start = inside.as_ptr().addr() - text.as_ptr().addr();
            let mut is_gone = |entry: &str| scalar(entry).is_some_and(&mut *gone);
            flow_cuts(inside.split(','), start..start + inside.len(), &mut is_gone)
        }
        None => line_cuts(below(block, last), gone),
    }
}

/// The lines of the mapping at a path of keys.
pub(super) fn at<'b, 'a>(lines: &'b [Line<'a>], path: &[&str]) -> &'b [Line<'a>] {
    path.iter().fold(lines, |block, key| below(block, key))
}

/// What stands between these brackets on the line of a key of a mapping.
pub(super) fn flow<'a>(mapping: &[Line<'a>], key: &str, (open, close): (char, char)) -> Option<&'a str> {
    let indent = mapping.first()?.indent;
    let mut lines = mapping.iter().filter(|line| line.indent == indent);
    lines.find_map(|line| value(line.text, key)?.strip_prefix(open)?.strip_suffix(close))
}

fn line_cuts(block: &[Line<'_>], gone: &mut dyn FnMut(&str) -> bool) -> Vec<Range<usize>> {
    let Some(indent) = block.first().map(|line| line.indent) else {
        return Vec::new();
    };
    let mut entries: Vec<(&str, Range<usize>)> = Vec::new();
    for line in block {
        match line.text.strip_prefix("- ") {
            Some(value) if line.indent == indent => entries.push((value.trim(), line.range.clone())),
            _ => {
                if let Some((_, range)) = entries.last_mut() {
                    range.end = line.range.end;
                }
            }
        }
    }
    entries.retain(|(value, _)| scalar(value).is_some_and(&mut *gone));
    entries.into_iter().map(|(_, range)| range).collect()
}

/// Each entry goes with the comma after it as long as none stays, then with the comma before it. The entries are all that
/// stands in a range, but for the commas between them.
pub(super) fn flow_cuts<'a>(
    entries: impl Iterator<Item = &'a str>,
    range: Range<usize>,
    gone: &mut dyn FnMut(&str) -> bool,
) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut at = range.start;
    let mut any_stays = false;
    for entry in entries {
        let end = at + entry.len();
        if !gone(entry.trim()) {
            any_stays = true;
        } else if any_stays {
            cuts.push(at - 1..end);
        } else {
            cuts.push(at..(end + 1).min(range.end));
        }
        at = end + 1;
    }
    cuts
}

/// The line of the pair at a path of keys, if its value stands there too.
pub(super) fn pair(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let (last, path) = path.split_last()?;
    let lines = of(text);
    let block = at(&lines, path);
    let indent = block.first()?.indent;
    let line = block
        .iter()
        .find(|line| line.indent == indent && value(line.text, last).is_some_and(|v| !v.is_empty()))?;
    Some(line.range.clone())
}

/// What the lines after a line are part of.
enum Open {
    Nothing,
    /// A block scalar; it goes on while lines are indented deeper than this.
    Block(usize),
    /// A scalar in these quotes.
    Quoted(char),
}

/// The lines of a text that say something.
pub(super) fn of(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    let mut open = Open::Nothing;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let line = line.trim_end();
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        match open {
            Open::Quoted(mark) => {
                if closes(text, mark) {
                    open = Open::Nothing;
                }
                continue;
            }
            Open::Block(depth) if text.is_empty() || indent > depth => continue,
            Open::Block(_) | Open::Nothing => {}
        }
        let is_marker = line == "---" || line.starts_with("--- ");
        if !text.is_empty() && !text.starts_with('#') && !is_marker {
            open = opens(text, indent);
            lines.push(Line { range, indent, text });
        }
    }
    lines
}

fn opens(text: &str, indent: usize) -> Open {
    let mut value = text;
    while let Some(rest) = value.strip_prefix("- ") {
        value = rest.trim_start();
    }
    if !value.starts_with(['"', '\'']) {
        value = value.split_once(": ").map_or("", |(_, value)| value.trim_start());
    }
    match value.chars().next() {
        Some('|' | '>') => Open::Block(indent),
        Some(mark @ ('"' | '\'')) if !closes(&value[1..], mark) => Open::Quoted(mark),
        _ => Open::Nothing,
    }
}

/// Whether a quoted scalar ends in this text.
fn closes(text: &str, mark: char) -> bool {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = (mark == '"' && character == '\\')
            || (mark == '\'' && character == mark && characters.peek() == Some(&mark));
        if escapes {
            characters.next();
        } else if character == mark {
            return true;
        }
    }
    false
}

/// The lines of the value of a key of a mapping.
pub(super) fn below<'b, 'a>(mapping: &'b [Line<'a>], key: &str) -> &'b [Line<'a>] {
    let Some(indent) = mapping.first().map(|line| line.indent) else {
        return &[];
    };
    let at = mapping.iter().position(|line| is_header(line, indent, key));
    let rest = at.map_or(&[][..], |at| &mapping[at + 1..]);
    // A sequence may stand as deep as its key.
    let end = rest
        .iter()
        .position(|line| line.indent < indent || (line.indent == indent && !line.text.starts_with("- ")));
    &rest[..end.unwrap_or(rest.len())]
}

/// The line of a key of a mapping whose value stands below.
pub(super) fn header<'b, 'a>(mapping: &'b [Line<'a>], key: &str) -> Option<&'b Line<'a>> {
    let indent = mapping.first()?.indent;
    mapping.iter().find(|line| is_header(line, indent, key))
}

fn is_header(line: &Line<'_>, indent: usize, key: &str) -> bool {
    line.indent == indent && value(line.text, key) == Some("")
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.strip_prefix(key)?.strip_prefix(':')?;
    (value.is_empty() || value.starts_with([' ', '\t'])).then(|| value.trim())
}

pub(super) fn scalar(value: &str) -> Option<&str> {
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    if let Some(inside) = quoted('"').or_else(|| quoted('\'')) {
        return Some(inside);
    }
    let plain = !value.starts_with(['&', '*', '!', '|', '>', '[', '{', '"', '\'', '#', '%', '@', '`']);
    plain.then(|| value.split(" #").next().unwrap_or(value).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, gone: &str) -> String {
        let mut left = text.to_owned();
        for cut in cuts(text, &["a", "b"], &mut |value| {
            gone.split(' ').any(|gone| gone == value)
        })
        .into_iter()
        .rev()
        {
            left.replace_range(cut, "");
        }
        left
    }

    #[test]
    fn entries_go_with_their_lines() {
        for (text, gone, expected) in [
            ("a:\n  b:\n  - x\n  - y\n  c: 1\n", "x", "a:\n  b:\n  - y\n  c: 1\n"),
            ("a:\n  b:\n    - 'x' \n    - y # z\n", "x y", "a:\n  b:\n"),
            (
                "  a:\n    b:\n\n    # x\n    - x\n      z\n    - y\n",
                "x",
                "  a:\n    b:\n\n    # x\n    - y\n",
            ),
            (
                "a:\n  c: |\n    b:\n    - x\n  b:\n  - x\n",
                "x",
                "a:\n  c: |\n    b:\n    - x\n  b:\n",
            ),
            (
                "a:\n  c: 'it''s\n\n'\n  b:\n  - x\n",
                "x",
                "a:\n  c: 'it''s\n\n'\n  b:\n",
            ),
            (
                "a:\n  c: \"\\\"\n b:\"\n  b:\n  - x\n",
                "x",
                "a:\n  c: \"\\\"\n b:\"\n  b:\n",
            ),
            ("c:\n  b:\n  - x\n", "x", "c:\n  b:\n  - x\n"),
            ("a:\n  b:\n  - &x x\n  - *x\n", "x", "a:\n  b:\n  - &x x\n  - *x\n"),
            ("a:\n  b: x\n", "x", "a:\n  b: x\n"),
        ] {
            assert_eq!(left(text, gone), expected);
        }
    }

    #[test]
    fn entries_of_one_line_go_with_one_comma() {
        for (gone, expected) in [
            ("x", "[ y, \"z\" ]"),
            ("y", "[x, \"z\" ]"),
            ("z", "[x, y]"),
            ("x y", "[ \"z\" ]"),
            ("y z", "[x]"),
            ("x z", "[ y]"),
            ("x y z", "[]"),
            ("w", "[x, y, \"z\" ]"),
        ] {
            assert_eq!(
                left("a:\n  b: [x, y, \"z\" ]\n", gone),
                format!("a:\n  b: {expected}\n"),
                "{gone}"
            );
        }
    }

    #[test]
    fn a_pair_is_found_by_its_path() {
        let text = "a:\n  b: |\n   c: 1\n  c: 2\nc: 3\n";
        assert_eq!(pair(text, &["a", "c"]).map(|range| &text[range]), Some("  c: 2\n"));
        assert_eq!(pair(text, &["a", "d"]), None);
        assert_eq!(pair(text, &["a"]), None);
    }
}
