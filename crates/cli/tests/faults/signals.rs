//! SIGINT and SIGTERM in the middle of a download.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use chantal_testkit::upstream::Fault;

use crate::bench::{Bench, Layout, leftovers};

/// Sends a signal while one package is stalled; gives the exit code.
fn stopped_in_a_download(bench: &Bench, signal: &str) -> i32 {
    let stalled = format!("/{}", bench.new_packages()[3]);
    bench.upstream.set_fault(&stalled, Fault::StallAfter(100), 1);
    let mut command = bench.chantal.command(&["--progress", "json", "repo", "sync", "r"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = lines.by_ref().map_while(Result::ok).any(|line| {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        event["event"] == "begin" && event["step"] == "download"
    });
    assert!(begun, "no download began");
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    // Where the signal was faster than the request.
    bench.upstream.set_fault(&stalled, Fault::StallAfter(0), 0);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    assert!(said.iter().any(|line| line.contains("stopped by SIG")), "{said:#?}");
    code
}

#[test]
fn a_signal_during_a_download_rolls_back_and_the_next_run_finishes() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let bench = Bench::served(Layout::default());
        let (revision, old) = (bench.revision(), bench.tree());
        assert_eq!(stopped_in_a_download(&bench, signal), code, "{signal}");
        assert_eq!(bench.revision(), revision, "{signal}");
        assert_eq!(bench.tree(), old, "{signal}");
        bench.chantal.run(&["pool", "verify"]).ok();
        assert!(
            leftovers(bench.chantal.path()).is_empty(),
            "{signal}: temporary files are removed"
        );
        // A stopped run is no failure: the next one is not refused for what it held.
        bench.recovers(signal);
    }
}
