//! Which pairs of a mapping of a YAML document are to go.
//!
//! As for the lines of a document: what is unusual may mislead it, so who cuts checks the result.

use std::ops::Range;

use super::lines::{self, Line};

/// What to take out of a text so that the mapping at a path of keys loses the pairs whose keys are `gone`; its own key
/// goes with the last of its pairs, since nothing is no mapping.
///
/// Pairs on lines of their own, or all of them on the line of the last key of the path.
pub(super) fn cuts(text: &str, path: &[&str], gone: &mut dyn FnMut(&str) -> bool) -> Vec<Range<usize>> {
    let Some((last, path)) = path.split_last() else {
        return Vec::new();
    };
    let lines = lines::of(text);
    let block = lines::at(&lines, path);
    match lines::flow(block, last, ('{', '}')) {
        Some(inside) => {
            let start = inside.as_ptr().addr() - text.as_ptr().addr();
            let mut is_gone = |pair: &str| key(pair).is_some_and(&mut *gone);
            lines::flow_cuts(entries(inside).into_iter(), start..start + inside.len(), &mut is_gone)
        }
        None => line_cuts(block, last, gone),
    }
}

fn line_cuts(block: &[Line<'_>], last: &str, gone: &mut dyn FnMut(&str) -> bool) -> Vec<Range<usize>> {
    let inside = lines::below(block, last);
    let Some(indent) = inside.first().map(|line| line.indent) else {
        return Vec::new();
    };
    let mut pairs: Vec<(Option<&str>, Range<usize>)> = Vec::new();
    for line in inside {
        match pairs.last_mut() {
            // A sequence may stand as deep as its key.
            Some((_, range)) if line.indent > indent || line.text.starts_with("- ") => range.end = line.range.end,
            _ => pairs.push((key(line.text), line.range.clone())),
        }
    }
    let count = pairs.len();
    pairs.retain(|(key, _)| key.is_some_and(&mut *gone));
    let mut ranges: Vec<Range<usize>> = pairs.into_iter().map(|(_, range)| range).collect();
    if ranges.len() == count
        && let Some(header) = lines::header(block, last)
    {
        ranges.insert(0, header.range.clone());
    }
    ranges
}

/// The pairs between the braces of a mapping, with the white space around them.
fn entries(inside: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let (mut start, mut depth, mut quoted) = (0, 0_usize, None);
    for (at, character) in inside.char_indices() {
        match (quoted, character) {
            (Some(mark), _) if mark == character => quoted = None,
            (None, '"' | '\'') => quoted = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                entries.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    entries.push(&inside[start..]);
    entries
}

/// The key of a pair; `None` for anything but a plain or quoted one.
fn key(pair: &str) -> Option<&str> {
    let end = match pair.chars().next()? {
        mark @ ('"' | '\'') => pair[1..].find(mark)? + 2,
        _ => pair.find(": ").or_else(|| pair.strip_suffix(':').map(str::len))?,
    };
    let (key, rest) = pair.split_at(end);
    lines::scalar(key.trim_end()).filter(|_| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, gone: &str) -> String {
        let mut left = text.to_owned();
        let mut is_gone = |key: &str| gone.split(' ').any(|gone| gone == key);
        for cut in cuts(text, &["a", "b"], &mut is_gone).into_iter().rev() {
            left.replace_range(cut, "");
        }
        left
    }

    #[test]
    fn pairs_go_with_their_lines_and_the_mapping_with_the_last_of_them() {
        for (text, gone, expected) in [
            (
                "a:\n  b:\n    1: [x]\n    2: [y]\n  c: 1\n",
                "1",
                "a:\n  b:\n    2: [y]\n  c: 1\n",
            ),
            ("a:\n  b:\n    1: [x]\n    2: [y]\n  c: 1\n", "1 2", "a:\n  c: 1\n"),
            (
                "a:\n  b:\n    '1':\n    - x\n    # of 2\n    \"2\":\n      - y\n",
                "2",
                "a:\n  b:\n    '1':\n    - x\n    # of 2\n",
            ),
            (
                "a:\n  b:\n    '1':\n    - x\n    # of 2\n    \"2\":\n      - y\n",
                "1",
                "a:\n  b:\n    # of 2\n    \"2\":\n      - y\n",
            ),
            (
                "a:\n  b:\n    1: [x,\n      y]\n    2: []\n",
                "1",
                "a:\n  b:\n    2: []\n",
            ),
            ("a:\n  b:\n    ? 1\n    : [x]\n", "1", "a:\n  b:\n    ? 1\n    : [x]\n"),
            ("a:\n  b: &b\n    1: [x]\n", "1", "a:\n  b: &b\n    1: [x]\n"),
            ("a:\n  b:\n  c:\n    1: [x]\n", "1", "a:\n  b:\n  c:\n    1: [x]\n"),
            ("b:\n  1: [x]\n", "1", "b:\n  1: [x]\n"),
        ] {
            assert_eq!(left(text, gone), expected, "{text}: {gone}");
        }
    }

    #[test]
    fn pairs_of_one_line_go_with_one_comma() {
        for (gone, expected) in [
            ("1", "{ 2: [z], 'x, y': {}}"),
            ("2", "{1: [x, y], 'x, y': {}}"),
            ("1 2", "{ 'x, y': {}}"),
            ("3", "{1: [x, y], 2: [z], 'x, y': {}}"),
        ] {
            let text = "a:\n  b: {1: [x, y], 2: [z], 'x, y': {}}\n";
            assert_eq!(left(text, gone), format!("a:\n  b: {expected}\n"), "{gone}");
        }
        assert_eq!(left("a:\n  b: {1: [x, y]}\n", "1"), "a:\n  b: {}\n");
    }
}
