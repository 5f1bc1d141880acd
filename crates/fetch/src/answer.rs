//! One attempt: request, redirects, body.

use std::time::{Duration, Instant};

use chantal_model::{Landing, Mismatch, Note, masked};
use futures_util::StreamExt;
use reqwest::header::{self, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use crate::client::{Landed, Outcome, Request, Validators, finish, take};
use crate::connect::Inner;
use crate::error::{FetchError, Problem, Sent, transport};
use crate::later::retry_after;
use crate::local::restart;
use crate::options::Auth;
use crate::pace::Pace;
use crate::resolve::has_control;

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// An attempt that failed.
pub(crate) struct Failure {
    pub(crate) error: FetchError,
    /// The pause that the server asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// Attempts at one file, and what they know of each other.
pub(crate) struct Once<'a> {
    inner: &'a Inner,
    request: &'a Request,
    /// A strong validator of what has landed so far.
    resume: Option<String>,
    /// Whether what has landed begins with what an earlier run left.
    is_kept: bool,
    fetched: u64,
    /// How long these were waited for.
    waited: Duration,
}

impl<'a> Once<'a> {
    /// `note` is of what an earlier run left in the landing.
    pub(crate) fn new(inner: &'a Inner, request: &'a Request, note: Option<Note>) -> Self {
        let note = note.filter(|note| note.is_of(request.url.as_str()));
        Self {
            inner,
            request,
            is_kept: note.is_some(),
            resume: note.map(|note| note.validator),
            fetched: 0,
            waited: Duration::ZERO,
        }
    }

    /// Bytes that came so far, all attempts together.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched
    }

    /// Whether the last attempt went on with what an earlier run left; says so once.
    pub(crate) fn took_kept_part(&mut self) -> bool {
        std::mem::take(&mut self.is_kept)
    }

    /// Forgets what has landed; the next attempt begins anew.
    fn forget(&mut self, landing: &mut dyn Landing) {
        self.resume = None;
        landing.set_note(None);
    }

    pub(crate) async fn run(
        &mut self,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Outcome, Failure> {
        let mut url = self.request.url.clone();
        if has_control(&url) {
            return Err(self
                .fail(&url, Problem::Url("control characters in the URL".into()))
                .into());
        }
        if self.resume.is_none() {
            restart(&url, landing)?;
        }
        for _ in 0..=MAX_REDIRECTS {
            self.inner.guard(&url)?;
            let gate = self.inner.gates.of(&url);
            let place = gate.enter().await;
            let response = self.send(&url, landing.len_bytes()).await?;
            let status = response.status();
            match status.as_u16() {
                301 | 302 | 303 | 307 | 308 => url = self.redirected(&url, &response)?,
                304 if self.request.validators.is_some() => return Ok(Outcome::Unchanged),
                404 | 410 => {
                    return Ok(Outcome::Absent {
                        status: status.as_u16(),
                    });
                }
                status @ (401 | 403 | 407) => {
                    let sent = self.sent(&url);
                    return Err(self.fail(&url, Problem::Credentials { status, sent }).into());
                }
                200 | 206 => {
                    let outcome = self.body(url, response, landing, on_bytes).await;
                    if outcome.is_ok() {
                        gate.went_well();
                    }
                    return outcome.map_err(Failure::from);
                }
                code => {
                    if matches!(code, 429 | 503) {
                        gate.slow_down(place);
                    }
                    if code == 416 {
                        self.forget(landing);
                        return Err(self.fail(&url, ends_here(self.request, landing.len_bytes())).into());
                    }
                    return Err(Failure {
                        retry_after: retry_after(response.headers()),
                        error: self.fail(&url, Problem::Status(code)),
                    });
                }
            }
        }
        Err(self.fail(&url, Problem::Redirects(MAX_REDIRECTS)).into())
    }

    fn fail(&self, url: &Url, problem: Problem) -> FetchError {
        let problem = match problem {
            Problem::Certificate { alert, name: _ } => Problem::Certificate {
                alert,
                name: self.inner.options.identity_name.clone(),
            },
            other => other,
        };
        FetchError::new(url, problem)
    }

    async fn send(&self, url: &Url, landed: u64) -> Result<Response, FetchError> {
        let options = &self.inner.options;
        let timeout = |what, after| Problem::Timeout { what, after };
        let problem = match tokio::time::timeout(options.total_timeout, self.ask(url, landed)?.send()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) if error.is_timeout() => timeout("no connection", options.connect_timeout),
            Ok(Err(error)) if error.is_connect() => self.through(url, transport(&error)),
            Ok(Err(error)) if error.is_builder() => Problem::Setup(format!("bad request: {}", error.without_url())),
            Ok(Err(error)) => transport(&error),
            Err(_) => timeout("no answer", options.total_timeout),
        };
        Err(self.fail(url, problem))
    }

    /// The request, with credentials where they belong, for all of a file or for what is missing.
    fn ask(&self, url: &Url, landed: u64) -> Result<RequestBuilder, FetchError> {
        let mut plain = url.clone();
        // Credentials of the URL itself travel as a header, so that they never show up in a log.
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        let request = self
            .inner
            .client(url)?
            .get(plain)
            .header(header::ACCEPT_ENCODING, "identity");
        let mut request = self.authenticated(url, request);
        if let Some(validator) = self.resume.as_ref().filter(|_| landed > 0) {
            request = request
                .header(header::RANGE, format!("bytes={landed}-"))
                .header(header::IF_RANGE, validator);
        } else if let Some(validators) = &self.request.validators {
            if let Some(etag) = &validators.etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            if let Some(modified) = &validators.last_modified {
                request = request.header(header::IF_MODIFIED_SINCE, modified);
            }
        }
        Ok(request)
    }

    fn authenticated(&self, url: &Url, request: RequestBuilder) -> RequestBuilder {
        let feed = &self.inner.options.feed;
        match self.inner.auth(url) {
            Some(Auth::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Auth::Headers(headers)) => headers
                .iter()
                .fold(request, |request, (name, value)| request.header(name, value)),
            Some(Auth::None) if !url.username().is_empty() => request.basic_auth(url.username(), url.password()),
            Some(Auth::None) if !feed.username().is_empty() && feed.origin() == url.origin() => {
                request.basic_auth(feed.username(), feed.password())
            }
            Some(Auth::None) | None => request,
        }
    }

    /// A failure to connect, with the proxy that may be at fault.
    fn through(&self, url: &Url, problem: Problem) -> Problem {
        match (problem, self.inner.options.proxy.of(url)) {
            (Problem::Connect(reason), Some(proxy)) => {
                Problem::Connect(format!("through the proxy {}: {reason}", masked(proxy.as_str())))
            }
            (problem, _) => problem,
        }
    }

    /// What a server got that refuses access.
    fn sent(&self, url: &Url) -> Sent {
        if self.inner.has_credentials(url) {
            return Sent::Some;
        }
        let asked = &self.request.url;
        if !self.inner.is_secretive() {
            // A query may be a token.
            return asked.query().map_or(Sent::NotConfigured, |_| Sent::Some);
        }
        let redirected_from = (asked.origin() != url.origin()).then(|| masked(asked.as_str()));
        Sent::Elsewhere { redirected_from }
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, FetchError> {
        let refuse = |reason: String| Err(self.fail(from, Problem::Redirect(reason)));
        let Some(location) = response
            .headers()
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok())
        else {
            return refuse("it names no place".into());
        };
        let Ok(to) = from.join(location) else {
            return refuse("it names no URL".into());
        };
        if has_control(&to) {
            return refuse("control characters in its URL".into());
        }
        match (from.scheme(), to.scheme()) {
            ("https", "http") => refuse("it leads from https to http".into()),
            (_, "http" | "https") => Ok(to),
            (_, other) => refuse(format!("scheme {other:?}")),
        }
    }

    /// A transfer that ended before its time.
    fn broken(&self, url: &Url, error: &reqwest::Error, got: u64) -> FetchError {
        let problem = match transport(error) {
            Problem::Broken(_) => Problem::Short {
                expected: self.request.promise.as_ref().and_then(|promise| promise.size),
                got,
            },
            other => other,
        };
        self.fail(url, problem)
    }

    /// Compares the length that the server states with what may come, before anything lands.
    fn announced(&self, url: &Url, response: &Response, landed: u64) -> Result<(), FetchError> {
        let Some(length) = response.content_length() else {
            return Ok(());
        };
        let actual = landed.saturating_add(length);
        match promised_size(self.request) {
            Some(expected) if expected != actual => {
                Err(self.fail(url, Problem::Mismatch(Mismatch::Size { expected, actual })))
            }
            None if actual > self.request.limit_bytes => Err(self.fail(
                url,
                Problem::TooLarge {
                    limit: self.request.limit_bytes,
                },
            )),
            _ => Ok(()),
        }
    }

    /// Makes sure that an answer goes on where the landing stands, emptying it for a whole file.
    fn begin(&mut self, url: &Url, response: &Response, landing: &mut dyn Landing) -> Result<(), FetchError> {
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let expected = format!("bytes {}-", landing.len_bytes());
            let range = text(response.headers(), &header::CONTENT_RANGE).unwrap_or_default();
            if self.resume.is_none() || !range.starts_with(&expected) {
                return Err(self.fail(url, Problem::Broken(format!("asked for {expected:?}, got {range:?}"))));
            }
        } else {
            self.is_kept = false;
            restart(url, landing)?;
        }
        self.announced(url, response, landing.len_bytes())
    }

    async fn body(
        &mut self,
        url: Url,
        response: Response,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Outcome, FetchError> {
        if let Err(error) = self.begin(&url, &response, landing) {
            self.forget(landing);
            return Err(error);
        }
        let validators = validators(response.headers());
        let content_type = text(response.headers(), &header::CONTENT_TYPE);
        self.resume = resumable(&validators, self.request);
        let place = self.request.url.as_str();
        landing.set_note(self.resume.as_ref().map(|validator| Note::new(place, validator)));
        self.drain(&url, response, landing, on_bytes).await?;
        if let Some(expected) = promised_size(self.request).filter(|expected| landing.len_bytes() < *expected) {
            let (expected, got) = (Some(expected), landing.len_bytes());
            return Err(self.fail(&url, Problem::Short { expected, got }));
        }
        if let Err(error) = finish(self.request, landing) {
            self.forget(landing);
            return Err(error);
        }
        Ok(Outcome::Landed(Landed {
            final_url: url,
            validators,
            content_type,
            bytes_fetched: self.fetched,
            waited: self.waited,
            attempts: 1,
        }))
    }

    /// Lands a body until it ends, stands still or crawls.
    async fn drain(
        &mut self,
        url: &Url,
        response: Response,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), FetchError> {
        let idle = self.inner.options.idle_timeout;
        let mut pace = Pace::new(idle * 2, self.inner.options.min_speed);
        let mut stream = response.bytes_stream();
        loop {
            let asked = Instant::now();
            let bytes = match tokio::time::timeout(idle, stream.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Err(self.broken(url, &error, landing.len_bytes())),
                Err(_) => {
                    let what = "the transfer stood still: no byte";
                    return Err(self.fail(url, Problem::Timeout { what, after: idle }));
                }
            };
            let waited = asked.elapsed();
            let count = bytes.len() as u64;
            self.fetched += count;
            self.waited += waited;
            if let Err(error) = take(self.request, landing, &bytes) {
                self.forget(landing);
                return Err(error);
            }
            on_bytes(count);
            if !pace.is_kept(waited, count) {
                return Err(self.fail(url, Problem::Slow(pace.too_slow())));
            }
            for bandwidth in &self.inner.options.bandwidths {
                bandwidth.pass(count).await;
            }
        }
    }
}

/// What it means that nothing follows what has landed.
fn ends_here(request: &Request, actual: u64) -> Problem {
    match promised_size(request) {
        Some(expected) if expected != actual => Problem::Mismatch(Mismatch::Size { expected, actual }),
        _ => Problem::Broken("the server cannot resume".into()),
    }
}

fn promised_size(request: &Request) -> Option<u64> {
    request.promise.as_ref().and_then(|promise| promise.size)
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn validators(headers: &HeaderMap) -> Validators {
    Validators {
        etag: text(headers, &header::ETAG),
        last_modified: text(headers, &header::LAST_MODIFIED),
    }
}

/// A validator by which a server can tell that a part belongs to the same bytes (RFC 9110, section 13.1.5).
///
/// Two versions of a file can share a date, so a date is only trusted where a promised digest has the last word.
fn resumable(validators: &Validators, request: &Request) -> Option<String> {
    let has_digest = request
        .promise
        .as_ref()
        .is_some_and(|promise| !promise.digests.is_empty());
    validators
        .etag
        .clone()
        .filter(|etag| !etag.starts_with("W/"))
        .or_else(|| validators.last_modified.clone().filter(|_| has_digest))
}

#[cfg(test)]
mod tests {
    use chantal_model::{Promise, Sha256};

    use super::*;

    #[test]
    fn a_date_holds_parts_together_only_under_a_promised_digest() {
        let mut request = Request {
            url: "http://h/x".parse().unwrap(),
            promise: None,
            limit_bytes: 1,
            validators: None,
        };
        let mut validators = Validators {
            etag: Some("W/\"weak\"".into()),
            last_modified: Some("Mon, 01 Jan 2024 00:00:00 GMT".into()),
        };
        assert_eq!(resumable(&validators, &request), None);
        request.promise = Some(Promise {
            size: None,
            digests: vec![Sha256::of(b"x").into()],
        });
        assert_eq!(resumable(&validators, &request), validators.last_modified);
        validators.etag = Some("\"strong\"".into());
        assert_eq!(resumable(&validators, &request), validators.etag);
    }
}
