//! Reads a feed's metadata until its format wants nothing more.

mod entry;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chantal_catalog::{Catalog, FeedState, Lease};
use chantal_config::{FeedKind, Repository};
use chantal_fetch::{Found, Outcome, Reference, Validators, Wish};
use chantal_formats::{Format, Overview, ReadRequest, Role, Wanted};
use chantal_model::{Digest, Landing, Progress, Promise, Sha256, Step, masked};
use chantal_pool::{Incoming, KEPT_PART_BYTES, Pool, Sealed};
use futures_util::{StreamExt, TryStreamExt, stream};
use url::Url;

use crate::error::{Doing, EngineError, blocking};
use crate::files::{Files, Had};
use crate::noted::noted;
use crate::reach::Reach;
use entry::{Entry, Start, is_misfit};

/// The most rounds of questions that a format may ask.
const MAX_ROUNDS: usize = 8;
/// The most metadata files that one feed may name.
const MAX_FILES: usize = 20_000;
/// How often a feed that changes while it is read is read anew.
const MAX_TRIES: u32 = 3;
/// Metadata files fetched at the same time.
const PARALLEL: usize = 4;

/// A feed and what is needed to read it.
pub(crate) struct Feed<'a> {
    pub(crate) repo: &'a Repository,
    pub(crate) format: &'static dyn Format,
    pub(crate) reach: Reach,
    pub(crate) pool: &'a Pool,
    /// Takes files that the pool lacks: the pool itself, or a scratch directory of a dry run.
    pub(crate) landing: &'a Pool,
    pub(crate) catalog: &'a Catalog,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) fetched_bytes: Arc<AtomicU64>,
    /// Names what it reads, so that collection spares it; a dry run has none.
    pub(crate) lease: Option<&'a Lease>,
}

/// What the feed answered.
pub(crate) enum Reading {
    /// Nothing changed since the last success.
    Unchanged,
    /// Its metadata, all of it.
    Read(Box<Upstream>),
}

/// A feed's metadata, verified and in the pool.
pub(crate) struct Upstream {
    pub(crate) files: Files,
    pub(crate) overview: Overview,
    pub(crate) entry_sha256: Sha256,
    /// As it is stored.
    pub(crate) entry_url: String,
    pub(crate) validators: Validators,
}

/// What a repository's configuration says about reading its feed.
pub(crate) fn request_of(repo: &Repository) -> ReadRequest {
    ReadRequest {
        mode: repo.mode,
        allow_sha1: repo.allows_sha1(),
        max_metadata_bytes: repo.limits.metadata_bytes,
        max_ratio: repo.limits.ratio,
        max_files_per_package: repo.limits.files_per_package,
        without_trees: repo.filters.exclude_trees,
    }
}

/// The entry point that a format asks for.
pub(crate) fn entry_of(repo: &Repository, format: &'static dyn Format) -> Result<Wanted, EngineError> {
    let first = format.wants(&Files::default(), &request_of(repo));
    let first = first.map_err(|source| EngineError::Metadata {
        repo: repo.id.to_string(),
        source,
    })?;
    Ok(first
        .into_iter()
        .find(|wanted| wanted.role == Role::Entry)
        .expect("every format first wants its entry point"))
}

pub(crate) fn reference(wanted: &Wanted) -> Reference {
    Reference {
        base: None,
        href: wanted.href.as_str().into(),
    }
}

impl Feed<'_> {
    fn request(&self) -> ReadRequest {
        request_of(self.repo)
    }

    /// Reads the feed; a `known` state makes the first request conditional.
    ///
    /// What `judge` refuses, another mirror may have better.
    pub(crate) async fn read(
        &self,
        known: Option<&FeedState>,
        selection: &str,
        judge: &(dyn Fn(&Overview) -> Result<(), EngineError> + Sync),
    ) -> Result<Reading, EngineError> {
        let mut tries = 0;
        while tries < MAX_TRIES {
            let start = match self.entry(known).await? {
                Entry::Unchanged => match known {
                    Some(known) if known.selection == selection => return Ok(Reading::Unchanged),
                    Some(known) => {
                        self.intend(&[known.entry_sha256]).await?;
                        self.entry_from_pool(known)?
                    }
                    None => unreachable!("without a known state nothing is asked for conditionally"),
                },
                Entry::Read(start) => {
                    if let Some(known) = known
                        && known.entry_sha256 == start.had.sha256
                        && known.selection == selection
                    {
                        return Ok(Reading::Unchanged);
                    }
                    start
                }
            };
            let url = start.url.clone();
            let judged = |upstream: Option<Upstream>| {
                let overview = upstream.as_ref().map(|upstream| &upstream.overview);
                overview.map_or(Ok(()), judge).map(|()| upstream)
            };
            match self.rest(start).await.and_then(judged) {
                Ok(Some(upstream)) => return Ok(Reading::Read(Box::new(upstream))),
                Ok(None) => {
                    tries += 1;
                    self.progress
                        .say("upstream changed while it was read; reading it again");
                }
                Err(error) if self.can_ask_another(&url, &error)? => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Unsettled {
            repo: self.repo.id.to_string(),
            tries: MAX_TRIES,
        })
    }

    /// Fetches what the entry names. `None`: the entry point changed meanwhile, so that the files do not fit.
    async fn rest(&self, start: Start) -> Result<Option<Upstream>, EngineError> {
        let entry_sha256 = start.had.sha256;
        let entry_url = start.url;
        let mut files = Files::default();
        files.put(start.had);
        let mut signed = false;
        for _ in 0..MAX_ROUNDS {
            let wanted = self
                .format
                .wants(&files, &self.request())
                .map_err(|e| self.metadata(e))?;
            if wanted.is_empty() {
                break;
            }
            let (payload, wanted): (Vec<_>, Vec<_>) =
                wanted.into_iter().partition(|wanted| wanted.role == Role::Payload);
            if files.len() + wanted.len() + payload.len() > MAX_FILES {
                return Err(self.metadata(chantal_formats::FormatError::Limit {
                    file: entry_url.path().to_owned(),
                    what: "the number of metadata files".into(),
                    limit: MAX_FILES.to_string(),
                }));
            }
            self.order(payload, &mut files).await?;
            match self.round(wanted, &mut files).await {
                Ok(has_signature) => signed |= has_signature,
                Err(error) if is_misfit(&error) && self.entry_changed(&entry_sha256).await? => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        // A signature is a second request: make sure that both are of one state.
        if signed && self.entry_changed(&entry_sha256).await? {
            return Ok(None);
        }
        let overview = self.format.overview(&files, &self.request());
        let overview = overview.map_err(|e| self.metadata(e))?;
        for id in &overview.left_out {
            files.put_absent(id);
        }
        Ok(Some(Upstream {
            files,
            overview,
            entry_sha256,
            entry_url: noted(&entry_url),
            validators: start.validators,
        }))
    }

    /// Notes files that nobody reads: those that the pool has are there, the others are fetched with the packages.
    async fn order(&self, payload: Vec<Wanted>, files: &mut Files) -> Result<(), EngineError> {
        let digests: Vec<_> = payload
            .iter()
            .flat_map(|wanted| &wanted.promise)
            .flat_map(|promise| promise.digests.iter().cloned())
            .collect();
        let known = self.catalog.blobs_by_digest(&digests).await.doing("look up digests")?;
        for wanted in payload {
            // Refused now rather than after everything else was fetched.
            self.url(&wanted)?;
            match self.found(&wanted, &known) {
                Some(had) => files.put(had),
                None => files.order(wanted),
            }
        }
        Ok(())
    }

    /// Brings the files of one round into the pool; says whether a signature was among them.
    async fn round(&self, wanted: Vec<Wanted>, files: &mut Files) -> Result<bool, EngineError> {
        let total = wanted.iter().filter_map(|w| w.promise.as_ref()?.size).sum();
        self.progress.begin(Step::Metadata, total);
        let answers: Vec<(Wanted, Answer)> = stream::iter(wanted)
            .map(|wanted| async move {
                if let Some(had) = self.in_pool(&wanted).await? {
                    return Ok::<_, EngineError>((wanted, Answer::InPool(had)));
                }
                let answer = match self.fetch(&wanted, None).await {
                    // Stores that list nothing refuse what is not there, such as a signature that nobody made.
                    Err(EngineError::Fetch { source, .. })
                        if wanted.optional && source.kind() == chantal_fetch::Kind::Credentials =>
                    {
                        Answer::Absent { status: 403 }
                    }
                    fetched => fetched?.1,
                };
                Ok((wanted, answer))
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        let mut landed = Vec::new();
        let mut signed = false;
        for (wanted, answer) in answers {
            match answer {
                Answer::InPool(had) => files.put(had),
                Answer::Landed { sealed, .. } => {
                    signed |= wanted.role == Role::Signature;
                    landed.push((wanted, sealed));
                }
                Answer::Absent { .. } | Answer::Unchanged if wanted.optional => files.put_absent(&wanted.id),
                Answer::Absent { status } => {
                    return Err(EngineError::Absent {
                        repo: self.repo.id.to_string(),
                        url: masked(self.url(&wanted)?.as_str()),
                        status,
                        hint: Some(
                            "upstream's own metadata names this file; it may be in the middle of an update".into(),
                        ),
                    });
                }
                Answer::Unchanged => unreachable!("only the entry point is asked for conditionally"),
            }
        }
        for had in self.settle(landed).await? {
            files.put(had);
        }
        self.progress.end(Step::Metadata);
        Ok(signed)
    }

    /// A file that the pool has under a promised digest.
    async fn in_pool(&self, wanted: &Wanted) -> Result<Option<Had>, EngineError> {
        let Some(promise) = &wanted.promise else {
            return Ok(None);
        };
        let known = self
            .catalog
            .blobs_by_digest(&promise.digests)
            .await
            .doing("look up digests")?;
        let Some(had) = self.found(wanted, &known) else {
            return Ok(None);
        };
        self.intend(&[had.sha256]).await?;
        // Collection may have been quicker.
        Ok(Some(had).filter(|had| self.pool.contains(&had.sha256, had.size)))
    }

    /// Notes what the holder of the repository reads from the pool; from then on it stays.
    async fn intend(&self, names: &[Sha256]) -> Result<(), EngineError> {
        match self.lease {
            Some(lease) => self.catalog.intend(lease, names).await.doing("note what is relied on"),
            None => Ok(()),
        }
    }

    /// As [`Self::in_pool`], by what the catalog knows about digests.
    fn found(&self, wanted: &Wanted, known: &HashMap<Digest, (Sha256, u64)>) -> Option<Had> {
        let promise = wanted.promise.as_ref()?;
        for digest in &promise.digests {
            let found = match (digest.sha256(), promise.size, known.get(digest)) {
                (Some(sha256), Some(size), _) => Some((sha256, size)),
                // A weak digest alone is no proof; with the size it names what was verified when it was fetched.
                (_, promised, Some((sha256, size))) if promised.is_none_or(|p| p == *size) => Some((*sha256, *size)),
                // A run that was killed may have left it before the catalog knew its size.
                (Some(sha256), None, None) => {
                    let there = std::fs::symlink_metadata(self.pool.path(&sha256));
                    there.ok().map(|there| (sha256, there.len()))
                }
                _ => None,
            };
            if let Some((sha256, size)) = found
                && self.pool.contains(&sha256, size)
            {
                return Some(Had {
                    wanted: wanted.clone(),
                    sha256,
                    size,
                    path: self.pool.path(&sha256),
                });
            }
        }
        None
    }

    /// Asks one mirror after another; gives the URL of the one that answered.
    async fn fetch(
        &self,
        wanted: &Wanted,
        validators: Option<(Url, Validators)>,
    ) -> Result<(Url, Answer), EngineError> {
        let mut landing: Incoming = incoming(self.landing, wanted.promise.as_ref(), "take a metadata file").await?;
        let wish = Wish {
            reference: reference(wanted),
            promise: wanted.promise.clone(),
            limit_bytes: wanted.limit_bytes,
            validators,
            is_optional: wanted.optional,
            // Somebody wrote these feeds down and should know; lists of mirrors often have one that is gone.
            tells: wanted.role == Role::Entry && self.repo.feed_kind == FeedKind::Directory,
        };
        let on_bytes = |bytes| {
            self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.progress.advance(Step::Metadata, bytes);
        };
        let Found { url, outcome } = self
            .reach
            .mirrors()
            .fetch(&self.reach.client, &wish, &mut landing as &mut dyn Landing, &on_bytes)
            .await
            .map_err(|source| EngineError::Fetch {
                repo: self.repo.id.to_string(),
                what: wanted.href.clone(),
                source,
            })?;
        let answer = match outcome {
            Outcome::Unchanged => Answer::Unchanged,
            Outcome::Absent { status } => Answer::Absent { status },
            Outcome::Landed(landed) => Answer::Landed {
                sealed: landing.seal().doing("take a metadata file")?,
                validators: landed.validators,
            },
        };
        Ok((url, answer))
    }

    async fn settle(&self, landed: Vec<(Wanted, Sealed)>) -> Result<Vec<Had>, EngineError> {
        let (wanted, sealed): (Vec<_>, Vec<_>) = landed.into_iter().unzip();
        let names: Vec<Sha256> = sealed.iter().map(|sealed: &Sealed| sealed.sha256).collect();
        self.intend(&names).await?;
        let pool = self.landing.clone();
        let settled = blocking(move || pool.settle(sealed).doing("store metadata files")).await?;
        Ok(wanted
            .into_iter()
            .zip(settled)
            .map(|(wanted, settled)| Had {
                path: self.landing.path(&settled.sha256),
                wanted,
                sha256: settled.sha256,
                size: settled.size,
            })
            .collect())
    }

    fn url(&self, wanted: &Wanted) -> Result<Url, EngineError> {
        let url = self.reach.mirrors().url(&reference(wanted));
        url.map_err(|error| EngineError::Location {
            repo: self.repo.id.to_string(),
            message: format!("metadata names {:?}: {error}", wanted.href),
            hint: None,
        })
    }

    fn metadata(&self, source: chantal_formats::FormatError) -> EngineError {
        EngineError::Metadata {
            repo: self.repo.id.to_string(),
            source,
        }
    }
}

enum Answer {
    Unchanged,
    Absent { status: u16 },
    Landed { sealed: Sealed, validators: Validators },
    InPool(Had),
}

/// Starts a file in the pool, on a thread of its own where it may begin with a part that must be read.
pub(crate) async fn incoming(
    pool: &Pool,
    promise: Option<&Promise>,
    doing: &'static str,
) -> Result<Incoming, EngineError> {
    let Some(promise) = promise else {
        return Ok(pool.incoming(&[]));
    };
    if promise.size.is_some_and(|size| size <= KEPT_PART_BYTES) {
        return pool.resume(promise).doing(doing);
    }
    let (pool, promise) = (pool.clone(), promise.clone());
    blocking(move || pool.resume(&promise).doing(doing)).await
}
