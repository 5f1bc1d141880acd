//! The part of a document that is in memory: what was read since a mark, and a bit ahead.
//!
//! Offsets count the document's bytes from its start, so that they stay what they are while the window moves.

use std::io::{self, BufRead};
use std::ops::Range;

use crate::compress::limit_error;

/// Why no more bytes can be had.
pub(super) enum Wrong {
    Input(io::Error),
    NotUtf8,
}

pub(super) struct Window<R> {
    input: R,
    max_bytes: usize,
    /// Whole characters only.
    buffer: String,
    /// Offset of the first byte in the buffer.
    base: usize,
    /// Nothing before it is needed any more.
    mark: usize,
    /// What is before it was taken.
    at: usize,
    /// The beginning of a character whose end has not come yet.
    partial: Vec<u8>,
    is_damaged: bool,
    has_ended: bool,
}

impl<R: BufRead> Window<R> {
    /// Makes an empty window that never has more than about `max_bytes` after the mark.
    pub(super) fn new(input: R, max_bytes: usize) -> Self {
        Self {
            input,
            max_bytes,
            buffer: String::new(),
            base: 0,
            mark: 0,
            at: 0,
            partial: Vec::new(),
            is_damaged: false,
            has_ended: false,
        }
    }

    /// Where the next byte is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn mark(&self) -> usize {
        self.mark
    }

    /// Lets go of everything that was taken.
    pub(super) fn set_mark(&mut self) {
        self.mark = self.at;
    }

    /// What is in the window of a range; nothing for one that has left it.
    pub(super) fn get(&self, range: Range<usize>) -> &str {
        let index = |offset: usize| offset.checked_sub(self.base);
        let inside = index(range.start).zip(index(range.end));
        inside
            .and_then(|(start, end)| self.buffer.get(start..end))
            .unwrap_or_default()
    }

    /// What was taken since the mark.
    pub(super) fn taken(&self) -> &[u8] {
        self.get(self.mark..self.at).as_bytes()
    }

    /// Takes so many bytes, which are there.
    pub(super) fn take(&mut self, count: usize) {
        self.at += count;
    }

    /// How many bytes are in the window that were not taken.
    pub(super) fn rest(&self) -> usize {
        self.ahead().len()
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer.as_bytes()[self.at - self.base..]
    }

    /// The byte so far ahead; `None` after the end.
    pub(super) fn byte(&mut self, ahead: usize) -> Result<Option<u8>, Wrong> {
        loop {
            if let Some(byte) = self.ahead().get(ahead) {
                return Ok(Some(*byte));
            }
            if !self.refill()? {
                return Ok(None);
            }
        }
    }

    /// Whether what comes next is `text`.
    pub(super) fn is_next(&mut self, text: &[u8]) -> Result<bool, Wrong> {
        self.byte(text.len() - 1)?;
        Ok(self.ahead().starts_with(text))
    }

    /// How far ahead the first byte is, from `from` on, that `search` finds; `None` if there is none.
    pub(super) fn find(
        &mut self,
        mut from: usize,
        search: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<usize>, Wrong> {
        loop {
            let ahead = self.ahead();
            let rest = ahead.get(from..).unwrap_or_default();
            if let Some(found) = search(rest) {
                return Ok(Some(from + found));
            }
            from = from.max(ahead.len());
            if !self.refill()? {
                return Ok(None);
            }
        }
    }

    /// How far ahead `mark` begins, which ends with `>` and has no other one.
    pub(super) fn find_mark(&mut self, mut from: usize, mark: &[u8]) -> Result<Option<usize>, Wrong> {
        let before = mark.len() - 1;
        loop {
            let Some(end) = self.find(from + before, |rest| memchr::memchr(b'>', rest))? else {
                return Ok(None);
            };
            let start = end - before;
            if self.ahead()[start..].starts_with(mark) {
                return Ok(Some(start));
            }
            from = start + 1;
        }
    }

    /// How far ahead the `>` is that ends a tag: one that is not in quotes.
    pub(super) fn find_end_of_tag(&mut self) -> Result<Option<usize>, Wrong> {
        let mut from = 1;
        loop {
            let Some(found) = self.find(from, |rest| memchr::memchr3(b'>', b'"', b'\'', rest))? else {
                return Ok(None);
            };
            let byte = self.ahead()[found];
            if byte == b'>' {
                return Ok(Some(found));
            }
            match self.find(found + 1, |rest| memchr::memchr(byte, rest))? {
                Some(closed) => from = closed + 1,
                None => return Ok(None),
            }
        }
    }

    /// Reads more; `false` at the end.
    fn refill(&mut self) -> Result<bool, Wrong> {
        if self.has_ended {
            return Ok(false);
        }
        if self.is_damaged {
            return Err(Wrong::NotUtf8);
        }
        if self.buffer.len() + self.base - self.mark > self.max_bytes {
            let limit = format!("{} MiB", self.max_bytes >> 20);
            return Err(Wrong::Input(limit_error("an element", limit)));
        }
        let before = self.mark - self.base;
        self.buffer.drain(..before);
        self.base = self.mark;
        let len = self.buffer.len();
        while self.buffer.len() == len {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk.map_err(Wrong::Input)?,
            };
            let count = chunk.len();
            if count == 0 {
                self.has_ended = self.partial.is_empty();
                return if self.has_ended { Ok(false) } else { Err(Wrong::NotUtf8) };
            }
            let joined;
            let bytes = if self.partial.is_empty() {
                chunk
            } else {
                joined = [&std::mem::take(&mut self.partial), chunk].concat();
                &joined
            };
            match std::str::from_utf8(bytes) {
                Ok(text) => self.buffer.push_str(text),
                Err(error) => {
                    let (valid, rest) = bytes.split_at(error.valid_up_to());
                    self.buffer.push_str(&String::from_utf8_lossy(valid));
                    self.is_damaged = error.error_len().is_some();
                    if !self.is_damaged {
                        self.partial = rest.to_vec();
                    }
                }
            }
            self.input.consume(count);
            if self.is_damaged && self.buffer.len() == len {
                return Err(Wrong::NotUtf8);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_come_in_pieces_and_ranges_stay_what_they_are() {
        let text = "aé<あ>".repeat(50);
        for size in 1..9 {
            let input = io::BufReader::with_capacity(size, text.as_bytes());
            let mut window = Window::new(input, 1 << 20);
            for n in 0..50 {
                let at = window.at();
                let end = window.find(0, |rest| memchr::memchr(b'>', rest)).ok().flatten();
                let end = end.expect("there is one");
                window.take(end + 1);
                assert_eq!(window.get(at..window.at()), "aé<あ>", "{n} by {size}");
                assert_eq!(window.taken(), "aé<あ>".as_bytes());
                window.set_mark();
            }
            assert!(matches!(window.byte(0), Ok(None)));
        }
    }

    #[test]
    fn what_comes_before_bytes_that_are_no_text_is_read() {
        for bad in [&b"ab\xff>cd"[..], b"ab\xe3\x81", b"ab\xe3\x81>"] {
            let mut window = Window::new(bad, 1 << 20);
            assert!(matches!(window.byte(1), Ok(Some(b'b'))));
            assert!(matches!(window.byte(2), Err(Wrong::NotUtf8)), "{bad:?}");
        }
    }

    #[test]
    fn no_more_is_held_than_allowed() {
        let input = io::BufReader::with_capacity(10, io::repeat(b'x'));
        let mut window = Window::new(input, 1 << 20);
        let found = window.find(0, |rest| memchr::memchr(b'>', rest));
        assert!(matches!(found, Err(Wrong::Input(_))));
    }
}
