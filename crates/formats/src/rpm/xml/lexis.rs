//! The small pieces of markup: attributes, references, characters.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::XmlVersion;
use quick_xml::events::attributes;
use quick_xml::name::QName;

/// Where an attribute is in the content of its tag.
pub(super) struct Attribute {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// The attribute of a tag's content that begins at `at`; `None` if none follows.
pub(super) fn attribute(tag: &str, at: usize) -> Result<Option<Attribute>, &'static str> {
    let bytes = tag.as_bytes();
    let skip = |mut at: usize| {
        while bytes
            .get(at)
            .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        {
            at += 1;
        }
        at
    };
    let start = skip(at);
    if start == bytes.len() {
        return Ok(None);
    }
    if start == at {
        return Err("no white space between attributes");
    }
    let is_end = |byte: &u8| matches!(byte, b'=' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'');
    let end = start + bytes[start..].iter().position(is_end).unwrap_or(bytes.len() - start);
    if end == start {
        return Err("an attribute without a name");
    }
    let equals = skip(end);
    if bytes.get(equals) != Some(&b'=') {
        return Err("an attribute without a value");
    }
    let quote = skip(equals + 1);
    let Some(mark) = bytes.get(quote).filter(|byte| matches!(byte, b'"' | b'\'')) else {
        return Err("the value of an attribute is not in quotes");
    };
    let Some(length) = memchr::memchr(*mark, &bytes[quote + 1..]) else {
        return Err("the value of an attribute does not end");
    };
    Ok(Some(Attribute {
        name: start..end,
        value: quote + 1..quote + 1 + length,
    }))
}

/// The value of an attribute, its references resolved and its white space made spaces.
pub(super) fn normalized(value: &str) -> Result<Cow<'_, str>, quick_xml::Error> {
    let raw = attributes::Attribute {
        key: QName(""),
        value: Cow::Borrowed(value),
    };
    match raw.normalized_value(XmlVersion::Implicit1_0)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(value)),
        Cow::Owned(value) => Ok(Cow::Owned(value)),
    }
}

/// The character that a reference stands for; `None` for what only a DTD could define.
pub(super) fn resolve(reference: &str) -> Option<char> {
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
pub(super) fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// Whether bytes hold a control character that XML 1.0 does not allow; clients' parsers refuse the whole file for one.
pub(in crate::rpm) fn has_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|byte| matches!(byte, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f))
}

/// Text from outside, short enough for a message.
pub(in crate::rpm) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
