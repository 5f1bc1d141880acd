//! How to authenticate: keys that fit each other, headers that can be sent, and who gets to see them.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Builder};
use crate::effective::{Auth, Feed};
use crate::header::{is_header_name, is_header_value};
use crate::mask::is_reference;
use crate::raw::{self, AuthKind};
use crate::secret::Secret;

const CONTROL: &str = "holds a line break or another control character";
const ONE_LINE: &str = "a header is one line";

/// Whether a text can be the value of a header. What is read from elsewhere is checked when it is.
fn may_be_sent(text: &str) -> bool {
    is_reference(text) || is_header_value(text)
}

impl Builder<'_> {
    pub(super) fn auth(&mut self, at: &At, auth: Option<&raw::Auth>) -> Option<Auth> {
        let auth = auth?;
        let path = [at[0], at[1], "auth"];
        let Some(kind) = auth.r#type else {
            if self.is_whole(at) {
                let hint = "client_cert, basic, bearer or custom";
                self.wrong(&path, "auth needs \"type\"", Some(hint));
            }
            return None;
        };
        self.keys_of_other_kinds(at, kind, auth);
        self.what_is_sent(at, kind, auth);
        match self.auth_of(kind, auth) {
            Ok(auth) => Some(auth),
            Err(keys) => {
                if self.is_whole(at) {
                    self.wrong(&path, format!("auth of this type needs {keys}"), None);
                }
                None
            }
        }
    }

    /// What one kind is made of, or the keys that it needs.
    fn auth_of(&self, kind: AuthKind, auth: &raw::Auth) -> Result<Auth, &'static str> {
        let secret = |text: &String| Secret::new(text, self.base);
        match kind {
            AuthKind::Basic => match (&auth.username, &auth.password) {
                (Some(username), Some(password)) => Ok(Auth::Basic {
                    username: username.clone(),
                    password: secret(password),
                }),
                _ => Err("username and password"),
            },
            AuthKind::Bearer => {
                let token = auth.token.as_ref().ok_or("token")?;
                Ok(Auth::Bearer { token: secret(token) })
            }
            AuthKind::Custom => {
                let headers = auth.headers.as_ref().ok_or("headers")?.iter();
                Ok(Auth::Custom {
                    headers: headers.map(|(name, value)| (name.clone(), secret(value))).collect(),
                })
            }
            AuthKind::ClientCert => match (&auth.cert_file, &auth.key_file, &auth.cert_dir) {
                (Some(certificate), Some(key), None) => Ok(Auth::ClientCert {
                    cert_file: self.path(certificate),
                    key_file: self.path(key),
                }),
                (None, None, Some(directory)) => Ok(Auth::ClientCertDir {
                    cert_dir: self.path(directory),
                }),
                _ => Err("cert_file and key_file, or cert_dir alone"),
            },
        }
    }

    /// Names keys that another kind has. Those that come from the defaults are named there.
    pub(super) fn keys_of_other_kinds(&mut self, at: &At, kind: AuthKind, auth: &raw::Auth) {
        for (key, is_set, owner) in [
            ("username", auth.username.is_some(), AuthKind::Basic),
            ("password", auth.password.is_some(), AuthKind::Basic),
            ("token", auth.token.is_some(), AuthKind::Bearer),
            ("headers", auth.headers.is_some(), AuthKind::Custom),
            ("cert_file", auth.cert_file.is_some(), AuthKind::ClientCert),
            ("key_file", auth.key_file.is_some(), AuthKind::ClientCert),
            ("cert_dir", auth.cert_dir.is_some(), AuthKind::ClientCert),
        ] {
            if !is_set || owner == kind || self.is_default(at, &["auth", key]) {
                continue;
            }
            let hint = match owner {
                AuthKind::ClientCert => {
                    "a client certificate beside it goes into `ssl.client_cert` and `ssl.client_key`".to_owned()
                }
                _ => format!("`type: {}` is what has it", owner.word()),
            };
            let message = format!("auth of type {} has no {key}", kind.word());
            self.wrong(&[at[0], at[1], "auth", key], message, Some(&hint));
        }
    }

    /// Names what no header can hold.
    fn what_is_sent(&mut self, at: &At, kind: AuthKind, auth: &raw::Auth) {
        let path = |key| [at[0], at[1], "auth", key];
        match kind {
            AuthKind::Bearer if auth.token.as_ref().is_some_and(|token| !may_be_sent(token)) => {
                self.wrong(&path("token"), format!("auth.token {CONTROL}"), Some(ONE_LINE));
            }
            AuthKind::Custom => self.headers(&path("headers"), "auth.headers", auth.headers.as_ref()),
            _ => {}
        }
    }

    /// The same of headers at a path, which people know as `key`.
    pub(super) fn headers(&mut self, path: &[&str], key: &str, headers: Option<&BTreeMap<String, String>>) {
        for (name, value) in headers.into_iter().flatten() {
            let path = [path, &[name.as_str()]].concat();
            if !is_header_name(name) {
                let message = format!("{key}: {name:?} cannot be the name of a header");
                self.wrong(&path, message, Some("letters, digits and `-`, such as `X-Api-Key`"));
            } else if !may_be_sent(value) {
                self.wrong(&path, format!("{key}.{name} {CONTROL}"), Some(ONE_LINE));
            }
        }
    }

    /// There is one client certificate. Where `ssl` of the top level or of the defaults has one for all, that of `auth`
    /// comes before it.
    pub(super) fn certificates(&mut self, at: &At, settings: &raw::RepositorySettings) {
        let kind = settings.auth.as_ref().and_then(|auth| auth.r#type);
        let Some(ssl) = settings.ssl.as_ref().filter(|_| kind == Some(AuthKind::ClientCert)) else {
            return;
        };
        for (key, is_set) in [
            ("client_cert", ssl.client_cert.is_some()),
            ("client_key", ssl.client_key.is_some()),
        ] {
            if is_set && !self.is_default(at, &["ssl", key]) {
                let hint = self
                    .is_default(at, &["auth", "type"])
                    .then_some("`auth: null` in the repository leaves the default out");
                let message = format!("auth of type client_cert and ssl.{key} exclude each other; give one");
                return self.wrong(&[at[0], at[1], "ssl", key], message, hint);
            }
        }
    }

    /// Warns where what is secret goes to several hosts.
    pub(super) fn who_sees(&mut self, at: &At, auth: Option<&Auth>, feeds: &[Feed]) {
        if !matches!(
            auth,
            Some(Auth::Basic { .. } | Auth::Bearer { .. } | Auth::Custom { .. })
        ) {
            return;
        }
        let hosts: BTreeSet<&str> = feeds.iter().filter_map(|feed| feed.url.host_str()).collect();
        if hosts.len() > 1 {
            let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
            self.warn(
                &[at[0], at[1], "feeds"],
                format!("auth is for every one of these feeds: it is sent to {hosts}"),
                "in place of it, credentials in the URL of one feed (`https://user:password@host/`) are for that one \
                 alone",
            );
        }
    }
}
