//! Who is told, where numbers go, and the keys that the configuration names.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chantal_config::{Config, NotifyTarget};
use rustix::fs::Access;
use url::Url;

use super::secrets::judge;
use super::{Check, together};

/// Whether everybody in `notify:` can be told, as far as that shows without telling them.
pub(super) fn notify(config: &Config) -> Check {
    if config.notify.is_empty() {
        return Check::skipped("notify", "the configuration tells nobody");
    }
    let fail = |message: String| Check::fail("notify", 2, message).hint("`chantal notify test` tries each");
    let mut found = Vec::new();
    for notify in &config.notify {
        match &notify.target {
            NotifyTarget::Command { words } => {
                let program = words.first().map(String::as_str).unwrap_or_default();
                if !is_program(program) {
                    found.push(fail(format!("{program} is no program that can be run")));
                }
            }
            NotifyTarget::Webhook { url, headers } => {
                for secret in headers.iter().map(|(_, value)| value).chain([url]) {
                    match secret.reveal() {
                        Err(error) => found.push(fail(error.to_string())),
                        Ok(text) if std::ptr::eq(secret, url) && Url::parse(text.trim()).is_err() => {
                            found.push(fail(format!("{} gives no URL", notify.shown())));
                        }
                        Ok(_) => {}
                    }
                    if let Some(path) = secret.shown().strip_prefix("file:") {
                        found.extend(judge("notify", Path::new(path)));
                    }
                }
            }
        }
    }
    together("notify", &found, "everybody who is to be told can be")
}

fn is_program(program: &str) -> bool {
    let is_one = |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return is_one(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| is_one(&directory.join(program)))
}

/// Whether the file of metrics can be written.
pub(super) fn metrics(config: &Config) -> Check {
    let Some(path) = &config.textfile else {
        return Check::skipped("metrics", "the configuration names no file for them");
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    match rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::ok("metrics", path.display().to_string()),
        Err(error) => Check::fail(
            "metrics",
            2,
            format!("this user may not write to {}: {error}", directory.display()),
        )
        .hint("`metrics.textfile` is replaced in one step, which needs the right to write to its directory"),
    }
}

/// Keys for signing and for checking signatures: readable, the secret ones by few.
pub(super) fn keys(config: &Config) -> Check {
    if config.keys.is_empty() {
        return Check::skipped("keys", "the configuration names none");
    }
    let mut found = Vec::new();
    for key in &config.keys {
        let path: &PathBuf = &key.path;
        if let Err(error) = std::fs::metadata(path).and_then(|meta| {
            if meta.is_dir() {
                std::fs::read_dir(path).map(drop)
            } else {
                std::fs::File::open(path).map(drop)
            }
        }) {
            found.push(Check::fail(
                "keys",
                2,
                format!("{}: cannot read {}: {error}", key.key, path.display()),
            ));
        } else if key.is_secret {
            found.extend(judge("keys", path));
        }
        let owner = std::fs::metadata(path).map(|meta| meta.uid());
        let own = rustix::process::geteuid();
        if key.is_secret
            && !own.is_root()
            && let Ok(owner) = owner
            && owner != own.as_raw()
            && owner != 0
        {
            let message = format!("{} belongs to user {owner}", path.display());
            found.push(Check::warn("keys", message, "a secret key should be its user's own"));
        }
    }
    together("keys", &found, "all can be read, and the secret ones not by everybody")
}
