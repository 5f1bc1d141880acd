//! Where metadata's references lead.

use url::Url;

/// Why a reference leads nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is no URL reference.
    #[error("not a URL")]
    NotAUrl,
    /// A scheme that is not allowed here.
    #[error("scheme {0:?} refused")]
    Scheme(String),
    /// From https to http.
    #[error("leads from https to http")]
    Downgrade,
    /// Control characters.
    #[error("control characters in a URL")]
    Control,
}

/// Resolves a reference of metadata against the directory that `base` names, with or without a slash at its end.
///
/// `xml_base` is a base that metadata names in place of it. Only http and https are followed, and file where the feed
/// itself is a file; never from https to http. `..` is resolved by URL rules, for fetching only.
pub fn resolve(base: &Url, xml_base: Option<&str>, href: &str) -> Result<Url, ResolveError> {
    let mut at = directory(base.clone());
    for reference in xml_base.into_iter().map(|text| (text, true)).chain([(href, false)]) {
        let (text, is_base) = reference;
        if text.chars().any(char::is_control) {
            return Err(ResolveError::Control);
        }
        let next = at.join(text.trim()).map_err(|_| ResolveError::NotAUrl)?;
        match (base.scheme(), next.scheme()) {
            ("https", "http") => return Err(ResolveError::Downgrade),
            (_, "http" | "https") | ("file", "file") => {}
            (_, other) => return Err(ResolveError::Scheme(other.to_owned())),
        }
        if has_control(&next) {
            return Err(ResolveError::Control);
        }
        at = if is_base { directory(next) } else { next };
    }
    if at.query().is_none()
        && let Some(query) = base.query()
        && at.origin() == base.origin()
    {
        at.set_query(Some(query));
    }
    Ok(at)
}

/// Whether a URL's path holds control characters once it is decoded.
pub(crate) fn has_control(url: &Url) -> bool {
    percent_encoding::percent_decode_str(url.path()).any(|byte| byte.is_ascii_control())
}

/// A URL whose path ends with a slash.
fn directory(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, xml_base: Option<&str>, href: &str) -> Result<String, ResolveError> {
        resolve(&Url::parse(base).unwrap(), xml_base, href).map(String::from)
    }

    #[test]
    fn a_feed_without_slash_keeps_its_last_segment() {
        let expected = Ok("http://h/a/b/repodata/repomd.xml".to_owned());
        assert_eq!(resolved("http://h/a/b", None, "repodata/repomd.xml"), expected);
        assert_eq!(resolved("http://h/a/b/", None, "repodata/repomd.xml"), expected);
    }

    #[test]
    fn parents_other_hosts_and_bases_are_followed_for_fetching() {
        assert_eq!(
            resolved("http://h/a/b", None, "../p/x.rpm"),
            Ok("http://h/a/p/x.rpm".into())
        );
        assert_eq!(
            resolved("https://h/a", None, "https://o/x.rpm"),
            Ok("https://o/x.rpm".into())
        );
        assert_eq!(
            resolved("https://h/a", Some("https://o/b"), "x.rpm"),
            Ok("https://o/b/x.rpm".into())
        );
    }

    #[test]
    fn queries_stay_with_the_feed() {
        assert_eq!(
            resolved("http://h/a?token=1", None, "x"),
            Ok("http://h/a/x?token=1".into())
        );
        assert_eq!(
            resolved("http://h/a?token=1", None, "http://o/x"),
            Ok("http://o/x".into())
        );
    }

    #[test]
    fn downgrades_other_schemes_and_control_characters_are_refused() {
        assert_eq!(
            resolved("https://h/a", None, "http://h/x"),
            Err(ResolveError::Downgrade)
        );
        assert_eq!(
            resolved("http://h/a", None, "file:///etc/shadow"),
            Err(ResolveError::Scheme("file".into()))
        );
        assert_eq!(
            resolved("http://h/a", None, "ftp://h/x"),
            Err(ResolveError::Scheme("ftp".into()))
        );
        assert_eq!(
            resolved("http://h/a", None, "x%0d%0aHost: y"),
            Err(ResolveError::Control)
        );
        assert_eq!(resolved("http://h/a", None, "x\r\ny"), Err(ResolveError::Control));
        assert_eq!(resolved("file:///a", None, "x"), Ok("file:///a/x".into()));
    }
}
