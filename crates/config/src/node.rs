//! YAML as a tree that knows where each value stands.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Nesting beyond this is refused.
const MAX_DEPTH: usize = 64;
/// More values than this are refused, aliases expanded.
const MAX_NODES: usize = 200_000;

/// Where a value stands: number of the file, line and column counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// How a plain scalar that is no text is written: `9.10` is not `9.1` everywhere.
    written: Option<String>,
}

/// A YAML value of the core schema.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key with its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// Why a text is no usable YAML.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Node {
    pub(crate) fn new(place: Place, value: Value) -> Self {
        Self {
            place,
            value,
            written: None,
        }
    }

    /// A scalar as it is written; nothing for null, lists and mappings.
    pub(crate) fn written(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => self.written.as_deref(),
            _ => None,
        }
    }

    /// Takes a key with its value out of a mapping.
    pub(crate) fn take(&mut self, name: &str) -> Option<(Key, Node)> {
        let entries = self.entries_mut()?;
        let at = entries.iter().position(|(key, _)| key.name == name)?;
        Some(entries.remove(at))
    }

    /// Shows every text value, keys left out.
    pub(crate) fn each_text<'a>(&'a self, see: &mut dyn FnMut(&'a str)) {
        match &self.value {
            Value::Text(text) => see(text),
            Value::List(items) => items.iter().for_each(|item| item.each_text(see)),
            Value::Map(entries) => entries.iter().for_each(|(_, node)| node.each_text(see)),
            _ => {}
        }
    }

    /// Hands out every text value to be changed, keys left out.
    pub(crate) fn each_text_mut(&mut self, change: &mut dyn FnMut(&mut String)) {
        match &mut self.value {
            Value::Text(text) => change(text),
            Value::List(items) => items.iter_mut().for_each(|item| item.each_text_mut(change)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.each_text_mut(change)),
            _ => {}
        }
    }

    /// The number of values, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            _ => 0,
        }
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let mut entries = self.entries_mut()?.iter_mut();
        entries.find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<(&Key, &Node)> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(key, node)| (key, node)),
            _ => None,
        }
    }

    /// The values of a list; empty for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<(Key, Node)>> {
        match &mut self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Follows keys and list indices.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => node.get(step),
        })
    }

    /// Leaves items out of the list under a key.
    pub(crate) fn retain_items(&mut self, key: &str, keep: &dyn Fn(&Node) -> bool) {
        let entries = self.entries_mut().into_iter().flatten();
        for (_, node) in entries.filter(|(name, _)| name.name == key) {
            if let Value::List(items) = &mut node.value {
                items.retain(keep);
            }
        }
    }

    /// The tree without values and keys that stand at certain places; `None` if nothing is left.
    pub(crate) fn without(&self, places: &[Place]) -> Option<Node> {
        if places.contains(&self.place) && !matches!(self.value, Value::Map(_)) {
            return None;
        }
        let value = match &self.value {
            Value::List(items) => Value::List(items.iter().filter_map(|item| item.without(places)).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .filter(|(key, _)| !places.contains(&key.place))
                    .filter_map(|(key, node)| Some((key.clone(), node.without(places)?)))
                    .collect(),
            ),
            other => other.clone(),
        };
        Some(Node {
            place: self.place,
            value,
            written: self.written.clone(),
        })
    }

    /// Whether a value or key in it stands at one of the places.
    pub(crate) fn holds(&self, places: &[Place]) -> bool {
        places.contains(&self.place)
            || match &self.value {
                Value::List(items) => items.iter().any(|item| item.holds(places)),
                Value::Map(entries) => entries
                    .iter()
                    .any(|(key, node)| places.contains(&key.place) || node.holds(places)),
                _ => false,
            }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Parses one document. An empty text is an empty mapping.
pub(crate) fn parse(text: &str, file: usize) -> Result<Node, Broken> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        file,
        nodes: 0,
        anchors: Vec::new(),
    };
    let node = reader.document()?;
    Ok(match node {
        Some(Node {
            value: Value::Null,
            place,
            ..
        }) => Node::new(place, Value::Map(Vec::new())),
        Some(node) => node,
        None => {
            let (line, column) = (1, 1);
            Node::new(Place { file, line, column }, Value::Map(Vec::new()))
        }
    })
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: usize,
    nodes: usize,
    anchors: Vec<(usize, Node, usize)>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(span.start.line(), span.start.col()))),
            Some(Err(error)) => Err(Broken {
                place: self.place(error.marker().line(), error.marker().col()),
                message: format!("not YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, self.place(1, 0))),
        }
    }

    fn place(&self, line: usize, column: usize) -> Place {
        Place {
            file: self.file,
            line,
            column: column + 1,
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Broken> {
        let mut found = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(found),
                _ if found.is_some() => {
                    return Err(Broken {
                        place,
                        message: "a second YAML document in one file".into(),
                    });
                }
                event => found = Some(self.node(event, place, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Broken> {
        let refuse = |message: &str| {
            Err(Broken {
                place,
                message: message.to_owned(),
            })
        };
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return refuse("too many values");
        }
        if depth > MAX_DEPTH {
            return refuse("nested too deeply");
        }
        let before = self.nodes;
        let mut written = None;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(&text, style);
                written = (!matches!(value, Value::Text(_))).then(|| text.into_owned());
                (anchor, value)
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => {
                let Some((_, node, size)) = self.anchors.iter().find(|(id, _, _)| *id == anchor) else {
                    return refuse("an alias of nothing");
                };
                self.nodes += size;
                return Ok(node.clone());
            }
            _ => return refuse("not YAML"),
        };
        let node = Node { place, value, written };
        if anchor > 0 {
            let size = self.nodes - before + 1;
            self.anchors.push((anchor, node.clone(), size));
            self.nodes += size;
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, place) = self.next()?;
            let name = match event {
                Event::MappingEnd => {
                    for source in merged {
                        merge(&mut entries, source);
                    }
                    return Ok(Value::Map(entries));
                }
                Event::Scalar(text, style, _, _) if text == "<<" && style == ScalarStyle::Plain => {
                    let (event, at) = self.next()?;
                    merged.push(self.node(event, at, depth + 1)?);
                    continue;
                }
                Event::Scalar(text, _, _, _) => text.into_owned(),
                _ => {
                    return Err(Broken {
                        place,
                        message: "a key that is not text".into(),
                    });
                }
            };
            if let Some((first, _)) = entries.iter().find(|(key, _)| key.name == name) {
                return Err(Broken {
                    place,
                    message: format!("key {name:?} was given before, in line {}", first.place.line),
                });
            }
            let (event, at) = self.next()?;
            let node = self.node(event, at, depth + 1)?;
            entries.push((Key { name, place }, node));
        }
    }
}

/// Adds the entries of a merge key's mapping, or list of mappings, that are not there; the first one wins.
fn merge(entries: &mut Vec<(Key, Node)>, source: Node) {
    match source.value {
        Value::Map(more) => {
            for (key, node) in more {
                if !entries.iter().any(|(known, _)| known.name == key.name) {
                    entries.push((key, node));
                }
            }
        }
        Value::List(sources) => sources.into_iter().for_each(|source| merge(entries, source)),
        // Left in, so that it is named as an unknown key.
        _ => entries.push((
            Key {
                name: "<<".to_owned(),
                place: source.place,
            },
            source,
        )),
    }
}

/// A plain scalar by the YAML core schema; quoted ones are text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let looks_numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            if let Ok(number) = text.parse::<i64>() {
                Value::Int(number)
            } else if let Some(number) = text
                .parse::<f64>()
                .ok()
                .filter(|number| looks_numeric && number.is_finite())
            {
                Value::Float(number)
            } else {
                Value::Text(text.to_owned())
            }
        }
    }
}
