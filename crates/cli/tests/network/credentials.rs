use chantal_testkit::tls::Authority;
use chantal_testkit::upstream::{Fault, Upstream};

use crate::{ENTRY, chantal, mirror, sample, says};

const SYNC: &[&str] = &["repo", "sync", "r"];

#[test]
fn a_server_that_wants_credentials_where_there_are_none_is_told_with_the_key() {
    let upstream = mirror();
    upstream.set_fault(ENTRY, Fault::Status(401, vec![]), 9);
    let feed = format!("feed: {}", upstream.url("/"));
    let told = chantal(&[&feed]).run(SYNC).expect(3).stderr;
    says(
        &told,
        "credentials are wanted (HTTP 401); no credentials are configured",
    );
    says(&told, "hint: `auth` gives credentials");
    let auth = "auth: {type: basic, username: u, password: p}";
    let told = chantal(&[&feed, auth]).run(SYNC).expect(3).stderr;
    says(&told, "credentials refused (HTTP 401)");
    assert!(!told.contains("hint:"), "{told}");
}

#[test]
fn a_header_that_comes_from_elsewhere_is_checked_when_it_is_read() {
    let upstream = mirror();
    let feed = format!("feed: {}", upstream.url("/"));
    for (auth, key) in [
        ("{type: bearer, token: \"env:SECRET\"}", "auth.token"),
        ("{type: custom, headers: {X-Key: \"env:SECRET\"}}", "auth.headers.X-Key"),
    ] {
        let chantal = chantal(&[&feed, &format!("auth: {auth}")]).env("SECRET", "CANARY\nX: y");
        let told = chantal.run(SYNC).expect(2).stderr;
        says(&told, &format!("{key} holds a line break or another control character"));
        assert!(!told.contains("CANARY"), "{told}");
    }
    assert!(upstream.log().is_empty());
}

#[test]
fn an_authority_that_the_system_does_not_know_is_told_once_and_in_words() {
    let authority = Authority::new();
    let upstream = Upstream::start_tls(sample(), Authority::tls(&authority.server(), None));
    let chantal = chantal(&[&format!("feed: {}", upstream.url("/"))]);
    let known = chantal.path().join("system.pem");
    std::fs::write(&known, Authority::new().pem).unwrap();
    let chantal = chantal.env("SSL_CERT_FILE", &known.display().to_string());
    let told = chantal.run(SYNC).expect(3).stderr;
    says(&told, "signed by an unknown authority");
    assert!(!told.contains("rustls"), "{told}");
    let more = chantal.run(&["-vv", "repo", "sync", "r"]).expect(3).stderr;
    says(&more, "rustls_platform_verifier");
}
