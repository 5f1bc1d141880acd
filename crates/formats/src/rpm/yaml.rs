//! Scalars of one YAML document, by path, within a budget.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

const MAX_DEPTH: usize = 128;
/// The most nodes of a document, aliases expanded.
const MAX_NODES: u64 = 1_000_000;

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

/// Hands out every scalar value with its path. Aliases are not expanded.
pub(super) fn scalars(text: &str, take: &mut dyn FnMut(&[Step], &str)) -> Result<(), Wrong> {
    let mut parser = Parser::new_from_str(text);
    let mut walk = Walk::default();
    while let Some(event) = parser.next_event() {
        let (event, _) = event.map_err(|error| {
            if error.info().contains("recursion limit") {
                Wrong::Limit("nesting", format!("{MAX_DEPTH} levels"))
            } else {
                Wrong::Malformed(format!("not YAML: {error}"))
            }
        })?;
        match event {
            Event::MappingStart(anchor, _) => walk.open(Kind::Key, anchor)?,
            Event::SequenceStart(anchor, _) => walk.open(Kind::Entry, anchor)?,
            Event::MappingEnd | Event::SequenceEnd => walk.close(),
            Event::Scalar(value, _, anchor, _) => walk.scalar(&value, anchor, take)?,
            Event::Alias(anchor) => walk.alias(anchor)?,
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        if walk.nodes > MAX_NODES {
            return Err(Wrong::Limit(
                "a document with its aliases expanded",
                format!("{MAX_NODES} nodes"),
            ));
        }
    }
    Ok(())
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

    fn scalar(&mut self, value: &str, anchor: usize, take: &mut dyn FnMut(&[Step], &str)) -> Result<(), Wrong> {
        self.nodes += 1;
        self.anchors.insert(anchor, 1);
        if self.open.last().is_some_and(|open| open.kind == Kind::Key) {
            self.key(value);
        } else {
            take(&self.path, value);
        }
        self.done();
        Ok(())
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
