//! Scalars of one YAML document, by path, within a budget.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScanError};

const MAX_DEPTH: usize = 128;
/// The most nodes of a document, aliases expanded.
const MAX_NODES: u64 = 1_000_000;
/// The most bytes that are read again for scalars which only libyaml accepts.
const MAX_REPAIR_BYTES: usize = 64 << 20;

/// Why a document could not be read.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It is not what the specification describes.
    Malformed(String),
    /// What exceeded which limit.
    Limit(&'static str, String),
}

/// A step from the root of a document to a scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A value of a mapping, by its key; the empty string where the key is no scalar.
    Key(String),
    /// An entry of a sequence.
    Entry,
}

/// Gathers scalars of a document.
pub(super) trait Gather: Default {
    /// Takes a scalar value with its path. Aliases are not expanded.
    fn take(&mut self, path: &[Step], value: &str);
}

/// Reads a document as libyaml would, and so libmodulemd.
pub(super) fn gather<G: Gather>(text: &str) -> Result<G, Wrong> {
    let mut text = Cow::Borrowed(text);
    let mut budget = MAX_REPAIR_BYTES;
    loop {
        match walk(&text) {
            Ok(gathered) => return Ok(gathered),
            Err(Failure::Wrong(wrong)) => return Err(wrong),
            Err(Failure::Indentation(start)) => {
                let Some(repaired) = indent_scalar(&text, start).filter(|repaired| repaired.len() <= budget) else {
                    return Err(Wrong::Malformed(
                        "not YAML: wrong indentation in a quoted scalar".to_owned(),
                    ));
                };
                budget -= repaired.len();
                text = Cow::Owned(repaired);
            }
        }
    }
}

enum Failure {
    Wrong(Wrong),
    /// A quoted scalar goes on at too small an indentation; it begins at this character.
    Indentation(usize),
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        if error.info() == "invalid indentation in quoted scalar" {
            Self::Indentation(error.marker().index())
        } else if error.info().contains("recursion limit") {
            Self::Wrong(Wrong::Limit("nesting", format!("{MAX_DEPTH} levels")))
        } else {
            Self::Wrong(Wrong::Malformed(format!("not YAML: {error}")))
        }
    }
}

/// Indents the lines on which a quoted scalar goes on.
///
/// YAML 1.2 (7.3.3) demands it; libyaml does not, and writes such scalars itself. White space at the beginning of those
/// lines is no part of the value, so nothing else changes.
fn indent_scalar(text: &str, start: usize) -> Option<String> {
    let (begin, quote) = text
        .char_indices()
        .nth(start)
        .filter(|(_, c)| matches!(c, '"' | '\''))?;
    let scalar = &text[begin..];
    let mut end = None;
    let mut characters = scalar.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        let escapes = (quote == '"' && c == '\\') || (c == '\'' && quote == c && characters.peek()?.1 == quote);
        if escapes {
            characters.next();
        } else if c == quote {
            end = Some(at);
            break;
        }
    }
    let line = text[..begin].rfind('\n').map_or(0, |at| at + 1);
    let margin = format!("\n{}", " ".repeat(begin - line + 1));
    let (inside, after) = scalar.split_at(end?);
    let room = inside.matches('\n').count().checked_mul(margin.len())?;
    (room <= MAX_REPAIR_BYTES).then(|| [&text[..begin], &inside.replace('\n', &margin), after].concat())
}

fn walk<G: Gather>(text: &str) -> Result<G, Failure> {
    let mut parser = Parser::new_from_str(text);
    let mut walk = Walk::default();
    let mut gathered = G::default();
    while let Some(event) = parser.next_event() {
        let (event, _) = event?;
        match event {
            Event::MappingStart(anchor, _) => walk.open(Kind::Key, anchor)?,
            Event::SequenceStart(anchor, _) => walk.open(Kind::Entry, anchor)?,
            Event::MappingEnd | Event::SequenceEnd => walk.close(),
            Event::Scalar(value, _, anchor, _) => walk.scalar(&value, anchor, &mut gathered),
            Event::Alias(anchor) => walk.alias(anchor)?,
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        if walk.nodes > MAX_NODES {
            let limit = format!("{MAX_NODES} nodes");
            return Err(Wrong::Limit("a document with its aliases expanded", limit).into());
        }
    }
    Ok(gathered)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A mapping whose next node is a key.
    Key,
    /// A mapping whose next node is a value.
    Value,
    Entry,
}

struct Open {
    kind: Kind,
    anchor: usize,
    /// Nodes counted before this container.
    before: u64,
}

#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    /// One step per open container.
    path: Vec<Step>,
    nodes: u64,
    /// Size of every anchored node that is complete.
    anchors: HashMap<usize, u64>,
}

impl Walk {
    fn open(&mut self, kind: Kind, anchor: usize) -> Result<(), Wrong> {
        if self.open.len() == MAX_DEPTH {
            return Err(Wrong::Limit("nesting", format!("{MAX_DEPTH} levels")));
        }
        if self.open.last().is_some_and(|open| open.kind == Kind::Key) {
            // A container as a key has no name; what is in it has a path of its own that nobody asks for.
            self.key("");
        }
        self.open.push(Open {
            kind,
            anchor,
            before: self.nodes,
        });
        self.path.push(match kind {
            Kind::Entry => Step::Entry,
            Kind::Key | Kind::Value => Step::Key(String::new()),
        });
        self.nodes += 1;
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.path.pop();
            self.anchors.insert(open.anchor, self.nodes - open.before);
            self.done();
        }
    }

    fn scalar(&mut self, value: &str, anchor: usize, gathered: &mut impl Gather) {
        self.nodes += 1;
        self.anchors.insert(anchor, 1);
        if self.open.last().is_some_and(|open| open.kind == Kind::Key) {
            self.key(value);
        } else {
            gathered.take(&self.path, value);
        }
        self.done();
    }

    fn alias(&mut self, anchor: usize) -> Result<(), Wrong> {
        let Some(size) = self.anchors.get(&anchor) else {
            return Err(Wrong::Malformed("an alias inside of its own anchor".to_owned()));
        };
        self.nodes = self.nodes.saturating_add(*size);
        if self.open.last().is_some_and(|open| open.kind == Kind::Key) {
            self.key("");
        }
        self.done();
        Ok(())
    }

    fn key(&mut self, key: &str) {
        if let Some(Step::Key(step)) = self.path.last_mut() {
            key.clone_into(step);
        }
    }

    /// A node is complete: in a mapping, keys and values take turns.
    fn done(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.kind = match open.kind {
                Kind::Key => Kind::Value,
                Kind::Value => Kind::Key,
                Kind::Entry => Kind::Entry,
            };
        }
    }
}
