//! Clients hammer the tree during 200 publishes: no 404, no wrong digest.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(
    clippy::format_collect,
    clippy::print_stdout,
    reason = "small texts of tests; what was counted is told"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chantal_model::Sha256;
use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

const PUBLISHES: usize = 200;
const CLIENTS: usize = 3;
/// Packages of each pass.
const PACKAGES: usize = 20;

/// A connection that is kept.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn new(server: &Upstream) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.reader.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.reader.read_line(&mut header).unwrap();
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        (status, body)
    }
}

/// The text between two marks, each time they occur.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split(to).next())
}

/// One pass: entry, all metadata that it names, some packages, every digest compared. Gives the number of requests.
fn pass(client: &mut Client, base: &str, offset: usize) -> usize {
    let mut requests = 1;
    let (status, entry) = client.get(&format!("{base}/repodata/repomd.xml"));
    assert_eq!(status, 200, "entry");
    let entry = String::from_utf8(entry).unwrap();
    let mut primary = Vec::new();
    for data in between(&entry, "<data ", "</data>") {
        let href = between(data, "href=\"", "\"").next().unwrap();
        let digest = between(data, "<checksum type=\"sha256\">", "<").next().unwrap();
        let (status, bytes) = client.get(&format!("{base}/{href}"));
        assert_eq!(status, 200, "{href}");
        assert_eq!(Sha256::of(&bytes).hex(), digest, "{href}");
        if data.starts_with("type=\"primary\"") {
            primary = bytes;
        }
        requests += 1;
    }
    let mut open = String::new();
    flate2::read::GzDecoder::new(&primary[..])
        .read_to_string(&mut open)
        .unwrap();
    let packages: Vec<&str> = between(&open, "<package ", "</package>").collect();
    for index in 0..PACKAGES.min(packages.len()) {
        let package = packages[(offset + index * 7) % packages.len()];
        let href = between(package, "<location href=\"", "\"").next().unwrap();
        let digest = between(package, "pkgid=\"YES\">", "<").next().unwrap();
        let (status, bytes) = client.get(&format!("{base}/{href}"));
        assert_eq!(status, 200, "{href}");
        assert_eq!(Sha256::of(&bytes).hex(), digest, "{href}");
        requests += 1;
    }
    requests
}

#[test]
fn no_client_ever_fails_during_200_publishes() {
    let feeds = tempfile::tempdir().unwrap();
    let (first, second) = (feeds.path().join("a"), feeds.path().join("b"));
    Repository::random(3, 60)
        .revision(1_700_000_000)
        .write_to(&first)
        .unwrap();
    Repository::random(4, 60)
        .revision(1_700_100_000)
        .write_to(&second)
        .unwrap();
    let upstream = Upstream::serve_dir(&first);
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository(
        "r",
        &upstream.url("/"),
        &[
            "mode: filtered",
            "metadata: {compression: gzip}",
            "max_removed_percent: 100",
        ],
    );
    chantal.run(&["init"]).ok();
    for (directory, name) in [(&first, "a"), (&second, "b")] {
        upstream.change(|site| site.set_directory(directory));
        chantal.run(&["repo", "sync", "r"]).ok();
        chantal.run(&["snapshot", "create", "r", "--name", name]).ok();
    }
    chantal.run(&["publish", "switch", "r", "--snapshot", "a"]).ok();
    let web = Upstream::serve_dir(&chantal.published());
    let done = AtomicBool::new(false);
    let (passes, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (web, done, passes, requests) = (&web, &done, &passes, &requests);
                scope.spawn(move || {
                    let mut client = Client::new(web);
                    let mut offset = number;
                    while !done.load(Ordering::Relaxed) {
                        requests.fetch_add(pass(&mut client, "/r/latest", offset), Ordering::Relaxed);
                        passes.fetch_add(1, Ordering::Relaxed);
                        offset += 13;
                    }
                })
            })
            .collect();
        for round in 0..PUBLISHES {
            let name = if round % 2 == 0 { "b" } else { "a" };
            let ran = chantal.run(&["publish", "switch", "r", "--snapshot", name]);
            if ran.code != 0 || clients.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                done.store(true, Ordering::Relaxed);
            }
            ran.ok();
        }
        done.store(true, Ordering::Relaxed);
    });
    let (passes, requests) = (passes.into_inner(), requests.into_inner());
    println!("{PUBLISHES} publishes, {passes} passes, {requests} requests, none failed");
    assert!(passes >= 2 * CLIENTS, "clients hardly ran: {passes} passes");
}
