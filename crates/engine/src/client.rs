//! Turns a repository's configuration into options of the fetch stage.

use chantal_config::{Auth as Configured, Proxy, Repository, Secret, Ssl, is_header_value};
use chantal_fetch::{Auth, Bandwidth, ClientOptions, ProxyOptions, Trust};
use url::Url;

use crate::certificate::Found;
use crate::error::EngineError;
use crate::proxy::proxies;

/// The options for a feed.
pub(crate) fn options(
    repo: &Repository,
    feed: &Url,
    certificate: Option<&Found>,
) -> Result<ClientOptions, EngineError> {
    let reader = Reader { repo };
    let mut others = Vec::with_capacity(repo.other_feeds.len());
    for other in &repo.other_feeds {
        others.push((other.url.clone(), reader.auth(other.auth.as_ref())?));
    }
    Ok(ClientOptions {
        feed: feed.clone(),
        auth: reader.auth(repo.auth.as_ref())?,
        others,
        identity_pem: certificate.map(|found| found.identity.pem.clone()),
        identity_name: certificate.map(|found| found.name().to_owned()),
        ca: trust(&repo.ssl).map_err(|message| reader.wrong(message))?,
        verify_tls: repo.ssl.verify,
        proxy: proxy(&repo.proxy).map_err(|message| reader.wrong(message))?,
        idle_timeout: repo.download.idle_timeout,
        min_speed: repo.download.min_speed,
        bandwidths: repo.download.bandwidth.map(Bandwidth::new).into_iter().collect(),
        total_timeout: repo.download.timeout,
        retry_attempts: repo.download.retry_attempts,
        per_host: repo.download.per_host,
        parallel: repo.download.parallel,
        ..ClientOptions::new(feed.clone())
    })
}

struct Reader<'a> {
    repo: &'a Repository,
}

impl Reader<'_> {
    fn wrong(&self, message: String) -> EngineError {
        EngineError::Configuration {
            repo: self.repo.id.to_string(),
            message,
            hint: None,
        }
    }

    fn reveal(&self, what: &str, secret: &Secret) -> Result<String, EngineError> {
        secret.reveal().map_err(|error| self.wrong(format!("{what}: {error}")))
    }

    /// The same of what becomes a header, or a part of one.
    fn header(&self, what: &str, secret: &Secret) -> Result<String, EngineError> {
        let value = self.reveal(what, secret)?;
        if is_header_value(&value) {
            return Ok(value);
        }
        let message = format!("{what} holds a line break or another control character");
        Err(self.wrong(message))
    }

    /// How to authenticate by header; a certificate belongs to TLS.
    fn auth(&self, auth: Option<&Configured>) -> Result<Auth, EngineError> {
        Ok(match auth {
            None | Some(Configured::ClientCert { .. } | Configured::ClientCertDir { .. }) => Auth::None,
            Some(Configured::Basic { username, password }) => Auth::Basic {
                user: username.clone(),
                password: self.reveal("auth.password", password)?,
            },
            Some(Configured::Bearer { token }) => {
                let token = self.header("auth.token", token)?;
                Auth::Headers(vec![("Authorization".into(), format!("Bearer {token}"))])
            }
            Some(Configured::Custom { headers }) => {
                let mut revealed = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    let what = format!("auth.headers.{name}");
                    revealed.push((name.clone(), self.header(&what, value)?));
                }
                Auth::Headers(revealed)
            }
        })
    }
}

/// Whom a block of the configuration trusts.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn trust(ssl: &Ssl) -> Result<Trust, String> {
    if let Some(pem) = &ssl.ca_cert {
        return Ok(Trust::Only(pem.clone().into_bytes()));
    }
    match &ssl.ca_bundle {
        Some(path) => match std::fs::read(path) {
            Ok(pem) => Ok(Trust::Only(pem)),
            Err(error) => Err(format!("cannot read the CA bundle {}: {error}", path.display())),
        },
        None => Ok(Trust::System),
    }
}

/// The proxies of a block of the configuration and of the environment.
///
/// # Errors
/// What is wrong with them, for people.
pub(crate) fn proxy(proxy: &Proxy) -> Result<ProxyOptions, String> {
    let password = match &proxy.password {
        Some(secret) => Some(secret.reveal().map_err(|error| format!("proxy.password: {error}"))?),
        None => None,
    };
    proxies(proxy, password, &|name: &str| std::env::var(name).ok())
}
