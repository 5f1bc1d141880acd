//! Planning a sync: list, choose, find what the pool has, compare with the current revision. Nothing is changed here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chantal_catalog::{FeedState, Revision};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{Digest, Promise, Sha256, Step, masked};

use crate::Engine;
use crate::blobs::Blobs;
use crate::choose::{Choice, ChooseError, Question, choose};
use crate::diff::Counts;
use crate::error::{Doing, EngineError, blocking};
use crate::feed::{Feed, Upstream, request_of};
use crate::files::Files;
use crate::filters::compile;
use crate::guard::Guarded;
use crate::held::Held;
use crate::listing::{Listing, listed_beside};
use crate::packed::Packed;
use crate::payload::refuse_collisions;
use crate::reach::reference;
use crate::report::SyncPlan;
use crate::settings::Settings;
use crate::sync::Prepared;

/// What is wanted of a plan beside planning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Every change is listed.
    pub(crate) detailed: bool,
    /// Packages of this name are explained.
    pub(crate) explain: Option<String>,
}

/// Packages looked up by digest at a time.
const LOOKUP: usize = 1000;

impl Engine {
    /// Lists, chooses, finds what the pool has, and compares with the current revision.
    pub(crate) async fn plan(
        &self,
        feed: &Feed<'_>,
        upstream: Upstream,
        current: Option<&Revision>,
        selection: String,
        asked: &Asked,
    ) -> Result<Prepared, EngineError> {
        let (repo, format) = (feed.repo, feed.format);
        self.progress.begin(Step::Select, 0);
        let files = Arc::new(upstream.files);
        let (mut listing, held, mut choice) = self.choice(repo, format, files.clone(), current, asked).await?;
        let retained = choice.retained_blobs(&held);
        refuse_collisions(feed, &files, &choice)?;
        let packages = Arc::new(std::mem::take(&mut listing.packages));
        let hits = self.hits(&packages, &choice.flags()).await?;
        let missing = Missing::find(feed, &packages, &choice, &hits)?;
        let (changes, counts) = self
            .compare(current, &packages, &choice.packages, &hits, &retained, asked.detailed)
            .await?;
        let newest_build = newest_build(&packages, &choice);
        let settings = Settings::new(repo, &upstream.overview, newest_build);
        let mut plan = unchanged(repo, &feed.reach.feed, current);
        plan.unchanged = false;
        plan.listed = packages.len() as u64;
        plan.changes = changes;
        plan.counts = counts;
        plan.retained = retained.len() as u64;
        plan.warnings.append(&mut choice.warnings);
        describe(&mut plan, &listing, &choice, &hits);
        plan.download_files = missing.packages.len() as u64 + files.ordered().count() as u64;
        plan.download_bytes = missing.bytes + files.ordered_bytes();
        plan.warnings.extend(upstream.overview.warnings.iter().cloned());
        self.progress.end(Step::Select);
        let now = self.clock.now().as_second();
        let feed_state = FeedState {
            entry_url: upstream.entry_url,
            etag: upstream.validators.etag,
            last_modified: upstream.validators.last_modified,
            entry_sha256: upstream.entry_sha256,
            selection,
            complete: true,
            checked_at: now,
            changed_at: now,
            upstream_timestamp: upstream.overview.timestamp,
        };
        if let Some(explained) = choice.explained.take() {
            let became = self.became(repo, explained, &choice.packages, &plan.changes, &feed_state);
            plan.explained = Some(became.await?);
        }
        Ok(Prepared {
            plan,
            reach: feed.reach.clone(),
            guarded: Guarded::default(),
            feed_state,
            files,
            overview: upstream.overview,
            packages,
            listing,
            choice,
            held,
            hits,
            missing,
            settings,
        })
    }

    /// Lists and chooses, with what the current revision holds.
    async fn choice(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        files: Arc<Files>,
        current: Option<&Revision>,
        asked: &Asked,
    ) -> Result<(Listing, Held, Choice), EngineError> {
        let listing = self.list(repo, format, files).await?;
        let filters = compile(repo, self.clock.now().as_second())?;
        let held = self.held(format, &listing, current, &filters).await?;
        let (mode, explain) = (repo.mode, asked.explain.clone());
        let (listing, held, choice) = blocking(move || {
            let choice = choose(Question {
                format,
                mode,
                filters: &filters,
                listing: &listing,
                held: &held,
                explain: explain.as_deref(),
            });
            Ok((listing, held, choice))
        })
        .await?;
        let choice = choice.map_err(|error| self.not_chosen(repo, error))?;
        Ok((listing, held, choice))
    }

    fn not_chosen(&self, repo: &Repository, error: ChooseError) -> EngineError {
        match error {
            ChooseError::Path(error) => EngineError::Location {
                repo: repo.id.to_string(),
                message: error.to_string(),
                hint: Some("`mode: filtered` publishes packages under paths of its own".into()),
            },
            ChooseError::Spool(source) => EngineError::Io {
                what: "read back a file in",
                path: self.config.storage.temp_path.clone(),
                source,
            },
        }
    }

    pub(crate) async fn list(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        files: Arc<Files>,
    ) -> Result<Listing, EngineError> {
        let work = self.config.storage.temp_path.clone();
        let (repo, request) = (repo.id.to_string(), request_of(repo));
        blocking(move || {
            let io = |what, source| EngineError::Io {
                what,
                path: work.clone(),
                source,
            };
            let mut listing = Listing::new(&work).map_err(|e| io("create a file in", e))?;
            let read = listed_beside(&mut listing, |sink| format.list(&*files, &request, sink));
            if let Some(error) = listing.failure() {
                return Err(io("write a file in", error));
            }
            read.map_err(|source| EngineError::Metadata { repo, source })?;
            listing.resolve().map_err(|e| io("write a file in", e))?;
            Ok(listing)
        })
        .await
    }

    /// Which of the flagged packages the pool has already, by any digest that upstream promises.
    pub(crate) async fn hits(&self, packages: &Packed, flags: &[bool]) -> Result<Blobs, EngineError> {
        let mut hits = Blobs::with_room(packages.len());
        let mut waiting: Vec<(u32, Promise)> = Vec::new();
        for (index, package) in packages.iter().filter(|(index, _)| flags[*index as usize]) {
            match package.promise.sha256().zip(package.promise.size) {
                Some((sha256, size)) if self.pool.contains(&sha256, size) => {
                    hits.set(index, (sha256, size));
                }
                Some(_) => {}
                None => waiting.push((index, package.promise)),
            }
            if waiting.len() == LOOKUP {
                self.look_up(&mut waiting, &mut hits).await?;
            }
        }
        self.look_up(&mut waiting, &mut hits).await?;
        Ok(hits)
    }

    /// Looks packages up whose blob's name or size is not promised.
    async fn look_up(&self, waiting: &mut Vec<(u32, Promise)>, hits: &mut Blobs) -> Result<(), EngineError> {
        if waiting.is_empty() {
            return Ok(());
        }
        let digests: Vec<Digest> = waiting
            .iter()
            .flat_map(|(_, promise)| promise.digests.clone())
            .collect();
        let known = self.catalog.blobs_by_digest(&digests).await.doing("look up digests")?;
        for (index, promise) in waiting.drain(..) {
            let found = promise.digests.iter().find_map(|digest| known.get(digest)).copied();
            if let Some((sha256, size)) = found
                && promise.size.is_none_or(|promised| promised == size)
                && self.pool.contains(&sha256, size)
            {
                hits.set(index, (sha256, size));
            }
        }
        Ok(())
    }
}

/// What must be fetched: indices of listed packages, in their order.
#[derive(Default)]
pub(crate) struct Missing {
    pub(crate) packages: Vec<u32>,
    /// Bytes, as far as they are promised.
    pub(crate) bytes: u64,
    pub(crate) sha256: Vec<Sha256>,
}

impl Missing {
    /// Finds what is neither a hit nor there twice, and checks that each can be asked for.
    fn find(feed: &Feed<'_>, packages: &Packed, choice: &Choice, hits: &Blobs) -> Result<Self, EngineError> {
        let mirrors = feed.reach.mirrors();
        let chosen = choice.flags();
        let mut seen: HashSet<Digest> = HashSet::new();
        let mut named: HashSet<Sha256> = HashSet::new();
        let mut missing = Self::default();
        for (index, package) in packages.iter() {
            if !chosen[index as usize] || hits.get(index).is_some() {
                continue;
            }
            // The same bytes under two paths are fetched once; recording finds them by digest.
            let is_new = match (package.promise.sha256(), package.promise.digests.first()) {
                (Some(sha256), _) => named.insert(sha256),
                (None, Some(digest)) => seen.insert(digest.clone()),
                (None, None) => true,
            };
            if !is_new {
                continue;
            }
            mirrors
                .url(&reference(&package))
                .map_err(|reason| EngineError::Location {
                    repo: feed.repo.id.to_string(),
                    message: format!("package {}: location {:?}: {reason}", package.label, package.href),
                    hint: None,
                })?;
            missing.bytes += package.promise.size.unwrap_or(0);
            missing.packages.push(index);
        }
        missing.sha256 = named.into_iter().collect();
        Ok(missing)
    }
}

fn newest_build(packages: &Packed, choice: &Choice) -> i64 {
    let chosen = choice.flags();
    packages
        .iter()
        .filter(|(index, _)| chosen[*index as usize])
        .filter_map(|(_, package)| package.build_time)
        .max()
        .unwrap_or(0)
}

pub(crate) fn unchanged(repo: &Repository, base: &url::Url, current: Option<&Revision>) -> SyncPlan {
    let packages = current.map_or(0, |current| current.package_count as u64);
    SyncPlan {
        repo: repo.id.clone(),
        feed: masked(base.as_str()),
        mode: repo.mode,
        current: current.map(|current| current.number),
        unchanged: true,
        listed: packages,
        chosen: packages,
        retained: 0,
        left_out: BTreeMap::new(),
        changes: Vec::new(),
        counts: Counts::default(),
        download_files: 0,
        download_bytes: 0,
        saved_bytes: 0,
        warnings: Vec::new(),
        explained: None,
    }
}

fn describe(plan: &mut SyncPlan, listing: &Listing, choice: &Choice, hits: &Blobs) {
    plan.chosen = choice.packages.len() as u64;
    for verdict in choice.verdicts.iter().filter(|verdict| !verdict.is_chosen()) {
        let word = serde_json::to_value(verdict).ok();
        let word = word
            .as_ref()
            .and_then(|word| word.as_str())
            .unwrap_or("other")
            .to_owned();
        *plan.left_out.entry(word).or_default() += 1;
    }
    plan.saved_bytes = hits.all().iter().map(|(_, size)| size).sum();
    for bad in &listing.bad {
        plan.warnings.push(format!(
            "{}: record {} ({}) left out: {}",
            bad.file, bad.index, bad.name, bad.reason
        ));
    }
}
