//! Reaching a feed: the client that a repository's configuration describes, and the mirrors that a list names.

use std::sync::{Arc, Mutex, PoisonError};

use chantal_config::{FeedKind, Repository};
use chantal_fetch::mirrors::{ListError, MAX_LIST_BYTES, read};
use chantal_fetch::{Client, Mirrors, Outcome, Reference, Request};
use chantal_formats::Format;
use chantal_model::{Memory, Package, masked};
use url::Url;

use crate::Engine;
use crate::certificate::Found;
use crate::error::EngineError;
use crate::feed::entry_of;

/// A repository's feed within reach. Clones share connections and what is known about mirrors.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) client: Client,
    /// What the configuration names: the feed, or the list.
    pub(crate) feed: Url,
    repo: String,
    kind: FeedKind,
    /// Path of the entry point below a mirror's directory.
    entry: String,
    mirrors: Arc<Mutex<Mirrors>>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// The URL of a repository's feed, or of the list that names its mirrors.
    pub(crate) fn feed_url(&self, repo: &Repository) -> Result<Url, EngineError> {
        repo.feed.clone().ok_or_else(|| EngineError::Configuration {
            repo: repo.id.to_string(),
            message: "it has no feed".into(),
            hint: Some("`feed` names the directory that upstream serves".into()),
        })
    }

    /// Makes the client for a repository's feed, and reads the list of mirrors if it has one.
    pub(crate) async fn reach(&self, repo: &Repository, format: &'static dyn Format) -> Result<Reach, EngineError> {
        let feed = self.feed_url(repo)?;
        let entry = entry_of(repo, format)?.href;
        let now = self.clock.now().as_second();
        let certificates = crate::certificate::all(repo, now)?;
        let (client, certificate) = match &*certificates {
            [] => (self.client(repo, &feed, None)?, None),
            [only] => (self.client(repo, &feed, Some(only))?, Some(only)),
            several => {
                let (client, taken) = self.accepted(repo, (&feed, &entry), several).await?;
                (client, Some(taken))
            }
        };
        let warnings = certificate.and_then(|found| crate::certificate::warning(found, now));
        let others = repo.other_feeds.iter().map(|feed| feed.url.clone());
        let configured = Mirrors::configured(std::iter::once(feed.clone()).chain(others).collect());
        let reach = Reach {
            client,
            feed,
            repo: repo.id.to_string(),
            kind: repo.feed_kind,
            entry,
            mirrors: Arc::new(Mutex::new(configured)),
            warnings: Arc::new(Mutex::new(warnings.into_iter().collect())),
        };
        reach.read_list().await?;
        Ok(reach)
    }

    fn client(&self, repo: &Repository, feed: &Url, certificate: Option<&Found>) -> Result<Client, EngineError> {
        let mut options = crate::client::options(repo, feed, certificate)?;
        options.bandwidths.extend(self.bandwidth.clone());
        Client::sharing(options, self.hosts.clone()).map_err(|source| EngineError::Fetch {
            repo: repo.id.to_string(),
            what: "anything".into(),
            source,
        })
    }

    /// The first client certificate that the feed does not refuse: only the server knows which of them covers a path.
    async fn accepted<'c>(
        &self,
        repo: &Repository,
        (feed, entry): (&Url, &str),
        certificates: &'c [Found],
    ) -> Result<(Client, &'c Found), EngineError> {
        let url = match repo.feed_kind {
            FeedKind::Directory => feed.join(entry).unwrap_or_else(|_| feed.clone()),
            _ => feed.clone(),
        };
        let mut first = None;
        for found in certificates {
            let client = self.client(repo, feed, Some(found))?;
            let request = Request {
                url: url.clone(),
                promise: None,
                limit_bytes: MAX_LIST_BYTES,
                validators: None,
            };
            match client.fetch(&request, &mut Memory::new([]), &|_| {}).await {
                Err(error) if error.may_be_of_certificate() => {
                    tracing::info!(repo.id = %repo.id, certificate = found.name(), %error, "trying the next certificate");
                    first.get_or_insert(error);
                }
                // Whatever else is wrong is told by who asks next.
                _ => return Ok((client, found)),
            }
        }
        let names: Vec<&str> = certificates.iter().map(Found::name).collect();
        Err(EngineError::Fetch {
            repo: repo.id.to_string(),
            what: format!("anything with one of the client certificates {}", names.join(", ")),
            source: first.expect("there are several"),
        })
    }
}

impl Reach {
    /// The mirrors as they are known now.
    pub(crate) fn mirrors(&self) -> Mirrors {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what needs attention since the last call.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        let mut warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        warnings.extend(self.mirrors().take_news());
        warnings
    }

    /// Reads the list of mirrors anew, where there is one; says whether the entry point that it vouches for is another.
    pub(crate) async fn read_list(&self) -> Result<bool, EngineError> {
        if self.kind == FeedKind::Directory {
            return Ok(false);
        }
        let known = self.mirrors();
        let wrong = |error: ListError| EngineError::MirrorList {
            repo: self.repo.clone(),
            url: masked(self.feed.as_str()),
            refused: matches!(error, ListError::Refused(_)),
            message: error.to_string(),
        };
        let listed = read(&self.fetch_list().await?, &self.feed, &self.entry).map_err(wrong)?;
        for reason in &listed.refused {
            tracing::debug!(repo.id = self.repo, reason, "mirror not used");
        }
        if self.kind == FeedKind::Metalink && listed.promise.is_none() {
            let message = if listed.is_metalink {
                format!("it has no digest of {} that is not weak", self.entry)
            } else {
                "it is a plain list of mirrors: use `mirrorlist`".to_owned()
            };
            return Err(wrong(ListError::Malformed(message)));
        }
        let is_other = listed.promise.is_some() && listed.promise.as_ref() != known.promise();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(known.take_news());
        *self.mirrors.lock().unwrap_or_else(PoisonError::into_inner) = Mirrors::listed(listed);
        Ok(is_other)
    }

    async fn fetch_list(&self) -> Result<Vec<u8>, EngineError> {
        let request = Request {
            url: self.feed.clone(),
            promise: None,
            limit_bytes: MAX_LIST_BYTES,
            validators: None,
        };
        let mut landing = Memory::new([]);
        let outcome = self.client.fetch(&request, &mut landing, &|_| {}).await;
        match outcome.map_err(|source| EngineError::Fetch {
            repo: self.repo.clone(),
            what: "the list of mirrors".into(),
            source,
        })? {
            Outcome::Absent { status } => Err(EngineError::Absent {
                repo: self.repo.clone(),
                url: masked(self.feed.as_str()),
                status,
                hint: None,
            }),
            Outcome::Landed(_) | Outcome::Unchanged => Ok(landing.into_bytes()),
        }
    }
}

/// Where a package is, as metadata says it.
pub(crate) fn reference(package: &Package) -> Reference {
    Reference {
        base: package.base.clone(),
        href: package.href.clone(),
    }
}
