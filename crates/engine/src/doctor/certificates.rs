//! Certificates that the configuration names: when they end. Nothing is verified here; that is done where connections
//! are made.

use std::path::Path;

use chantal_config::{Auth, Config, Repository};
use chantal_model::Clock;

use super::{Check, together};
use crate::query::time;

/// One that ends sooner is worth a warning, in seconds.
const SOON: i64 = 30 * 24 * 3600;

pub(super) fn check(config: &Config, clock: &dyn Clock) -> Check {
    let now = clock.now().as_second();
    let mut found = Vec::new();
    let mut seen = 0;
    for repo in &config.repositories {
        if super::auths(repo).any(|auth| matches!(auth, Auth::ClientCertDir { .. })) {
            seen += 1;
            found.extend(of_directory(repo, now));
        }
        for (name, text) in certificates(repo) {
            seen += 1;
            found.extend(match text {
                Ok(text) => judge(&name, &text, now),
                Err(error) => vec![Check::fail(
                    "certificates",
                    2,
                    format!("{}: cannot read {name}: {error}", repo.id),
                )],
            });
        }
    }
    if seen == 0 {
        return Check::skipped("certificates", "the configuration names none");
    }
    together("certificates", &found, "all are valid for 30 days and more")
}

type Text = Result<String, std::io::Error>;

/// Names and texts of what a repository's configuration names.
fn certificates(repo: &Repository) -> Vec<(String, Text)> {
    let read = |path: &Path| (path.display().to_string(), std::fs::read_to_string(path));
    let mut found: Vec<(String, Text)> = [&repo.ssl.ca_bundle, &repo.ssl.client_cert]
        .into_iter()
        .flatten()
        .map(|path| read(path))
        .collect();
    if let Some(text) = &repo.ssl.ca_cert {
        found.push((format!("ssl.ca_cert of {}", repo.id), Ok(text.clone())));
    }
    found.extend(super::auths(repo).filter_map(|auth| match auth {
        Auth::ClientCert { cert_file, .. } => Some(read(cert_file)),
        _ => None,
    }));
    found
}

/// The pair that a `cert_dir` gives at this time.
fn of_directory(repo: &Repository, now: i64) -> Option<Check> {
    match crate::certificate::of(repo, now) {
        Ok(pair) => {
            let warning = crate::certificate::warning(&pair?, now)?;
            Some(Check::warn("certificates", warning, "renew it"))
        }
        Err(error) => Some(Check::fail("certificates", 2, error.to_string())),
    }
}

fn judge(name: &str, text: &str, now: i64) -> Vec<Check> {
    let fail = |message: String| Check::fail("certificates", 2, message);
    let ends = match chantal_fetch::expiries(text.as_bytes()) {
        Ok(ends) if ends.is_empty() => return vec![fail(format!("{name} holds no certificate in PEM"))],
        Ok(ends) => ends,
        Err(error) => return vec![fail(format!("{name}: {error}"))],
    };
    let of_one = |end: i64| match end {
        end if end <= now => {
            Some(fail(format!("a certificate in {name} has expired at {}", time(end))).hint("renew it"))
        }
        end if end - now < SOON => Some(Check::warn(
            "certificates",
            format!("a certificate in {name} expires at {}", time(end)),
            "renew it",
        )),
        _ => None,
    };
    ends.into_iter().filter_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let told = |text| judge("x", text, 0).remove(0).status;
        assert_eq!(told("no pem"), CheckStatus::Fail);
        assert_eq!(
            told("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"),
            CheckStatus::Fail
        );
    }

    #[test]
    fn a_real_certificate_warns_before_it_ends() {
        let authority = chantal_testkit::tls::Authority::new();
        let pair = authority.server();
        let end = chantal_fetch::expiries(pair.certificate.as_bytes()).unwrap()[0];
        let status = |now| judge("x", &pair.certificate, now).first().map(|check| check.status);
        assert_eq!(status(end - SOON), None);
        assert_eq!(status(end - SOON + 1), Some(CheckStatus::Warn));
        assert_eq!(status(end), Some(CheckStatus::Fail));
    }
}
