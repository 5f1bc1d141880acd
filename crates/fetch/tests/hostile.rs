//! Servers that lie, crawl or are out of date, proved by the server's own log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use chantal_fetch::{Client, ClientOptions, FetchError, Kind, Outcome, Request};
use chantal_model::{Memory, Promise, Sha256};
use chantal_testkit::upstream::{Body, Fault, Site, Upstream};

fn body() -> Vec<u8> {
    (0..75_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn upstream() -> Upstream {
    let mut site = Site::new();
    site.put("/r/file", Body::Bytes(body().into()));
    Upstream::start(site)
}

fn options(feed: &str) -> ClientOptions {
    ClientOptions {
        retry_base: Duration::from_millis(1),
        idle_timeout: Duration::from_millis(300),
        ..ClientOptions::new(feed.parse().unwrap())
    }
}

fn promised(size: usize) -> Promise {
    Promise {
        size: Some(size as u64),
        digests: vec![Sha256::of(&body()).into()],
    }
}

async fn fetch(upstream: &Upstream, promise: Option<Promise>) -> (Result<Outcome, FetchError>, Vec<u8>) {
    let client = Client::new(options(&upstream.url("/r/"))).unwrap();
    let request = Request {
        url: upstream.url("/r/file").parse().unwrap(),
        promise,
        limit_bytes: 10 << 20,
        validators: None,
    };
    let mut landing = Memory::new([]);
    let outcome = client.fetch(&request, &mut landing, &|_| ()).await;
    (outcome, landing.into_bytes())
}

async fn get(upstream: &Upstream) -> (Result<Outcome, FetchError>, Vec<u8>) {
    fetch(upstream, Some(promised(body().len()))).await
}

#[tokio::test]
async fn an_older_and_shorter_file_is_refused_however_often_it_is_tried() {
    for retry_attempts in 0..4 {
        let upstream = upstream();
        upstream.put("/r/file", &body()[..1000]);
        let mut options = options(&upstream.url("/r/"));
        options.retry_attempts = retry_attempts;
        let request = Request {
            url: upstream.url("/r/file").parse().unwrap(),
            promise: Some(promised(body().len())),
            limit_bytes: 0,
            validators: None,
        };
        let client = Client::new(options).unwrap();
        let error = client.fetch(&request, &mut Memory::new([]), &|_| ()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{retry_attempts} retries: {error}");
        assert!(error.to_string().contains("expected 300000 bytes, got 1000"), "{error}");
        assert!(upstream.log().iter().all(|hit| hit.range.is_none()));
    }
}

#[tokio::test]
async fn a_longer_file_is_refused_before_any_of_it_lands() {
    let upstream = upstream();
    let (outcome, bytes) = fetch(&upstream, Some(promised(1000))).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("expected 1000 bytes, got 300000"), "{error}");
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn a_stated_length_beyond_the_limit_is_refused_at_once() {
    let upstream = upstream();
    let client = Client::new(options(&upstream.url("/r/"))).unwrap();
    let request = Request {
        url: upstream.url("/r/file").parse().unwrap(),
        promise: None,
        limit_bytes: 299_999,
        validators: None,
    };
    let mut landing = Memory::new([]);
    let error = client.fetch(&request, &mut landing, &|_| ()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (Kind::Limit, 1));
    assert!(landing.bytes().is_empty());
}

#[tokio::test]
async fn a_length_that_lies_once_is_healed() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::WrongLength(10), 1);
    let (outcome, bytes) = get(&upstream).await;
    assert!(matches!(outcome, Ok(Outcome::Landed(_))), "{outcome:?}");
    assert_eq!(bytes, body());
}

#[tokio::test]
async fn a_crawling_transfer_is_given_up_though_it_never_stands_still() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::SlowBytes(20), 1);
    let (outcome, bytes) = get(&upstream).await;
    let Ok(Outcome::Landed(landed)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(landed.attempts, 2);
    assert_eq!(bytes, body());
    let hits = upstream.log();
    assert!(hits.iter().any(|hit| hit.status == 206), "{hits:?}");
}

#[tokio::test]
async fn nothing_is_resumed_that_no_validator_holds_together() {
    let upstream = upstream();
    upstream.change(|site| site.no_validators = true);
    upstream.set_fault("/r/file", Fault::TruncateAfter(100_000), 1);
    let (outcome, bytes) = get(&upstream).await;
    assert!(matches!(outcome, Ok(Outcome::Landed(_))), "{outcome:?}");
    assert_eq!(bytes, body());
    let hits = upstream.log();
    assert_eq!(hits.len(), 2);
    assert!(hits[1].range.is_none(), "{hits:?}");
}

#[tokio::test]
async fn a_dropped_connection_is_tried_again() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::DropConnection, 2);
    let (outcome, bytes) = get(&upstream).await;
    assert!(matches!(outcome, Ok(Outcome::Landed(_))), "{outcome:?}");
    assert_eq!(bytes, body());
}

#[tokio::test]
async fn a_page_for_people_is_told_by_its_type() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::HtmlPage, 1);
    let Ok(Outcome::Landed(landed)) = fetch(&upstream, None).await.0 else {
        panic!("nothing is promised, so anything may land");
    };
    assert_eq!(landed.content_type.as_deref(), Some("text/html"));
}

#[tokio::test]
async fn control_characters_are_refused_in_a_url_and_in_a_redirect() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::RedirectTo("/r/x%0d%0aHost:%20y".into()), 99);
    let error = get(&upstream).await.0.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert_eq!(upstream.log().len(), 1);

    let client = Client::new(options(&upstream.url("/r/"))).unwrap();
    let request = Request {
        url: upstream.url("/r/x%0d%0ay").parse().unwrap(),
        promise: None,
        limit_bytes: 1,
        validators: None,
    };
    let error = client.fetch(&request, &mut Memory::new([]), &|_| ()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed, "{error}");
    assert_eq!(upstream.log().len(), 1);
}

#[tokio::test]
async fn tokens_in_a_query_are_sent_and_never_shown() {
    let upstream = upstream();
    let client = Client::new(options(&upstream.url("/r/?token=CANARY"))).unwrap();
    upstream.set_fault("/r/file?token=CANARY", Fault::Status(403, vec![]), 99);
    let request = Request {
        url: upstream.url("/r/file?token=CANARY").parse().unwrap(),
        promise: None,
        limit_bytes: 1,
        validators: None,
    };
    let error = client.fetch(&request, &mut Memory::new([]), &|_| ()).await.unwrap_err();
    assert_eq!(upstream.log()[0].path, "/r/file?token=CANARY");
    assert!(error.to_string().contains("/r/file?token=***"), "{error}");
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
}

#[tokio::test]
async fn a_local_file_that_is_too_short_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"short").unwrap();
    let url: url::Url = format!("file://{}", path.display()).parse().unwrap();
    let client = Client::new(ClientOptions::new(url.clone())).unwrap();
    let request = Request {
        url,
        promise: Some(promised(body().len())),
        limit_bytes: 1,
        validators: None,
    };
    let error = client.fetch(&request, &mut Memory::new([]), &|_| ()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
}

#[tokio::test]
async fn a_local_pipe_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let url: url::Url = format!("file://{}", path.display()).parse().unwrap();
    let client = Client::new(ClientOptions::new(url.clone())).unwrap();
    let request = Request {
        url,
        promise: None,
        limit_bytes: 1,
        validators: None,
    };
    let outcome = client.fetch(&request, &mut Memory::new([]), &|_| ()).await;
    assert!(matches!(outcome, Ok(Outcome::Absent { status: 404 })), "{outcome:?}");
}
