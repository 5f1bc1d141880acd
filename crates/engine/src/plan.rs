//! Planning a sync: list, choose, find what the pool has, compare with the current revision. Nothing is changed here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chantal_catalog::{FeedState, Revision};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{Package, Sha256, Step};
use chantal_select::Filters;

use crate::Engine;
use crate::choose::{Choice, choose};
use crate::diff::{Changed, Counts, Side, pair};
use crate::download::{Missing, package_url};
use crate::error::{Doing, EngineError, blocking};
use crate::feed::{Feed, Upstream, masked};
use crate::files::Files;
use crate::listing::Listing;
use crate::report::SyncPlan;
use crate::settings::Settings;
use crate::sync::Prepared;

impl Engine {
    /// Lists, chooses, finds what the pool has, and compares with the current revision.
    pub(crate) async fn plan(
        &self,
        feed: &Feed<'_>,
        upstream: Upstream,
        current: Option<&Revision>,
        selection: String,
    ) -> Result<Prepared, EngineError> {
        let (repo, format) = (feed.repo, feed.format);
        self.progress.begin(Step::Select, 0);
        let files = Arc::new(upstream.files);
        let listing = self.list(repo, format, files.clone()).await?;
        let filters = compile(repo)?;
        let mode = repo.mode;
        let (mut listing, choice) = blocking(move || {
            let choice = choose(format, mode, &filters, &listing);
            Ok((listing, choice))
        })
        .await?;
        let choice = choice.map_err(|error| EngineError::Location {
            repo: repo.id.to_string(),
            message: error.to_string(),
            hint: Some("`mode: filtered` publishes packages under paths of its own".into()),
        })?;
        let packages = Arc::new(std::mem::take(&mut listing.packages));
        let hits = self.hits(&packages, &choice).await?;
        let missing = missing(feed, &packages, &choice, &hits)?;
        let held = match current {
            Some(current) => self.held(current).await?,
            None => Vec::new(),
        };
        let newest_build = choice
            .packages
            .iter()
            .filter_map(|(i, _)| packages[*i as usize].build_time)
            .max();
        let settings = Settings::new(repo, &upstream.overview, newest_build.unwrap_or(0));
        let mut plan = unchanged(repo, &feed.base, current);
        plan.unchanged = false;
        describe(&mut plan, &packages, &listing, &choice, &hits, &missing, held);
        plan.warnings.extend(upstream.overview.warnings.iter().cloned());
        self.progress.end(Step::Select);
        let now = self.clock.now().as_second();
        Ok(Prepared {
            plan,
            feed_state: FeedState {
                entry_url: upstream.entry_url,
                etag: upstream.validators.etag,
                last_modified: upstream.validators.last_modified,
                entry_sha256: upstream.entry_sha256,
                selection,
                complete: true,
                checked_at: now,
                changed_at: now,
                upstream_timestamp: upstream.overview.timestamp,
            },
            files,
            overview: upstream.overview,
            packages,
            listing,
            choice,
            hits,
            missing,
            settings,
        })
    }

    pub(crate) async fn list(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        files: Arc<Files>,
    ) -> Result<Listing, EngineError> {
        let work = self.config.storage.temp_path.clone();
        let repo = repo.id.to_string();
        blocking(move || {
            let io = |what, source| EngineError::Io {
                what,
                path: work.clone(),
                source,
            };
            let mut listing = Listing::new(&work).map_err(|e| io("create a file in", e))?;
            if let Err(source) = format.list(&*files, &mut listing) {
                return Err(match listing.failure() {
                    Some(error) => io("write a file in", error),
                    None => EngineError::Metadata { repo, source },
                });
            }
            listing.resolve().map_err(|e| io("write a file in", e))?;
            Ok(listing)
        })
        .await
    }

    /// Which chosen packages the pool has already, by any digest that upstream promises.
    pub(crate) async fn hits(
        &self,
        packages: &[Package],
        choice: &Choice,
    ) -> Result<HashMap<u32, (Sha256, u64)>, EngineError> {
        let mut hits = HashMap::new();
        for chunk in choice.packages.chunks(5000) {
            let weak: Vec<_> = chunk
                .iter()
                .map(|(index, _)| &packages[*index as usize].promise)
                .filter(|promise| promise.sha256().is_none())
                .flat_map(|promise| promise.digests.iter().cloned())
                .collect();
            let known = self.catalog.blobs_by_digest(&weak).await.doing("look up digests")?;
            for (index, _) in chunk {
                let promise = &packages[*index as usize].promise;
                let found = promise
                    .sha256()
                    .zip(promise.size)
                    .or_else(|| promise.digests.iter().find_map(|digest| known.get(digest)).copied());
                if let Some((sha256, size)) = found
                    && promise.size.is_none_or(|promised| promised == size)
                    && self.pool.contains(&sha256, size)
                {
                    hits.insert(*index, (sha256, size));
                }
            }
        }
        Ok(hits)
    }

    /// The packages of a revision, for comparing.
    pub(crate) async fn held(&self, revision: &Revision) -> Result<Vec<(Sha256, Changed)>, EngineError> {
        let mut held = Vec::new();
        self.catalog
            .each_package(revision.line, revision.number, &mut |package| {
                held.push((
                    package.sha256,
                    Changed {
                        name: package.name,
                        arch: package.arch,
                        side: Side {
                            version: package.version,
                            path: package.path,
                            key: package.version_key,
                        },
                    },
                ));
            })
            .await
            .doing("read the current revision")?;
        Ok(held)
    }
}

fn compile(repo: &Repository) -> Result<Filters, EngineError> {
    let filters = &repo.filters;
    let mut compiled = Filters::new(&filters.patterns_include, &filters.patterns_exclude).map_err(|error| {
        EngineError::Configuration {
            repo: repo.id.to_string(),
            message: error.to_string(),
            hint: None,
        }
    })?;
    compiled
        .architectures
        .include
        .clone_from(&filters.architectures.include);
    compiled
        .architectures
        .exclude
        .clone_from(&filters.architectures.exclude);
    compiled.exclude_sources = filters.exclude_sources;
    compiled.only_latest = filters.only_latest;
    Ok(compiled)
}

fn missing(
    feed: &Feed<'_>,
    packages: &[Package],
    choice: &Choice,
    hits: &HashMap<u32, (Sha256, u64)>,
) -> Result<Vec<Missing>, EngineError> {
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for (index, _) in &choice.packages {
        let package = &packages[*index as usize];
        if hits.contains_key(index) {
            continue;
        }
        // The same bytes under two paths are fetched once; recording finds them by digest.
        if let Some(digest) = package.promise.digests.first()
            && !seen.insert(digest.clone())
        {
            continue;
        }
        let url = package_url(&feed.base, package).map_err(|reason| EngineError::Location {
            repo: feed.repo.id.to_string(),
            message: format!("package {}: location {:?}: {reason}", package.label, package.href),
            hint: None,
        })?;
        missing.push(Missing {
            package: *index,
            url,
            promise: package.promise.clone(),
            label: package.label.to_string(),
        });
    }
    Ok(missing)
}

pub(crate) fn unchanged(repo: &Repository, base: &url::Url, current: Option<&Revision>) -> SyncPlan {
    let packages = current.map_or(0, |current| current.package_count as u64);
    SyncPlan {
        repo: repo.id.clone(),
        feed: masked(base),
        mode: repo.mode,
        current: current.map(|current| current.number),
        unchanged: true,
        listed: packages,
        chosen: packages,
        left_out: BTreeMap::new(),
        changes: Vec::new(),
        counts: Counts::default(),
        download_files: 0,
        download_bytes: 0,
        saved_bytes: 0,
        warnings: Vec::new(),
    }
}

fn describe(
    plan: &mut SyncPlan,
    packages: &[Package],
    listing: &Listing,
    choice: &Choice,
    hits: &HashMap<u32, (Sha256, u64)>,
    missing: &[Missing],
    held: Vec<(Sha256, Changed)>,
) {
    plan.listed = packages.len() as u64;
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
    let now: HashSet<Sha256> = hits.values().map(|(sha256, _)| *sha256).collect();
    let before: HashSet<Sha256> = held.iter().map(|(sha256, _)| *sha256).collect();
    let removed = held
        .into_iter()
        .filter(|(sha256, _)| !now.contains(sha256))
        .map(|(_, changed)| changed)
        .collect();
    let added = choice
        .packages
        .iter()
        .filter(|(index, _)| hits.get(index).is_none_or(|(sha256, _)| !before.contains(sha256)))
        .map(|(index, path)| changed(&packages[*index as usize], path.as_str()))
        .collect();
    plan.changes = pair(removed, added);
    plan.counts = Counts::of(&plan.changes);
    plan.download_files = missing.len() as u64;
    plan.download_bytes = missing.iter().filter_map(|one| one.promise.size).sum();
    plan.saved_bytes = hits.values().map(|(_, size)| size).sum();
    for bad in &listing.bad {
        plan.warnings.push(format!(
            "{}: record {} ({}) left out: {}",
            bad.file, bad.index, bad.name, bad.reason
        ));
    }
}

fn changed(package: &Package, path: &str) -> Changed {
    Changed {
        name: package.name.to_string(),
        arch: package.arch.to_string(),
        side: Side {
            version: package.version.text.to_string(),
            path: path.to_owned(),
            key: package.version.key.clone(),
        },
    }
}
