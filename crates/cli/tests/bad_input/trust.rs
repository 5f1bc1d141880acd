//! TLS that cannot be trusted, and credentials that must stay at home.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use chantal_testkit::chantal::finish;
use chantal_testkit::corpus::{Draw, Feed, Variant, documents};
use chantal_testkit::needs::{need, program};
use chantal_testkit::tls::{Authority, Pair};
use chantal_testkit::upstream::{Fault, Site, Upstream};

use crate::bench::{Bench, none_is, try_variant, variants};

/// A certificate that cannot be trusted, or a server that speaks no TLS that can; what is said of it.
fn untrusted(draw: &mut Draw, authority: &Authority) -> (Upstream, &'static str) {
    let site = || Feed::good().build().site();
    let secure = |pair: &Pair| Upstream::start_tls(site(), Authority::tls(pair, None));
    match draw.turn() % 4 {
        0 => {
            let year = draw.between(1, 25) as i32 + 1990;
            (secure(&authority.server_until(year)), "has expired")
        }
        1 => {
            let host = format!("{}.example.org", draw.word(8));
            (secure(&authority.server_of(&host)), "is for another host")
        }
        2 => (secure(&Authority::new().server()), "unknown authority"),
        _ => (Upstream::start(site()), "."),
    }
}

#[test]
fn every_fault_of_a_certificate_is_told_apart_and_nothing_goes_on_in_plain_text() {
    let authority = Authority::new();
    let bench = Bench::secure(&authority);
    let before = bench.tree();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let mut draw = Draw::new(seed, seed);
        let (server, text) = untrusted(&mut draw, &authority);
        let url = server.url("/").replace("http://", "https://");
        let ran = bench.run_at(&url);
        let is_told = ran.stderr.contains(text) && ran.stderr.contains("https://127.0.0.1");
        if ran.code != 3 || !is_told || !server.log().is_empty() || bench.tree() != before {
            wrong.push(format!("seed {seed}: {text}: exit {}:\n{}", ran.code, ran.stderr));
        }
    }
    none_is(&wrong);
}

/// A server that answers whatever it is asked with these bytes; its port.
fn answering(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&bytes);
        }
    });
    port
}

/// What a server says that speaks SSL 3 or TLS 1.0 or 1.1 only: it shakes hands, or says that the version is none of its.
fn outdated(draw: &mut Draw) -> (String, Vec<u8>) {
    let minor = draw.below(3) as u8;
    if draw.coin() {
        return (format!("an alert of 3.{minor}"), vec![0x15, 3, minor, 0, 2, 2, 70]);
    }
    // A record with a message of type 2, version, 32 random bytes, no session, RSA with AES-128, no compression.
    let mut hello = vec![0x16, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
    hello.extend(draw.bytes(32));
    hello.extend([0, 0, 0x2f, 0]);
    (format!("a hello of 3.{minor}"), hello)
}

#[test]
fn versions_of_tls_that_are_broken_are_not_spoken() {
    let bench = Bench::secure(&Authority::new());
    let before = bench.tree();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let (what, bytes) = outdated(&mut Draw::new(seed, seed));
        let ran = bench.run_at(&format!("https://127.0.0.1:{}/", answering(bytes)));
        let is_told = ran.stderr.contains("the server speaks neither TLS 1.2 nor TLS 1.3");
        if ran.code != 3 || !is_told || bench.tree() != before {
            wrong.push(format!("seed {seed}: {what}: exit {}:\n{}", ran.code, ran.stderr));
        }
    }
    none_is(&wrong);
}

/// A feed behind TLS that leads to plain text: by a redirect, over some hops that are fine or at once, or by a location.
fn downgraded(draw: &mut Draw, open: &Upstream) -> Variant {
    let mut feed = Feed::fresh(draw);
    let newcomer = feed.newcomer();
    if draw.turn().is_multiple_of(4) {
        let url = open.url(&format!("/{}.rpm", draw.word(5)));
        feed.edit("primary", |text| {
            text.replace(&format!("href=\"{newcomer}\""), &format!("href=\"{url}\""))
        });
        let what = format!("a package at {url}");
        return Variant::refused(what, feed.site(), &[5], "from https to http").key("mode: filtered");
    }
    let path = match draw.below(3) {
        0 => "/repodata/repomd.xml".to_owned(),
        1 => format!("/{}", draw.pick(&feed.documents[..6]).href),
        _ => format!("/{newcomer}"),
    };
    let mut site = feed.site();
    let hops = draw.below(4);
    let hop = |n: usize| if n == 0 { path.clone() } else { format!("/hop/{n}") };
    for n in 0..hops {
        site.set_fault(&hop(n), Fault::RedirectTo(hop(n + 1)), 99);
    }
    site.set_fault(&hop(hops), Fault::RedirectTo(open.url(&path)), 99);
    let what = format!("{path}: redirects to http after {hops} hops");
    let variant = Variant::refused(what, site, &[4], "redirect refused");
    if path.contains(".rpm") {
        variant.mirrored()
    } else {
        variant.in_any_mode(draw)
    }
}

#[test]
fn https_never_becomes_http_in_redirects_nor_in_locations() {
    let open = Upstream::start(Feed::next().site());
    let mut bench = Bench::secure(&Authority::new());
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let variant = downgraded(&mut Draw::new(seed, seed), &open);
        wrong.extend(try_variant(&mut bench, "G08", seed, &variant));
    }
    none_is(&wrong);
    assert!(open.log().is_empty(), "something went on in plain text");
}

/// A file of a feed comes from another host: a package by its location, or any file by a redirect, over some hops.
fn elsewhere(draw: &mut Draw, other: &Upstream) -> Site {
    let mut feed = Feed::fresh(draw);
    let package = feed.newcomer();
    let url = other.url_by_name("/x");
    if draw.turn().is_multiple_of(3) {
        other.put("/x", feed.tree.bytes(&package).to_vec());
        feed.edit("primary", |text| {
            text.replace(&format!("href=\"{package}\""), &format!("href=\"{url}\""))
        });
        return feed.site();
    }
    let document = draw.pick(&feed.documents[3..6]);
    let (path, bytes) = if draw.coin() {
        (format!("/{}", document.href), document.stored.clone())
    } else {
        (format!("/{package}"), feed.tree.bytes(&package).to_vec())
    };
    other.put("/x", bytes);
    let mut site = feed.site();
    if draw.coin() {
        site.set_fault(&path, Fault::RedirectTo("/hop".into()), 99);
        site.set_fault("/hop", Fault::RedirectTo(url), 99);
    } else {
        site.set_fault(&path, Fault::RedirectTo(url), 99);
    }
    site
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
    for seed in 0..variants() {
        let mut draw = Draw::new(seed, seed);
        let site = elsewhere(&mut draw, &other);
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
        assert_eq!(other.hits("/x").len(), 1, "seed {seed}");
        let heard = other.hits("/x").remove(0);
        assert!(heard.authorization.is_none(), "seed {seed}: {heard:?}");
        assert!(!all(&other).contains("s3cret"), "seed {seed}: {heard:?}");
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains("s3cret"),
            "seed {seed}"
        );
    }
}

/// Every file that a run opens, or tries to, and every address that it connects to.
fn traced(bench: &Bench, arguments: &[&str]) -> (i32, String) {
    let plain = bench.chantal.command(arguments);
    let trace = bench.chantal.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", "trace=open,openat,openat2,connect", "-o"])
        .arg(&trace)
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(bench.chantal.path())
        .env_clear()
        .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = finish(&mut command);
    (ran.code, std::fs::read_to_string(trace).unwrap())
}

#[test]
fn an_entity_opens_nothing_and_asks_nobody() {
    if !need(program("strace").is_some(), "strace") {
        return;
    }
    let bench = Bench::new();
    let mut wrong = Vec::new();
    for row in [documents::D02, documents::D03] {
        for seed in 0..variants() {
            let variant = row.variant(seed);
            bench.upstream.change(|site| *site = variant.site.clone());
            bench.configure(&variant.keys);
            let (code, trace) = traced(&bench, &["repo", "sync", "r", "--publish"]);
            assert!(trace.contains("config.yaml"), "{trace}");
            // What the entities name; nothing listens at port 1.
            let named = ["/etc/passwd", "/dev/zero", "php:", "evil.dtd", "htons(1)"];
            let followed = named.iter().find(|name| trace.contains(**name));
            if code != 5 || followed.is_some() {
                wrong.push(format!(
                    "{} seed {seed}: {}: exit {code}, {followed:?}",
                    row.id, variant.what
                ));
            }
        }
    }
    none_is(&wrong);
    assert!(bench.upstream.hits(documents::DTD_PATH).is_empty());
}
