//! What is kept of a URL whose query may hold a token, so that it can be told from others all the same.

use chantal_model::{Sha256, masked};
use url::Url;

/// How many digits of the digest are kept.
const DIGITS: usize = 16;

/// A URL to be stored: as people see it, and where it has a query, a digest of it in the fragment. Credentials are in
/// neither, for they do not change what a URL leads to.
pub(crate) fn noted(url: &Url) -> String {
    let shown = masked(url.as_str());
    if url.query().is_none_or(str::is_empty) {
        return shown;
    }
    let digest = Sha256::of(url[url::Position::BeforeHost..url::Position::AfterQuery].as_bytes()).hex();
    format!("{shown}#{}", &digest[..DIGITS])
}

/// What was stored, in that form, where an earlier version stored the URL itself.
pub(crate) fn renoted(stored: String) -> String {
    match Url::parse(&stored) {
        Ok(url) if url.fragment().is_none() => noted(&url),
        _ => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> String {
        noted(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_noted_url_says_no_secret_and_differs_by_the_whole_query() {
        assert_eq!(of("http://us:CANARY@h/x"), "http://h/x");
        let one = of("http://us:CANARY@h/x?token=CANARY");
        assert!(one.starts_with("http://h/x?token=***#"), "{one}");
        assert_eq!(one, of("http://h/x?token=CANARY#part"));
        assert_ne!(one, of("http://h/x?token=other"));
        assert_eq!(masked(&one), "http://h/x?token=***");
    }

    #[test]
    fn what_an_earlier_version_stored_is_brought_into_that_form_once() {
        let url = "http://us:CANARY@h/x?token=CANARY";
        assert_eq!(renoted(url.into()), of(url));
        assert_eq!(renoted(of(url)), of(url));
        assert_eq!(renoted("http://h/x".into()), "http://h/x");
    }
}
