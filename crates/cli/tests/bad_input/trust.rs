//! TLS that cannot be trusted, and credentials that must stay at home.

use chantal_testkit::chantal::Chantal;
use chantal_testkit::corpus::{Draw, Feed};
use chantal_testkit::tls::Authority;
use chantal_testkit::upstream::{Fault, Site, Upstream};

use crate::bench::Bench;

/// A repository behind TLS, with an authority to trust.
fn secure(server: &Upstream, authority: &Authority, keys: &[&str]) -> Chantal {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    std::fs::write(chantal.path().join("ca.pem"), &authority.pem).unwrap();
    let mut all = vec!["ssl: {ca_bundle: ca.pem}", "download: {retry_attempts: 0}"];
    all.extend(keys);
    chantal.repository("r", &server.url("/"), &all);
    chantal.run(&["init"]).ok();
    chantal
}

#[test]
fn every_fault_of_a_certificate_is_told_apart_and_nothing_goes_on_in_plain_text() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut texts = Vec::new();
    for (pair, text) in [
        (authority.server_expired(), "has expired"),
        (authority.server_elsewhere(), "is for another host"),
        (stranger.server(), "unknown authority"),
    ] {
        let server = Upstream::start_tls(Feed::good().build().site(), Authority::tls(&pair, None));
        let chantal = secure(&server, &authority, &[]);
        let ran = chantal.run(&["repo", "sync", "r"]).expect(3);
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
        assert!(server.log().is_empty(), "{text}: it was asked all the same");
        texts.push(ran.stderr);
    }
    texts.dedup();
    assert_eq!(texts.len(), 3);

    // A server that speaks no TLS at all, where TLS is asked for.
    let plain = Upstream::start(Feed::good().build().site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let url = plain.url("/").replace("http://", "https://");
    chantal.repository("r", &url, &["download: {retry_attempts: 0}"]);
    chantal.run(&["init"]).ok();
    let ran = chantal.run(&["repo", "sync", "r"]).expect(3);
    assert!(ran.stderr.contains("https://127.0.0.1"), "{}", ran.stderr);
}

#[test]
fn https_never_becomes_http_in_redirects_nor_in_locations() {
    let authority = Authority::new();
    let open = Upstream::start(Feed::good().build().site());
    let feed = Feed::good().build();
    let package = feed
        .find("newcomer")
        .map_or_else(|| feed.find(".rpm").unwrap().to_owned(), str::to_owned);
    for path in [
        "/repodata/repomd.xml",
        "/repodata/primary.xml.gz",
        &format!("/{package}"),
    ] {
        let mut site = feed.site();
        site.set_fault(path, Fault::RedirectTo(open.url(path)), 99);
        let server = Upstream::start_tls(site, Authority::tls(&authority.server(), None));
        let chantal = secure(&server, &authority, &["mode: mirror"]);
        let ran = chantal.run(&["repo", "sync", "r"]).expect(4);
        assert!(ran.stderr.contains("redirect refused"), "{path}: {}", ran.stderr);
    }
    let mut located = Feed::next();
    let (path, url) = (located.newcomer(), open.url("/x.rpm"));
    located.edit("primary", |text| {
        text.replace(&format!("href=\"{path}\""), &format!("href=\"{url}\""))
    });
    let server = Upstream::start_tls(located.site(), Authority::tls(&authority.server(), None));
    let ran = secure(&server, &authority, &[]).run(&["repo", "sync", "r"]).expect(5);
    assert!(ran.stderr.contains("from https to http"), "{}", ran.stderr);
    assert!(open.log().is_empty(), "something went on in plain text");
}

/// Packages of a feed come from another host, by a redirect or by their location.
fn elsewhere(draw: &mut Draw, other: &Upstream) -> (Feed, Site) {
    let mut feed = Feed::fresh(draw);
    let path = feed.newcomer();
    let bytes = feed.tree.bytes(&path).to_vec();
    other.put("/x.rpm", bytes);
    let url = other.url_by_name("/x.rpm");
    if draw.coin() {
        feed.edit("primary", |text| {
            text.replace(&format!("href=\"{path}\""), &format!("href=\"{url}\""))
        });
        let site = feed.site();
        return (feed, site);
    }
    let mut site = feed.site();
    site.set_fault(&format!("/{path}"), Fault::RedirectTo(url), 99);
    (feed, site)
}

#[test]
fn credentials_never_reach_another_host() {
    let secrets = [
        "auth: {type: basic, username: maker, password: s3cret}",
        "auth: {type: bearer, token: s3cret}",
        "auth: {type: custom, headers: {X-Token: s3cret, Cookie: s3cret}}",
    ];
    let other = Upstream::start(Site::new());
    let bench = Bench::new();
    for seed in 0..9 {
        let mut draw = Draw::new(seed, seed);
        let (_, site) = elsewhere(&mut draw, &other);
        bench.upstream.change(|served| *served = site);
        bench.configure(&[(*draw.each(&secrets)).to_owned()]);
        bench.upstream.clear_log();
        other.clear_log();
        let ran = bench.run(&["-v", "repo", "sync", "r", "--publish"]).ok();
        let all = |server: &Upstream| format!("{:?}", server.log());
        assert!(
            all(&bench.upstream).contains("s3cret") || all(&bench.upstream).contains("czNjcmV0"),
            "seed {seed}"
        );
        assert_eq!(other.hits("/x.rpm").len(), 1, "seed {seed}");
        let heard = other.hits("/x.rpm").remove(0);
        assert!(heard.authorization.is_none(), "seed {seed}: {heard:?}");
        assert!(!all(&other).contains("s3cret"), "seed {seed}: {heard:?}");
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains("s3cret"),
            "seed {seed}"
        );
    }
}

#[test]
fn an_entity_opens_nothing_and_asks_nobody() {
    use chantal_testkit::corpus::documents;
    let mut bench = Bench::new();
    for seed in 0..6 {
        bench.judge(&documents::D03.variant(seed)).unwrap();
    }
    assert!(bench.upstream.hits(documents::DTD_PATH).is_empty());
}
