//! One client for one feed: retries, resumes, and never lets credentials leave the feed's origin.

use std::sync::Arc;
use std::time::Duration;

use chantal_model::{Landing, Mismatch, Promise};
use url::Url;

use crate::answer::{Failure, Once};
use crate::connect::Inner;
use crate::error::{FetchError, Problem};
use crate::gate::Hosts;
use crate::local;
use crate::options::ClientOptions;

/// The longest pause that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// From here on people hear of a pause that a server asks for.
const LONG: Duration = Duration::from_secs(5);
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
    /// How long its bytes were waited for, once an answer had begun.
    pub waited: Duration,
    /// How often it was tried.
    pub attempts: u32,
}

impl Landed {
    /// An earlier run fetched all of it.
    fn kept(url: &Url) -> Self {
        Self {
            final_url: url.clone(),
            validators: Validators::default(),
            content_type: None,
            bytes_fetched: 0,
            waited: Duration::ZERO,
            attempts: 0,
        }
    }
}

/// A client for one feed. Clones share connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

impl Client {
    /// Makes a client that counts its connections alone; certificates and proxies are checked at once.
    pub fn new(options: ClientOptions) -> Result<Self, FetchError> {
        Self::sharing(options, Hosts::default())
    }

    /// Makes a client that shares the places at hosts with others.
    pub fn sharing(options: ClientOptions, hosts: Hosts) -> Result<Self, FetchError> {
        let client = Self {
            inner: Arc::new(Inner::new(options, hosts)),
        };
        let feed = &client.inner.options.feed;
        if feed.scheme() != "file" {
            client.inner.client(feed)?;
        }
        Ok(client)
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// Fetches a file into a landing, with retries.
    ///
    /// `on_bytes` hears of every piece as it lands. A part that the landing has from an earlier run is gone on with
    /// where the server can prove that it is still the same file.
    ///
    /// # Errors
    /// See [`FetchError::kind`]. What has landed then is not to be used.
    pub async fn fetch(
        &self,
        request: &Request,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Outcome, FetchError> {
        self.tries(request, landing, on_bytes, Patience::Full).await
    }

    /// The same where others can be asked: only a transfer that broke after something came is tried again.
    pub(crate) async fn fetch_here(
        &self,
        request: &Request,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Outcome, FetchError> {
        self.tries(request, landing, on_bytes, Patience::WhileItComes).await
    }

    async fn tries(
        &self,
        request: &Request,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
        patience: Patience,
    ) -> Result<Outcome, FetchError> {
        if request.url.scheme() == "file" {
            return local::fetch(request, landing, on_bytes).await;
        }
        if is_complete(request, landing) {
            return Ok(Outcome::Landed(Landed::kept(&request.url)));
        }
        let options = &self.inner.options;
        let mut once = Once::new(&self.inner, request, landing.note());
        let mut attempts = 0;
        loop {
            attempts += 1;
            let before = once.fetched();
            match once.run(landing, on_bytes).await {
                Ok(mut outcome) => {
                    if let Outcome::Landed(landed) = &mut outcome {
                        landed.attempts = attempts;
                    }
                    return Ok(outcome);
                }
                // What an earlier run left may be damaged, which is nobody's fault.
                Err(Failure { error, .. }) if error.is_of_content() && once.took_kept_part() => attempts -= 1,
                Err(Failure { error, retry_after })
                    if error.is_transient()
                        && attempts <= options.retry_attempts
                        && (patience == Patience::Full || error.is_of_transfer() && once.fetched() > before) =>
                {
                    let pause = pause(options.retry_base, attempts, retry_after);
                    tell(&request.url, &error, attempts, (pause, retry_after));
                    tokio::time::sleep(pause).await;
                }
                Err(Failure { mut error, .. }) => {
                    error.attempts = attempts;
                    return Err(error);
                }
            }
        }
    }
}

/// How often one place is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// As often as the options say.
    Full,
    /// Again only when something came.
    WhileItComes,
}

/// Whether an earlier run left all of a file, or more than there can be, which is forgotten.
fn is_complete(request: &Request, landing: &mut dyn Landing) -> bool {
    let promised = request.promise.as_ref().and_then(|promise| promise.size);
    let Some(size) = promised.filter(|size| *size > 0 && *size <= landing.len_bytes()) else {
        return false;
    };
    let is_whole = size == landing.len_bytes() && finish(request, landing).is_ok();
    // Where it cannot be emptied now, the first attempt says so.
    if !is_whole {
        let _ = landing.restart();
    }
    is_whole
}

/// Doubles with each attempt and varies, so that many clients do not come back together.
pub(crate) fn pause(base: Duration, attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = base
        .saturating_mul(1 << attempt.saturating_sub(1).min(10))
        .min(MAX_PAUSE);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    let varied = doubled.mul_f64(0.75 + f64::from(nanos % 1000) / 2000.0);
    asked.map_or(varied, |asked| asked.min(MAX_RETRY_AFTER).max(varied))
}

/// Says that there is a pause before the next try: to people where the server asked for a long one, so that nobody takes
/// it for a run that hangs.
fn tell(url: &Url, error: &FetchError, attempt: u32, (pause, asked): (Duration, Option<Duration>)) {
    let host = url.host_str().unwrap_or_default();
    let seconds = pause.as_secs_f64().ceil();
    match asked {
        Some(asked) if asked >= LONG => {
            let asked = asked.as_secs();
            tracing::warn!(url = error.url, attempt, %error, "{host} asks to wait {asked} s: trying again in {seconds} s");
        }
        Some(_) => tracing::info!(url = error.url, attempt, %error, "{host} asks to wait: trying again in {seconds} s"),
        None => tracing::debug!(url = error.url, attempt, %error, "trying again"),
    }
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

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, RETRY_AFTER};

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
        for text in ["1000000000", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            let asked = crate::later::retry_after(&headers);
            assert_eq!(pause(base, 1, asked), Duration::from_secs(60), "{text}");
        }
    }
}
