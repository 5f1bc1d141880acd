//! Expands an entry with a `matrix` into one entry for each combination of its values.
//!
//! Only `{name}` of a key of the matrix is replaced, once, in every text value; all other braces stay, so regular
//! expressions keep their quantifiers.

use std::collections::BTreeSet;

use crate::check::{Finding, similar};
use crate::node::{Key, Node, Place, Value};

/// More entries than this are refused.
const MAX_ENTRIES: usize = 1000;
/// More values than this, all entries of one matrix together, are refused.
const MAX_VALUES: usize = 1_000_000;

/// Keys that hold one text for each expansion: where two are equal, two repositories would share it.
const OWN: [&str; 3] = ["id", "latest_path", "snapshots_path"];
/// Keys where an unknown placeholder is a mistake.
const PLAIN: [&str; 6] = ["id", "name", "feed", "feeds", "mirrorlist", "metalink"];

/// What became of an entry.
pub(crate) struct Expanded {
    pub(crate) entries: Vec<Node>,
    /// Whether these are all that were asked for; what is wrong with the others is in the findings.
    pub(crate) is_whole: bool,
}

/// A placeholder and the texts that it stands for.
struct Axis {
    name: String,
    place: Place,
    values: Vec<String>,
}

/// Expands one entry; one without a matrix stays as it is.
pub(crate) fn expand(mut entry: Node, findings: &mut Vec<Finding>) -> Expanded {
    let before = findings.len();
    let Some((key, matrix)) = entry.take("matrix") else {
        return alone(entry, findings);
    };
    if matches!(matrix.value, Value::Null) {
        return alone(entry, findings);
    }
    let Value::Map(lists) = matrix.value else {
        let message = format!("matrix must be a mapping of lists, not {}", matrix.kind());
        wrong(findings, matrix.place, message, Some(EXAMPLE));
        return Expanded {
            entries: Vec::new(),
            is_whole: false,
        };
    };
    if lists.is_empty() {
        wrong(findings, key.place, "matrix has no key".to_owned(), Some(EXAMPLE));
    }
    let axes: Vec<Axis> = lists
        .into_iter()
        .filter_map(|(key, list)| axis(&key, &list, findings))
        .collect();
    placeholders(&entry, &axes, findings);
    let count = size(&entry, &key, &axes, findings);
    let is_whole = findings.len() == before;
    // Of an entry that is wrong one expansion is read on, so that everything else in it is checked.
    let entries = combinations(&axes, if is_whole { count } else { count.min(1) })
        .map(|chosen| {
            let mut entry = entry.clone();
            entry.each_text_mut(&mut |text| *text = fill(text, &chosen));
            entry
        })
        .collect();
    Expanded { entries, is_whole }
}

const EXAMPLE: &str = "such as `matrix: {releasever: [8, 9], basearch: [x86_64, aarch64]}`";

fn wrong(findings: &mut Vec<Finding>, place: Place, message: String, hint: Option<&str>) {
    findings.push(Finding {
        place,
        message,
        hint: hint.map(str::to_owned),
    });
}

/// Without a matrix nothing is replaced, so that a placeholder in a URL was forgotten.
fn alone(entry: Node, findings: &mut Vec<Finding>) -> Expanded {
    for key in PLAIN.iter().filter(|key| !matches!(**key, "id" | "name")) {
        unknown(&entry, key, &[], findings);
    }
    Expanded {
        entries: vec![entry],
        is_whole: true,
    }
}

/// Reads a list; nothing where its key is none.
fn axis(key: &Key, list: &Node, findings: &mut Vec<Finding>) -> Option<Axis> {
    let name = &key.name;
    if !is_identifier(name) {
        let message = format!("{name:?} cannot be a placeholder");
        let hint = "letters, digits and `_`, not starting with a digit";
        wrong(findings, key.place, message, Some(hint));
        return None;
    }
    let mut axis = Axis {
        name: name.clone(),
        place: key.place,
        values: Vec::new(),
    };
    let Value::List(items) = &list.value else {
        let message = format!("matrix.{name} must be a list, not {}", list.kind());
        wrong(findings, list.place, message, Some(EXAMPLE));
        return Some(axis);
    };
    if items.is_empty() {
        let message = format!("matrix.{name} is empty, so that no repository is left");
        wrong(findings, list.place, message, Some("give at least one value"));
    }
    for item in items {
        match item.written() {
            Some(text) if axis.values.iter().any(|there| there == text) => {
                let message = format!("matrix.{name} holds {text:?} twice");
                wrong(findings, item.place, message, None);
            }
            Some(text) => axis.values.push(text.to_owned()),
            None => {
                let message = format!("matrix.{name} must hold texts or numbers, not {}", item.kind());
                wrong(findings, item.place, message, Some(EXAMPLE));
            }
        }
    }
    Some(axis)
}

/// Checks that each key of the matrix is used, that ids differ, and that nothing looks like a placeholder and is none.
fn placeholders(entry: &Node, axes: &[Axis], findings: &mut Vec<Finding>) {
    let mut used = BTreeSet::new();
    entry.each_text(&mut |text| used.extend(names(text).map(str::to_owned)));
    for axis in axes {
        if !used.contains(&axis.name) {
            let message = format!("matrix key {:?} is not used", axis.name);
            let hint = format!("write `{{{}}}` in id and feed", axis.name);
            wrong(findings, axis.place, message, Some(&hint));
            continue;
        }
        for key in OWN.iter().filter(|_| axis.values.len() > 1) {
            if let Some((Value::Text(text), place)) = entry.get(key).map(|node| (&node.value, node.place))
                // A name that is no key is probably this one, misspelt, and is said below.
                && names(text).all(|name| name != axis.name && axes.iter().any(|known| known.name == name))
            {
                let message = format!(
                    "{key} {text:?} does not hold {{{}}}, so that several repositories would share it",
                    axis.name
                );
                let hint = format!("such as `{}-{{{}}}`", text.trim_end_matches('/'), axis.name);
                wrong(findings, place, message, Some(&hint));
            }
        }
    }
    for key in PLAIN {
        unknown(entry, key, axes, findings);
    }
}

/// Names what looks like a placeholder and is none. The text itself may hold a password and is not shown.
fn unknown(entry: &Node, key: &str, axes: &[Axis], findings: &mut Vec<Finding>) {
    let Some(node) = entry.get(key) else { return };
    let known: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    let single = std::slice::from_ref(node);
    let nodes = if matches!(node.value, Value::List(_)) {
        node.items()
    } else {
        single
    };
    for node in nodes {
        let Value::Text(text) = &node.value else { continue };
        for name in names(text).filter(|name| !known.contains(name)) {
            let (message, hint) = if known.is_empty() {
                (
                    format!("{{{name}}} in {key} stands for nothing: the repository has no matrix"),
                    format!("`matrix: {{{name}: […]}}`; a brace that is meant is `%7B` in a URL"),
                )
            } else {
                let near = similar(name, &known).map(|near| format!("did you mean `{{{near}}}`?"));
                let all: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
                (
                    format!("{{{name}}} in {key} is no key of the matrix"),
                    near.unwrap_or_else(|| format!("there is {}", all.join(", "))),
                )
            };
            wrong(findings, node.place, message, Some(&hint));
        }
    }
}

/// The number of expansions; 1 where there are too many.
fn size(entry: &Node, key: &Key, axes: &[Axis], findings: &mut Vec<Finding>) -> usize {
    let count = axes
        .iter()
        .fold(1_usize, |count, axis| count.saturating_mul(axis.values.len()));
    if count > MAX_ENTRIES {
        let message = format!("the matrix gives {count} repositories; at most {MAX_ENTRIES} are allowed");
        wrong(findings, key.place, message, Some("split it into several entries"));
        return 1;
    }
    if count.saturating_mul(entry.size()) > MAX_VALUES {
        let message = format!("the matrix gives more than {MAX_VALUES} values");
        wrong(findings, key.place, message, Some("split it into several entries"));
        return 1;
    }
    count
}

/// The first combinations, the last key counting fastest.
fn combinations(axes: &[Axis], count: usize) -> impl Iterator<Item = Vec<(&str, &str)>> {
    (0..count).map(move |number| {
        let mut rest = number;
        let mut chosen: Vec<(&str, &str)> = axes
            .iter()
            .rev()
            .map(|axis| {
                let value = &axis.values[rest % axis.values.len()];
                rest /= axis.values.len();
                (axis.name.as_str(), value.as_str())
            })
            .collect();
        chosen.reverse();
        chosen
    })
}

/// The text with each placeholder replaced; what was put in is not looked at again.
fn fill(text: &str, chosen: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut done = 0;
    for (at, name) in spans(text) {
        if let Some((_, value)) = chosen.iter().find(|(known, _)| *known == name) {
            filled.push_str(&text[done..at]);
            filled.push_str(value);
            done = at + name.len() + 2;
        }
    }
    filled + &text[done..]
}

/// Names in braces.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    spans(text).map(|(_, name)| name)
}

/// Names in braces, and where their braces open.
fn spans(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('{').filter_map(|(at, _)| {
        let inner = &text[at + 1..];
        let name = &inner[..inner.find('}')?];
        is_identifier(name).then_some((at, name))
    })
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
