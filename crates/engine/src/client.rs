//! Turns a repository's configuration into options of the fetch stage.

use std::path::Path;

use chantal_config::{Auth as Configured, Repository, Secret};
use chantal_fetch::{Auth, ClientOptions, ProxyOptions, Trust};
use url::Url;

use crate::error::EngineError;

pub(crate) fn options(repo: &Repository, feed: &Url) -> Result<ClientOptions, EngineError> {
    let reader = Reader { repo };
    let (auth, identity) = reader.auth()?;
    let identity = match identity {
        Some(identity) => Some(identity),
        None => reader.tls_identity()?,
    };
    Ok(ClientOptions {
        feed: feed.clone(),
        auth,
        identity_pem: identity,
        ca: reader.trust()?,
        verify_tls: repo.ssl.verify,
        proxy: reader.proxy()?,
        idle_timeout: repo.download.idle_timeout,
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

    /// How to authenticate: by header, or by a certificate, which belongs to TLS.
    fn auth(&self) -> Result<(Auth, Option<Vec<u8>>), EngineError> {
        Ok(match &self.repo.auth {
            None => (Auth::None, None),
            Some(Configured::Basic { username, password }) => (
                Auth::Basic {
                    user: username.clone(),
                    password: self.reveal("auth.password", password)?,
                },
                None,
            ),
            Some(Configured::Bearer { token }) => {
                let token = self.reveal("auth.token", token)?;
                (
                    Auth::Headers(vec![("Authorization".into(), format!("Bearer {token}"))]),
                    None,
                )
            }
            Some(Configured::Custom { headers }) => {
                let mut revealed = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    revealed.push((name.clone(), self.reveal("auth.headers", value)?));
                }
                (Auth::Headers(revealed), None)
            }
            Some(Configured::ClientCert { cert_file, key_file }) => (Auth::None, Some(self.pair(cert_file, key_file)?)),
        })
    }

    fn pair(&self, certificate: &Path, key: &Path) -> Result<Vec<u8>, EngineError> {
        let mut pem = self.read("the client certificate", certificate)?;
        pem.push(b'\n');
        pem.extend(self.read("the client key", key)?);
        Ok(pem)
    }

    fn tls_identity(&self) -> Result<Option<Vec<u8>>, EngineError> {
        match (&self.repo.ssl.client_cert, &self.repo.ssl.client_key) {
            (Some(certificate), Some(key)) => self.pair(certificate, key).map(Some),
            (None, None) => Ok(None),
            _ => Err(self.wrong("ssl.client_cert and ssl.client_key belong together".into())),
        }
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
        let proxy = &self.repo.proxy;
        let password = match &proxy.password {
            Some(secret) => Some(self.reveal("proxy.password", secret)?),
            None => None,
        };
        Ok(ProxyOptions {
            http: proxy.http_proxy.clone(),
            https: proxy.https_proxy.clone(),
            no_proxy: proxy.no_proxy.clone(),
            username: proxy.username.clone(),
            password,
        })
    }
}
