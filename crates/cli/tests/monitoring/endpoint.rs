//! The endpoint of the scheduler.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::exposition::Exposition;
use super::{Scheduler, bench, configure};

const LISTEN: &str = "scheduler: {listen: '127.0.0.1:0'}\n";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends a request; gives the status, the head and the body. A connection that was closed gives 0.
fn ask(port: u16, request: &str) -> (u16, String, String) {
    let mut stream = connect(port);
    let _ = stream.write_all(request.as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), head.to_lowercase(), body.to_owned())
}

fn get(port: u16, path: &str) -> (u16, String, String) {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

#[test]
fn the_scheduler_answers_with_the_same_numbers_and_says_that_it_lives() {
    let chantal = bench(LISTEN);
    chantal.run(&["repo", "sync", "good"]).expect(0);
    let mut scheduler = Scheduler::start(&chantal);
    let port = scheduler.port();
    scheduler.line_with("looks after");
    let (status, head, body) = get(port, "/metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    let found = Exposition::read(&body);
    assert_eq!(found.value("chantal_scheduler_up", &[]), Some(1.0));
    assert_eq!(
        found.value("chantal_repository_packages", &[("repo", "good")]),
        Some(3.0)
    );
    assert_eq!(get(port, "/healthz").2, "ok\n");
    assert_eq!((get(port, "/").0, get(port, "/x").0), (200, 404));
    let (status, head, body) = ask(port, "HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length"), "{head}");
    let (status, head, _) = ask(port, "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert!(status == 405 && head.contains("allow: get, head"), "{head}");
    let (said, code) = scheduler.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");
}

#[test]
fn nobody_can_hold_the_endpoint_up() {
    let chantal = bench(LISTEN);
    let mut scheduler = Scheduler::start(&chantal);
    let port = scheduler.port();
    let long = "x".repeat(100_000);
    let (status, ..) = ask(port, &format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"));
    assert!(matches!(status, 0 | 400 | 431), "{status}");
    let many = "X: y\r\n".repeat(200);
    let (status, ..) = ask(port, &format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"));
    assert!(matches!(status, 0 | 400 | 431), "{status}");
    assert!(matches!(ask(port, "\u{1}\u{2}\r\n\r\n").0, 0 | 400));
    // More than it takes, all idle: each is closed after a while, and then others have their turn.
    let mut idle: Vec<TcpStream> = (0..40).map(|_| connect(port)).collect();
    for stream in &mut idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert_eq!(get(port, "/healthz").0, 200);
    // One that is open does not keep the scheduler.
    let _open = connect(port);
    let (said, code) = scheduler.stop();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_address_that_cannot_be_had_is_exit_2_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let chantal = bench(&format!("scheduler: {{listen: '{address}'}}\n"));
    let refused = chantal.run(&["scheduler", "start"]).expect(2);
    for part in [&address.to_string(), "cannot listen on", "in use", "scheduler.listen"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(chantal.run(&["scheduler", "status"]).expect(0).stdout, "");
}

#[test]
fn a_reload_moves_the_endpoint_and_keeps_it_where_it_cannot() {
    let chantal = bench("");
    let mut scheduler = Scheduler::start(&chantal);
    scheduler.line_with("looks after");
    configure(&chantal, LISTEN, "");
    scheduler.signal("-HUP");
    let port = scheduler.port();
    assert_eq!(get(port, "/healthz").0, 200);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    configure(&chantal, &format!("scheduler: {{listen: '{address}'}}\n"), "");
    scheduler.signal("-HUP");
    scheduler.line_with("cannot listen on");
    assert_eq!(get(port, "/healthz").0, 200);
    configure(&chantal, "", "");
    scheduler.signal("-HUP");
    scheduler.line_with("no repository has changed");
    let closed = || TcpStream::connect(("127.0.0.1", port)).is_err();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !closed() {
        assert!(std::time::Instant::now() < deadline, "it still listens");
    }
    assert_eq!(scheduler.stop().1, Some(0));
}
