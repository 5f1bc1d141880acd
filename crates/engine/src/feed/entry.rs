//! The entry point of a feed: asked for conditionally, at one mirror after another, and looked at again.

use chantal_catalog::FeedState;
use chantal_config::FeedKind;
use chantal_fetch::Validators;
use chantal_formats::Wanted;
use chantal_model::{Sha256, masked};
use url::Url;

use super::{Answer, Feed, entry_of, reference};
use crate::error::EngineError;
use crate::files::{Files, Had};
use crate::noted::noted;

/// What was answered to a question for it.
pub(super) enum Entry {
    Unchanged,
    Read(Start),
}

/// An entry point, and where it came from.
pub(super) struct Start {
    pub(super) had: Had,
    pub(super) url: Url,
    pub(super) validators: Validators,
}

impl Feed<'_> {
    /// Whether another mirror may have an entry point that can be used, where nothing vouches for this one.
    pub(super) fn can_ask_another(&self, url: &Url, error: &EngineError) -> Result<bool, EngineError> {
        let mirrors = self.reach.mirrors();
        let is_its_fault = is_misfit(error)
            || matches!(
                error,
                EngineError::Metadata { .. } | EngineError::Rollback { .. } | EngineError::Future { .. }
            );
        if mirrors.promise().is_some() || !is_its_fault {
            return Ok(false);
        }
        let entry = reference(&self.entry_wanted()?);
        Ok(mirrors.leave(url, &entry, &crate::error::chain(error)))
    }

    /// Fetches the entry point alone.
    pub(crate) async fn entry_only(&self) -> Result<(Url, Files), EngineError> {
        let mut files = Files::default();
        match self.entry(None).await? {
            Entry::Read(start) => {
                files.put(start.had);
                Ok((start.url, files))
            }
            Entry::Unchanged => unreachable!("nothing was asked for conditionally"),
        }
    }

    pub(super) fn entry_wanted(&self) -> Result<Wanted, EngineError> {
        Ok(Wanted {
            promise: self.reach.mirrors().promise().cloned(),
            ..entry_of(self.repo, self.format)?
        })
    }

    pub(super) async fn entry(&self, known: Option<&FeedState>) -> Result<Entry, EngineError> {
        let wanted = self.entry_wanted()?;
        let url = self.url(&wanted)?;
        if let Some(had) = self.in_pool(&wanted).await? {
            let validators = Validators::default();
            return Ok(Entry::Read(Start { had, url, validators }));
        }
        let validators = known
            .filter(|known| known.complete && self.pool.path(&known.entry_sha256).exists())
            .and_then(|known| {
                let validators = Validators {
                    etag: known.etag.clone(),
                    last_modified: known.last_modified.clone(),
                };
                Some((self.known_url(known, &wanted)?, validators))
            });
        let (url, answer) = self.fetch(&wanted, validators).await?;
        self.reach.mirrors().prefer(&url, &reference(&wanted));
        match answer {
            Answer::Unchanged => Ok(Entry::Unchanged),
            Answer::Absent { status } => Err(EngineError::Absent {
                repo: self.repo.id.to_string(),
                url: masked(url.as_str()),
                status,
                hint: Some(match self.repo.feed_kind {
                    FeedKind::Directory => format!(
                        "not a repository: `feed` must name the directory that holds {}",
                        wanted.href
                    ),
                    _ => format!("each mirror of the list must be a directory that holds {}", wanted.href),
                }),
            }),
            Answer::InPool(_) => unreachable!("it was looked for in the pool before"),
            Answer::Landed { sealed, validators } => {
                let had = self.settle(vec![(wanted, sealed)]).await?.remove(0);
                Ok(Entry::Read(Start { had, url, validators }))
            }
        }
    }

    /// Where the known entry point came from, if the feed still leads there: what is kept of a URL is not all of it.
    fn known_url(&self, known: &FeedState, wanted: &Wanted) -> Option<Url> {
        let (mirrors, entry) = (self.reach.mirrors(), reference(wanted));
        mirrors.urls(&entry).find(|url| noted(url) == known.entry_url)
    }

    pub(super) fn entry_from_pool(&self, known: &FeedState) -> Result<Start, EngineError> {
        let path = self.pool.path(&known.entry_sha256);
        let size = std::fs::metadata(&path)
            .map(|meta| meta.len())
            .map_err(|source| EngineError::Io {
                what: "read",
                path: path.clone(),
                source,
            })?;
        let had = Had {
            wanted: self.entry_wanted()?,
            sha256: known.entry_sha256,
            size,
            path,
        };
        let validators = Validators {
            etag: known.etag.clone(),
            last_modified: known.last_modified.clone(),
        };
        let url = match self.known_url(known, &had.wanted) {
            Some(url) => url,
            None => self.url(&had.wanted)?,
        };
        Ok(Start { had, url, validators })
    }

    /// Whether upstream has another entry point by now. Where a list vouches for it, the list is asked.
    pub(super) async fn entry_changed(&self, sha256: &Sha256) -> Result<bool, EngineError> {
        if self.reach.mirrors().promise().is_some() {
            return self.reach.read_list().await;
        }
        let wanted = self.entry_wanted()?;
        match self.fetch(&wanted, None).await?.1 {
            Answer::Landed { sealed, .. } => Ok(sealed.sha256 != *sha256),
            _ => Ok(true),
        }
    }
}

/// Whether an error may come from files of two states.
pub(super) fn is_misfit(error: &EngineError) -> bool {
    match error {
        EngineError::Absent { .. } => true,
        EngineError::Fetch { source, .. } => source.kind() == chantal_fetch::Kind::Refused,
        _ => false,
    }
}
