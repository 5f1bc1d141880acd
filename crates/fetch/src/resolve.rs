//! Where metadata's references lead.

use url::Url;

use crate::mirrors::is_link_local;

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
    /// A link-local address, where the feed has none itself.
    #[error("a link-local host, named by metadata")]
    LinkLocal,
}

/// Resolves a reference of metadata against the directory that `base` names, with or without a slash at its end.
///
/// `xml_base` is a base that metadata names in place of it. Only http and https are followed, and file where the feed
/// itself is a file; never from https to http, and never to a link-local address (what hands out credentials to machines in
/// a cloud has one) unless the feed has one itself. `..` is resolved by URL rules, for fetching only.
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
        if is_link_local(&next) && !is_link_local(base) {
            return Err(ResolveError::LinkLocal);
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
    fn metadata_never_lead_to_a_link_local_address_in_any_notation() {
        let hosts = [
            "169.254.169.254",
            "169.254.169.254.",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.43518",
            "0251.0376.169.254",
            "%31%36%39.254.169.254",
            "user@169.254.169.254:81",
            "[fe80::1]",
            "[febf:1::2]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[::169.254.169.254]",
        ];
        for host in hosts {
            for base in ["http://h/a", "http://127.0.0.1:81/", "http://[::1]/", "file:///a"] {
                let url = format!("http://{host}/x");
                assert_eq!(resolved(base, None, &url), Err(ResolveError::LinkLocal), "{host}");
                assert_eq!(resolved(base, Some(&url), "x"), Err(ResolveError::LinkLocal), "{host}");
                assert_eq!(
                    resolved(base, Some(&url), "http://h/x"),
                    Err(ResolveError::LinkLocal),
                    "{host}"
                );
            }
        }
        for (base, href) in [
            ("http://169.254.1.2/a", "x"),
            ("http://[fe80::1]/a", "http://169.254.1.2/x"),
            ("http://127.0.0.1/a", "http://127.0.0.2/x"),
        ] {
            assert!(resolved(base, None, href).is_ok(), "{base}");
        }
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
