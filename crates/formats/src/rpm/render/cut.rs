//! Taking elements out of a record and leaving every other byte as it is.

use std::ops::Range;

use super::super::xml::{Doctype, Node, Xml};
use crate::error::FormatError;

/// Looks at every element of a record; the record's own is at depth 1.
pub(in crate::rpm) trait Visit {
    /// An element begins.
    fn begin(&mut self, xml: &Xml<&[u8]>);
    /// An element ends; `range` is where it stands in the record.
    fn end(&mut self, xml: &Xml<&[u8]>, range: Range<usize>);
}

/// Walks over a record.
///
/// # Errors
/// [`FormatError::Malformed`] for what is no element.
pub(in crate::rpm) fn walk(record: &[u8], file: &str, visit: &mut impl Visit) -> Result<(), FormatError> {
    let mut xml = Xml::new(record, file, Doctype::Refused);
    let mut starts = Vec::new();
    loop {
        match xml.next()? {
            Node::Start => {
                starts.push(xml.start_offset());
                visit.begin(&xml);
            }
            Node::End => {
                let start = starts.pop().unwrap_or_default();
                let end = xml.recorded().len();
                visit.end(&xml, start..end);
            }
            Node::Eof => return Ok(()),
        }
    }
}

/// Elements to take out of a record, in the order in which they end.
#[derive(Default)]
pub(in crate::rpm) struct Cuts(Vec<Range<usize>>);

impl Cuts {
    /// Adds an element; those inside of it are part of it.
    pub(in crate::rpm) fn push(&mut self, range: Range<usize>) {
        while self.0.pop_if(|last| last.start >= range.start).is_some() {}
        self.0.push(range);
    }

    /// The record without these elements, each taken out with the white space that sets it off from the one before.
    pub(in crate::rpm) fn apply(&self, record: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(record.len());
        let mut done = 0;
        for cut in &self.0 {
            let before = record.get(done..cut.start).unwrap_or_default();
            let trimmed = before.trim_ascii_end();
            // White space after text is part of the text; after a cut it belongs to what was cut.
            let margin = trimmed.is_empty() || trimmed.ends_with(b">");
            kept.extend_from_slice(if margin { trimmed } else { before });
            done = cut.end;
        }
        kept.extend_from_slice(record.get(done..).unwrap_or_default());
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named<'a>(&'a str, Cuts);

    impl Visit for Named<'_> {
        fn begin(&mut self, _: &Xml<&[u8]>) {}
        fn end(&mut self, xml: &Xml<&[u8]>, range: Range<usize>) {
            if xml.name() == self.0 {
                self.1.push(range);
            }
        }
    }

    #[test]
    fn an_element_goes_with_its_line_and_nothing_else() {
        for (record, expected) in [
            ("<a>\n  <b/>\n  <x/>\n  <c/>\n</a>", "<a>\n  <b/>\n  <c/>\n</a>"),
            ("<a>\n  <x>1</x>\n  <x y='>'/>\n</a>", "<a>\n</a>"),
            ("<a>text <x/> more</a>", "<a>text  more</a>"),
            (
                "<a><!-- <x/> --><x/><![CDATA[<x/>]]></a>",
                "<a><!-- <x/> --><![CDATA[<x/>]]></a>",
            ),
            ("<a>\n <x>\n  <x/><x/>\n </x>\n</a>", "<a>\n</a>"),
            ("<a><b/></a>", "<a><b/></a>"),
        ] {
            let mut named = Named("x", Cuts::default());
            walk(record.as_bytes(), "r", &mut named).unwrap();
            let kept = named.1.apply(record.as_bytes());
            assert_eq!(String::from_utf8(kept).unwrap(), expected);
        }
    }
}
