use chantal_model::Sha256;
use chantal_testkit::proxy::Proxy;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::{Body, Fault, Site, Upstream};

use crate::{ENTRY, chantal, doc, feeds, mirror, packages, sample, says};

/// A server with a list of mirrors at `/list`.
fn list(text: impl Into<Vec<u8>>) -> Upstream {
    let mut site = Site::new();
    site.put("/list", Body::Bytes(text.into().into()));
    Upstream::start(site)
}

fn metalink(entry: &[u8], mirrors: &[&Upstream]) -> String {
    let urls = mirrors.iter().zip((1..=100).rev());
    let urls = urls.map(|(mirror, preference)| {
        let url = mirror.url(ENTRY);
        format!("<url protocol=\"http\" preference=\"{preference}\">{url}</url>\n")
    });
    format!(
        "<?xml version=\"1.0\"?>\n<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files>\
         <file name=\"repomd.xml\"><size>{}</size><verification><hash type=\"sha256\">{}</hash></verification>\
         <resources>{}</resources></file></files></metalink>",
        entry.len(),
        Sha256::of(entry).hex(),
        urls.collect::<Vec<_>>().concat()
    )
}

fn entry_of(repository: &Repository) -> Vec<u8> {
    let site = repository.build().site();
    let server = Upstream::start(site);
    fetched(&server)
}

/// The entry point as a server has it.
fn fetched(server: &Upstream) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {ENTRY} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    bytes.split_off(at + 4)
}

#[test]
fn a_file_that_the_first_feed_lacks_comes_from_the_second() {
    for fault in [
        Fault::Status(404, vec![]),
        Fault::Status(500, vec![]),
        Fault::CorruptByte(100),
        Fault::TruncateAfter(10),
        Fault::DropConnection,
    ] {
        let (first, second) = (mirror(), mirror());
        first.set_fault(&doc(), fault.clone(), 9);
        let chantal = chantal(&[&feeds(&first, &second)]);
        chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        assert_eq!((packages(&second), second.hits(&doc()).len()), (1, 1), "{fault:?}");
        assert!(second.hits(ENTRY).is_empty(), "{fault:?}");
        assert!(
            chantal
                .published()
                .join("r/latest")
                .join(doc().trim_start_matches('/'))
                .is_file()
        );
    }
}

#[test]
fn a_feed_that_is_always_bad_is_left_for_the_rest_of_the_run_and_named() {
    let (first, second) = (mirror(), mirror());
    for path in Repository::sample()
        .packages
        .iter()
        .map(|rpm| Repository::sample().href(rpm))
    {
        first.set_fault(&format!("/{path}"), Fault::Status(503, vec![]), 9);
    }
    let parallel = "download: {retry_attempts: 0, parallel: 1}";
    let chantal = chantal(&[&feeds(&first, &second), parallel]);
    let ran = chantal.run(&["repo", "sync", "r"]).ok();
    says(&ran.stderr, "is left for the rest of the run: ");
    says(&ran.stderr, "HTTP 503");
    let asked = first.log().iter().filter(|hit| hit.path.ends_with(".rpm")).count();
    assert_eq!((asked, packages(&second)), (3, Repository::sample().packages.len()));
}

#[test]
fn nobody_listening_at_the_first_feed_is_no_failure() {
    let (gone, second) = (mirror(), mirror());
    let line = feeds(&gone, &second);
    drop(gone);
    let chantal = chantal(&[&line]);
    let ran = chantal.run(&["repo", "sync", "r"]).ok();
    says(
        &ran.stderr,
        "did not give repodata/repomd.xml, another one did: connection refused",
    );
    assert_eq!(packages(&second), Repository::sample().packages.len());
}

#[test]
fn an_entry_point_that_is_none_is_taken_from_the_next_feed() {
    for bytes in [
        "<html><body>Log in</body></html>",
        "garbage",
        "<repomd><data type='primary'>",
    ] {
        let (first, second) = (mirror(), mirror());
        first.put(ENTRY, bytes);
        let chantal = chantal(&[&feeds(&first, &second)]);
        says(
            &chantal.run(&["repo", "sync", "r"]).ok().stderr,
            "is left for the rest of the run",
        );
        drop(second);
        first.put(ENTRY, bytes);
        assert_ne!(chantal.run(&["repo", "sync", "r", "--force"]).code, 0, "{bytes}");
    }
}

#[test]
fn every_feed_that_fails_is_counted_in_the_message() {
    let (first, second) = (mirror(), mirror());
    let line = feeds(&first, &second);
    drop((first, second));
    let ran = chantal(&[&line]).run(&["repo", "sync", "r"]).expect(3);
    says(&ran.stderr, "(2 mirrors were asked)");
}

#[test]
fn a_package_is_absent_upstream_when_every_feed_says_so() {
    let (first, second) = (mirror(), mirror());
    first.remove(&doc());
    second.remove(&doc());
    let lines = ["mode: mirror", "on_package_error: accept_missing"];
    let both = chantal(&[&feeds(&first, &second), lines[0], lines[1]]);
    says(&both.run(&["repo", "sync", "r"]).expect(9).stderr, "missing upstream");
    let line = feeds(&first, &second);
    drop(second);
    chantal(&[&line, lines[0], lines[1]])
        .run(&["repo", "sync", "r"])
        .expect(3);
}

#[test]
fn what_nothing_promises_is_asked_where_the_entry_point_came_from() {
    let (first, second) = (mirror(), mirror());
    second.put("/repodata/repomd.xml.key", "not of the first feed");
    let chantal = chantal(&[&feeds(&first, &second), "mode: mirror"]);
    chantal.run(&["repo", "sync", "r"]).ok();
    assert_eq!(first.hits("/repodata/repomd.xml.key").len(), 1);
    assert_eq!(second.log().len(), 0, "{:?}", second.log());
}

#[test]
fn an_unchanged_feed_is_one_request_at_the_feed_that_answered_last() {
    let (first, second) = (mirror(), mirror());
    let chantal = chantal(&[&feeds(&first, &second)]);
    chantal.run(&["repo", "sync", "r"]).ok();
    first.clear_log();
    chantal.run(&["repo", "sync", "r"]).ok();
    let log = first.log();
    assert_eq!((log.len(), log[0].status), (1, 304));
    first.set_fault(ENTRY, Fault::Status(500, vec![]), 9);
    let ran = chantal.run(&["repo", "sync", "r"]).ok();
    says(&ran.stderr, "the feed has not changed");
    assert_eq!(second.log().len(), 1);
}

#[test]
fn a_list_names_mirrors_that_are_tried_in_its_order() {
    let (first, second) = (mirror(), mirror());
    first.set_fault(&doc(), Fault::Status(404, vec![]), 9);
    let list = list(format!("# best first\n{}\n{}\n", first.url("/"), second.url(ENTRY)));
    let chantal = chantal(&[&format!("mirrorlist: {}", list.url("/list"))]);
    chantal.run(&["repo", "sync", "r"]).ok();
    assert_eq!(packages(&second), 1);
    first.clear_log();
    says(
        &chantal.run(&["repo", "sync", "r"]).ok().stderr,
        "the feed has not changed",
    );
    assert_eq!((list.log().len(), first.log().len()), (2, 1));
}

#[test]
fn a_stale_mirror_of_a_metalink_is_skipped_and_nothing_new_is_one_request() {
    let old = Upstream::start(sample());
    let new = Upstream::start(Repository::sample_v2().build().site());
    let entry = entry_of(&Repository::sample_v2());
    let list = list(metalink(&entry, &[&old, &new]));
    let chantal = chantal(&[&format!("metalink: {}", list.url("/list"))]);
    chantal.run(&["repo", "sync", "r"]).ok();
    assert_eq!(old.hits(ENTRY).len(), 1);
    assert_eq!(packages(&new), Repository::sample_v2().packages.len());
    for server in [&old, &new, &list] {
        server.clear_log();
    }
    says(
        &chantal.run(&["repo", "sync", "r"]).ok().stderr,
        "the feed has not changed",
    );
    assert_eq!((old.log().len(), new.log().len(), list.log().len()), (0, 0, 1));
}

#[test]
fn a_mirror_that_is_behind_is_left_for_one_that_is_not() {
    let state = |number: u64| {
        let package = Rpm::new("greet", &number.to_string(), "1", "noarch");
        Repository::new()
            .revision(1_700_000_000 + number)
            .with(package)
            .build()
            .site()
    };
    let (one, other) = (Upstream::start(state(2)), Upstream::start(state(2)));
    let plain = list(format!("{}\n{}\n", one.url("/"), other.url("/")));
    for places in [feeds(&one, &other), format!("mirrorlist: {}", plain.url("/list"))] {
        for server in [&one, &other] {
            server.change(|site| *site = state(2));
        }
        let chantal = chantal(&[&places]);
        chantal.run(&["repo", "sync", "r"]).ok();
        one.change(|site| *site = state(1));
        other.change(|site| *site = state(3));
        let ran = chantal.run(&["repo", "sync", "r"]).ok();
        says(
            &ran.stderr,
            &format!("mirror {} is left for the rest of the run", one.url("/")),
        );
        says(&ran.stderr, "the feed went back");
        let has = chantal.run(&["package", "list", "r"]).ok().stdout;
        says(&has, "3-1");

        other.change(|site| *site = state(1));
        let ran = chantal.run(&["repo", "sync", "r"]).expect(4);
        says(&ran.stderr, "the feed went back");
        let has = chantal.run(&["package", "list", "r"]).ok().stdout;
        says(&has, "3-1");
    }
}

#[test]
fn where_every_mirror_is_stale_the_sync_says_what_was_expected() {
    let old = mirror();
    let list = list(metalink(&entry_of(&Repository::sample_v2()), &[&old]));
    let ran = chantal(&[&format!("metalink: {}", list.url("/list"))])
        .run(&["repo", "sync", "r"])
        .expect(4);
    says(&ran.stderr, "expected");
}

#[test]
fn a_metalink_that_vouches_for_nothing_is_malformed() {
    let server = mirror();
    let text = metalink(b"", &[&server]).replace("sha256", "md5");
    for (text, part) in [
        (text, "no digest of repodata/repomd.xml that is not weak"),
        (server.url("/"), "it is a plain list of mirrors: use `mirrorlist`"),
        ("<html>Log in</html>".into(), "got an HTML page in place of a list"),
    ] {
        let list = list(text);
        let ran = chantal(&[&format!("metalink: {}", list.url("/list"))])
            .run(&["repo", "sync", "r"])
            .expect(5);
        says(&ran.stderr, part);
    }
}

#[test]
fn lists_that_name_nothing_and_lists_without_end_have_their_own_texts() {
    for (text, code, part) in [
        (String::new(), 5, "it names no mirror"),
        ("# later\n".into(), 5, "it names no mirror"),
        (
            "<!DOCTYPE html><html>Log in</html>".into(),
            5,
            "got an HTML page in place of a list",
        ),
        ("rsync://h/r/\n".into(), 4, "scheme \"rsync\" refused"),
        (
            "http://h.example/r/\n".repeat(1_000_000),
            6,
            "more than the 1048576 bytes that may come",
        ),
    ] {
        let list = list(text);
        let ran = chantal(&[&format!("mirrorlist: {}", list.url("/list"))])
            .run(&["repo", "sync", "r"])
            .expect(code);
        says(&ran.stderr, part);
    }
    let list = list("");
    let ran = chantal(&[&format!("mirrorlist: {}", list.url("/none"))])
        .run(&["repo", "sync", "r"])
        .expect(3);
    says(&ran.stderr, "HTTP 404");
}

#[test]
fn a_list_from_elsewhere_does_not_lead_to_this_machine() {
    let server = mirror();
    let port = server.address().port();
    for (host, is_served) in [
        (format!("127.0.0.1:{port}"), false),
        (format!("localhost:{port}"), false),
        (format!("0x7f.1:{port}"), false),
        (format!("[::1]:{port}"), false),
        ("169.254.169.254".into(), false),
        ("mirror.example.org".into(), true),
    ] {
        server.put("/list", format!("http://{host}/\n"));
        // Through the proxy every host is the server, so that whatever is asked for would be given.
        let proxy = Proxy::leading_to(server.address());
        let line = "mirrorlist: http://lists.example.org/list";
        let chantal = chantal(&[line, &format!("proxy: {{http_proxy: \"{}\"}}", proxy.url())]);
        server.clear_log();
        let ran = chantal.run(&["repo", "sync", "r"]);
        assert_eq!(ran.code, if is_served { 0 } else { 4 }, "{host}: {}", ran.stderr);
        assert_eq!(packages(&server) > 0, is_served, "{host}");
        if !is_served {
            says(&ran.stderr, "a loopback or link-local host");
            server.put("/list", format!("http://{host}/\nhttp://mirror.example.org/\n"));
            chantal.run(&["repo", "sync", "r"]).ok();
        }
    }
}

#[test]
fn a_feed_from_elsewhere_does_not_redirect_to_this_machine() {
    let server = mirror();
    let proxy = Proxy::leading_to(server.address());
    server.set_fault(
        ENTRY,
        Fault::RedirectTo("http://127.0.0.1:1/repodata/repomd.xml".into()),
        9,
    );
    let proxy = format!("proxy: {{http_proxy: \"{}\"}}", proxy.url());
    let ran = chantal(&["feed: http://feed.example.org/", &proxy])
        .run(&["repo", "sync", "r"])
        .expect(4);
    says(&ran.stderr, "leads to this machine");
}

#[test]
fn credentials_go_to_the_list_and_to_no_mirror() {
    let lines = [
        "auth: {type: basic, username: CANARY, password: CANARY}",
        "auth: {type: bearer, token: CANARY}",
        "auth: {type: custom, headers: {X-Token: CANARY}}",
    ];
    for auth in lines {
        let server = mirror();
        let list = list(format!("{}\n", server.url("/")));
        chantal(&[&format!("mirrorlist: {}", list.url("/list")), auth])
            .run(&["repo", "sync", "r"])
            .ok();
        says(
            &format!("{:?}", list.log()),
            if auth.contains("basic") { "Q0FOQVJZ" } else { "CANARY" },
        );
        let log = format!("{:?}", server.log());
        assert!(!log.contains("CANARY") && !log.contains("Q0FOQVJZ"), "{auth}: {log}");
    }
}

#[test]
fn credentials_do_not_go_to_another_host_that_metadata_name() {
    let other = Upstream::start(Site::new());
    let repository = Repository::sample().base(&other.url("/other/"), "other");
    other.change(|site| *site = repository.build().site());
    for auth in [
        "auth: {type: basic, username: CANARY, password: CANARY}",
        "auth: {type: bearer, token: CANARY}",
        "auth: {type: custom, headers: {X-Token: CANARY}}",
    ] {
        let server = Upstream::start(repository.build().site());
        other.clear_log();
        chantal(&[&format!("feed: {}", server.url("/")), auth])
            .run(&["repo", "sync", "r"])
            .ok();
        let log = format!("{:?}", other.log());
        assert_eq!((packages(&server), packages(&other)), (0, repository.packages.len()));
        assert!(!log.contains("CANARY") && !log.contains("Q0FOQVJZ"), "{auth}: {log}");
    }
}

#[test]
fn credentials_of_one_feed_do_not_go_to_another() {
    let (first, second) = (mirror(), mirror());
    first.set_fault(&doc(), Fault::Status(404, vec![]), 9);
    let line = format!(
        "feeds: [\"{}\", \"{}\"]",
        first.url("/").replace("http://", "http://first:CANARY@"),
        second.url("/")
    );
    chantal(&[&line]).run(&["repo", "sync", "r"]).ok();
    assert!(first.log().iter().all(|hit| hit.authorization.is_some()));
    assert!(second.log().iter().all(|hit| hit.authorization.is_none()) && packages(&second) == 1);
}

#[test]
fn configured_credentials_go_to_every_configured_feed() {
    let (first, second) = (mirror(), mirror());
    for server in [&first, &second] {
        server.change(|site| site.require_basic("u", "p"));
    }
    first.set_fault(&doc(), Fault::Status(404, vec![]), 9);
    let auth = "auth: {type: basic, username: u, password: p}";
    chantal(&[&feeds(&first, &second), auth])
        .run(&["repo", "sync", "r"])
        .ok();
    assert_eq!(packages(&second), 1);
}

#[test]
fn looking_at_a_feed_asks_its_mirrors_too() {
    let server = mirror();
    let list = list(format!("{}\n", server.url("/")));
    let chantal = chantal(&[&format!("mirrorlist: {}", list.url("/list"))]);
    chantal.run(&["init"]).ok();
    let rows = chantal.json(&["config", "test", "r"]);
    assert_eq!(rows[0]["result"]["url"], server.url(ENTRY));
}
