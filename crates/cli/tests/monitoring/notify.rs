//! Who wants to know is told, and nothing depends on whether that works.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use chantal_catalog::{Access, Catalog};
use serde_json::Value;

use super::support::{feed, keeps_to};
use super::{Scheduler, bench, configure};

/// What a receiver got.
#[derive(Clone, Debug)]
struct Call {
    line: String,
    head: String,
    body: Value,
}

/// Answers requests with these statuses, one after the other, the last one for ever.
struct Receiver {
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (kept, statuses) = (calls.clone(), statuses.to_vec());
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut calls = kept.lock().unwrap();
                let status = statuses[calls.len().min(statuses.len() - 1)];
                calls.extend(answer(stream, status));
            }
        });
        Self { port, calls }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/CANARY", self.port)
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, status: u16) -> Option<Call> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Call { line, head, body })
}

#[test]
fn a_webhook_hears_of_failure_recovery_and_change_as_it_asked() {
    let receiver = Receiver::start(&[204]);
    let url = receiver.url();
    let chantal = bench(&format!(
        "notify:\n- {{webhook: '{url}', on: [failure, recovered, changed], repositories: ['b*'], headers: {{X-Key: 'file:key'}}}}\n"
    ));
    std::fs::write(chantal.path("key"), "SECRET\n").unwrap();
    chantal.run(&["repo", "sync", "good"]).expect(0);
    assert_eq!(receiver.calls().len(), 0, "nobody asked about that one");
    chantal.run(&["repo", "sync", "bad"]).expect(3);
    let failure = receiver.calls().remove(0);
    assert!(failure.line.starts_with("POST /CANARY HTTP/1.1"), "{failure:?}");
    for part in [
        "x-key: SECRET",
        "content-type: application/json",
        "user-agent: chantal/",
    ] {
        assert!(failure.head.contains(&part.to_lowercase()), "{part}: {failure:?}");
    }
    keeps_to("notification", &failure.body);
    let body = &failure.body;
    assert_eq!(body["events"], serde_json::json!(["failure"]));
    assert_eq!(
        (
            &body["repo"],
            &body["verb"],
            &body["kind"],
            &body["exit_code"],
            &body["trigger"]
        ),
        (
            &"bad".into(),
            &"sync".into(),
            &"unreachable".into(),
            &3.into(),
            &"command".into()
        )
    );
    assert!(body["error"].as_str().unwrap().contains("bad"), "{body}");

    feed::write(&chantal.path("nowhere"), 1, &[("bash", "5.1")]);
    chantal.run(&["repo", "sync", "bad"]).expect(0);
    chantal.run(&["repo", "sync", "bad"]).expect(0);
    chantal.run(&["publish", "repo", "bad"]).expect(0);
    let calls = receiver.calls();
    let events: Vec<_> = calls.iter().map(|call| call.body["events"].to_string()).collect();
    assert_eq!(
        events[1..],
        ["[\"success\",\"recovered\",\"changed\"]", "[\"success\",\"changed\"]"],
        "a sync that finds nothing new is told to nobody"
    );
    keeps_to("notification", &calls[1].body);
    assert_eq!(
        (&calls[1].body["result"]["revision"], &calls[2].body["verb"]),
        (&1.into(), &"publish".into())
    );
}

#[test]
fn a_webhook_is_tried_three_times_and_its_failure_is_a_warning_without_its_secret() {
    let receiver = Receiver::start(&[500, 503, 200]);
    let url = receiver.url();
    let chantal = bench(&format!("notify: [{{webhook: '{url}', on: [success]}}]\n"));
    let ran = chantal.run(&["repo", "sync", "good"]).expect(0);
    assert_eq!(receiver.calls().len(), 3);
    assert!(!ran.stderr.contains("was not told"), "{ran:?}");

    let receiver = Receiver::start(&[404]);
    let url = receiver.url();
    configure(
        &chantal,
        &format!("notify: [{{webhook: '{url}', on: [success]}}]\n"),
        "",
    );
    let mut command = chantal.command(&["--config", "config.yaml", "-vv", "repo", "sync", "good"]);
    let ran = super::support::ran(command.env("CHANTAL_LOG", "trace").output().unwrap()).expect(0);
    assert_eq!(
        receiver.calls().len(),
        1,
        "what it does not have now it will not have soon"
    );
    assert!(
        ran.stderr.contains("was not told") && ran.stderr.contains("HTTP 404"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);

    configure(
        &chantal,
        "notify: [{webhook: 'env:NOT_SET_ANYWHERE', on: [success]}]\n",
        "",
    );
    let ran = chantal.run(&["repo", "sync", "good"]).expect(0);
    assert!(ran.stderr.contains("NOT_SET_ANYWHERE is not set"), "{ran:?}");
    // Nobody listens there.
    configure(
        &chantal,
        "notify: [{webhook: 'http://127.0.0.1:1/CANARY', on: [failure]}]\n",
        "",
    );
    let ran = chantal.run(&["repo", "sync", "bad"]).expect(3);
    assert!(
        ran.stderr.contains("http://127.0.0.1:1") && !ran.stderr.contains("CANARY"),
        "{ran:?}"
    );
}

#[test]
fn a_webhook_goes_through_the_proxy_of_the_top_level() {
    let proxy = Receiver::start(&[200]);
    let port = proxy.port;
    let chantal = bench(&format!(
        "proxy: {{http_proxy: 'http://127.0.0.1:{port}'}}\nnotify: [{{webhook: 'http://hooks.example.org/a'}}]\n"
    ));
    chantal.run(&["notify", "test"]).expect(0);
    let call = proxy.calls().remove(0);
    assert!(call.line.starts_with("POST http://hooks.example.org/a "), "{call:?}");
}

#[test]
fn a_command_gets_the_message_and_variables_and_may_fail() {
    let chantal = bench(
        "notify:\n- {command: [./tell, one two], on: [failure]}\n- {command: [sh, -c, 'echo no such luck >&2; exit 4'], on: [success]}\n",
    );
    let script = "#!/bin/sh\nprintf '%s|' \"$1\" \"$CHANTAL_VERB\" \"$CHANTAL_REPO\" \"$CHANTAL_STATUS\" \
                  \"$CHANTAL_EXIT_CODE\" \"$CHANTAL_EVENTS\" > told\ncat > message\n";
    std::fs::write(chantal.path("tell"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(chantal.path("tell"), mode).unwrap();
    chantal.run(&["repo", "sync", "bad"]).expect(3);
    let told = std::fs::read_to_string(chantal.path("told")).unwrap();
    assert_eq!(told, "one two|sync|bad|failed|3|failure|");
    let message: Value = serde_json::from_slice(&std::fs::read(chantal.path("message")).unwrap()).unwrap();
    keeps_to("notification", &message);
    let ran = chantal.run(&["repo", "sync", "good"]).expect(0);
    assert!(
        ran.stderr.contains("sh was not told: exit status: 4: no such luck"),
        "{ran:?}"
    );
}

#[test]
fn a_test_reaches_everybody_and_says_who_was_not_reached() {
    let receiver = Receiver::start(&[200]);
    let url = receiver.url();
    let chantal = bench(&format!(
        "notify:\n- {{webhook: '{url}', on: [busy], repositories: [none]}}\n- {{command: [/nonexistent/program]}}\n"
    ));
    let told = chantal
        .run(&["notify", "test", "--format", "json"])
        .expect(3)
        .json("notify-test");
    assert_eq!((&told[0]["ok"], &told[1]["ok"]), (&true.into(), &false.into()));
    assert!(!told.to_string().contains("CANARY"), "{told}");
    let message = &receiver.calls()[0].body;
    keeps_to("notification", message);
    assert_eq!(message["test"], true);
    configure(&chantal, "", "");
    let nobody = chantal.run(&["notify", "test"]).expect(2);
    assert!(nobody.stderr.contains("tells nobody"), "{nobody:?}");
}

#[test]
fn the_end_of_a_scheduled_run_is_told_as_such() {
    let receiver = Receiver::start(&[200]);
    let top = format!("notify: [{{webhook: '{}', on: [success, failure]}}]\n", receiver.url());
    let chantal = bench("");
    configure(
        &chantal,
        &top,
        "schedule: {enabled: true, cron: '0 0 1 1 *', time_zone: UTC}",
    );
    let mut scheduler = Scheduler::start(&chantal);
    scheduler.line_with("looks after");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let planned = runtime.block_on(async {
        let catalog = Catalog::open(&chantal.path("state/chantal.db"), Access::Write)
            .await
            .unwrap();
        loop {
            let rows = catalog.schedules().await.unwrap();
            if rows.len() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
            for row in &rows {
                catalog.plan_schedule(&row.repository, "", 0).await.unwrap();
                catalog.plan_schedule(&row.repository, &row.spec, 1).await.unwrap();
            }
            break rows.len();
        }
    });
    assert_eq!(planned, 2);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while receiver.calls().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "nobody was told");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for call in receiver.calls() {
        keeps_to("notification", &call.body);
        assert_eq!(call.body["trigger"], "schedule");
    }
    assert_eq!(scheduler.stop().1, Some(0));
}
