//! Logs in JSON: every line is one, nothing is told twice, nothing secret is told.

use serde_json::Value;

use super::support::{Chantal, Ran, keeps_to, ran};
use super::{bench, configure};

const JSON: &str = "log: {level: info, format: json}\n";

/// Every line of what was said, each of which keeps to the schema.
#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    let lines: Vec<Value> = ran.stderr.lines().map(read).collect();
    for line in &lines {
        keeps_to("log", line);
    }
    lines
}

fn of_level<'l>(lines: &'l [Value], level: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["level"] == level).collect()
}

#[test]
fn a_run_that_fails_is_one_error_and_one_end_with_its_repository_and_time() {
    let chantal = bench(JSON);
    let lines = lines(&chantal.run(&["repo", "sync", "bad"]).expect(3));
    let errors = of_level(&lines, "error");
    assert_eq!(errors.len(), 1, "{lines:#?}");
    assert_eq!(
        (&errors[0]["repo.id"], &errors[0]["exit_code"]),
        (&"bad".into(), &3.into())
    );
    let told = lines.iter().filter(|line| line.to_string().contains("nowhere"));
    assert_eq!(told.count(), 1, "the reason is told once: {lines:#?}");
    let ends: Vec<_> = lines.iter().filter(|line| line["duration_ms"].is_u64()).collect();
    assert_eq!(ends.len(), 1, "{lines:#?}");
    assert_eq!(
        (
            &ends[0]["repo.id"],
            &ends[0]["verb"],
            &ends[0]["status"],
            &ends[0]["message"]
        ),
        (
            &"bad".into(),
            &"sync".into(),
            &"failed".into(),
            &"sync of bad: failed".into()
        )
    );
}

#[test]
fn everything_that_is_said_of_a_good_run_is_a_line_too() {
    let chantal = bench(JSON);
    let said = lines(&chantal.run(&["repo", "sync", "good", "--publish"]).expect(0));
    assert!(of_level(&said, "error").is_empty() && said.len() > 3, "{said:#?}");
    let ends: Vec<_> = said.iter().filter(|line| line["duration_ms"].is_u64()).collect();
    let verbs: Vec<_> = ends.iter().map(|line| line["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["publish", "sync"]);
    let quiet = chantal.run(&["--quiet", "repo", "sync", "good"]).expect(0);
    assert_eq!(quiet.stderr, "");
    // Errors are told as `--format json` promises, whatever the log is.
    let ran = chantal.run(&["repo", "sync", "bad", "--format", "json"]).expect(3);
    assert_eq!(ran.error()["code"], 3);
    // A table that several repositories have is for people.
    let all = lines(&chantal.run(&["repo", "sync", "--all"]).expect(9));
    assert!(
        all.iter()
            .any(|line| line["message"].as_str().unwrap().contains("1 of 2")),
        "{all:#?}"
    );
}

#[test]
fn no_level_of_the_log_tells_a_secret() {
    let chantal = bench("");
    let upstream = chantal_testkit::upstream::Upstream::serve_dir(&chantal.path("feed"));
    let url = upstream.url("/").replace("http://", "http://me:CANARY@");
    for auth in [
        "",
        "    auth: {type: bearer, token: CANARY}\n",
        "    auth: {type: custom, headers: {X-Key: CANARY}}\n",
    ] {
        let url = if auth.is_empty() {
            url.clone()
        } else {
            upstream.url("/")
        };
        chantal.configure(&format!("  - id: good\n    type: rpm\n    feed: {url}\n{auth}{JSON}"));
        let ran = traced(&chantal, &["repo", "sync", "good", "--force"]);
        assert!(ran.stderr.contains("\"level\":\"trace\""), "{ran:?}");
        assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
        lines(&ran.expect(0));
    }
    configure(&chantal, "", "");
}

fn traced(chantal: &Chantal, words: &[&str]) -> Ran {
    let mut all = vec!["--config", "config.yaml"];
    all.extend(words);
    ran(chantal.command(&all).env("CHANTAL_LOG", "trace").output().unwrap())
}
