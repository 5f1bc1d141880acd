//! A small request that tells somebody something.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::client::{Client, pause};
use crate::error::{FetchError, Problem, Sent, transport};

/// What is sent, and how patiently.
#[derive(Clone)]
pub struct Post {
    /// The body.
    pub body: Vec<u8>,
    /// Its type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// How long one try may take, its answer included.
    pub timeout: Duration,
    /// How often it is tried.
    pub tries: u32,
}

impl Client {
    /// Sends a body to the client's own URL by POST; the answer must be a success, and what it says is not read. Redirects
    /// are not followed. A try that may succeed later is repeated.
    ///
    /// # Errors
    /// See [`FetchError::kind`]. Of the URL they name the host only: what follows it may be a secret.
    pub async fn post(&self, post: &Post) -> Result<(), FetchError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Err(mut error) = self.post_once(post).await else {
                return Ok(());
            };
            if !error.is_transient() || attempt >= post.tries {
                error.attempts = attempt;
                return Err(error);
            }
            tracing::debug!(url = error.url, attempt, %error, "trying again");
            tokio::time::sleep(pause(self.options().retry_base, attempt, None)).await;
        }
    }

    async fn post_once(&self, post: &Post) -> Result<(), FetchError> {
        let url = &self.options().feed;
        let fail = |problem| {
            Err(FetchError {
                url: url.origin().ascii_serialization(),
                attempts: 1,
                mirrors: 1,
                problem,
            })
        };
        let headers = match headers(post) {
            Ok(headers) => headers,
            Err(reason) => return fail(Problem::Setup(reason)),
        };
        let client = self.inner.client(url)?;
        let request = client.post(url.clone()).headers(headers).timeout(post.timeout);
        match request.body(post.body.clone()).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => fail(match response.status().as_u16() {
                status @ (401 | 403 | 407) => Problem::Credentials {
                    status,
                    sent: Sent::Some,
                },
                status => Problem::Status(status),
            }),
            Err(error) if error.is_timeout() => fail(Problem::Timeout {
                what: "no answer",
                after: post.timeout,
            }),
            Err(error) => fail(transport(&error)),
        }
    }
}

fn headers(post: &Post) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
    for (name, value) in &post.headers {
        let wrong = || format!("{name:?} and its value make no header");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
