//! How the feed is reached.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{At, Builder};
use crate::effective::{Download, Limits, Proxy, Ssl};
use crate::raw;
use crate::secret::Secret;
use crate::units;

impl Builder<'_> {
    /// Reads a proxy; credentials in its URL become the block's own, which are never shown. As in the environment, a
    /// host and port without a scheme mean http.
    pub(super) fn proxy(&mut self, at: &At, proxy: Option<&raw::Proxy>) -> Proxy {
        let proxy = proxy.cloned().unwrap_or_default();
        let mut taken = None;
        let mut url = |key: &str, text: Option<&String>| {
            let own = [at[0], at[1], "proxy", key];
            let path = self.own_or_global(&own);
            let text = text.filter(|text| !text.is_empty())?;
            let text = if text.contains("://") {
                text.clone()
            } else {
                format!("http://{text}")
            };
            let mut url = self.url(path, &text, &["http", "https", "socks5", "socks5h"])?;
            if let Some(credentials) = take_credentials(&mut url) {
                self.one_pair(at, path, &proxy, taken.as_ref(), &credentials);
                taken.get_or_insert(credentials);
            }
            Some(url)
        };
        let http_proxy = url("http_proxy", proxy.http_proxy.as_ref());
        let https_proxy = url("https_proxy", proxy.https_proxy.as_ref());
        let (username, password) = match taken {
            Some((username, password)) => (Some(username), Some(password)),
            None => (proxy.username, proxy.password.map(|text| Secret::new(&text, self.base))),
        };
        Proxy {
            enabled: proxy.enabled.unwrap_or(true),
            http_proxy,
            https_proxy,
            no_proxy: proxy.no_proxy.map(|words| words.list()).unwrap_or_default(),
            username,
            password,
        }
    }

    /// There is one user name with one password. Where the defaults have them, those of a URL come before.
    fn one_pair(
        &mut self,
        at: &At,
        path: &[&str],
        proxy: &raw::Proxy,
        known: Option<&(String, Secret)>,
        credentials: &(String, Secret),
    ) {
        if proxy.username.is_some() && !self.is_default(at, &["proxy", "username"]) {
            let message = "the URL has credentials and there is `proxy.username`; give one";
            self.wrong(path, message, None);
        } else if known.is_some_and(|known| known != credentials) {
            let message = "http_proxy and https_proxy have different credentials, and there is one pair for both";
            self.wrong(path, message, None);
        }
    }

    /// A password goes nowhere without a user name.
    pub(super) fn proxy_password(&mut self, at: &At, proxy: Option<&raw::Proxy>) {
        let Some(proxy) = proxy.filter(|proxy| proxy.username.is_none()) else {
            return;
        };
        let own = [at[0], at[1], "proxy", "password"];
        let path = self.own_or_global(&own);
        let is_whole = match path {
            [block, _] => !self.whole.get(block).is_some_and(|block| block.holds(self.refused)),
            _ => self.is_whole(at),
        };
        if proxy.password.is_some() && is_whole && !self.is_default(at, &["proxy", "password"]) {
            self.wrong(path, "proxy.password needs proxy.username", None);
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
