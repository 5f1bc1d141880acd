//! A bounded XML reader that keeps the exact bytes of what it read.
//!
//! XML 1.0 without external or internal entities: a DOCTYPE is refused unless [`Doctype::Plain`] allows the plain one
//! that comps files carry. References other than the five predefined ones and characters by number are refused. The
//! reader never holds more than what was read since [`Xml::forget`].

use std::borrow::Cow;
use std::io::{self, BufRead};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::compress::{limit_error, shared_read_error};
use crate::error::FormatError;

pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_ATTRIBUTES: usize = 64;
pub(super) const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;
/// The most bytes between two calls of [`Xml::forget`].
pub(super) const MAX_FRAGMENT_BYTES: usize = 64 << 20;

/// Whether a document may have a DOCTYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doctype {
    /// None at all.
    Refused,
    /// One without an internal subset, so without entities; its external subset is never read.
    Plain,
}

/// What [`Xml::next`] came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// An element begins; `<a/>` begins and ends.
    Start,
    /// An element ends.
    End,
    /// The document ends; its promise, if it had one, is kept.
    Eof,
}

/// A pull reader over elements; the text of a leaf is there at its end.
pub(super) struct Xml<R: BufRead> {
    reader: Reader<Tap<R>>,
    buffer: Vec<u8>,
    file: String,
    doctype: Doctype,
    /// Content of the tag at hand, without angle brackets.
    tag: String,
    name_bytes: usize,
    depth: usize,
    roots: usize,
    closing: bool,
    text: String,
    stale_text: bool,
    start: usize,
}

impl<R: BufRead> Xml<R> {
    /// Reads a document; `file` is its name in errors.
    pub(super) fn new(input: R, file: &str, doctype: Doctype) -> Self {
        let mut reader = Reader::from_reader(Tap {
            inner: input,
            recorded: Vec::new(),
        });
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            file: file.to_owned(),
            doctype,
            tag: String::new(),
            name_bytes: 0,
            depth: 0,
            roots: 0,
            closing: false,
            text: String::new(),
            stale_text: false,
            start: 0,
        }
    }

    /// Goes on to the next start or end of an element.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for what is not well-formed or not allowed, [`FormatError::Limit`] for what is too
    /// large, and what the bytes below raise.
    pub(super) fn next(&mut self) -> Result<Node, FormatError> {
        if std::mem::take(&mut self.closing) {
            self.depth -= 1;
        }
        if std::mem::take(&mut self.stale_text) {
            self.text.clear();
        }
        loop {
            self.buffer.clear();
            let start = self.reader.get_ref().recorded.len();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.wrong(&error)),
            };
            let text = match event {
                Event::Start(tag) => {
                    self.tag.clear();
                    self.tag.push_str(&tag);
                    self.name_bytes = tag.name().as_ref().len();
                    self.start = start;
                    return self.open();
                }
                Event::End(tag) => {
                    self.tag.clear();
                    self.tag.push_str(tag.name().as_ref());
                    self.name_bytes = self.tag.len();
                    self.closing = true;
                    self.stale_text = true;
                    return Ok(Node::End);
                }
                Event::Eof => return self.close(),
                Event::Text(text) => text.into_inner(),
                Event::CData(text) => text.into_inner(),
                Event::GeneralRef(reference) => {
                    let Some(character) = resolve(&reference) else {
                        let reason = format!("unknown entity &{};", cut(&reference));
                        return Err(self.malformed(reason));
                    };
                    Cow::Owned(character.to_string())
                }
                Event::DocType(doctype) => {
                    let allowed = self.doctype == Doctype::Plain && self.depth == 0 && !doctype.contains('[');
                    if !allowed {
                        return Err(self.malformed("DTD not allowed"));
                    }
                    continue;
                }
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            if self.depth == 0 && !text.trim_matches(|c: char| c.is_ascii_whitespace()).is_empty() {
                return Err(self.malformed("text outside of the root element"));
            }
            if self.text.len() + text.len() > MAX_TEXT_BYTES {
                return Err(self.limit("text", format!("{} MiB", MAX_TEXT_BYTES >> 20)));
            }
            self.text.push_str(&text);
        }
    }

    fn open(&mut self) -> Result<Node, FormatError> {
        self.text.clear();
        if self.depth == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err(self.malformed("a second root element"));
            }
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.limit("nesting", format!("{MAX_DEPTH} elements")));
        }
        if self.tag.len() > self.name_bytes {
            self.check_attributes()?;
        }
        Ok(Node::Start)
    }

    fn close(&mut self) -> Result<Node, FormatError> {
        if self.depth > 0 {
            return Err(self.malformed("the document is cut off"));
        }
        if self.roots == 0 {
            return Err(self.malformed("no root element"));
        }
        Ok(Node::Eof)
    }

    fn check_attributes(&self) -> Result<(), FormatError> {
        if attributes_touch(&self.tag[self.name_bytes..]) {
            return Err(self.malformed("no white space between attributes"));
        }
        let tag = self.as_tag();
        for (index, attribute) in tag.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(self.limit("attributes of an element", MAX_ATTRIBUTES.to_string()));
            }
            let attribute = attribute.map_err(|error| self.malformed(error.to_string()))?;
            if attribute.value.len() > MAX_ATTRIBUTE_BYTES {
                return Err(self.limit("attribute", format!("{} KiB", MAX_ATTRIBUTE_BYTES >> 10)));
            }
            if attribute.value.contains('<') {
                return Err(self.malformed("`<` in an attribute"));
            }
            if attribute.value.contains('&') {
                let value = attribute
                    .normalized_value(XmlVersion::Implicit1_0)
                    .map_err(|error| self.malformed(error.to_string()))?;
                if !value.chars().all(is_xml_char) {
                    return Err(self.malformed("a reference to a character that XML does not allow"));
                }
            }
        }
        Ok(())
    }

    fn as_tag(&self) -> BytesStart<'_> {
        BytesStart::from_content(self.tag.as_str(), self.name_bytes)
    }

    /// Reads up to the root element, whose name must be `name`, and gives its start tag as it came.
    pub(super) fn root(&mut self, name: &str) -> Result<String, FormatError> {
        self.next()?;
        if self.local_name() != name {
            let reason = format!("expected the root element {name}, got {}", cut(self.name()));
            return Err(self.malformed(reason));
        }
        let tag = String::from_utf8_lossy(&self.recorded()[self.start..]);
        // A byte order mark counts as part of the first tag.
        let tag = tag.trim_start_matches('\u{feff}').to_owned();
        self.forget();
        Ok(tag)
    }

    /// Goes on to the next child of the root, where [`Xml::recorded`] then begins; `None` once the document is over.
    ///
    /// Call it at the root's start or at the end of the child before.
    pub(super) fn next_child(&mut self) -> Result<Option<usize>, FormatError> {
        loop {
            self.forget();
            match self.next()? {
                Node::Start => return Ok(Some(self.start)),
                Node::End => {}
                Node::Eof => return Ok(None),
            }
        }
    }

    /// Goes on to the end of the element that began last at this depth.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), FormatError> {
        loop {
            match self.next()? {
                Node::End if self.depth == depth => return Ok(()),
                Node::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    /// Name of the element at hand, with its prefix.
    pub(super) fn name(&self) -> &str {
        &self.tag[..self.name_bytes]
    }

    /// Name of the element at hand, without its prefix.
    pub(super) fn local_name(&self) -> &str {
        self.name().rsplit_once(':').map_or(self.name(), |(_, local)| local)
    }

    /// How deep the element at hand is; the root is at 1.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Value of an attribute of the element that begins, unescaped.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let tag = self.as_tag();
        let attribute = tag.try_get_attribute(name).ok().flatten()?;
        attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .ok()
            .map(Cow::into_owned)
    }

    /// At the end of a leaf its text, without white space around it; of another element what follows its last child.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Where the start tag at hand begins in [`Xml::recorded`].
    pub(super) fn start_offset(&self) -> usize {
        self.start
    }

    /// The bytes read since [`Xml::forget`], exactly as they came.
    pub(super) fn recorded(&self) -> &[u8] {
        &self.reader.get_ref().recorded
    }

    /// Drops the recorded bytes; offsets count from here.
    pub(super) fn forget(&mut self) {
        self.reader.get_mut().recorded.clear();
    }

    /// An error at this place.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> FormatError {
        FormatError::Malformed {
            file: self.file.clone(),
            reason: reason.into(),
            at: Some(self.reader.buffer_position()),
        }
    }

    /// A limit of this document.
    pub(super) fn limit(&self, what: &str, limit: String) -> FormatError {
        FormatError::Limit {
            file: self.file.clone(),
            what: what.to_owned(),
            limit,
        }
    }

    fn wrong(&self, error: &quick_xml::Error) -> FormatError {
        match error {
            quick_xml::Error::Io(error) => shared_read_error(&self.file, error),
            quick_xml::Error::Encoding(_) => self.malformed("not valid UTF-8"),
            error => FormatError::Malformed {
                file: self.file.clone(),
                reason: error.to_string(),
                at: Some(self.reader.error_position()),
            },
        }
    }
}

/// Whether an attribute begins right after the one before.
///
/// The parser below takes that; clients' parsers refuse the whole file for it.
fn attributes_touch(attributes: &str) -> bool {
    let mut rest = attributes.as_bytes();
    while let Some(start) = memchr::memchr2(b'"', b'\'', rest) {
        let (mark, inside) = (rest[start], &rest[start + 1..]);
        let Some(length) = memchr::memchr(mark, inside) else {
            return false;
        };
        rest = &inside[length + 1..];
        if rest
            .first()
            .is_some_and(|byte| !byte.is_ascii_whitespace() && *byte != b'/')
        {
            return true;
        }
    }
    false
}

/// The character that a reference stands for; `None` for what only a DTD could define.
fn resolve(reference: &str) -> Option<char> {
    let Some(number) = reference.strip_prefix('#') else {
        return Some(match reference {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` alone would take a sign.
    if digits.starts_with('+') {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(code).filter(|c| is_xml_char(*c))
}

/// XML 1.0, production 2.
fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// Whether bytes hold a control character that XML 1.0 does not allow; clients' parsers refuse the whole file for one.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|byte| matches!(byte, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f))
}

/// Text from outside, short enough for a message.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Records every byte that the parser takes.
struct Tap<R> {
    inner: R,
    recorded: Vec<u8>,
}

impl<R: BufRead> io::Read for Tap<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Tap<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.recorded.len() > MAX_FRAGMENT_BYTES {
            return Err(limit_error("an element", format!("{} MiB", MAX_FRAGMENT_BYTES >> 20)));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What was consumed is still in the buffer: no byte is read between `fill_buf` and `consume`.
        if let Ok(buffer) = self.inner.fill_buf() {
            let count = count.min(buffer.len());
            self.recorded.extend_from_slice(&buffer[..count]);
            self.inner.consume(count);
        }
    }
}
