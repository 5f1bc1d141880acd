//! Lists of mirrors: which of the places that they name may be used.

use chantal_model::{Promise, masked};
use url::Url;

use super::guard::{is_guarded, is_near};
use super::metalink::metalink;
use crate::resolve::has_control;

/// The most mirrors of a list that are used; the list has them in order of preference.
pub const MAX_MIRRORS: usize = 64;
/// The largest list.
pub const MAX_LIST_BYTES: u64 = 1 << 20;

/// A place as a list names it, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(String);

impl Entry {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Mirrors that a list names, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Directories that mirror the feed.
    pub bases: Vec<Url>,
    /// Whether the list is a metalink, rather than lines.
    pub is_metalink: bool,
    /// What the entry point must be, where the list says it.
    pub promise: Option<Promise>,
    /// Why others are not used.
    pub refused: Vec<String>,
}

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// It names no mirror that may be used.
    #[error("{0}")]
    Refused(String),
}

/// Reads a list: a metalink, or one URL on each line, `#` for comments.
///
/// `from` is where the list came from and decides what it may name; `entry` is the path of the entry point below a
/// mirror's directory.
///
/// # Errors
/// A list that names no mirror that may be used.
pub fn read(bytes: &[u8], from: &Url, entry: &str) -> Result<Listed, ListError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::Malformed("it is not UTF-8 text".into()))?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut listed = Listed::default();
    let entries = if text.starts_with('<') {
        if is_page(text) {
            return Err(ListError::Malformed("got an HTML page in place of a list".into()));
        }
        listed.is_metalink = true;
        let file = entry.rsplit('/').next().unwrap_or(entry);
        let found = metalink(text, file).map_err(|error| ListError::Malformed(format!("no metalink: {error}")))?;
        let is_strong = !found.promise.digests.is_empty();
        listed.promise = is_strong.then_some(found.promise);
        found.entries
    } else {
        lines(text)
    };
    for Entry(text) in &entries {
        if listed.bases.len() == MAX_MIRRORS {
            break;
        }
        match base(text, from, entry, listed.promise.is_some()) {
            Ok(base) if listed.bases.contains(&base) => {}
            Ok(base) => listed.bases.push(base),
            Err(reason) => {
                if listed.refused.len() < MAX_MIRRORS {
                    listed.refused.push(reason);
                }
            }
        }
    }
    if !listed.bases.is_empty() {
        return Ok(listed);
    }
    Err(match listed.refused.first() {
        Some(first) => ListError::Refused(format!("it names no mirror that may be used: {first}")),
        None => ListError::Malformed("it names no mirror".into()),
    })
}

/// Whether a text is a page for people, as servers send to those who are to log in, or who mistyped a URL.
fn is_page(text: &str) -> bool {
    let start: String = text.chars().take(1024).collect::<String>().to_ascii_lowercase();
    let at = |word: &str| start.find(word);
    let page = at("<!doctype html").or_else(|| at("<html"));
    page.is_some_and(|page| at("<metalink").is_none_or(|metalink| page < metalink))
}

fn lines(text: &str) -> Vec<Entry> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(Entry::new)
        .collect()
}

/// The directory that a place names, if it may be used.
fn base(text: &str, from: &Url, entry: &str, is_vouched: bool) -> Result<Url, String> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    if text.chars().any(char::is_control) {
        return Err(format!("{shown:?}: control characters in a URL"));
    }
    let Ok(mut url) = Url::parse(text) else {
        return Err(format!("{shown:?} is not a URL"));
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}: scheme {:?} refused", masked(url.as_str()), url.scheme()));
    }
    if has_control(&url) {
        return Err(format!("{}: control characters in a URL", masked(url.as_str())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{}: a list must not bring credentials", masked(url.as_str())));
    }
    if from.scheme() == "https" && url.scheme() == "http" && !is_vouched {
        let what = "an https list leads to http, and no digest vouches for what comes";
        return Err(format!("{}: {what}", masked(url.as_str())));
    }
    if is_guarded(&url) && !is_near(from) {
        let what = "a loopback or link-local host, named by a list from elsewhere";
        return Err(format!("{}: {what}", masked(url.as_str())));
    }
    url.set_fragment(None);
    if let Some(directory) = url.path().strip_suffix(entry).filter(|rest| rest.ends_with('/')) {
        let directory = directory.to_owned();
        url.set_path(&directory);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "repodata/repomd.xml";

    fn listed(text: &str, from: &str) -> Result<Listed, ListError> {
        read(text.as_bytes(), &from.parse().unwrap(), ENTRY)
    }

    fn bases(text: &str, from: &str) -> Vec<String> {
        listed(text, from)
            .unwrap()
            .bases
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn a_list_has_one_url_on_each_line() {
        assert!(!listed("http://a/", "http://l/").unwrap().is_metalink);
        let text = "# mirrors\r\n\r\nhttp://a/x/\r\n  http://b/y  \nhttp://a/x/\nhttp://c/z/repodata/repomd.xml\n";
        assert_eq!(bases(text, "http://l/"), ["http://a/x/", "http://b/y", "http://c/z/"]);
    }

    #[test]
    fn a_metalink_has_an_order_and_a_promise() {
        let digest = "ab".repeat(32);
        let text = format!(
            r#"<?xml version="1.0"?>
            <metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://f/"><files>
            <file name="other.xml"><size>1</size><resources><url>http://wrong/repodata/repomd.xml</url></resources></file>
            <file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp><size>42</size>
            <verification><hash type="md5">00</hash><hash type="sha256">{digest}</hash></verification>
            <mm0:alternates><mm0:alternate><size>7</size>
            <verification><hash type="sha256">{}</hash></verification></mm0:alternate></mm0:alternates>
            <resources maxconnections="1">
            <url protocol="rsync" preference="100">rsync://r/repodata/repomd.xml</url>
            <url protocol="http" preference="90">http://second/a&amp;b/repodata/repomd.xml</url>
            <url protocol="https" preference="99">https://first/repodata/repomd.xml</url>
            </resources></file></files></metalink>"#,
            "cd".repeat(32)
        );
        let found = listed(&text, "https://l/metalink?repo=x");
        let found = found.unwrap();
        let bases: Vec<&str> = found.bases.iter().map(Url::as_str).collect();
        assert_eq!(bases, ["https://first/", "http://second/a&b/"]);
        let promise = found.promise.unwrap();
        assert_eq!((promise.size, promise.digests.len()), (Some(42), 1));
        assert!(found.is_metalink);
        assert_eq!(promise.digests[0].hex(), digest);
        assert_eq!(
            found.refused,
            ["rsync://r/repodata/repomd.xml: scheme \"rsync\" refused"]
        );
    }

    #[test]
    fn the_fourth_version_of_metalinks_is_understood() {
        let text = format!(
            r#"<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="repomd.xml"><size>3</size>
            <hash type="sha-256">{}</hash><url priority="2">http://b/repodata/repomd.xml</url>
            <url priority="1" location="de">http://a/repodata/repomd.xml</url></file></metalink>"#,
            "ef".repeat(32)
        );
        let found = listed(&text, "http://l/").unwrap();
        assert_eq!(
            found.bases.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["http://a/", "http://b/"]
        );
        assert_eq!(found.promise.unwrap().size, Some(3));
    }

    #[test]
    fn a_weak_digest_vouches_for_nothing() {
        let text = format!(
            r#"<metalink><file name="repomd.xml"><size>3</size><hash type="sha-1">{}</hash>
            <url>http://a/repodata/repomd.xml</url></file></metalink>"#,
            "ef".repeat(20)
        );
        assert_eq!(listed(&text, "http://l/").unwrap().promise, None);
        assert!(matches!(listed(&text, "https://l/"), Err(ListError::Refused(_))));
    }

    #[test]
    fn loopback_hosts_are_only_for_lists_from_there() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "169.254.169.254",
            "0x7f.1",
            "2130706433",
            "localhost",
            "a.localhost.",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[::]",
        ] {
            let text = format!("http://{host}/r/\n");
            assert!(
                matches!(listed(&text, "http://l.example/"), Err(ListError::Refused(_))),
                "{host}"
            );
            assert_eq!(listed(&text, "http://127.0.0.1:1/").unwrap().bases.len(), 1, "{host}");
            assert_eq!(listed(&text, "http://localhost/").unwrap().bases.len(), 1, "{host}");
            let good = format!("{text}http://good.example/\n");
            assert_eq!(bases(&good, "http://l.example/"), ["http://good.example/"], "{host}");
        }
    }

    #[test]
    fn what_no_mirror_can_be_is_refused_with_its_reason() {
        for (text, part) in [
            ("", "it names no mirror"),
            ("# nothing\n", "it names no mirror"),
            ("file:///etc/\n", "scheme \"file\""),
            ("ftp://h/\n", "scheme \"ftp\""),
            ("not a url\n", "is not a URL"),
            ("http://u:CANARY@h/\n", "must not bring credentials"),
            ("http://h/%0d%0a\n", "control characters"),
            ("<html><body>Log in</body></html>", "got an HTML page"),
            ("<!DOCTYPE html>\n<title>Log in</title>", "got an HTML page"),
            ("<?xml version='1.0'?><!-- x -->\n<HTML lang='en'>", "got an HTML page"),
            ("<feed/>", "expected <metalink>, got <feed>"),
            ("<metalink/>", "it names no file \"repomd.xml\""),
            (
                "<metalink><file name='repomd.xml'></file></metalink>",
                "it names no mirror",
            ),
            ("<metalink><file name='repomd.xml'>", "cut off"),
            ("<!DOCTYPE m [<!ENTITY x 'y'>]><metalink/>", "DTD not allowed"),
        ] {
            let error = listed(text, "http://l/").unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(!error.contains("CANARY"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,300}") {
            let _ = listed(&text, "http://l.example/");
        }

        #[test]
        fn no_damaged_metalink_makes_it_panic_or_names_what_it_must_not(
            at in 0_usize..400,
            with in "[<>&\"'/a-z0-9: ]{0,8}",
            cut in 0_usize..8,
        ) {
            let mut text = format!(
                "<metalink><file name=\"repomd.xml\"><size>3</size><hash type=\"sha-256\">{}</hash>\
                 <url priority=\"1\">https://a.example/repodata/repomd.xml</url>\
                 <url priority=\"2\">http://127.0.0.1/repodata/repomd.xml</url></file></metalink>",
                "ef".repeat(32)
            );
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.replace_range(at..end, &with);
            for base in listed(&text, "https://l.example/").map(|found| found.bases).unwrap_or_default() {
                proptest::prop_assert!(matches!(base.scheme(), "http" | "https"), "{}", base);
                proptest::prop_assert!(!is_guarded(&base), "{}", base);
            }
        }

        #[test]
        fn every_place_that_is_kept_can_be_fetched_from(hosts in proptest::collection::vec("[a-z]{1,8}", 1..20)) {
            let lines: Vec<String> = hosts.iter().map(|host| format!("http://{host}.example/r")).collect();
            let found = listed(&lines.join("\n"), "http://l.example/").unwrap();
            for base in &found.bases {
                let entry = crate::resolve(base, None, ENTRY).unwrap();
                proptest::prop_assert!(entry.path() == "/r/repodata/repomd.xml", "{}", entry);
            }
        }
    }

    #[test]
    fn no_more_mirrors_are_kept_than_are_used() {
        let lines: Vec<String> = (0..5000).map(|n| format!("http://h{n}/\nftp://h{n}/")).collect();
        let text = lines.join("\n");
        let found = listed(&text, "http://l/").unwrap();
        assert_eq!(found.bases.len(), MAX_MIRRORS);
        assert!(found.refused.len() <= MAX_MIRRORS);
    }
}
