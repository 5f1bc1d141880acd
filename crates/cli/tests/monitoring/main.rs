//! What somebody is told who watches: numbers, notifications, the endpoint of the scheduler, logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod endpoint;
mod exposition;
mod logs;
mod metrics;
mod notify;
#[path = "../support/mod.rs"]
mod support;
mod units;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};

use support::{Chantal, feed, repository};

/// Two repositories of three packages, one of them without a feed; `top` is the rest of the configuration.
fn bench(top: &str) -> Chantal {
    let chantal = Chantal::new();
    feed::write(
        &chantal.path("feed"),
        1,
        &[("bash", "5.1"), ("zsh", "5.8"), ("tcsh", "6.2")],
    );
    configure(&chantal, top, "");
    chantal.run(&["init"]).expect(0);
    chantal
}

fn configure(chantal: &Chantal, top: &str, more: &str) {
    let good = repository("good", &feed::url(&chantal.path("feed")), more);
    let bad = repository("bad", &feed::url(&chantal.path("nowhere")), more);
    chantal.configure(&format!("{good}{bad}{top}"));
}

/// A scheduler process, which ends with its owner.
struct Scheduler {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Scheduler {
    fn start(chantal: &Chantal) -> Self {
        let mut command = chantal.command(&["--config", "config.yaml", "scheduler", "start"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Reads what it says up to a line with this text.
    #[track_caller]
    fn line_with(&mut self, text: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let count = self.stderr.read_line(&mut line).unwrap();
            assert!(count > 0, "it ended without {text:?}: {said}");
            if line.contains(text) {
                return line;
            }
            said.push_str(&line);
        }
    }

    /// The port of the address that it tells.
    fn port(&mut self) -> u16 {
        let line = self.line_with("metrics are at");
        let rest = line.split("127.0.0.1:").nth(1).unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it; gives what it said since, and its exit code.
    fn stop(mut self) -> (String, Option<i32>) {
        self.signal("-TERM");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
