//! Sync: read the feed, select, download what is missing, record a new revision.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chantal_catalog::{FeedState, Lease, Repository as Row, Revision};
use chantal_config::{OnPackageError, Repository};
use chantal_formats::{Format, Overview};
use chantal_model::{Mode, Package, RepoId, RevisionNumber, Sha256, Step};
use chantal_select::Filters;

use crate::Engine;
use crate::choose::{Choice, choose};
use crate::diff::{Changed, Counts, Side, pair};
use crate::download::{Downloaded, Downloader, Failure, Missing, Source, package_url};
use crate::error::{Doing, EngineError, blocking};
use crate::feed::{Feed, Reading, Upstream, masked};
use crate::files::Files;
use crate::listing::Listing;
use crate::record::Recording;
use crate::report::{SyncOptions, SyncPlan, SyncReport};
use crate::settings::{Settings, selection};

/// Everything that a sync knows once it has planned and before it has changed anything.
pub(crate) struct Prepared {
    pub(crate) plan: SyncPlan,
    pub(crate) files: Arc<Files>,
    pub(crate) overview: Overview,
    pub(crate) packages: Arc<Vec<Package>>,
    pub(crate) listing: Listing,
    pub(crate) choice: Choice,
    /// Blobs of chosen packages that the pool has, by index of the listed package.
    pub(crate) hits: HashMap<u32, (Sha256, u64)>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) settings: Settings,
    pub(crate) feed_state: FeedState,
}

/// What planning found.
enum Planned {
    Unchanged(SyncPlan),
    Changed(Box<Prepared>),
}

/// What a sync did under its lease.
struct Done {
    plan: SyncPlan,
    revision: Option<RevisionNumber>,
    recorded: bool,
    new_advisories: BTreeMap<String, u64>,
    feed_timestamp: Option<i64>,
    failures: Vec<Failure>,
}

impl Engine {
    /// Brings a repository up to date with its feed.
    ///
    /// A feed that has not changed costs one request and records nothing. Running it again after any failure goes on
    /// with what was fetched.
    ///
    /// # Errors
    /// Nothing was recorded and what is served is untouched; fetched blobs stay in the pool for the next try.
    pub async fn sync(&self, id: &RepoId, options: &SyncOptions) -> Result<SyncReport, EngineError> {
        let started = Instant::now();
        let repo = self.ready(id)?;
        let format = self.format(repo)?;
        let row = self
            .catalog
            .ensure_repository(id, format.name())
            .await
            .doing("find the repository")?;
        let lease = self
            .catalog
            .acquire(&format!("sync:{id}"), options.wait)
            .await
            .doing("hold the repository")?;
        self.pool.sweep_stale().doing("remove left-over temporary files")?;
        let run = self
            .catalog
            .begin_history(row.id, "sync")
            .await
            .doing("write the history")?;
        let fetched = Arc::new(AtomicU64::new(0));
        let done = self.sync_held(repo, format, &row, &lease, options, &fetched).await;
        let fetched_bytes = fetched.load(Ordering::Relaxed);
        let outcome = outcome(&done, fetched_bytes);
        self.catalog
            .finish_history(run, &outcome)
            .await
            .doing("write the history")?;
        lease.release().await.doing("release the repository")?;
        let done = done?;
        let mut report = self.sync_report(done, fetched_bytes);
        self.follow_up(id, options, &mut report).await?;
        report.duration_ms = started.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// What [`Engine::sync`] would do now. Changes nothing: metadata goes into a scratch directory.
    pub async fn plan_sync(&self, id: &RepoId, options: &SyncOptions) -> Result<SyncPlan, EngineError> {
        let repo = self.ready(id)?;
        let format = self.format(repo)?;
        let scratch = tempfile::tempdir_in(&self.config.storage.temp_path).map_err(|source| EngineError::Io {
            what: "create a directory in",
            path: self.config.storage.temp_path.clone(),
            source,
        })?;
        let landing = chantal_pool::Pool::open(scratch.path(), chantal_pool::PoolOptions::default())
            .doing("make a scratch directory")?;
        let row = self.catalog.repository(id).await.doing("find the repository")?;
        let fetched = Arc::new(AtomicU64::new(0));
        let planned = self
            .prepare(repo, format, row.as_ref(), options, &fetched, &landing)
            .await?;
        Ok(match planned {
            Planned::Unchanged(plan) => plan,
            Planned::Changed(prepared) => prepared.plan,
        })
    }

    async fn sync_held(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        row: &Row,
        lease: &Lease,
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
    ) -> Result<Done, EngineError> {
        let planned = self
            .prepare(repo, format, Some(row), options, fetched, &self.pool)
            .await?;
        let mut prepared = match planned {
            Planned::Unchanged(plan) => {
                let state = self.catalog.feed_state(row.id).await.doing("read the feed's state")?;
                if let Some(mut state) = state.clone() {
                    state.checked_at = self.clock.now().as_second();
                    self.catalog
                        .save_feed_state(lease, row.id, &state)
                        .await
                        .doing("save the feed's state")?;
                }
                return Ok(Done {
                    revision: plan.current,
                    plan,
                    recorded: false,
                    new_advisories: BTreeMap::new(),
                    feed_timestamp: state.and_then(|state| state.upstream_timestamp),
                    failures: Vec::new(),
                });
            }
            Planned::Changed(prepared) => *prepared,
        };
        let downloaded = self.download(repo, format, &mut prepared, lease, fetched).await?;
        let failures = judge_failures(repo, downloaded.failures, prepared.plan.download_files as usize)?;
        let feed_timestamp = prepared.overview.timestamp;
        let recording = Recording {
            engine: self,
            repo,
            format,
            row,
            lease,
        };
        let recorded = recording.record(prepared, downloaded.blobs, &failures).await?;
        Ok(Done {
            plan: recorded.plan,
            revision: Some(recorded.revision),
            recorded: recorded.is_new,
            new_advisories: recorded.new_advisories,
            feed_timestamp,
            failures,
        })
    }

    /// Reads the feed, chooses and compares. `landing` takes metadata files that the pool lacks.
    async fn prepare(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        row: Option<&Row>,
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
        landing: &chantal_pool::Pool,
    ) -> Result<Planned, EngineError> {
        let feed = Feed {
            repo,
            format,
            client: self.client(repo)?,
            base: self.feed_url(repo)?,
            pool: &self.pool,
            landing,
            catalog: &self.catalog,
            progress: self.progress.clone(),
            fetched_bytes: fetched.clone(),
        };
        let selection = selection(repo);
        let (known, current) = match row {
            Some(row) => (
                self.catalog.feed_state(row.id).await.doing("read the feed's state")?,
                self.catalog.current(row.line).await.doing("find the newest revision")?,
            ),
            None => (None, None),
        };
        let known = known.filter(|known| known.complete && !options.force && current.is_some());
        let upstream = match feed.read(known.as_ref(), &selection).await? {
            Reading::Unchanged => return Ok(Planned::Unchanged(unchanged(repo, &feed.base, current.as_ref()))),
            Reading::Read(upstream) => *upstream,
        };
        let prepared = self.plan(&feed, upstream, current.as_ref(), selection).await?;
        Ok(Planned::Changed(Box::new(prepared)))
    }

    /// Lists, chooses, finds what the pool has, and compares with the current revision.
    async fn plan(
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

    async fn list(
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
    async fn hits(&self, packages: &[Package], choice: &Choice) -> Result<HashMap<u32, (Sha256, u64)>, EngineError> {
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
    async fn held(&self, revision: &Revision) -> Result<Vec<(Sha256, Changed)>, EngineError> {
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

    async fn download(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        prepared: &mut Prepared,
        lease: &Lease,
        fetched: &Arc<AtomicU64>,
    ) -> Result<Downloaded, EngineError> {
        let _ = format;
        let missing = std::mem::take(&mut prepared.missing);
        self.preflight(&missing)?;
        let relied_on: Vec<Sha256> = prepared
            .hits
            .values()
            .map(|(sha256, _)| *sha256)
            .chain(missing.iter().filter_map(|one| one.promise.sha256()))
            .chain(prepared.files.all().map(|had| had.sha256))
            .collect();
        self.catalog
            .intend(lease, &relied_on)
            .await
            .doing("note what is relied on")?;
        let downloader = Downloader {
            source: Arc::new(Source {
                client: self.client(repo)?,
                pool: self.pool.clone(),
                progress: self.progress.clone(),
                fetched_bytes: fetched.clone(),
                limit_bytes: repo.limits.package_bytes,
            }),
            catalog: &self.catalog,
            lease,
            parallel: repo.download.parallel,
        };
        downloader.run(missing).await
    }

    /// Bytes and inodes of the plan plus 5 % must be free before the first byte is fetched.
    fn preflight(&self, missing: &[Missing]) -> Result<(), EngineError> {
        if missing.is_empty() {
            return Ok(());
        }
        let (free_bytes, free_inodes) = self.pool.free_space().doing("find its free space")?;
        let bytes: u64 = missing.iter().filter_map(|one| one.promise.size).sum();
        let with_reserve = |n: u64| n + n.div_ceil(20);
        let check = |what, needed, free| {
            if needed > free {
                return Err(EngineError::Space {
                    what,
                    path: self.config.storage.pool_path.clone(),
                    needed,
                    free,
                });
            }
            Ok(())
        };
        check("not enough space in bytes", with_reserve(bytes), free_bytes)?;
        check("not enough inodes", with_reserve(missing.len() as u64), free_inodes)
    }

    fn sync_report(&self, done: Done, fetched_bytes: u64) -> SyncReport {
        SyncReport {
            plan: done.plan,
            revision: done.revision,
            recorded: done.recorded,
            fetched_bytes,
            new_advisories: done.new_advisories,
            feed_timestamp: done.feed_timestamp,
            feed_age_seconds: done.feed_timestamp.map(|at| (self.clock.now().as_second() - at).max(0)),
            failed: done.failures.into_iter().map(|failure| failure.report).collect(),
            snapshot: None,
            published: None,
            served: None,
            duration_ms: 0,
        }
    }

    /// Snapshot and publication, where asked for.
    async fn follow_up(&self, id: &RepoId, options: &SyncOptions, report: &mut SyncReport) -> Result<(), EngineError> {
        if let Some(name) = &options.snapshot {
            self.create_snapshot(id, name, None).await?;
            report.snapshot = Some(name.clone());
        }
        if options.publish || self.ready(id)?.publish.auto {
            let target = crate::report::Target::Repository(id.clone());
            let options = crate::report::PublishOptions {
                wait: options.wait,
                ..Default::default()
            };
            report.published = Some(self.publish(&target, &options).await?);
        }
        report.served = self.served_at_latest(id).await?;
        Ok(())
    }
}

fn outcome(done: &Result<Done, EngineError>, fetched_bytes: u64) -> chantal_catalog::Outcome {
    let mut outcome = chantal_catalog::Outcome {
        bytes_fetched: fetched_bytes as i64,
        ..Default::default()
    };
    match done {
        Ok(done) => {
            outcome.status = if done.failures.is_empty() {
                "succeeded"
            } else {
                "partial"
            }
            .to_owned();
            outcome.revision = done.revision.filter(|_| done.recorded);
            outcome.added = done.plan.counts.added as i64;
            outcome.removed = done.plan.counts.removed as i64;
            outcome.upgraded = done.plan.counts.upgraded as i64;
            outcome.bytes_saved = done.plan.saved_bytes as i64;
            outcome.packages = done.plan.chosen as i64;
            outcome.exit_code = if done.failures.is_empty() { 0 } else { 9 };
        }
        Err(error) => {
            outcome.status = "failed".to_owned();
            outcome.exit_code = i64::from(error.exit_code());
            outcome.error = Some(crate::error::chain(error));
        }
    }
    outcome
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

fn unchanged(repo: &Repository, base: &url::Url, current: Option<&Revision>) -> SyncPlan {
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

/// Applies the policy for packages that could not be had.
fn judge_failures(repo: &Repository, failures: Vec<Failure>, of: usize) -> Result<Vec<Failure>, EngineError> {
    let tolerated = |failure: &Failure| match (repo.mode, repo.on_package_error) {
        (_, OnPackageError::Fail) => false,
        (Mode::Mirror, OnPackageError::AcceptMissing) => failure.absent,
        (Mode::Mirror, OnPackageError::Skip) => false,
        (_, OnPackageError::Skip) => true,
        (_, OnPackageError::AcceptMissing) => failure.absent,
    };
    match failures.iter().find(|failure| !tolerated(failure)) {
        None => Ok(failures),
        Some(first) => Err(EngineError::Packages {
            repo: repo.id.to_string(),
            count: failures.len(),
            of,
            first: format!(
                "{} ({}): {}",
                first.report.package, first.report.url, first.report.reason
            ),
            class: first.class,
        }),
    }
}
