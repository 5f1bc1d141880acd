//! How a feed is reached.

use std::time::Duration;

use url::Url;

use crate::bandwidth::Bandwidth;

/// How to authenticate at the feed's origin, and nowhere else.
#[derive(Clone)]
pub enum Auth {
    /// Not at all.
    None,
    /// User name and password.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// Headers of any name.
    Headers(Vec<(String, String)>),
}

/// Whom to trust.
#[derive(Clone)]
pub enum Trust {
    /// The system's authorities.
    System,
    /// These authorities, in PEM, and no others.
    Only(Vec<u8>),
}

/// Proxies.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    /// For http. The scheme is http, https, socks5 or socks5h, which leaves names to the proxy.
    pub http: Option<Url>,
    /// For https.
    pub https: Option<Url>,
    /// Hosts that are asked directly; `.example.org` means all below it.
    pub no_proxy: Vec<String>,
    /// User name at the proxy.
    pub username: Option<String>,
    /// Password at the proxy.
    pub password: Option<String>,
}

impl ProxyOptions {
    /// One of the servers, with credentials and exceptions.
    pub(crate) fn server(&self, url: &Url) -> Result<reqwest::Proxy, String> {
        let mut url = url.clone();
        if let Some(user) = &self.username {
            // In the URL, where SOCKS looks for them as well; both only fail for URLs that cannot have credentials.
            let _ = url.set_username(user);
            let _ = url.set_password(self.password.as_deref());
        }
        let proxy = reqwest::Proxy::all(url.as_str())
            .map_err(|error| format!("the proxy cannot be used: {}", error.without_url()))?;
        Ok(proxy.no_proxy(reqwest::NoProxy::from_string(&self.no_proxy.join(","))))
    }
}

/// How a feed is reached.
#[derive(Clone)]
pub struct ClientOptions {
    /// Its URL. Credentials and client certificates go to its origin only.
    pub feed: Url,
    /// How to authenticate.
    pub auth: Auth,
    /// Further feeds of the same content, each with how to authenticate there. The client certificate goes to them, too.
    pub others: Vec<(Url, Auth)>,
    /// Client certificate and key in PEM.
    pub identity_pem: Option<Vec<u8>>,
    /// Whom to trust.
    pub ca: Trust,
    /// Check the server's certificate.
    pub verify_tls: bool,
    /// Proxies.
    pub proxy: ProxyOptions,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a transfer may stand still. It may be slower than `min_speed` for twice as long.
    pub idle_timeout: Duration,
    /// The slowest transfer that is waited for, in bytes a second; 0 for any.
    pub min_speed: u64,
    /// Limits on bytes a second, which clients may share.
    pub bandwidths: Vec<Bandwidth>,
    /// How long an answer's first byte may take.
    pub total_timeout: Duration,
    /// Further tries after a failure that may pass.
    pub retry_attempts: u32,
    /// Pause before the first further try; doubled for each after it.
    pub retry_base: Duration,
    /// Connections to one host, at most 32.
    pub per_host: usize,
    /// Requests at the same time.
    pub parallel: usize,
    /// What to say we are.
    pub user_agent: String,
}

impl ClientOptions {
    /// Defaults for a feed.
    pub fn new(feed: Url) -> Self {
        Self {
            feed,
            auth: Auth::None,
            others: Vec::new(),
            identity_pem: None,
            ca: Trust::System,
            verify_tls: true,
            proxy: ProxyOptions::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            min_speed: 1024,
            bandwidths: Vec::new(),
            total_timeout: Duration::from_secs(300),
            retry_attempts: 3,
            retry_base: Duration::from_millis(500),
            per_host: 8,
            parallel: 16,
            user_agent: concat!("chantal/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
