//! A bounded XML reader that keeps the exact bytes of what it read.
//!
//! XML 1.0 without external or internal entities: a DOCTYPE is refused unless [`Doctype::Plain`] allows the plain one
//! that comps files carry. References other than the five predefined ones and characters by number are refused. The
//! reader never holds more than what was read since [`Xml::forget`], and a buffer ahead of it.
//!
//! Tags and texts are looked at where they lie in the buffer: metadata are many small elements, and copying each costs
//! more than finding it.

mod lexis;
mod window;

use std::borrow::Cow;
use std::io::BufRead;
use std::ops::Range;

use self::lexis::{Attribute, attribute, is_xml_char, normalized, resolve};
pub(super) use self::lexis::{cut, has_control};
use self::window::{Window, Wrong};
use crate::compress::shared_read_error;
use crate::error::FormatError;

pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_ATTRIBUTES: usize = 64;
pub(super) const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;
/// The most bytes between two calls of [`Xml::forget`].
pub(super) const MAX_FRAGMENT_BYTES: usize = 64 << 20;

const COMMENT: &[u8] = b"<!--";
const CDATA: &[u8] = b"<![CDATA[";
const DOCTYPE: &[u8] = b"<!DOCTYPE";

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
    window: Window<R>,
    file: String,
    doctype: Doctype,
    /// Content of the tag at hand, without angle brackets.
    tag: Range<usize>,
    name_bytes: usize,
    /// Attributes of the element that begins.
    attributes: Vec<Attribute>,
    /// Names of the open elements, one after the other, and where each begins.
    names: String,
    opened: Vec<usize>,
    depth: usize,
    roots: usize,
    /// The element at hand was empty: its end comes next.
    empty: bool,
    closing: bool,
    text: Text,
    stale_text: bool,
    start: usize,
}

/// Text since the last tag.
enum Text {
    /// As it lies in the window.
    There(Range<usize>),
    /// Put together from pieces.
    Joined(String),
}

impl Text {
    const NONE: Self = Self::There(0..0);
}

impl<R: BufRead> Xml<R> {
    /// Reads a document; `file` is its name in errors.
    pub(super) fn new(input: R, file: &str, doctype: Doctype) -> Self {
        Self {
            window: Window::new(input, MAX_FRAGMENT_BYTES),
            file: file.to_owned(),
            doctype,
            tag: 0..0,
            name_bytes: 0,
            attributes: Vec::new(),
            names: String::new(),
            opened: Vec::new(),
            depth: 0,
            roots: 0,
            empty: false,
            closing: false,
            text: Text::NONE,
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
            self.text = Text::NONE;
        }
        if std::mem::take(&mut self.empty) {
            self.attributes.clear();
            return Ok(self.end());
        }
        loop {
            match self.byte(0)? {
                None => return self.close(),
                Some(b'&') => self.reference()?,
                Some(b'<') => match self.byte(1)? {
                    Some(b'/') => return self.end_tag(),
                    Some(b'!') => self.declaration()?,
                    Some(b'?') => self.instruction()?,
                    _ => return self.start_tag(),
                },
                Some(_) => self.run()?,
            }
        }
    }

    fn byte(&mut self, ahead: usize) -> Result<Option<u8>, FormatError> {
        self.window.byte(ahead).map_err(|wrong| self.wrong(&wrong))
    }

    /// Text up to the next markup or reference.
    fn run(&mut self) -> Result<(), FormatError> {
        let at = self.window.at();
        if at == 0 && self.window.is_next("\u{feff}".as_bytes()).is_ok_and(|is_mark| is_mark) {
            self.window.take('\u{feff}'.len_utf8());
            return Ok(());
        }
        let end = self.window.find(0, |rest| memchr::memchr2(b'<', b'&', rest));
        let end = match end.map_err(|wrong| self.wrong(&wrong))? {
            Some(end) => end,
            None => self.window.rest(),
        };
        self.window.take(end);
        self.add_text(at..at + end)
    }

    fn add_text(&mut self, piece: Range<usize>) -> Result<(), FormatError> {
        if self.depth == 0 {
            return match self.window.get(piece).trim_ascii() {
                "" => Ok(()),
                _ => Err(self.malformed("text outside of the root element")),
            };
        }
        self.check_text(piece.len())?;
        match &mut self.text {
            Text::There(there) if there.start == there.end => *there = piece,
            Text::There(there) => {
                let joined = [self.window.get(there.clone()), self.window.get(piece)].concat();
                self.text = Text::Joined(joined);
            }
            Text::Joined(joined) => joined.push_str(self.window.get(piece)),
        }
        Ok(())
    }

    fn check_text(&self, more: usize) -> Result<(), FormatError> {
        let known = match &self.text {
            Text::There(there) => there.len(),
            Text::Joined(joined) => joined.len(),
        };
        if known + more > MAX_TEXT_BYTES {
            return Err(self.limit("text", format!("{} MiB", MAX_TEXT_BYTES >> 20)));
        }
        Ok(())
    }

    /// `&…;` in text.
    fn reference(&mut self) -> Result<(), FormatError> {
        let end = self.window.find(1, |rest| memchr::memchr3(b';', b'&', b'<', rest));
        let end = end.map_err(|wrong| self.wrong(&wrong))?;
        let end = end.filter(|end| self.window.byte(*end).is_ok_and(|byte| byte == Some(b';')));
        let Some(end) = end else {
            return Err(self.malformed("a reference without `;`"));
        };
        let at = self.window.at();
        let reference = self.window.get(at + 1..at + end);
        let Some(character) = resolve(reference) else {
            let reason = format!("unknown entity &{};", cut(reference));
            return Err(self.malformed(reason));
        };
        self.window.take(end + 1);
        if self.depth == 0 {
            return if character.is_ascii_whitespace() {
                Ok(())
            } else {
                Err(self.malformed("text outside of the root element"))
            };
        }
        self.check_text(character.len_utf8())?;
        match &mut self.text {
            Text::Joined(joined) => joined.push(character),
            Text::There(there) => {
                let mut joined = self.window.get(there.clone()).to_owned();
                joined.push(character);
                self.text = Text::Joined(joined);
            }
        }
        Ok(())
    }

    /// A comment, a CDATA section or a DOCTYPE.
    fn declaration(&mut self) -> Result<(), FormatError> {
        let at = self.window.at();
        if self.is_next(COMMENT)? {
            let end = self.window.find_mark(COMMENT.len(), b"-->");
            let end = self.closed(end, "comment not closed: `-->` not found before the end")?;
            self.window.take(end + 3);
            return Ok(());
        }
        if self.is_next(CDATA)? {
            let end = self.window.find_mark(CDATA.len(), b"]]>");
            let end = self.closed(end, "CDATA not closed: `]]>` not found before the end")?;
            self.window.take(end + 3);
            return self.add_text(at + CDATA.len()..at + end);
        }
        if !self.is_next(DOCTYPE)? {
            return Err(self.malformed("unknown markup that begins with `<!`"));
        }
        if self.doctype == Doctype::Refused || self.depth > 0 {
            return Err(self.malformed("DTD not allowed"));
        }
        let end = self.window.find_end_of_tag();
        let end = self.closed(end, "DOCTYPE not closed: `>` not found before the end")?;
        if self.window.get(at..at + end).contains('[') {
            return Err(self.malformed("DTD not allowed"));
        }
        self.window.take(end + 1);
        Ok(())
    }

    /// A processing instruction, or the declaration at the start.
    fn instruction(&mut self) -> Result<(), FormatError> {
        let end = self.window.find_mark(2, b"?>");
        let end = self.closed(end, "processing instruction not closed: `?>` not found before the end")?;
        self.window.take(end + 2);
        Ok(())
    }

    fn is_next(&mut self, text: &[u8]) -> Result<bool, FormatError> {
        self.window.is_next(text).map_err(|wrong| self.wrong(&wrong))
    }

    fn closed(&self, end: Result<Option<usize>, Wrong>, reason: &str) -> Result<usize, FormatError> {
        end.map_err(|wrong| self.wrong(&wrong))?
            .ok_or_else(|| self.malformed(reason))
    }

    fn start_tag(&mut self) -> Result<Node, FormatError> {
        let end = self.window.find_end_of_tag();
        let end = self.closed(end, "tag not closed: `>` not found before the end")?;
        self.start = self.window.at();
        let content = self.window.get(self.start + 1..self.start + end);
        let inside = content.strip_suffix('/');
        self.empty = inside.is_some();
        let content = inside.unwrap_or(content);
        let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.name_bytes = content.bytes().position(is_space).unwrap_or(content.len());
        self.tag = self.start + 1..self.start + 1 + content.len();
        self.opened.push(self.names.len());
        self.names.push_str(&content[..self.name_bytes]);
        self.window.take(end + 1);
        self.open()
    }

    fn end_tag(&mut self) -> Result<Node, FormatError> {
        let end = self.window.find(2, |rest| memchr::memchr(b'>', rest));
        let end = self.closed(end, "tag not closed: `>` not found before the end")?;
        let at = self.window.at();
        let name = self.window.get(at + 2..at + end).trim_ascii_end();
        let expected = self.opened.last().map(|start| &self.names[*start..]);
        if expected != Some(name) {
            let reason = match expected {
                Some(expected) => format!("expected `</{}>`, but `</{}>` was found", cut(expected), cut(name)),
                None => format!("close tag `</{}>` does not match any open tag", cut(name)),
            };
            return Err(self.malformed(reason));
        }
        self.tag = at + 2..at + 2 + name.len();
        self.name_bytes = name.len();
        self.attributes.clear();
        self.window.take(end + 1);
        Ok(self.end())
    }

    fn end(&mut self) -> Node {
        if let Some(start) = self.opened.pop() {
            self.names.truncate(start);
        }
        self.closing = true;
        self.stale_text = true;
        Node::End
    }

    fn open(&mut self) -> Result<Node, FormatError> {
        self.text = Text::NONE;
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
        self.attributes.clear();
        if self.tag.len() > self.name_bytes {
            self.read_attributes()?;
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

    /// Finds the attributes of the tag at hand and checks that they are well-formed.
    fn read_attributes(&mut self) -> Result<(), FormatError> {
        let mut attributes = std::mem::take(&mut self.attributes);
        let tag = self.window.get(self.tag.clone());
        let mut at = self.name_bytes;
        loop {
            let next = match attribute(tag, at) {
                Ok(None) => break,
                Ok(Some(next)) => next,
                Err(reason) => return Err(self.malformed(reason)),
            };
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(self.limit("attributes of an element", MAX_ATTRIBUTES.to_string()));
            }
            let name = &tag[next.name.clone()];
            if attributes.iter().any(|known| tag[known.name.clone()] == *name) {
                let reason = format!("attribute {:?} is there twice", cut(name));
                return Err(self.malformed(reason));
            }
            self.check_value(&tag[next.value.clone()])?;
            at = next.value.end + 1;
            attributes.push(next);
        }
        self.attributes = attributes;
        Ok(())
    }

    fn check_value(&self, value: &str) -> Result<(), FormatError> {
        if value.len() > MAX_ATTRIBUTE_BYTES {
            return Err(self.limit("attribute", format!("{} KiB", MAX_ATTRIBUTE_BYTES >> 10)));
        }
        match memchr::memchr2(b'<', b'&', value.as_bytes()) {
            None => Ok(()),
            Some(_) if value.contains('<') => Err(self.malformed("`<` in an attribute")),
            Some(_) => {
                let value = normalized(value).map_err(|error| self.malformed(error.to_string()))?;
                if value.chars().all(is_xml_char) {
                    return Ok(());
                }
                Err(self.malformed("a reference to a character that XML does not allow"))
            }
        }
    }

    /// Reads up to the root element, whose name must be `name`, and gives its start tag as it came.
    pub(super) fn root(&mut self, name: &str) -> Result<String, FormatError> {
        self.next()?;
        if self.local_name() != name {
            let reason = format!("expected the root element {name}, got {}", cut(self.name()));
            return Err(self.malformed(reason));
        }
        let tag = self.window.get(self.start..self.window.at()).to_owned();
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
                Node::Start => return Ok(Some(self.start_offset())),
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
        self.window.get(self.tag.start..self.tag.start + self.name_bytes)
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
        let tag = self.window.get(self.tag.clone());
        let found = self
            .attributes
            .iter()
            .find(|one| tag.get(one.name.clone()) == Some(name))?;
        normalized(tag.get(found.value.clone())?).ok().map(Cow::into_owned)
    }

    /// At the end of a leaf its text, without white space around it; of another element what follows its last child.
    pub(super) fn text(&self) -> &str {
        match &self.text {
            Text::There(there) => self.window.get(there.clone()).trim(),
            Text::Joined(joined) => joined.trim(),
        }
    }

    /// Where the start tag at hand begins in [`Xml::recorded`].
    pub(super) fn start_offset(&self) -> usize {
        self.start.saturating_sub(self.window.mark())
    }

    /// The bytes read since [`Xml::forget`], exactly as they came.
    pub(super) fn recorded(&self) -> &[u8] {
        self.window.taken()
    }

    /// Drops the recorded bytes; offsets count from here.
    pub(super) fn forget(&mut self) {
        self.window.set_mark();
    }

    /// An error at this place.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> FormatError {
        FormatError::Malformed {
            file: self.file.clone(),
            reason: reason.into(),
            at: Some(self.window.at() as u64),
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

    fn wrong(&self, wrong: &Wrong) -> FormatError {
        match wrong {
            Wrong::Input(error) => shared_read_error(&self.file, error),
            Wrong::NotUtf8 => self.malformed("not valid UTF-8"),
        }
    }
}
