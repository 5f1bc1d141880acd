//! Records of part 0: a `<package>` of primary with its location cut out.
//!
//! `[u32 little endian: offset of the cut element][fragment without it]`. So a package keeps one record wherever it is
//! published, and one that is published where upstream has it renders to upstream's own bytes.

use crate::error::FormatError;

const HEAD_BYTES: usize = 4;

/// Makes a record from a fragment and the byte range of its `<location>` element.
///
/// `None` when the range is not inside the fragment or lies beyond 4 GiB.
pub(crate) fn cut_location(fragment: &[u8], location: std::ops::Range<usize>) -> Option<Vec<u8>> {
    let offset = u32::try_from(location.start).ok()?;
    let before = fragment.get(..location.start)?;
    let after = fragment.get(location.end..)?;
    let mut record = Vec::with_capacity(HEAD_BYTES + before.len() + after.len());
    record.extend_from_slice(&offset.to_le_bytes());
    record.extend_from_slice(before);
    record.extend_from_slice(after);
    Some(record)
}

/// The fragment without its location, which is what identifies a description; empty for what is no record.
pub(crate) fn description(record: &[u8]) -> &[u8] {
    record.get(HEAD_BYTES..).unwrap_or_default()
}

/// What of a record stands before and after its location.
///
/// # Errors
/// [`FormatError::Malformed`] for bytes that [`cut_location`] did not make.
pub(crate) fn split(record: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let malformed = || FormatError::malformed("primary", "a stored record is damaged");
    let (head, body) = record.split_first_chunk::<HEAD_BYTES>().ok_or_else(malformed)?;
    let offset = u32::from_le_bytes(*head) as usize;
    body.split_at_checked(offset).ok_or_else(malformed)
}

/// The fragment with `<location href="…"/>` put where upstream had its own.
///
/// `href` is escaped for XML here; percent-encoding is the caller's.
///
/// # Errors
/// [`FormatError::Malformed`] for bytes that [`cut_location`] did not make.
pub(crate) fn insert_location(record: &[u8], href: &str) -> Result<Vec<u8>, FormatError> {
    let (before, after) = split(record)?;
    let mut fragment = Vec::with_capacity(record.len() + href.len() + 32);
    fragment.extend_from_slice(before);
    fragment.extend_from_slice(b"<location href=\"");
    escape_attribute(href, &mut fragment);
    fragment.extend_from_slice(b"\"/>");
    fragment.extend_from_slice(after);
    Ok(fragment)
}

/// Escapes a value for an XML attribute in double quotes, as libxml2 does.
pub(crate) fn escape_attribute(value: &str, out: &mut Vec<u8>) {
    for byte in value.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\t' => out.extend_from_slice(b"&#9;"),
            b'\n' => out.extend_from_slice(b"&#10;"),
            b'\r' => out.extend_from_slice(b"&#13;"),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_location_comes_back_byte_for_byte() {
        let fragment = b"<package><name>a</name><location href=\"Packages/a&amp;b.rpm\"/></package>";
        let start = 24 - 1;
        let end = fragment.len() - "</package>".len();
        assert!(fragment[start..end].starts_with(b"<location"));

        let record = cut_location(fragment, start..end).unwrap();

        assert_eq!(insert_location(&record, "Packages/a&b.rpm").unwrap(), fragment);
        let moved = insert_location(&record, "x.rpm").unwrap();
        assert_eq!(moved, b"<package><name>a</name><location href=\"x.rpm\"/></package>");
    }

    #[test]
    fn damaged_records_are_refused() {
        for record in [&b""[..], b"\x01\0\0", b"\x05\0\0\0abcd", b"\xff\xff\xff\xffabcd"] {
            assert!(insert_location(record, "x").is_err(), "{record:?}");
        }
    }
}
