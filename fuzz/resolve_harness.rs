//! What the fuzz target `resolve`, and the replay test of its corpus, does with an input.

use chantal_fetch::resolve;
use url::Url;

/// Resolves an input as a location; what comes before its first line feed, if there is one, is the base that metadata
/// name.
///
/// # Panics
/// A location of metadata leads to another scheme, or from https to http.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (base, href) = match text.split_once('\n') {
        Some((base, href)) => (Some(base), href),
        None => (None, &*text),
    };
    for (feed, allowed) in [
        ("https://feed.invalid/a/b", &["https"][..]),
        ("http://feed.invalid/a/b?token=1", &["http", "https"]),
        ("file:///srv/feed/", &["file", "http", "https"]),
    ] {
        let feed = Url::parse(feed).expect("a URL");
        if let Ok(url) = resolve(&feed, base, href) {
            assert!(allowed.contains(&url.scheme()), "{feed} leads to {url}");
            assert!(!url.as_str().chars().any(char::is_control), "{url:?}");
            let leaks = url.query() == Some("token=1") && url.origin() != feed.origin();
            assert!(!leaks || text.contains("token=1"), "the feed's query goes to {url}");
        }
    }
}
