//! Secrets: they can be read by this program, and not by everybody.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chantal_config::{Auth, Config, NotifyTarget, Repository, Secret};

use super::{Check, together};

pub(super) fn check(config: &Config, config_files: &[PathBuf]) -> Check {
    let mut found = Vec::new();
    let mut is_in_clear = false;
    for repo in &config.repositories {
        for secret in secrets(repo) {
            if let Err(error) = secret.reveal() {
                found.push(Check::fail("secrets", 2, format!("{}: {error}", repo.id)));
            }
            let shown = secret.shown();
            is_in_clear |= shown == "***";
            if let Some(path) = shown.strip_prefix("file:") {
                found.extend(judge("secrets", Path::new(path)));
            }
        }
        for path in key_files(repo) {
            match std::fs::File::open(path) {
                Ok(_) => found.extend(judge("secrets", path)),
                Err(error) => found.push(Check::fail(
                    "secrets",
                    2,
                    format!("{}: cannot read the key {}: {error}", repo.id, path.display()),
                )),
            }
        }
    }
    let of_hooks = config.notify.iter().flat_map(|notify| match &notify.target {
        NotifyTarget::Webhook { url, headers } => {
            // A URL without anything after its host is no secret.
            let is_bare = url
                .reveal()
                .is_ok_and(|url| url.trim_end_matches('/') == notify.shown());
            let values = headers.iter().map(|(_, value)| value);
            values.chain((!is_bare).then_some(url)).collect()
        }
        NotifyTarget::Command { .. } => Vec::new(),
    });
    is_in_clear |= of_hooks.map(Secret::shown).any(|shown| shown == "***");
    if is_in_clear {
        found.extend(config_files.iter().filter_map(|path| judge("secrets", path)));
    }
    together("secrets", &found, "no secret can be read by everybody")
}

fn secrets(repo: &Repository) -> Vec<&Secret> {
    let mut secrets: Vec<&Secret> = repo.proxy.password.iter().collect();
    for auth in super::auths(repo) {
        match auth {
            Auth::Basic { password, .. } => secrets.push(password),
            Auth::Bearer { token } => secrets.push(token),
            Auth::Custom { headers } => secrets.extend(headers.iter().map(|(_, value)| value)),
            Auth::ClientCert { .. } | Auth::ClientCertDir { .. } => {}
        }
    }
    secrets
}

fn key_files(repo: &Repository) -> Vec<&Path> {
    let mut files: Vec<&Path> = repo.ssl.client_key.as_deref().into_iter().collect();
    files.extend(super::auths(repo).filter_map(|auth| match auth {
        Auth::ClientCert { key_file, .. } => Some(key_file.as_path()),
        _ => None,
    }));
    files
}

/// A file with a secret that everybody may read.
pub(super) fn judge(check: &'static str, path: &Path) -> Option<Check> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    let shown = path.display();
    (mode & 0o007 != 0).then(|| {
        Check::fail(check, 2, format!("everybody may read {shown} (mode {mode:04o})"))
            .hint(format!("`chmod o-rwx {shown}`"))
    })
}
