//! Telling somebody that a run has ended: by a request, or by a program.

use std::process::Stdio;
use std::time::{Duration, Instant};

use chantal_catalog::host;
use chantal_config::{Notify, NotifyOn, NotifyTarget, Secret};
use chantal_fetch::{Client, ClientOptions, Post};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use url::Url;

use crate::Engine;
use crate::end::{Facts, RunEnd, Telling, kind};

/// How often a request is tried.
const TRIES: u32 = 3;
/// What is kept of each output of a program; the rest is read and dropped.
const OUTPUT_BYTES: usize = 16 << 10;

/// How telling one of those who want to know went.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// `webhook` or `command`.
    pub kind: &'static str,
    /// Where to, as far as it may be shown.
    pub target: String,
    /// Whether it worked.
    pub ok: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it did not work.
    pub error: Option<String>,
}

impl Engine {
    /// Sends a made-up end of a run to everybody in `notify:`, whatever they want to hear of.
    pub async fn notify_test(&self) -> Vec<Told> {
        let end = RunEnd {
            verb: "sync",
            repo: self.config.repositories.first().map(|repo| repo.id.clone()),
            exit_code: 3,
            error: Some("this is a test of notifications; nothing has failed".to_owned()),
            hint: None,
            started: self.clock.now(),
            duration_ms: 0,
            facts: Facts::default(),
        };
        let mut message = self.message(&end, &[NotifyOn::Failure]);
        message["test"] = true.into();
        let mut told = Vec::new();
        for notify in &self.config.notify {
            told.push(self.tell_one(notify, &message).await);
        }
        told
    }

    /// What is sent: `docs/reference/json/notification.schema.json`.
    pub(crate) fn message(&self, end: &RunEnd, events: &[NotifyOn]) -> Value {
        let finished = end
            .started
            .checked_add(Duration::from_millis(end.duration_ms))
            .unwrap_or(end.started);
        let second = |time: jiff::Timestamp| crate::query::time(time.as_second());
        json!({
            "version": 1,
            "test": false,
            "events": events.iter().map(|event| event.word()).collect::<Vec<_>>(),
            "verb": end.verb,
            "repo": end.repo,
            "trigger": match self.telling {
                Telling::AtOnce => "command",
                Telling::Beside(_) => "schedule",
            },
            "status": end.status(),
            "exit_code": end.exit_code,
            "kind": kind(i64::from(end.exit_code)),
            "error": end.error,
            "hint": end.hint,
            "started": second(end.started),
            "finished": second(finished),
            "duration_ms": end.duration_ms,
            "result": end.facts,
            "host": host(),
            "program": concat!("chantal ", env!("CARGO_PKG_VERSION")),
        })
    }

    /// Tells one of those who want to know; that it did not work goes to the log.
    pub(crate) async fn tell(&self, notify: &Notify, message: &Value) {
        let Told {
            kind,
            target,
            error,
            duration_ms,
            ..
        } = self.tell_one(notify, message).await;
        let repo = message["repo"].as_str().unwrap_or_default();
        match error {
            None => tracing::info!(repo.id = repo, kind, target, duration_ms, "{kind} {target} was told"),
            Some(error) => {
                tracing::warn!(
                    repo.id = repo,
                    kind,
                    target,
                    duration_ms,
                    "{kind} {target} was not told: {error}"
                );
            }
        }
    }

    async fn tell_one(&self, notify: &Notify, message: &Value) -> Told {
        let since = Instant::now();
        let (kind, done) = match &notify.target {
            NotifyTarget::Webhook { url, headers } => ("webhook", self.call(notify, url, headers, message).await),
            NotifyTarget::Command { words } => ("command", run(words, notify.timeout, message).await),
        };
        Told {
            kind,
            target: notify.shown(),
            ok: done.is_ok(),
            duration_ms: since.elapsed().as_millis() as u64,
            error: done.err(),
        }
    }

    async fn call(
        &self,
        notify: &Notify,
        url: &Secret,
        headers: &[(String, Secret)],
        message: &Value,
    ) -> Result<(), String> {
        let reveal = |secret: &Secret| secret.reveal().map_err(|error| error.to_string());
        let Some(url) = Url::parse(reveal(url)?.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        else {
            return Err(format!("{} gives no http or https URL", notify.shown()));
        };
        let mut revealed = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            revealed.push((name.clone(), reveal(value)?));
        }
        let ssl = &self.config.ssl;
        let options = ClientOptions {
            ca: crate::client::trust(ssl)?,
            verify_tls: ssl.verify,
            proxy: crate::client::proxy(&self.config.proxy)?,
            ..ClientOptions::new(url)
        };
        let post = Post {
            body: message.to_string().into_bytes(),
            content_type: "application/json",
            headers: revealed,
            timeout: notify.timeout,
            tries: TRIES,
        };
        let client = Client::new(options).map_err(|error| error.to_string())?;
        client.post(&post).await.map_err(|error| error.to_string())
    }
}

/// Variables that a program gets, so that a small one need not read JSON.
fn variables(message: &Value) -> Vec<(&'static str, String)> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('\0', ""),
        other => other.to_string(),
    };
    let events: Vec<String> = message["events"].as_array().into_iter().flatten().map(text).collect();
    vec![
        ("CHANTAL_EVENTS", events.join(",")),
        ("CHANTAL_VERB", text(&message["verb"])),
        ("CHANTAL_REPO", text(&message["repo"])),
        ("CHANTAL_STATUS", text(&message["status"])),
        ("CHANTAL_EXIT_CODE", text(&message["exit_code"])),
        ("CHANTAL_KIND", text(&message["kind"])),
        ("CHANTAL_ERROR", text(&message["error"])),
        ("CHANTAL_TRIGGER", text(&message["trigger"])),
        ("CHANTAL_REVISION", text(&message["result"]["revision"])),
        ("CHANTAL_TEST", text(&message["test"])),
    ]
}

/// Runs a program in a process group of its own, which is killed when its time is over.
async fn run(words: &[String], limit: Duration, message: &Value) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("it names no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables(message))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let text = message.to_string() + "\n";
    let feed = async move {
        if let Some(mut input) = input {
            // One that does not read it need not.
            let _ = input.write_all(text.as_bytes()).await;
        }
    };
    let work = async { tokio::join!(feed, head(output), head(errors), child.wait()) };
    let Ok(((), output, errors, status)) = tokio::time::timeout(limit, work).await else {
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        return Err(format!("it did not end within {} s", limit.as_secs_f64()));
    };
    for (name, said) in [("stdout", &output), ("stderr", &errors)] {
        if !said.is_empty() {
            tracing::info!(program, stream = name, "{program} says: {said}");
        }
    }
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let last = errors.lines().chain(output.lines()).last().unwrap_or_default();
            let colon = if last.is_empty() { "" } else { ": " };
            Err(format!("{status}{colon}{last}"))
        }
        Err(error) => Err(format!("it cannot be waited for: {error}")),
    }
}

/// The beginning of an output; all of it is read, so that the program is not held up.
async fn head(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let room = OUTPUT_BYTES - kept.len();
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
    }
    String::from_utf8_lossy(&kept).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).into()
    }

    #[tokio::test]
    async fn a_program_that_fails_or_never_ends_is_told_and_holds_nothing_up() {
        let message = json!({"verb": "sync", "events": ["failure"]});
        let long = Duration::from_secs(60);
        assert_eq!(run(&words("exit 0"), long, &message).await, Ok(()));
        // More than a pipe holds, neither read nor written in time.
        assert_eq!(
            run(&words("head -c 200000 /dev/zero; exit 0"), long, &message).await,
            Ok(())
        );
        let failed = run(&words("echo one; echo two >&2; exit 3"), long, &message).await;
        assert_eq!(failed, Err("exit status: 3: one".into()));
        let absent = run(&["/nonexistent/x".to_owned()], long, &message).await;
        assert!(absent.unwrap_err().contains("cannot be started"));
        let endless = run(&words("sleep 1000 & sleep 1000"), Duration::from_millis(200), &message).await;
        assert_eq!(endless, Err("it did not end within 0.2 s".into()));
        let reads = words("test \"$CHANTAL_VERB $CHANTAL_EVENTS\" = 'sync failure' && grep -q '\"verb\":\"sync\"'");
        assert_eq!(run(&reads, long, &message).await, Ok(()));
    }
}
