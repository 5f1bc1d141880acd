//! How the feed is reached.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{At, Builder};
use crate::effective::{Auth, Download, Limits, Proxy, Ssl};
use crate::raw;
use crate::secret::Secret;
use crate::units;

impl Builder<'_> {
    pub(super) fn auth(&mut self, at: &At, auth: Option<&raw::Auth>) -> Option<Auth> {
        let auth = auth?;
        let path = [at[0], at[1], "auth"];
        let Some(kind) = auth.r#type else {
            self.wrong(
                &path,
                "auth needs \"type\"",
                Some("client_cert, basic, bearer or custom"),
            );
            return None;
        };
        let secret = |text: &String| Secret::new(text, self.base);
        let missing = |keys: &str| format!("auth of this type needs {keys}");
        let found = match kind {
            raw::AuthKind::Basic => match (&auth.username, &auth.password) {
                (Some(username), Some(password)) => Ok(Auth::Basic {
                    username: username.clone(),
                    password: secret(password),
                }),
                _ => Err(missing("username and password")),
            },
            raw::AuthKind::Bearer => auth
                .token
                .as_ref()
                .map(|token| Auth::Bearer { token: secret(token) })
                .ok_or_else(|| missing("token")),
            raw::AuthKind::Custom => auth
                .headers
                .as_ref()
                .map(|headers| Auth::Custom {
                    headers: headers
                        .iter()
                        .map(|(name, value)| (name.clone(), secret(value)))
                        .collect(),
                })
                .ok_or_else(|| missing("headers")),
            raw::AuthKind::ClientCert => match (&auth.cert_file, &auth.key_file, &auth.cert_dir) {
                (Some(certificate), Some(key), None) => Ok(Auth::ClientCert {
                    cert_file: self.path(certificate),
                    key_file: self.path(key),
                }),
                (None, None, Some(directory)) => Ok(Auth::ClientCertDir {
                    cert_dir: self.path(directory),
                }),
                _ => Err(missing("cert_file and key_file, or cert_dir alone")),
            },
        };
        match found {
            Ok(auth) => Some(auth),
            Err(message) => {
                if self.is_whole(at) {
                    self.wrong(&path, message, None);
                }
                None
            }
        }
    }

    /// Reads a proxy; credentials in its URL become the block's own, which are never shown.
    pub(super) fn proxy(&mut self, at: &At, proxy: Option<&raw::Proxy>) -> Proxy {
        let proxy = proxy.cloned().unwrap_or_default();
        let mut username = proxy.username;
        let mut password = proxy.password.map(|text| Secret::new(&text, self.base));
        let mut url = |key: &str, text: Option<&String>| {
            let own = [at[0], at[1], "proxy", key];
            let path = self.own_or_global(&own);
            let text = text.filter(|text| !text.is_empty())?;
            let mut url = self.url(path, text, &["http", "https", "socks5", "socks5h"])?;
            if let Some((name, secret)) = take_credentials(&mut url)
                && username.is_none()
            {
                (username, password) = (Some(name), Some(secret));
            }
            Some(url)
        };
        let http_proxy = url("http_proxy", proxy.http_proxy.as_ref());
        let https_proxy = url("https_proxy", proxy.https_proxy.as_ref());
        Proxy {
            enabled: proxy.enabled.unwrap_or(true),
            http_proxy,
            https_proxy,
            no_proxy: proxy.no_proxy.map(|words| words.list()).unwrap_or_default(),
            username,
            password,
        }
    }

    pub(super) fn ssl(&mut self, at: &At, ssl: Option<&raw::Ssl>) -> Ssl {
        let ssl = ssl.cloned().unwrap_or_default();
        if ssl.client_cert.is_some() != ssl.client_key.is_some() {
            let own = [at[0], at[1], "ssl"];
            let message = "ssl.client_cert and ssl.client_key belong together";
            self.wrong(self.own_or_global(&own), message, None);
        }
        let path = |text: Option<String>| text.map(|text| self.path(&text));
        Ssl {
            verify: ssl.verify.unwrap_or(true),
            ca_bundle: path(ssl.ca_bundle),
            ca_cert: ssl.ca_cert,
            client_cert: path(ssl.client_cert),
            client_key: path(ssl.client_key),
        }
    }

    pub(super) fn download(
        &mut self,
        at: &At,
        global: Option<&raw::Download>,
        own: Option<&raw::Download>,
    ) -> Download {
        let (global, own) = (global.cloned().unwrap_or_default(), own.cloned().unwrap_or_default());
        for (block, prefix) in [(&own, &at[..]), (&global, &[])] {
            let path = |key| [prefix, &["download", key]].concat();
            if block.verify_checksum == Some(false) {
                let message = "download.verify_checksum cannot be switched off";
                self.wrong(&path("verify_checksum"), message, Some("remove the key"));
            }
            if block.backend == Some(raw::Backend::Aria2c) {
                self.wrong(
                    &path("backend"),
                    "backend aria2c is not offered",
                    Some("remove the key"),
                );
            }
        }
        let times = (own.timeout.as_ref(), global.timeout.as_ref());
        let speeds = (own.min_speed.as_ref(), global.min_speed.as_ref());
        let idles = (own.idle_timeout.as_ref(), global.idle_timeout.as_ref());
        Download {
            parallel: own.parallel.or(global.parallel).unwrap_or(16) as usize,
            per_host: own.per_host.or(global.per_host).unwrap_or(8) as usize,
            timeout: self.some_quantity(
                at,
                ("download", "timeout"),
                times,
                units::duration,
                Duration::from_secs(300),
            ),
            idle_timeout: self.some_quantity(
                at,
                ("download", "idle_timeout"),
                idles,
                units::duration,
                Duration::from_secs(30),
            ),
            min_speed: self.quantity(at, ("download", "min_speed"), speeds, units::size, 1024),
            bandwidth: self.bandwidth(&[at[0], at[1], "download", "bandwidth"], Some(&own)),
            retry_attempts: own.retry_attempts.or(global.retry_attempts).unwrap_or(3),
        }
    }

    /// Reads the limit that a block itself has: that of the top level is one of its own.
    pub(super) fn bandwidth(&mut self, path: &[&str], block: Option<&raw::Download>) -> Option<u64> {
        let quantity = block?.bandwidth.as_ref()?;
        let hint = Some("remove the key for no limit");
        match units::size(&quantity.text()) {
            Ok(0) => self.wrong(path, "download.bandwidth of 0 would let nothing through", hint),
            Ok(bytes) => return Some(bytes),
            Err(message) => self.wrong(path, message, None),
        }
        None
    }

    pub(super) fn limits(&mut self, at: &At, global: Option<&raw::Limits>, own: Option<&raw::Limits>) -> Limits {
        let (global, own) = (global.cloned().unwrap_or_default(), own.cloned().unwrap_or_default());
        let metadata = (own.metadata.as_ref(), global.metadata.as_ref());
        let package = (own.package.as_ref(), global.package.as_ref());
        Limits {
            metadata_bytes: self.some_quantity(at, ("limits", "metadata"), metadata, units::size, 4 << 30),
            package_bytes: self.some_quantity(at, ("limits", "package"), package, units::size, 64 << 30),
            ratio: own.ratio.or(global.ratio).unwrap_or(200),
            files_per_package: own.files_per_package.or(global.files_per_package).unwrap_or(5_000_000),
        }
    }
}

/// Takes user name and password out of a URL.
pub(super) fn take_credentials(url: &mut Url) -> Option<(String, Secret)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let taken = (
        decoded(url.username()),
        Secret::literal(decoded(url.password().unwrap_or_default())),
    );
    // Both only fail for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(taken)
}
