//! Metalinks: mirrors of one file, with its size and digests.
//!
//! Metalink 3.0 (`<files><file><resources><url preference=…>`), which mirror managers of distributions speak, and
//! Metalink 4 (RFC 5854: `<file><url priority=…>`). Of a document only the file that is asked for is read; other
//! states of it (`alternates` of mirror managers) are left out, since one state is the newest. No DTD, no entities but
//! the predefined ones.

use chantal_model::{Algorithm, Digest, Promise};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::list::Entry;

const MAX_DEPTH: usize = 32;
/// Longer texts and attributes are no URL, no number and no digest.
const MAX_TEXT_BYTES: usize = 4096;

/// What a metalink says about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metalink {
    /// Its size and digests.
    pub promise: Promise,
    /// Where it is, best first, as the document has it.
    pub entries: Vec<Entry>,
}

/// Reads what a metalink says about the file of this name.
///
/// # Errors
/// What is not well-formed, as text.
pub fn metalink(text: &str, file: &str) -> Result<Metalink, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut state = State {
        wanted: file,
        ..State::default()
    };
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => state.begin(&tag)?,
            Event::End(_) => state.end()?,
            Event::Text(text) => state.text(&text)?,
            Event::CData(text) => state.text(&text)?,
            Event::GeneralRef(name) => {
                let character = character(&name).ok_or_else(|| format!("unknown entity {:?}", cut(&name)))?;
                state.text(character.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err("DTD not allowed".into()),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    state.finish()
}

#[derive(Default)]
struct State<'a> {
    wanted: &'a str,
    /// Local names of the open elements.
    path: Vec<String>,
    text: String,
    /// Depth of the file that is read, if it is the wanted one.
    within: Option<usize>,
    is_metalink: bool,
    found: bool,
    /// Algorithm of the digest that is read; `None` for one that is not known.
    algorithm: Option<Algorithm>,
    rank: i64,
    size: Option<u64>,
    digests: Vec<Digest>,
    ranked: Vec<(i64, Entry)>,
}

impl State<'_> {
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        if self.path.len() == MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} elements within each other"));
        }
        let name = local(tag.name().as_ref()).to_owned();
        self.text.clear();
        if self.path.is_empty() {
            if self.is_metalink {
                return Err("a second root element".into());
            }
            if name != "metalink" {
                return Err(format!("expected <metalink>, got <{}>", cut(&name)));
            }
            self.is_metalink = true;
        }
        match name.as_str() {
            "file"
                if self.within.is_none() && !self.found && attribute(tag, "name")?.as_deref() == Some(self.wanted) =>
            {
                self.within = Some(self.path.len());
                self.found = true;
            }
            "hash" => self.algorithm = attribute(tag, "type")?.and_then(|word| algorithm(&word)),
            "url" => self.rank = rank(tag)?,
            _ => {}
        }
        self.path.push(name);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if self.within.is_some() {
            if self.text.len() + text.len() > MAX_TEXT_BYTES {
                return Err(format!("a text longer than {MAX_TEXT_BYTES} bytes"));
            }
            self.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(name) = self.path.pop() else {
            return Err("an element ends that did not begin".into());
        };
        let text = std::mem::take(&mut self.text);
        let Some(within) = self.within else { return Ok(()) };
        if self.path.len() == within {
            self.within = None;
            return Ok(());
        }
        let inner: Vec<&str> = self.path[within + 1..].iter().map(String::as_str).collect();
        let text = text.trim();
        match (name.as_str(), inner.as_slice()) {
            ("size", []) => self.size = Some(text.parse().map_err(|_| format!("size {:?}", cut(text)))?),
            ("hash", [] | ["verification"]) => {
                if let Some(algorithm) = self.algorithm.take() {
                    self.digests
                        .push(Digest::parse(algorithm, text).map_err(|error| error.to_string())?);
                }
            }
            ("url", [] | ["resources"]) => self.ranked.push((self.rank, Entry::new(text))),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Metalink, String> {
        if !self.path.is_empty() {
            return Err("the document is cut off".into());
        }
        if !self.is_metalink {
            return Err("no root element".into());
        }
        if !self.found {
            return Err(format!("it names no file {:?}", self.wanted));
        }
        self.ranked.sort_by_key(|(rank, _)| *rank);
        Ok(Metalink {
            promise: Promise {
                size: self.size,
                digests: self.digests,
            },
            entries: self.ranked.into_iter().map(|(_, entry)| entry).collect(),
        })
    }
}

/// How good a mirror is, less is better: version 3 says 100 for the best, version 4 says 1.
fn rank(tag: &BytesStart<'_>) -> Result<i64, String> {
    let number = |name| Ok::<_, String>(attribute(tag, name)?.and_then(|text| text.trim().parse::<i32>().ok()));
    if let Some(preference) = number("preference")? {
        return Ok(-i64::from(preference));
    }
    Ok(number("priority")?.map_or(i64::from(i32::MAX), i64::from))
}

/// A weak digest proves nothing beside a strong one, and nothing at all alone, so it is not read.
fn algorithm(word: &str) -> Option<Algorithm> {
    let word = word.to_ascii_lowercase().replacen("sha-", "sha", 1);
    word.parse().ok().filter(|algorithm: &Algorithm| !algorithm.is_weak())
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    // The check for repeated attributes compares each with each; only the first of a name is read here.
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if local(attribute.key.as_ref()) == name {
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|error| error.to_string())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// A name without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// As much of a text as an error may show.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
