//! Turns a repository's configuration into options of the fetch stage.

use std::path::Path;

use chantal_config::{Auth as Configured, Repository, Secret};
use chantal_fetch::{Auth, Bandwidth, ClientOptions, ProxyOptions, Trust};
use url::Url;

use crate::error::EngineError;
use crate::proxy::proxies;

/// The options for a feed; `identity_pem` is the client certificate with its key.
pub(crate) fn options(
    repo: &Repository,
    feed: &Url,
    identity_pem: Option<Vec<u8>>,
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
        identity_pem,
        ca: reader.trust()?,
        verify_tls: repo.ssl.verify,
        proxy: reader.proxy()?,
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

    fn read(&self, what: &str, path: &Path) -> Result<Vec<u8>, EngineError> {
        std::fs::read(path).map_err(|error| self.wrong(format!("cannot read {what} {}: {error}", path.display())))
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
                let token = self.reveal("auth.token", token)?;
                Auth::Headers(vec![("Authorization".into(), format!("Bearer {token}"))])
            }
            Some(Configured::Custom { headers }) => {
                let mut revealed = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    revealed.push((name.clone(), self.reveal("auth.headers", value)?));
                }
                Auth::Headers(revealed)
            }
        })
    }

    fn trust(&self) -> Result<Trust, EngineError> {
        if let Some(pem) = &self.repo.ssl.ca_cert {
            return Ok(Trust::Only(pem.clone().into_bytes()));
        }
        match &self.repo.ssl.ca_bundle {
            Some(path) => Ok(Trust::Only(self.read("the CA bundle", path)?)),
            None => Ok(Trust::System),
        }
    }

    fn proxy(&self) -> Result<ProxyOptions, EngineError> {
        let password = match &self.repo.proxy.password {
            Some(secret) => Some(self.reveal("proxy.password", secret)?),
            None => None,
        };
        let environment = |name: &str| std::env::var(name).ok();
        proxies(self.repo, password, &environment).map_err(|message| self.wrong(message))
    }
}
