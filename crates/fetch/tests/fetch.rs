//! What the fetch stage does, proved by the server's own log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::unnecessary_wraps, reason = "a promise is optional in requests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chantal_fetch::{
    Auth, Client, ClientOptions, FetchError, Kind, Landed, Outcome, ProxyOptions, Request, Trust, Validators,
};
use chantal_model::{Algorithm, Digester, Landing, Memory, Promise, Sha256};
use chantal_testkit::proxy::Proxy;
use chantal_testkit::tls::Authority;
use chantal_testkit::upstream::{Body, Fault, Site, Upstream};

fn body() -> Vec<u8> {
    (0..200_000_u32)
        .flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect()
}

fn upstream() -> Upstream {
    let mut site = Site::new();
    site.put("/r/file", Body::Bytes(body().into()));
    Upstream::start(site)
}

fn options(feed: &str) -> ClientOptions {
    ClientOptions {
        retry_base: Duration::from_millis(1),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_millis(800),
        ..ClientOptions::new(feed.parse().unwrap())
    }
}

fn promise(bytes: &[u8]) -> Option<Promise> {
    Some(Promise {
        size: Some(bytes.len() as u64),
        digests: vec![Sha256::of(bytes).into()],
    })
}

fn request(url: &str, promise: Option<Promise>) -> Request {
    Request {
        url: url.parse().unwrap(),
        promise,
        limit_bytes: 10 << 20,
        validators: None,
    }
}

async fn fetch(options: ClientOptions, request: Request) -> (Result<Outcome, FetchError>, Vec<u8>) {
    let mut landing = Memory::new([Algorithm::Sha512]);
    let heard = AtomicU64::new(0);
    let on_bytes = |bytes| {
        heard.fetch_add(bytes, Ordering::Relaxed);
    };
    let client = match Client::new(options) {
        Ok(client) => client,
        Err(error) => return (Err(error), Vec::new()),
    };
    let outcome = client.fetch(&request, &mut landing, &on_bytes).await;
    if let Ok(Outcome::Landed(landed)) = &outcome {
        assert_eq!(landed.bytes_fetched, heard.load(Ordering::Relaxed));
    }
    (outcome, landing.into_bytes())
}

async fn get(upstream: &Upstream) -> (Result<Outcome, FetchError>, Vec<u8>) {
    fetch(
        options(&upstream.url("/r/")),
        request(&upstream.url("/r/file"), promise(&body())),
    )
    .await
}

fn landed(outcome: Result<Outcome, FetchError>) -> Landed {
    match outcome.unwrap() {
        Outcome::Landed(landed) => landed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_lands_as_promised_in_one_request() {
    let upstream = upstream();
    let (outcome, bytes) = get(&upstream).await;
    let landed = landed(outcome);
    assert_eq!(bytes, body());
    assert_eq!((landed.attempts, landed.bytes_fetched), (1, body().len() as u64));
    let hits = upstream.log();
    assert_eq!(hits.len(), 1);
    assert!(
        hits[0].headers.contains(&("accept-encoding".into(), "identity".into())),
        "{hits:?}"
    );
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::TruncateAfter(500_000), 1);
    let (outcome, bytes) = get(&upstream).await;
    assert_eq!(landed(outcome).attempts, 2);
    assert_eq!(bytes, body());
    let hits = upstream.log();
    assert_eq!(hits[1].status, 206);
    let range = hits[1].range.clone().unwrap();
    let from: usize = range
        .trim_start_matches("bytes=")
        .trim_end_matches('-')
        .parse()
        .unwrap();
    assert!(from > 0 && from <= 500_000, "{range}");
    assert!(hits[1].if_range.is_some());
    assert_eq!(hits[1].bytes_sent as usize, body().len() - from);
}

#[tokio::test]
async fn a_file_that_changed_between_two_parts_is_fetched_anew() {
    let upstream = upstream();
    upstream.put("/r/file", vec![7; 800_000]);
    upstream.set_fault("/r/file", Fault::TruncateAfter(100_000), 1);
    let url = upstream.url("/r/file");
    let mut landing = Memory::new([]);
    let client = Client::new(options(&upstream.url("/r/"))).unwrap();
    let changed = std::sync::Once::new();
    let on_bytes = |_| changed.call_once(|| upstream.put("/r/file", body()));
    let outcome = client
        .fetch(&request(&url, promise(&body())), &mut landing, &on_bytes)
        .await;
    assert!(matches!(outcome, Ok(Outcome::Landed(_))), "{outcome:?}");
    assert_eq!(landing.bytes(), body());
    assert_eq!(upstream.log().last().unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_cannot_resume_is_asked_for_everything() {
    for fault in [Fault::IgnoreRange, Fault::WrongContentRange] {
        let upstream = upstream();
        upstream.set_fault("/r/file", Fault::TruncateAfter(300_000), 1);
        let client = Client::new(options(&upstream.url("/r/"))).unwrap();
        let mut landing = Memory::new([]);
        let once = std::sync::Once::new();
        let on_bytes = |_| once.call_once(|| upstream.set_fault("/r/file", fault.clone(), 1));
        let request = request(&upstream.url("/r/file"), promise(&body()));
        let outcome = client.fetch(&request, &mut landing, &on_bytes).await;
        assert!(matches!(outcome, Ok(Outcome::Landed(_))), "{fault:?}: {outcome:?}");
        assert_eq!(landing.bytes(), body(), "{fault:?}");
    }
}

#[tokio::test]
async fn altered_bytes_are_refused_after_every_try() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::CorruptByte(5), 99);
    let (outcome, _) = get(&upstream).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (Kind::Refused, 4));
    assert!(error.to_string().contains("expected sha256:"), "{error}");
    assert_eq!(upstream.log().len(), 4);
}

#[tokio::test]
async fn altered_bytes_once_are_healed() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::CorruptByte(5), 1);
    let (outcome, bytes) = get(&upstream).await;
    assert_eq!(landed(outcome).attempts, 2);
    assert_eq!(bytes, body());
}

#[tokio::test]
async fn more_than_promised_is_cut_off() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::EndlessChunked, 99);
    let (outcome, bytes) = get(&upstream).await;
    assert_eq!(outcome.unwrap_err().kind(), Kind::Refused);
    assert!(bytes.len() <= body().len());
}

#[tokio::test]
async fn more_than_the_limit_is_cut_off_where_nothing_is_promised() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::EndlessChunked, 99);
    let mut request = request(&upstream.url("/r/file"), None);
    request.limit_bytes = 100_000;
    let (outcome, bytes) = fetch(options(&upstream.url("/r/")), request).await;
    assert_eq!(outcome.unwrap_err().kind(), Kind::Limit);
    assert!(bytes.len() <= 100_000);
}

#[tokio::test]
async fn a_server_error_passes_and_an_answer_says_how_often_it_was_tried() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::Status(503, vec![]), 2);
    assert_eq!(landed(get(&upstream).await.0).attempts, 3);

    upstream.set_fault("/r/file", Fault::Status(500, vec![]), 99);
    let error = get(&upstream).await.0.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().ends_with("HTTP 500 (tried 4 times)"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_is_asked_again() {
    let upstream = upstream();
    upstream.set_fault(
        "/r/file",
        Fault::Status(429, vec![("Retry-After".into(), "0".into())]),
        1,
    );
    assert_eq!(landed(get(&upstream).await.0).attempts, 2);
}

#[tokio::test]
async fn a_transfer_that_stands_still_times_out_and_is_resumed() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::StallAfter(100_000), 1);
    let (outcome, bytes) = get(&upstream).await;
    assert_eq!(landed(outcome).attempts, 2);
    assert_eq!(bytes, body());
}

#[tokio::test]
async fn no_answer_times_out_and_says_so() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::DelayMillis(1500), 99);
    let mut options = options(&upstream.url("/r/"));
    options.retry_attempts = 0;
    let (outcome, _) = fetch(options, request(&upstream.url("/r/file"), None)).await;
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("no answer within 0.8 s"), "{text}");
}

#[tokio::test]
async fn absent_and_refused_files_are_not_tried_again() {
    let upstream = upstream();
    let url = upstream.url("/r/none");
    let (outcome, _) = fetch(options(&upstream.url("/r/")), request(&url, None)).await;
    assert!(matches!(outcome, Ok(Outcome::Absent { status: 404 })));
    upstream.set_fault("/r/file", Fault::Status(403, vec![]), 99);
    let error = get(&upstream).await.0.unwrap_err();
    assert_eq!(error.kind(), Kind::Credentials);
    assert_eq!(upstream.log().len(), 2);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let address = upstream().address();
    let url = format!("http://{address}/file");
    let error = fetch(options(&url), request(&url, None)).await.0.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn validators_make_the_request_conditional() {
    let upstream = upstream();
    let validators = landed(get(&upstream).await.0).validators;
    assert!(validators.etag.is_some());
    let mut request = request(&upstream.url("/r/file"), None);
    request.validators = Some(validators.clone());
    let (outcome, bytes) = fetch(options(&upstream.url("/r/")), request).await;
    assert!(matches!(outcome, Ok(Outcome::Unchanged)));
    assert!(bytes.is_empty());
    assert_eq!(upstream.log()[1].if_none_match, validators.etag);
    assert_eq!(upstream.log()[1].status, 304);
}

#[tokio::test]
async fn credentials_go_to_the_feed_and_to_no_other_host() {
    let mut site = Site::new();
    site.put("/r/file", Body::Bytes(body().into()));
    site.require_basic("user", "s3cret");
    let own = Upstream::start(site);
    let other = upstream();
    let mut options = options(&own.url("/r/"));
    options.auth = Auth::Basic {
        user: "user".into(),
        password: "s3cret".into(),
    };
    landed(
        fetch(options.clone(), request(&own.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    assert!(own.log()[0].authorization.is_some());

    own.set_fault("/r/file", Fault::RedirectTo(other.url("/r/file")), 1);
    landed(
        fetch(options.clone(), request(&own.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    landed(fetch(options, request(&other.url("/r/file"), promise(&body()))).await.0);
    assert_eq!(other.log().len(), 2);
    assert!(
        other.log().iter().all(|hit| hit.authorization.is_none()),
        "{:?}",
        other.log()
    );
}

#[tokio::test]
async fn custom_headers_stay_at_home_too() {
    let own = upstream();
    let other = upstream();
    let mut options = options(&own.url("/r/"));
    options.auth = Auth::Headers(vec![("X-Token".into(), "CANARY".into())]);
    landed(fetch(options.clone(), request(&own.url("/r/file"), None)).await.0);
    landed(fetch(options, request(&other.url("/r/file"), None)).await.0);
    let has = |upstream: &Upstream| upstream.log()[0].headers.iter().any(|(name, _)| name == "x-token");
    assert!(has(&own) && !has(&other));
}

#[tokio::test]
async fn credentials_of_a_url_are_sent_and_never_shown() {
    let own = upstream();
    own.set_fault("/r/file", Fault::Status(500, vec![]), 99);
    let url = own.url("/r/file").replace("http://", "http://user:CANARY@");
    let error = fetch(options(&url), request(&url, None)).await.0.unwrap_err();
    assert!(own.log()[0].authorization.is_some());
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::RedirectTo("/r/file".into()), 99);
    let error = get(&upstream).await.0.unwrap_err();
    assert!(error.to_string().contains("too many redirects, more than 5"), "{error}");
    assert_eq!(upstream.log().len(), 6);
}

#[tokio::test]
async fn redirects_to_other_schemes_are_refused() {
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"] {
        let upstream = upstream();
        upstream.set_fault("/r/file", Fault::RedirectTo(to.into()), 99);
        let error = get(&upstream).await.0.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{to}");
        assert_eq!(upstream.log().len(), 1, "{to}");
    }
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_changes_nothing() {
    let upstream = upstream();
    upstream.set_fault("/r/file", Fault::ContentEncodingGzip, 1);
    let (outcome, bytes) = get(&upstream).await;
    landed(outcome);
    assert_eq!(bytes, body());
}

fn tls_site() -> Site {
    let mut site = Site::new();
    site.put("/r/file", Body::Bytes(body().into()));
    site
}

async fn tls_error(server: &Upstream, ca: &str) -> FetchError {
    let mut options = options(&server.url("/r/"));
    options.ca = Trust::Only(ca.as_bytes().to_vec());
    options.retry_attempts = 0;
    fetch(options, request(&server.url("/r/file"), None))
        .await
        .0
        .unwrap_err()
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_feed_and_to_no_other_origin() {
    let authority = Authority::new();
    let own = Upstream::start_tls(tls_site(), Authority::tls(&authority.server(), Some(&authority)));
    let client = authority.client("mirror-1");
    let mut options = options(&own.url("/r/"));
    options.ca = Trust::Only(authority.pem.clone().into_bytes());
    options.identity_pem = Some(format!("{}\n{}", client.certificate, client.key).into_bytes());
    landed(
        fetch(options.clone(), request(&own.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    assert_eq!(own.log()[0].client_subject.as_deref(), Some("mirror-1"));

    let error = fetch(options, request(&own.url_by_name("/r/file"), None))
        .await
        .0
        .unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Credentials,
        "another origin saw the certificate: {error}"
    );
    assert!(error.to_string().contains("none was sent"), "{error}");
    assert_eq!(own.log().len(), 1);
}

#[tokio::test]
async fn every_fault_of_a_certificate_has_its_own_text() {
    let authority = Authority::new();
    let server = |pair| Upstream::start_tls(tls_site(), Authority::tls(&pair, None));
    let cases = [
        (server(authority.server_until(2001)), authority.pem.clone(), "expired"),
        (
            server(authority.server_of("elsewhere.example.org")),
            authority.pem.clone(),
            "another host",
        ),
        (server(authority.server()), Authority::new().pem, "unknown authority"),
    ];
    for (server, ca, text) in cases {
        let error = tls_error(&server, &ca).await;
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(error.to_string().contains(text), "expected {text:?} in {error}");
        assert!(server.log().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_is_not_checked_only_where_that_is_said() {
    let server = Upstream::start_tls(tls_site(), Authority::tls(&Authority::new().server(), None));
    let mut options = options(&server.url("/r/"));
    options.verify_tls = false;
    landed(
        fetch(options, request(&server.url("/r/file"), promise(&body())))
            .await
            .0,
    );
}

#[tokio::test]
async fn an_encrypted_key_is_refused_with_a_way_out() {
    let mut options = options("https://127.0.0.1:1/");
    options.identity_pem = Some(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_vec());
    let error = fetch(options, request("https://127.0.0.1:1/x", None))
        .await
        .0
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Local);
    assert!(error.to_string().contains("openssl pkey"), "{error}");
}

#[tokio::test]
async fn https_does_not_become_http() {
    let authority = Authority::new();
    let plain = upstream();
    let server = Upstream::start_tls(tls_site(), Authority::tls(&authority.server(), None));
    server.set_fault("/r/file", Fault::RedirectTo(plain.url("/r/file")), 99);
    let error = tls_error(&server, &authority.pem).await;
    assert_eq!(error.kind(), Kind::Refused);
    assert!(plain.log().is_empty());
}

#[tokio::test]
async fn a_proxy_is_used_with_its_own_credentials() {
    let upstream = upstream();
    // user:pass
    let proxy = Proxy::start(Some("Basic dXNlcjpwYXNz"));
    let mut options = options(&upstream.url("/r/"));
    options.proxy = ProxyOptions {
        http: Some(proxy.url().parse().unwrap()),
        username: Some("user".into()),
        password: Some("pass".into()),
        ..ProxyOptions::default()
    };
    landed(
        fetch(options.clone(), request(&upstream.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    assert!(
        proxy.log()[0].line.starts_with("GET http://127.0.0.1"),
        "{:?}",
        proxy.log()
    );
    assert!(
        upstream.log()[0].authorization.is_none(),
        "proxy credentials went upstream"
    );

    options.proxy.no_proxy = vec!["127.0.0.1".into()];
    landed(
        fetch(options, request(&upstream.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    assert_eq!(proxy.log().len(), 1);
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let authority = Authority::new();
    let server = Upstream::start_tls(tls_site(), Authority::tls(&authority.server(), None));
    let proxy = Proxy::start(None);
    let mut options = options(&server.url("/r/"));
    options.ca = Trust::Only(authority.pem.clone().into_bytes());
    options.proxy.https = Some(proxy.url().parse().unwrap());
    landed(
        fetch(options, request(&server.url("/r/file"), promise(&body())))
            .await
            .0,
    );
    let line = format!("CONNECT 127.0.0.1:{} HTTP/1.1", server.address().port());
    assert_eq!(proxy.log()[0].line, line);
}

#[tokio::test]
async fn files_are_checked_like_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, body()).unwrap();
    let url = format!("file://{}", path.display());
    let (outcome, bytes) = fetch(options(&url), request(&url, promise(&body()))).await;
    let validators = landed(outcome).validators;
    assert_eq!(bytes, body());

    let mut conditional = request(&url, None);
    conditional.validators = Some(validators);
    assert!(matches!(
        fetch(options(&url), conditional).await.0,
        Ok(Outcome::Unchanged)
    ));
    let wrong = fetch(options(&url), request(&url, promise(b"other"))).await.0;
    assert_eq!(wrong.unwrap_err().kind(), Kind::Refused);
    let none = format!("{url}-none");
    assert!(matches!(
        fetch(options(&url), request(&none, None)).await.0,
        Ok(Outcome::Absent { .. })
    ));
}

#[tokio::test]
async fn digests_of_other_algorithms_are_checked() {
    let upstream = upstream();
    let mut digester = Digester::new([Algorithm::Sha512]);
    digester.update(&body());
    let (_, others) = digester.finish();
    let good = Promise {
        size: None,
        digests: others,
    };
    let outcome = fetch(
        options(&upstream.url("/r/")),
        request(&upstream.url("/r/file"), Some(good)),
    )
    .await
    .0;
    landed(outcome);
}

/// A landing that fails, as a full disk does.
struct Full;

impl Landing for Full {
    fn len_bytes(&self) -> u64 {
        0
    }
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn restart(&mut self) -> std::io::Result<()> {
        Ok(())
    }
    fn digests(&self) -> (Sha256, Vec<chantal_model::Digest>) {
        (Sha256::of(b""), Vec::new())
    }
}

#[tokio::test]
async fn a_full_disk_is_not_tried_again() {
    let upstream = upstream();
    let client = Client::new(options(&upstream.url("/r/"))).unwrap();
    let request = request(&upstream.url("/r/file"), None);
    let error = client.fetch(&request, &mut Full, &|_| ()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Local);
    assert_eq!(upstream.log().len(), 1);
}

#[tokio::test]
async fn validators_of_a_request_are_compared_as_they_are() {
    let upstream = upstream();
    let mut request = request(&upstream.url("/r/file"), None);
    request.validators = Some(Validators {
        etag: Some("\"other\"".into()),
        last_modified: None,
    });
    landed(fetch(options(&upstream.url("/r/")), request).await.0);
}
