//! One client for one feed: retries, resumes, and never lets credentials leave the feed's origin.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chantal_model::{Landing, Mismatch, Promise};
use url::Url;

use crate::answer::{Failure, Once};
use crate::error::{FetchError, Problem};
use crate::gate::{Gates, Hosts};
use crate::options::{ClientOptions, Trust};
use crate::{local, options};

/// The longest pause that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// The longest pause of our own.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A file to fetch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it is.
    pub url: Url,
    /// What it must be.
    pub promise: Option<Promise>,
    /// The most bytes that may come where no size is promised.
    pub limit_bytes: u64,
    /// Ask only for something newer than this.
    pub validators: Option<Validators>,
}

/// What tells one version of a file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` header, as it came.
    pub etag: Option<String>,
    /// The Last-Modified header, as it came.
    pub last_modified: Option<String>,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The validators still hold.
    Unchanged,
    /// Upstream does not have it.
    Absent {
        /// 404 or 410.
        status: u16,
    },
    /// It is in the landing, and is what was promised.
    Landed(Landed),
}

/// A file that landed.
#[derive(Debug)]
pub struct Landed {
    /// Where it came from, after redirects.
    pub final_url: Url,
    /// What to send with the next request.
    pub validators: Validators,
    /// The Content-Type header.
    pub content_type: Option<String>,
    /// Bytes on the wire, failed attempts included.
    pub bytes_fetched: u64,
    /// How often it was tried.
    pub attempts: u32,
}

/// A client for one feed. Clones share connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: ClientOptions,
    pub(crate) gates: Gates,
    /// For the feed's origin and for others, each over http and https; made when first needed, since reading the
    /// system's authorities takes longer than a request.
    clients: [OnceLock<reqwest::Client>; 4],
}

impl Client {
    /// Makes a client that counts its connections alone; certificates and proxies are checked at once.
    pub fn new(options: ClientOptions) -> Result<Self, FetchError> {
        Self::sharing(options, Hosts::default())
    }

    /// Makes a client that shares the places at hosts with others.
    pub fn sharing(options: ClientOptions, hosts: Hosts) -> Result<Self, FetchError> {
        let client = Self {
            inner: Arc::new(Inner {
                gates: Gates::new(options.per_host, hosts),
                clients: Default::default(),
                options,
            }),
        };
        let feed = &client.inner.options.feed;
        if feed.scheme() != "file" {
            client.inner.client(&feed.clone())?;
        }
        Ok(client)
    }

    /// Fetches a file into a landing, with retries.
    ///
    /// `on_bytes` hears of every piece as it lands.
    ///
    /// # Errors
    /// See [`FetchError::kind`]. What has landed then is not to be used.
    pub async fn fetch(
        &self,
        request: &Request,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Outcome, FetchError> {
        if request.url.scheme() == "file" {
            return local::fetch(request, landing, on_bytes).await;
        }
        let options = &self.inner.options;
        let mut once = Once::new(&self.inner, request);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match once.run(landing, on_bytes).await {
                Ok(mut outcome) => {
                    if let Outcome::Landed(landed) = &mut outcome {
                        landed.attempts = attempts;
                    }
                    return Ok(outcome);
                }
                Err(Failure { error, retry_after }) if error.is_transient() && attempts <= options.retry_attempts => {
                    tracing::debug!(url = error.url, attempt = attempts, %error, "trying again");
                    tokio::time::sleep(pause(options.retry_base, attempts, retry_after)).await;
                }
                Err(Failure { mut error, .. }) => {
                    error.attempts = attempts;
                    return Err(error);
                }
            }
        }
    }
}

/// Doubles with each attempt and varies, so that many clients do not come back together.
fn pause(base: Duration, attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = base
        .saturating_mul(1 << attempt.saturating_sub(1).min(10))
        .min(MAX_PAUSE);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    let varied = doubled.mul_f64(0.75 + f64::from(nanos % 1000) / 2000.0);
    asked.map_or(varied, |asked| asked.min(MAX_RETRY_AFTER).max(varied))
}

/// Lands a piece, unless that is more than may come.
pub(crate) fn take(request: &Request, landing: &mut dyn Landing, bytes: &[u8]) -> Result<(), FetchError> {
    let fail = |problem| Err(FetchError::new(&request.url, problem));
    let total = landing.len_bytes() + bytes.len() as u64;
    let promised = request.promise.as_ref().and_then(|promise| promise.size);
    match promised {
        Some(expected) if total > expected => {
            return fail(Problem::Mismatch(Mismatch::Size {
                expected,
                actual: total,
            }));
        }
        None if total > request.limit_bytes => {
            return fail(Problem::TooLarge {
                limit: request.limit_bytes,
            });
        }
        _ => {}
    }
    match landing.write(bytes) {
        Ok(()) => Ok(()),
        Err(source) => fail(Problem::Local {
            what: "write the file",
            source,
        }),
    }
}

/// Compares what landed with its promise.
pub(crate) fn finish(request: &Request, landing: &mut dyn Landing) -> Result<(), FetchError> {
    let Some(promise) = &request.promise else { return Ok(()) };
    let (sha256, others) = landing.digests();
    if let Err(mismatch) = promise.check(landing.len_bytes(), sha256, &others) {
        local::restart(&request.url, landing)?;
        return Err(FetchError::new(&request.url, Problem::Mismatch(mismatch)));
    }
    Ok(())
}

impl Inner {
    /// Whether a URL is of the feed's scheme, host and port.
    pub(crate) fn is_feed_origin(&self, url: &Url) -> bool {
        url.origin() == self.options.feed.origin()
    }

    /// The client for a URL.
    pub(crate) fn client(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        let (is_own, is_tls) = (self.is_feed_origin(url), url.scheme() == "https");
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
        let mut builder = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.per_host)
            .tcp_nodelay(true);
        builder = proxies(builder, &options.proxy)?;
        if !is_tls {
            return builder.tls_certs_only([]).build().map_err(|error| error.to_string());
        }
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
        if let Some(pem) = options.identity_pem.as_ref().filter(|_| is_own) {
            builder = builder.identity(identity(pem)?);
        }
        builder
            .build()
            .map_err(|error| format!("TLS cannot be set up: {error}"))
    }
}

fn identity(pem: &[u8]) -> Result<reqwest::Identity, String> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the client key is encrypted, which is not supported: `openssl pkey -in KEY -out PLAIN` decrypts it".into(),
        );
    }
    reqwest::Identity::from_pem(pem)
        .map_err(|error| format!("the client certificate or its key cannot be read: {error}"))
}

fn proxies(
    mut builder: reqwest::ClientBuilder,
    options: &options::ProxyOptions,
) -> Result<reqwest::ClientBuilder, String> {
    let wrong = |error: reqwest::Error| format!("the proxy cannot be used: {error}");
    let finish = |mut proxy: reqwest::Proxy| {
        if let Some(user) = &options.username {
            proxy = proxy.basic_auth(user, options.password.as_deref().unwrap_or_default());
        }
        proxy.no_proxy(reqwest::NoProxy::from_string(&options.no_proxy.join(",")))
    };
    if let Some(url) = &options.http {
        builder = builder.proxy(finish(reqwest::Proxy::http(url.as_str()).map_err(wrong)?));
    }
    if let Some(url) = &options.https {
        builder = builder.proxy(finish(reqwest::Proxy::https(url.as_str()).map_err(wrong)?));
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_bounded() {
        let base = Duration::from_millis(500);
        for (attempt, doubled) in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (u32::MAX, 30.0)] {
            let seconds = pause(base, attempt, None).as_secs_f64();
            assert!(
                (doubled * 0.75..=doubled * 1.25).contains(&seconds),
                "attempt {attempt}: {seconds} s"
            );
        }
    }

    #[test]
    fn a_server_gets_the_pause_that_it_asks_for_up_to_a_minute() {
        let base = Duration::from_millis(1);
        let asked = |seconds| pause(base, 1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(1_000_000_000), Duration::from_secs(60));
        assert!(asked(0) > Duration::ZERO);
    }
}
