//! Who is told, and where numbers go.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use url::Url;

use super::Builder;
use crate::effective::{Notify, NotifyTarget};
use crate::raw::{self, NotifyOn};
use crate::secret::Secret;
use crate::units;

/// Which ends are told where nothing is said.
const DEFAULT_ON: [NotifyOn; 3] = [NotifyOn::Failure, NotifyOn::Partial, NotifyOn::Recovered];
/// How long a request may take, and a program.
const REQUEST: Duration = Duration::from_secs(10);
const PROGRAM: Duration = Duration::from_secs(60);

impl Builder<'_> {
    pub(super) fn listen(&mut self, raw: Option<&raw::Scheduler>) -> Option<SocketAddr> {
        let text = raw?.listen.as_deref().filter(|text| !text.is_empty())?;
        let address = text.parse().ok();
        if address.is_none() {
            let message = format!("{text:?} is no address with a port");
            let hint = "`127.0.0.1:9464`, `[::1]:9464`";
            self.wrong(&["scheduler", "listen"], message, Some(hint));
        }
        address
    }

    pub(super) fn textfile(&mut self, raw: Option<&raw::Metrics>) -> Option<PathBuf> {
        let text = raw?.textfile.as_deref().filter(|text| !text.is_empty())?;
        if Path::new(text).extension().is_none_or(|suffix| suffix != "prom") {
            let message = "the textfile collector reads only files whose name ends in .prom";
            self.wrong(&["metrics", "textfile"], message, None);
        }
        Some(self.path(text))
    }

    pub(super) fn notify(&mut self, raw: &[raw::Notify]) -> Vec<Notify> {
        let entries = raw.iter().enumerate();
        entries
            .filter_map(|(index, raw)| self.notify_one(&index.to_string(), raw))
            .collect()
    }

    fn notify_one(&mut self, index: &str, raw: &raw::Notify) -> Option<Notify> {
        let at = ["notify", index];
        let target = match (&raw.webhook, &raw.command) {
            (Some(url), None) => self.webhook(index, url, raw),
            (None, Some(words)) => self.program(index, words, raw),
            _ => {
                let message = "an entry of notify needs either webhook or command";
                self.wrong(&at, message, None);
                return None;
            }
        };
        let default = match target {
            Some(NotifyTarget::Command { .. }) => PROGRAM,
            _ => REQUEST,
        };
        let timeout = match raw.timeout.as_ref().map(|quantity| units::duration(&quantity.text())) {
            None => default,
            Some(Ok(timeout)) if !timeout.is_zero() => timeout,
            Some(Ok(_)) => {
                self.wrong(
                    &["notify", index, "timeout"],
                    "a timeout of 0 lets nothing through",
                    Some("remove the key for the default"),
                );
                default
            }
            Some(Err(message)) => {
                self.wrong(&["notify", index, "timeout"], message, None);
                default
            }
        };
        if raw.on.as_ref().is_some_and(Vec::is_empty) {
            self.wrong(
                &["notify", index, "on"],
                "on names no end, so nobody is ever told",
                None,
            );
        }
        Some(Notify {
            on: raw.on.clone().unwrap_or_else(|| DEFAULT_ON.to_vec()),
            repositories: match &raw.repositories {
                Some(patterns) => Some(self.ids(index, patterns)?),
                None => None,
            },
            target: target?,
            timeout,
        })
    }

    fn webhook(&mut self, index: &str, text: &str, raw: &raw::Notify) -> Option<NotifyTarget> {
        self.headers(&["notify", index, "headers"], "notify.headers", raw.headers.as_ref());
        let secret = |text: &String| Secret::new(text, self.base);
        let headers: Vec<(String, Secret)> = raw
            .headers
            .iter()
            .flatten()
            .map(|(name, value)| (name.clone(), secret(value)))
            .collect();
        let url = Secret::new(text, self.base);
        if url.shown() == "***" {
            let is_url = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_url {
                // The text is not shown, since it may hold a secret.
                self.wrong(
                    &["notify", index, "webhook"],
                    "webhook is no http or https URL",
                    Some("`https://host/path`, `env:NAME` or `file:PATH`"),
                );
                return None;
            }
        }
        Some(NotifyTarget::Webhook { url, headers })
    }

    fn program(&mut self, index: &str, words: &[String], raw: &raw::Notify) -> Option<NotifyTarget> {
        let path = ["notify", index, "command"];
        if raw.headers.is_some() {
            self.wrong(&["notify", index, "headers"], "headers belong to a webhook", None);
        }
        let mut words = words.to_vec();
        match words.first_mut() {
            Some(program) if !program.is_empty() => {
                // A bare name is looked for in PATH.
                if program.contains('/') {
                    *program = self.base.join(&*program).display().to_string();
                }
                Some(NotifyTarget::Command { words })
            }
            _ => {
                self.wrong(&path, "command names no program", None);
                None
            }
        }
    }

    fn ids(&mut self, index: &str, patterns: &[String]) -> Option<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            match Glob::new(pattern) {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => {
                    let message = format!("{pattern:?} is no pattern: {}", error.kind());
                    self.wrong(&["notify", index, "repositories"], message, None);
                }
            }
        }
        set.build().ok()
    }
}
