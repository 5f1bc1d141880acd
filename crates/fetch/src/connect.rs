//! Connections: TLS, certificates, proxies, made when they are first needed.

use std::sync::OnceLock;
use std::time::Duration;

use url::Url;

use crate::error::{FetchError, Problem};
use crate::gate::{Gates, Hosts};
use crate::mirrors::{Elsewhere, is_guarded, is_near};
use crate::options::{Auth, ClientOptions, Trust};

/// How often a busy HTTP/2 connection is asked for a sign of life, and how long that may take.
const ALIVE: Duration = Duration::from_secs(15);

pub(crate) struct Inner {
    pub(crate) options: ClientOptions,
    pub(crate) gates: Gates,
    /// For the feed's origin and for others, each over http and https; made when first needed, since reading the
    /// system's authorities takes longer than a request.
    clients: [OnceLock<reqwest::Client>; 4],
}

impl Inner {
    pub(crate) fn new(options: ClientOptions, hosts: Hosts) -> Self {
        Self {
            gates: Gates::new(options.per_host, hosts),
            clients: Default::default(),
            options,
        }
    }

    /// How to authenticate at a URL: not at all unless it is of a feed's scheme, host and port.
    pub(crate) fn auth(&self, url: &Url) -> Option<&Auth> {
        let feeds = std::iter::once((&self.options.feed, &self.options.auth));
        let others = self.options.others.iter().map(|(feed, auth)| (feed, auth));
        feeds
            .chain(others)
            .find(|(feed, _)| feed.origin() == url.origin())
            .map(|(_, auth)| auth)
    }

    /// Whether credentials, or a certificate, go to a URL.
    pub(crate) fn has_credentials(&self, url: &Url) -> bool {
        let options = &self.options;
        let is_in_url =
            !url.username().is_empty() || !options.feed.username().is_empty() && options.feed.origin() == url.origin();
        match self.auth(url) {
            None => false,
            Some(Auth::None) => is_in_url || options.identity_pem.is_some() && url.scheme() == "https",
            Some(Auth::Basic { .. } | Auth::Headers(_)) => true,
        }
    }

    /// Whether there are credentials at all.
    pub(crate) fn is_secretive(&self) -> bool {
        let others = self.options.others.iter().map(|(feed, _)| feed);
        others
            .chain([&self.options.feed])
            .any(|feed| self.has_credentials(feed))
    }

    /// Refuses hosts of this machine and its link, unless a feed is one itself.
    pub(crate) fn guard(&self, url: &Url) -> Result<(), FetchError> {
        if self.auth(url).is_none() && is_guarded(url) && !self.is_near() {
            return Err(FetchError::new(url, Problem::Guarded));
        }
        Ok(())
    }

    fn is_near(&self) -> bool {
        let options = &self.options;
        is_near(&options.feed) || options.others.iter().any(|(feed, _)| is_near(feed))
    }

    /// The client for a URL.
    pub(crate) fn client(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        let (is_own, is_tls) = (self.auth(url).is_some(), url.scheme() == "https");
        let slot = &self.clients[usize::from(is_own) * 2 + usize::from(is_tls)];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self
            .build(is_own, is_tls)
            .map_err(|reason| FetchError::new(url, Problem::Setup(reason)))?;
        Ok(slot.get_or_init(|| client))
    }

    fn build(&self, is_own: bool, is_tls: bool) -> Result<reqwest::Client, String> {
        let options = &self.options;
        let proxy = options.proxy.server(is_tls);
        let mut builder = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.per_host)
            // Many files share a connection; one that died quietly is noticed before each of them times out.
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(ALIVE)
            .tcp_nodelay(true)
            // The environment is the caller's to read.
            .no_proxy();
        if proxy.is_some() {
            let proxies = options.proxy.clone();
            builder = builder.proxy(reqwest::Proxy::custom(move |url| proxies.of(url)));
        }
        if !is_own && !self.is_near() {
            builder = builder.dns_resolver(Elsewhere::except(proxy));
        }
        // Neither the feed nor the proxy speaks TLS: no authorities are read.
        if !is_tls && proxy.is_none_or(|proxy| proxy.scheme() != "https") {
            return builder.tls_certs_only([]).build().map_err(|error| error.to_string());
        }
        builder = trust(builder, options)?;
        if let Some(pem) = options.identity_pem.as_ref().filter(|_| is_own) {
            builder = builder.identity(identity(pem)?);
        }
        builder
            .build()
            .map_err(|error| format!("TLS cannot be set up: {error}"))
    }
}

fn trust(mut builder: reqwest::ClientBuilder, options: &ClientOptions) -> Result<reqwest::ClientBuilder, String> {
    if let Trust::Only(pem) = &options.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| format!("the CA bundle cannot be read: {error}"))?;
        if certificates.is_empty() {
            return Err("the CA bundle holds no certificate".into());
        }
        builder = builder.tls_certs_only(certificates);
    }
    if !options.verify_tls {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    Ok(builder)
}

fn identity(pem: &[u8]) -> Result<reqwest::Identity, String> {
    crate::identity::refuse_encrypted(pem).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        format!("the client certificate cannot be used: {error}: {hint}")
    })?;
    reqwest::Identity::from_pem(pem)
        .map_err(|error| format!("the client certificate or its key cannot be read: {error}"))
}
