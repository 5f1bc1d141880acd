//! From an href in metadata to a path in the published tree.

use chantal_model::{PathError, RelPath};

/// The path that a client asks a server for when it follows `href` from the repository's root.
///
/// Percent-escapes are decoded once, as a server does. What a URL would not read as a path below the root (scheme,
/// host, query, fragment, `..` in any spelling) is refused.
pub(super) fn path(href: &str) -> Result<RelPath, PathError> {
    let refuse = |reason| {
        Err(PathError {
            path: href.chars().take(200).collect(),
            reason,
        })
    };
    if has_scheme(href) {
        return refuse("it has a scheme");
    }
    if href.contains(['?', '#']) {
        return refuse("it has a query or a fragment");
    }
    match decode(href) {
        Some(path) => RelPath::parse(&path),
        None => refuse("its escapes are not UTF-8"),
    }
}

/// The URL reference that a client makes of a package's `<location href>`.
///
/// dnf takes a location that is no URL for a plain path and escapes it itself: it asks for `a%252b.rpm` where the
/// metadata say `a%2b.rpm`. So does this, or a mirror would serve a file under another name than its clients ask for.
pub(super) fn reference(location: &str) -> String {
    if has_scheme(location) {
        return location.to_owned();
    }
    location.replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}

/// Whether a URL parser would see a scheme.
fn has_scheme(href: &str) -> bool {
    let Some((scheme, _)) = href.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !scheme.contains('/')
}

/// Decodes `%XX`; a `%` that begins no escape stays.
fn decode(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        match (byte, digit(bytes.get(index)), digit(bytes.get(index + 1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                index += 2;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        for (href, expected) in [
            ("Packages/a.rpm", "Packages/a.rpm"),
            ("libstdc%2B%2B-1.rpm", "libstdc++-1.rpm"),
            ("a%252e.rpm", "a%2e.rpm"),
            ("100%.rpm", "100%.rpm"),
            ("a%zz%4", "a%zz%4"),
            ("Packages/x-1:2-3.rpm", "Packages/x-1:2-3.rpm"),
            ("1:x", "1:x"),
        ] {
            assert_eq!(path(href).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_location_is_a_plain_path_unless_it_is_a_url() {
        for location in ["Packages/a%2b.rpm", "100%.rpm", "a?b#c.rpm", "Packages/x-1:2-3.rpm"] {
            assert_eq!(path(&reference(location)).unwrap().as_str(), location);
        }
        assert_eq!(reference("https://h/a%2b.rpm?x"), "https://h/a%2b.rpm?x");
    }

    #[test]
    fn nothing_leaves_the_root() {
        for href in [
            "../x",
            "a/../../x",
            "%2e%2e/x",
            "a/%2E./x",
            "/etc/passwd",
            "%2fetc",
            "http://h/x",
            "file:///x",
            "mailto:x",
            "a?b",
            "a#b",
            "",
            "%00",
            "%ff",
            "a%5cb",
            "//host/x",
        ] {
            assert!(path(href).is_err(), "{href:?}");
        }
    }
}
