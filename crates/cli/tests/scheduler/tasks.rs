//! Tasks, as other processes see and end them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt;

use chantal_testkit::upstream::Fault;
use serde_json::Value;

use crate::bench::{Bench, until};
use crate::support::keeps_to;

/// Holds up the next syncs, so that somebody can look at them.
fn hold_up(bench: &Bench, syncs: usize) {
    let delay = Fault::DelayMillis(60_000);
    bench.upstream.set_fault("/repodata/repomd.xml", delay, syncs);
}

fn listed(bench: &Bench, options: &[&str]) -> Vec<Value> {
    let listed = bench.chantal.json(&[&["task", "list"], options].concat());
    keeps_to("task-list", &listed);
    listed.as_array().unwrap().clone()
}

fn running(bench: &Bench) -> String {
    until("a task runs", || listed(bench, &["--state", "running"]).len() == 1);
    listed(bench, &["--state", "running"])[0]["id"].to_string()
}

#[test]
fn every_verb_that_changes_something_is_a_task_and_a_dry_run_is_none() {
    let bench = Bench::new(&["r"], None);
    let tree = bench.chantal.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let tree = tree.to_str().unwrap();
    let verbs: &[(&str, &[&str])] = &[
        ("repo sync", &["r"]),
        ("repo retire", &["r"]),
        ("snapshot create", &["r", "--name", "s"]),
        ("snapshot copy", &["r", "--source", "s", "--target", "t"]),
        ("snapshot delete", &["r", "t"]),
        ("publish repo", &["r"]),
        ("publish snapshot", &["r", "--snapshot", "s"]),
        ("publish switch", &["r", "--snapshot", "s"]),
        ("publish unpublish", &["r", "--snapshot", "s"]),
        ("pool verify", &[]),
        ("pool adopt", &[tree]),
        ("pool cleanup", &[]),
        ("db cleanup", &[]),
        ("db vacuum", &[]),
        ("repo delete", &["r", "--force", "--unpublish", "--yes"]),
    ];
    let dry = [
        "repo sync",
        "repo retire",
        "publish repo",
        "pool adopt",
        "pool cleanup",
        "db cleanup",
    ];
    for (verb, options) in verbs {
        let words: Vec<&str> = verb.split(' ').chain(options.iter().copied()).collect();
        if dry.contains(verb) {
            bench.chantal.run(&[words.clone(), vec!["--dry-run"]].concat()).ok();
        }
        bench.chantal.run(&words).ok();
    }
    let mut rows = listed(&bench, &[]);
    rows.reverse();
    let done: Vec<&str> = rows.iter().map(|row| row["verb"].as_str().unwrap()).collect();
    assert_eq!(done, verbs.iter().map(|(verb, _)| *verb).collect::<Vec<_>>());
    for row in &rows {
        assert_eq!(
            (&row["state"], &row["exit_code"], &row["asked_by"]),
            (&"succeeded".into(), &0.into(), &"person".into())
        );
    }
    assert_eq!(rows[0]["subject"], "r");
    let detail = bench.chantal.json(&["task", "show", &rows[0]["id"].to_string()]);
    keeps_to("task-show", &detail);
    assert_eq!(detail["result"]["recorded"], true, "{detail}");
    let of_verb = listed(&bench, &["--verb", "repo sync", "--repo-id", "r", "--limit", "5"]);
    assert_eq!(of_verb.len(), 1);
    assert_eq!(listed(&bench, &["--limit", "2"]).len(), 2);
}

#[test]
fn a_failed_verb_is_a_failed_task_with_its_reason() {
    let bench = Bench::new(&["r"], None);
    bench
        .upstream
        .set_fault("/repodata/repomd.xml", Fault::Status(404, Vec::new()), 100);
    bench.chantal.run(&["repo", "sync", "r"]).expect(3);
    let rows = listed(&bench, &["--state", "failed"]);
    assert_eq!((rows.len(), &rows[0]["exit_code"]), (1, &3.into()));
    assert!(rows[0]["error"].as_str().unwrap().contains("repomd.xml"), "{rows:?}");
    let code = bench.chantal.run(&["task", "watch", &rows[0]["id"].to_string()]).code;
    assert_eq!(code, 3, "watching tells the task's exit code");
    bench.chantal.run(&["task", "show", "99"]).expect(2);
}

#[test]
fn a_running_command_is_cancelled_from_elsewhere_and_rolls_back() {
    let bench = Bench::new(&["r"], None);
    hold_up(&bench, 1);
    let sync = bench.chantal.spawn(&["repo", "sync", "r"]);
    let id = running(&bench);
    let asked = bench.chantal.run(&["task", "cancel", &id]).ok();
    assert!(asked.stderr.contains("ends within seconds"), "{}", asked.stderr);
    let ended = sync.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(143), "{said}");
    assert!(said.contains(&format!("task {id} was cancelled")), "{said}");
    let watched = bench.chantal.run(&["task", "watch", &id]).expect(143);
    assert!(watched.stderr.contains("cancelled"), "{}", watched.stderr);
    let status = bench.chantal.json(&["repo", "sync-status", "r"]);
    assert_eq!(
        (&status[0]["state"], &status[0]["last"]["status"]),
        (&"idle".into(), &"cancelled".into())
    );
    let late = bench.chantal.run(&["task", "cancel", &id]).expect(2);
    assert!(late.stderr.contains("already over"), "{}", late.stderr);
    bench.chantal.run(&["repo", "sync", "r"]).ok();
}

#[test]
fn a_schedulers_task_is_cancelled_and_the_repository_is_free_at_once() {
    let bench = Bench::new(&["r"], None);
    hold_up(&bench, 1);
    let scheduler = bench.start();
    bench.make_due();
    let id = running(&bench);
    bench.chantal.run(&["task", "cancel", &id]).ok();
    bench.chantal.run(&["task", "watch", &id]).expect(143);
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    assert_eq!(bench.list()[0]["status"], "cancelled");
    let said = scheduler.stop();
    assert!(
        said.contains(&format!("r: exit 143: task {id} was cancelled")),
        "{said}"
    );
}

#[test]
fn a_sync_in_the_background_waits_for_a_scheduler() {
    let bench = Bench::new(&["a", "b"], None);
    let queued = bench
        .chantal
        .run(&["--format", "json", "repo", "sync", "--all", "--background"])
        .ok();
    assert!(queued.stderr.contains("no scheduler runs"), "{}", queued.stderr);
    let runs: Value = serde_json::from_str(&queued.stdout).unwrap();
    keeps_to("repo-sync-background", &runs);
    let [first, second] = [0, 1].map(|at: usize| runs[at]["result"]["task"].to_string());
    assert_eq!(listed(&bench, &["--state", "queued"]).len(), 2);
    let gone = bench.chantal.run(&["task", "cancel", &first]).ok();
    assert!(gone.stderr.contains("is cancelled"), "{}", gone.stderr);
    let mut watching = bench.chantal.spawn(&["task", "watch", &second]);
    let mut lines = BufReader::new(watching.stderr.take().unwrap());
    let mut said = String::new();
    lines.read_line(&mut said).unwrap();
    assert!(said.contains("queued"), "{said}");
    let scheduler = bench.start();
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("succeeded"), "{said}");
    let logs = bench.chantal.json(&["task", "logs", &second]);
    keeps_to("task-logs", &logs);
    assert!(logs[0]["text"].as_str().unwrap().contains("recorded"), "{logs}");
    let followed = bench.chantal.run(&["task", "logs", &second, "--follow"]).ok();
    assert!(followed.stdout.contains("recorded"), "{}", followed.stdout);
    assert_eq!(
        (
            bench.runs("b"),
            bench.chantal.json(&["repo", "history"]).as_array().unwrap().len()
        ),
        (1, 1)
    );
    let said = scheduler.stop();
    assert!(said.contains("b: started by a person"), "{said}");
}

#[test]
fn a_killed_command_is_seen_as_such_and_marked_by_whoever_writes_next() {
    let bench = Bench::new(&["r"], None);
    hold_up(&bench, 1);
    let mut sync = bench.chantal.spawn(&["repo", "sync", "r"]);
    let id = running(&bench);
    // Looking on ends without ending what is looked at.
    let mut watching = bench.chantal.spawn(&["task", "watch", &id]);
    let asked = std::process::Command::new("kill")
        .args(["-INT", &watching.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    let ended = watching.wait().unwrap();
    assert!(ended.code() == Some(130) || ended.signal() == Some(2), "{ended:?}");
    assert_eq!(running(&bench), id);

    sync.kill().unwrap();
    sync.wait().unwrap();
    let killed = listed(&bench, &["--state", "killed"]);
    assert_eq!((killed.len(), &killed[0]["finished"]), (1, &Value::Null));
    bench.chantal.run(&["task", "watch", &id]).expect(137);
    bench.chantal.run(&["db", "cleanup"]).ok();
    let marked = listed(&bench, &["--state", "killed"]);
    assert!(marked[0]["finished"].is_string(), "{marked:?}");
    assert_eq!(bench.chantal.json(&["repo", "history", "r"])[0]["status"], "killed");
}
