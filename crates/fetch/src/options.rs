//! How a feed is reached.

use std::time::Duration;

use url::Url;

use crate::bandwidth::Bandwidth;
use crate::proxy::ProxyOptions;

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
    /// Where it was found, for messages.
    pub identity_name: Option<String>,
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
            identity_name: None,
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
