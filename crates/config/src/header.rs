//! What a header of HTTP can hold.

/// Whether a text can be the name of a header (RFC 9110, section 5.1).
pub(crate) fn is_header_name(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// Whether a text can be the value of a header: one line, without control characters but tabs.
pub fn is_header_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || !b.is_ascii_control())
}
