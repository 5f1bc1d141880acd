//! How the feed is reached.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Quantity, block};

block! {
    /// A proxy. A repository's block replaces the global one as a whole.
    Proxy {
        /// `false`: hosts are asked directly, whatever the environment says.
        #[schemars(extend("default" = true))]
        enabled: bool,
        /// URL of the proxy for http feeds: http, https, socks5, or socks5h, which leaves names to the proxy. Without it,
        /// `http_proxy` or `all_proxy` of the environment. `host:port` means http.
        http_proxy: String,
        /// URL of the proxy for https feeds. Without it, `https_proxy` or `all_proxy` of the environment.
        https_proxy: String,
        /// Hosts that are asked directly: a list separated by commas, or a list. `.example.org` means all below it.
        /// Without it, `no_proxy` of the environment.
        no_proxy: Words,
        /// User name at the proxy, where its URL has none.
        username: String,
        /// Password at the proxy; `env:NAME` or `file:PATH` reads it from there.
        password: String,
    }
}

/// Words, as a list or separated by commas.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Words {
    /// Separated by commas.
    Text(String),
    /// As a list.
    List(Vec<String>),
}

impl Words {
    pub(crate) fn list(&self) -> Vec<String> {
        let split = |text: &String| -> Vec<String> {
            text.split(',')
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect()
        };
        match self {
            Self::Text(text) => split(text),
            Self::List(words) => words.iter().flat_map(split).collect(),
        }
    }
}

block! {
    /// TLS. A repository's block replaces the global one as a whole.
    Ssl {
        /// File with the authorities to trust in place of the system's.
        ca_bundle: String,
        /// The same, in PEM, in the configuration itself. Wins over `ca_bundle`.
        ca_cert: String,
        /// Check the server's certificate.
        #[schemars(extend("default" = true))]
        verify: bool,
        /// File with a client certificate; that of `auth` comes before one that is for all repositories.
        client_cert: String,
        /// File with its key, not encrypted.
        client_key: String,
    }
}

block! {
    /// Limits of fetching.
    Download {
        /// Backend of the reference system; only `requests`, which means the built-in one, is accepted.
        #[schemars(extend("default" = "requests"))]
        backend: Backend,
        /// Packages fetched at the same time.
        #[schemars(extend("default" = 16))]
        #[schemars(range(min = 1, max = 100))]
        parallel: u32,
        /// Connections to one host, counted over all repositories that one process works on; the smallest limit holds.
        #[schemars(extend("default" = 8))]
        #[schemars(range(min = 1, max = 32))]
        per_host: u32,
        /// How long one file may take until its first byte.
        #[schemars(extend("default" = "300s"))]
        timeout: Quantity,
        /// How long a transfer may stand still; it may be slower than `min_speed` for twice as long,
        /// as may all transfers from one of several mirrors together.
        #[schemars(extend("default" = "30s"))]
        idle_timeout: Quantity,
        /// Least bytes per second; 0 for any.
        #[schemars(extend("default" = "1KiB/s"))]
        min_speed: Quantity,
        /// Further tries after a failure that may pass.
        #[schemars(extend("default" = 3))]
        #[schemars(range(min = 0, max = 10))]
        retry_attempts: u32,
        /// Most bytes per second: of the top level for all repositories that one process works on together, of a
        /// repository for itself.
        bandwidth: Quantity,
        /// Compare digests; cannot be switched off.
        #[schemars(extend("default" = true))]
        verify_checksum: bool,
    }
}

/// Backend of the reference system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// The built-in one.
    Requests,
    /// Not offered.
    Aria2c,
}

block! {
    /// Caps on what upstream may send.
    Limits {
        /// Largest metadata file as it is transferred.
        #[schemars(extend("default" = "4GiB"))]
        metadata: Quantity,
        /// Largest package whose size is not promised.
        #[schemars(extend("default" = "64GiB"))]
        package: Quantity,
        /// Largest ratio of open to compressed bytes where the open size is not promised.
        #[schemars(range(min = 1), extend("default" = 200))]
        ratio: u64,
        /// Most files of one package.
        #[schemars(range(min = 1), extend("default" = 5_000_000))]
        files_per_package: u64,
    }
}

block! {
    /// How to authenticate.
    Auth {
        /// Which way; the keys below belong to one each.
        r#type: AuthKind,
        /// `client_cert`: file with the certificate.
        cert_file: String,
        /// `client_cert`: file with its key.
        key_file: String,
        /// `client_cert`: directory with pairs `X.pem` and `X-key.pem`. Of those that are valid, the one that stays so longest
        /// and that the server accepts is taken.
        cert_dir: String,
        /// `basic`: user name.
        username: String,
        /// `basic`: password; `env:NAME` or `file:PATH` reads it from there.
        password: String,
        /// `bearer`: token; `env:NAME` or `file:PATH` reads it from there.
        token: String,
        /// `custom`: header names with their values, which may be references too.
        headers: BTreeMap<String, String>,
    }
}

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthKind {
    /// A TLS certificate.
    ClientCert,
    /// User name and password.
    Basic,
    /// A token in the Authorization header.
    Bearer,
    /// Any headers.
    Custom,
}

impl AuthKind {
    /// The word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ClientCert => "client_cert",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Custom => "custom",
        }
    }
}
