//! Client certificates that the configuration names: read, chosen, and watched as they grow old.

use std::path::{Path, PathBuf};

use chantal_config::{Auth, Repository, Ssl};
use chantal_fetch::{Candidate, Identity, usable};

use crate::error::EngineError;

/// A certificate that expires sooner is warned about.
const SOON_DAYS: i64 = 30;

/// A certificate with its key, and where it was found.
pub(crate) struct Found {
    pub(crate) identity: Identity,
    name: String,
}

impl Found {
    /// Where it was found.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it was found, and when it ends, in seconds since 1970.
    pub(crate) fn end(&self) -> (&str, i64) {
        (&self.name, self.identity.not_after)
    }
}

/// The file of authorities that a block names (empty where they stand in the configuration), and when the first of them
/// ends; `None` where there is none, or none that can be read.
pub(crate) fn authorities_end(ssl: &Ssl) -> Option<(String, i64)> {
    let (name, pem) = match (&ssl.ca_cert, &ssl.ca_bundle) {
        (Some(pem), _) => (String::new(), pem.clone().into_bytes()),
        (None, Some(path)) => (path.display().to_string(), std::fs::read(path).ok()?),
        (None, None) => return None,
    };
    let end = chantal_fetch::expiries(&pem).ok()?.into_iter().min()?;
    Some((name, end))
}

/// The client certificate of a repository: that of `auth`, else that of `ssl`; of several the one that is valid longest.
///
/// # Errors
/// [`EngineError::Configuration`]: it cannot be read, its key is another's or encrypted, or no pair is valid now.
pub(crate) fn of(repo: &Repository, now: i64) -> Result<Option<Found>, EngineError> {
    Ok(all(repo, now)?.into_iter().next())
}

/// Those that may be meant: every pair of a directory that is valid now, those first that stay so longest.
///
/// # Errors
/// See [`of`].
pub(crate) fn all(repo: &Repository, now: i64) -> Result<Vec<Found>, EngineError> {
    let found = match (&repo.auth, &repo.ssl.client_cert, &repo.ssl.client_key) {
        (Some(Auth::ClientCert { cert_file, key_file }), ..) => pair(cert_file, key_file).map(|one| vec![one]),
        (Some(Auth::ClientCertDir { cert_dir }), ..) => pairs(cert_dir, now),
        (_, Some(certificate), Some(key)) => pair(certificate, key).map(|one| vec![one]),
        _ => Ok(Vec::new()),
    };
    found.map_err(|Wrong { message, hint }| EngineError::Configuration {
        repo: repo.id.to_string(),
        message,
        hint,
    })
}

/// What is worth knowing about a certificate's age, if anything.
pub(crate) fn warning(found: &Found, now: i64) -> Option<String> {
    let Found { identity, name } = found;
    let day = |seconds| match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day that no calendar has".to_owned(),
    };
    let until = day(identity.not_after);
    if now > identity.not_after {
        return Some(format!("the client certificate {name} expired on {until}"));
    }
    if now < identity.not_before {
        let from = day(identity.not_before);
        return Some(format!("the client certificate {name} is not valid before {from}"));
    }
    let days = (identity.not_after - now) / 86_400;
    (days < SOON_DAYS).then(|| format!("the client certificate {name} expires on {until}, in {days} days"))
}

/// The same for a repository, where nothing else is asked of the certificate: what cannot be read is a warning, too.
pub(crate) fn warnings(repo: &Repository, now: i64) -> Vec<String> {
    match of(repo, now) {
        Ok(found) => found.and_then(|found| warning(&found, now)).into_iter().collect(),
        Err(EngineError::Configuration { message, .. }) => vec![message],
        Err(error) => vec![error.to_string()],
    }
}

struct Wrong {
    message: String,
    hint: Option<String>,
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, Wrong> {
    std::fs::read(path).map_err(|error| Wrong {
        message: format!("cannot read {what} {}: {error}", path.display()),
        hint: None,
    })
}

fn pair(certificate: &Path, key: &Path) -> Result<Found, Wrong> {
    let pem = read("the client certificate", certificate)?;
    let identity = Identity::new(&pem, &read("the client key", key)?).map_err(|error| Wrong {
        message: format!(
            "client certificate {}, key {}: {error}",
            certificate.display(),
            key.display()
        ),
        hint: error.hint().map(str::to_owned),
    })?;
    Ok(Found {
        identity,
        name: certificate.display().to_string(),
    })
}

/// The usable pairs of a directory, `X.pem` with `X-key.pem`, or one file with both.
fn pairs(directory: &Path, now: i64) -> Result<Vec<Found>, Wrong> {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| Wrong {
        message: format!("cannot read auth.cert_dir {}: {error}", directory.display()),
        hint: None,
    })?;
    let candidates = entries.iter().filter_map(|entry| candidate(&entry.path())).collect();
    match usable(candidates, now) {
        Ok(pairs) => Ok(pairs
            .into_iter()
            .map(|(name, identity)| Found { identity, name })
            .collect()),
        Err(reasons) if reasons.is_empty() => Err(Wrong {
            message: format!("auth.cert_dir {} holds no certificate", directory.display()),
            hint: Some("it must hold pairs `X.pem` and `X-key.pem`".into()),
        }),
        Err(reasons) => Err(Wrong {
            message: format!(
                "auth.cert_dir {} holds no certificate that can be used now: {}",
                directory.display(),
                reasons.join("; ")
            ),
            hint: None,
        }),
    }
}

/// A certificate of a directory; `None` for keys and for what is no PEM file.
fn candidate(path: &Path) -> Option<Candidate> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".pem")?;
    if stem.ends_with("-key") || !path.is_file() {
        return None;
    }
    let key: PathBuf = path.with_file_name(format!("{stem}-key.pem"));
    let key = if key.is_file() { key } else { path.to_owned() };
    let identity = std::fs::read(path)
        .and_then(|certificate| Ok((certificate, std::fs::read(&key)?)))
        .map_err(|error| chantal_fetch::IdentityError::Key(error.to_string()))
        .and_then(|(certificate, key)| Identity::new(&certificate, &key));
    Some(Candidate {
        name: path.display().to_string(),
        identity,
    })
}
