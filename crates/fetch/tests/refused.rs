//! What is said where a server refuses access.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use chantal_fetch::{Auth, Client, ClientOptions, FetchError, Kind, Request};
use chantal_model::Memory;
use chantal_testkit::upstream::{Body, Fault, Site, Upstream};

fn upstream() -> Upstream {
    let mut site = Site::new();
    site.put("/r/file", Body::Bytes(b"file"[..].into()));
    Upstream::start(site)
}

fn refusing(status: u16) -> Upstream {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::Status(status, vec![]), 99);
    upstream
}

async fn refused(options: ClientOptions, url: &str) -> FetchError {
    let request = Request {
        url: url.parse().unwrap(),
        promise: None,
        limit_bytes: 100,
        validators: None,
    };
    let client = Client::new(options).unwrap();
    let error = client.fetch(&request, &mut Memory::new([]), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Credentials);
    error
}

fn options(feed: &str, auth: Auth) -> ClientOptions {
    ClientOptions {
        auth,
        ..ClientOptions::new(feed.parse().unwrap())
    }
}

fn basic() -> Auth {
    Auth::Basic {
        user: "u".into(),
        password: "CANARY".into(),
    }
}

#[tokio::test]
async fn credentials_that_nobody_configured_are_not_said_to_be_refused() {
    for (status, what) in [(401, "credentials are wanted"), (403, "access refused")] {
        let upstream = refusing(status);
        let url = upstream.url("/r/file");
        let error = refused(options(&upstream.url("/r/"), Auth::None), &url).await;
        let expected = format!("{url}: {what} (HTTP {status}); no credentials are configured");
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().unwrap().contains("`auth`"));

        let error = refused(options(&upstream.url("/r/"), basic()), &url).await;
        assert_eq!(error.to_string(), format!("{url}: credentials refused (HTTP {status})"));
        assert_eq!(error.hint(), None);
        // A token in the query is one, too.
        upstream.set_fault("/r/file?t=CANARY", Fault::Status(status, vec![]), 99);
        let url = format!("{url}?t=CANARY");
        let error = refused(options(&upstream.url("/r/"), Auth::None), &url).await;
        let text = error.to_string();
        assert!(
            text.contains("credentials refused") && !text.contains("CANARY"),
            "{text}"
        );
    }
    let upstream = refusing(407);
    let error = refused(options(&upstream.url("/r/"), Auth::None), &upstream.url("/r/file")).await;
    assert!(error.to_string().contains("the proxy refuses"), "{error}");
    assert_eq!(error.hint(), None);
}

#[tokio::test]
async fn a_host_that_gets_no_credentials_is_said_not_to() {
    let (own, other) = (upstream(), refusing(401));
    own.set_fault("/r/file", Fault::RedirectTo(other.url("/r/file")), 99);
    let (from, to) = (own.url("/r/file"), other.url("/r/file"));
    let error = refused(options(&own.url("/r/"), basic()), &from).await;
    let why = "those of the feed are not sent to another scheme, host or port";
    assert_eq!(
        error.to_string(),
        format!("{to}: credentials are wanted (HTTP 401); redirected from {from}; {why}")
    );
    assert!(other.log().iter().all(|hit| hit.authorization.is_none()));
    // As of a package that metadata have elsewhere.
    let error = refused(options(&own.url("/r/"), basic()), &to).await;
    assert_eq!(
        error.to_string(),
        format!("{to}: credentials are wanted (HTTP 401); {why}")
    );
}
