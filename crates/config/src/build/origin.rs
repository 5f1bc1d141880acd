//! Where a repository's content comes from.

use std::collections::BTreeSet;

use url::Url;

use super::network::take_credentials;
use super::{At, Builder};
use crate::effective::{Auth, Feed, FeedKind};
use crate::{formats, raw};

/// Where content comes from, and how to authenticate there.
pub(super) struct Origin {
    pub(super) feed: Option<Url>,
    pub(super) kind: FeedKind,
    pub(super) others: Vec<Feed>,
    pub(super) auth: Option<Auth>,
}

impl Builder<'_> {
    /// Reads the URLs and how to authenticate. The block `auth` is for every one of them; credentials in a URL are for
    /// that one, and are taken out of it, so that nothing that shows or keeps the URL has them.
    pub(super) fn origin(&mut self, at: &At, settings: &raw::RepositorySettings) -> Origin {
        let auth = self.auth(at, settings.auth.as_ref());
        let single = [
            ("feed", FeedKind::Directory, &settings.feed),
            ("mirrorlist", FeedKind::Mirrorlist, &settings.mirrorlist),
            ("metalink", FeedKind::Metalink, &settings.metalink),
        ];
        for (key, kind, text) in single {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
                continue;
            };
            let found = self.one(&[at[0], at[1], key], text, settings, auth.as_ref());
            let (feed, auth) = found.map_or((None, auth), |feed| (Some(feed.url), feed.auth));
            return Origin {
                feed,
                kind,
                others: Vec::new(),
                auth,
            };
        }
        let texts = settings.feeds.as_deref().unwrap_or_default();
        let mut feeds: Vec<Feed> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let number = number.to_string();
            let path = [at[0], at[1], "feeds", number.as_str()];
            if let Some(feed) = self.one(&path, text, settings, auth.as_ref()) {
                if feeds.iter().any(|known| known.url == feed.url) {
                    self.wrong(&path, format!("{} is there twice", feed.url), None);
                }
                feeds.push(feed);
            }
        }
        self.who_sees(at, auth.as_ref(), &feeds);
        let mut feeds = feeds.into_iter();
        let first = feeds.next();
        let (feed, auth) = first.map_or((None, auth), |feed| (Some(feed.url), feed.auth));
        Origin {
            feed,
            kind: FeedKind::Directory,
            others: feeds.collect(),
            auth,
        }
    }

    fn one(
        &mut self,
        path: &[&str],
        text: &str,
        settings: &raw::RepositorySettings,
        auth: Option<&Auth>,
    ) -> Option<Feed> {
        let mut url = self.url(path, text, &["http", "https", "file"])?;
        self.variables(path, text);
        let taken = take_credentials(&mut url);
        if taken.is_some() && settings.auth.is_some() {
            self.wrong(path, "the URL has credentials and there is `auth`; give one", None);
        }
        let own = taken.map(|(username, password)| Auth::Basic { username, password });
        Some(Feed {
            url,
            auth: own.or_else(|| auth.cloned()),
        })
    }

    /// Names variables that clients know and that nothing replaces here. A matrix has placeholders of its own.
    fn variables(&mut self, path: &[&str], text: &str) {
        let found: Vec<&str> = variables(text).collect();
        let is_known = |name: &str| formats::is_client_variable(name);
        let message = |names: &[&str]| format!("{} holds {}, which nothing replaces here", path[2], listed(names));
        if found.iter().any(|name| is_known(name)) {
            let hint = "write the value; `matrix: {releasever: [9], basearch: [x86_64]}` with `{releasever}` and \
                        `{basearch}` in id and URL makes one repository for each";
            self.wrong(path, message(&found), Some(hint));
        } else if !found.is_empty() {
            self.warn(path, message(&found), "`%24` in a URL is a `$` that is meant");
        }
    }
}

/// Names after a `$`.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(name)
    })
}

fn listed(names: &[&str]) -> String {
    let names: BTreeSet<String> = names.iter().map(|name| format!("${name}")).collect();
    names.into_iter().collect::<Vec<_>>().join(" and ")
}
