//! Sync: read the feed, select, download what is missing, record a new revision.

mod done;
mod judge;
mod prepare;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chantal_catalog::{FeedState, Lease, Repository as Row};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{RepoId, Sha256, fault};
use tracing::Instrument;

use crate::Engine;
use crate::check_file_systems;
use crate::download::{Downloaded, Downloader, Source, orders};
use crate::end::Facts;
use crate::error::{Doing, EngineError, blocking};
use crate::files::Files;
use crate::guard;
use crate::noted::renoted;
use crate::parts::{Places, Records, record_parts};
use crate::payload;
use crate::plan::Missing;
use crate::record::Recording;
use crate::report::{SyncOptions, SyncReport};
use crate::watch::{Counters, tell};
use done::{Done, outcome};
use judge::{judge_failures, judge_records, wanted};
pub(crate) use prepare::{Planned, Prepared, Unchanged};

/// How often a sync plans anew because of a collection that runs at the same time.
const TRIES: usize = 3;

impl Engine {
    /// See [`Engine::sync`].
    pub(crate) async fn sync_now(&self, id: &RepoId, options: &SyncOptions) -> Result<SyncReport, EngineError> {
        let fetched = Arc::new(AtomicU64::new(0));
        let run = self.begun("sync", Some(id));
        let work = self.sync_counted(id, options, &fetched).instrument(run.span());
        let done = Box::pin(work).await;
        let facts = Facts {
            fetched_bytes: fetched.load(Ordering::Relaxed),
            ..done.as_ref().map(Facts::of_sync).unwrap_or_default()
        };
        self.ended(run.end(done.as_ref().err(), facts)).await;
        done
    }

    async fn sync_counted(
        &self,
        id: &RepoId,
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
    ) -> Result<SyncReport, EngineError> {
        let started = Instant::now();
        let repo = self.ready(id)?;
        check_file_systems(&self.config, &self.pool)?;
        let format = self.format(repo)?;
        let row = self
            .catalog
            .ensure_repository(id, format.name())
            .await
            .doing("find the repository")?;
        self.pool.sweep_stale().doing("remove left-over temporary files")?;
        let (lease, run) = self
            .catalog
            .acquire_to_run(&format!("sync:{id}"), options.wait, (row.id, "sync"))
            .await
            .doing("hold the repository")?;
        crate::task::note_run(run);
        fault!("engine::sync::begun").doing("sync")?;
        let counters = Arc::new(Counters::new(self.progress.clone()));
        let counted = self.with_progress(counters.clone());
        let done = tokio::select! {
            done = Box::pin(counted.sync_held(repo, format, &row, &lease, options, fetched)) => done,
            never = tell(&self.catalog, &lease, &counters) => match never {},
        };
        let fetched_bytes = fetched.load(Ordering::Relaxed);
        fault!("engine::sync::ended").doing("end the sync")?;
        let checked = done.as_ref().ok().and_then(|done| done.checked.as_ref());
        let checked = checked.map(|state| (row.id, state));
        let closed = self
            .close_run(run, &outcome(&done, fetched_bytes), checked, lease)
            .await;
        let mut done = done?;
        // What the sync came to is recorded by now, unless that was all that it came to.
        if done.checked.is_some() {
            closed?;
        } else if let Err(error) = closed {
            let reason = crate::error::chain(&error);
            done.plan
                .warnings
                .push(format!("the end of the run could not be noted: {reason}"));
        }
        let mut report = self.sync_report(done, fetched_bytes);
        Box::pin(self.follow_up(id, options, &mut report)).await?;
        report.duration_ms = started.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// Notes how a run ended and gives the repository back.
    async fn close_run(
        &self,
        run: i64,
        outcome: &chantal_catalog::Outcome,
        checked: Option<(i64, &FeedState)>,
        lease: Lease,
    ) -> Result<(), EngineError> {
        let closed = lease.release_after(run, outcome, checked).await;
        self.catalog.tidy().await;
        closed.doing("note the end and release the repository")
    }

    /// The feed has been looked at, which is noted at the end.
    async fn unchanged(&self, unchanged: Unchanged, row: &Row) -> Result<Done, EngineError> {
        let Unchanged { plan, known, current } = unchanged;
        let state = FeedState {
            checked_at: self.clock.now().as_second(),
            entry_url: renoted(known.entry_url.clone()),
            ..known
        };
        self.keep_up(row, current.as_ref(), Some(&state)).await?;
        Ok(Done {
            revision: plan.current,
            recorded: false,
            packages: plan.chosen,
            plan,
            retired: 0,
            new_advisories: BTreeMap::new(),
            feed_timestamp: state.upstream_timestamp,
            failures: Vec::new(),
            unread: 0,
            checked: Some(state),
        })
    }

    /// Plans anew where collection takes something between the plan and the note that it is relied on.
    async fn sync_held(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        row: &Row,
        lease: &Lease,
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
    ) -> Result<Done, EngineError> {
        for _ in 0..TRIES {
            if let Some(done) = Box::pin(self.sync_once(repo, format, row, lease, options, fetched)).await? {
                return Ok(done);
            }
        }
        Err(EngineError::Collected {
            what: format!("what repository {} relies on", repo.id),
        })
    }

    /// `None` if the plan does not hold any more.
    async fn sync_once(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        row: &Row,
        lease: &Lease,
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
    ) -> Result<Option<Done>, EngineError> {
        let epoch = self.catalog.collection_epoch().await.doing("read leases")?;
        let planned = Box::pin(self.prepare(repo, format, (Some(row), Some(lease)), options, fetched, None)).await?;
        let mut prepared = match planned {
            Planned::Unchanged(unchanged) => return self.unchanged(*unchanged, row).await.map(Some),
            Planned::Changed(prepared) => *prepared,
        };
        let unread = judge_records(repo, &prepared.listing.bad)? + prepared.overview.unverified;
        if !options.force_removals {
            guard::removals(repo, &prepared.plan, &prepared.guarded)?;
        }
        let mut missing = std::mem::take(&mut prepared.missing);
        self.preflight(&missing, &prepared.files)?;
        self.intend(&prepared, &missing, lease).await?;
        missing.sha256 = Vec::new();
        fault!("engine::sync::intended").doing("go on with the sync")?;
        if !self.still_holds(&prepared, epoch).await? {
            return Ok(None);
        }
        let bringing = self.bring((repo, format), &mut prepared, &missing, lease, fetched);
        let (downloaded, records) = Box::pin(bringing).await?;
        fault!("engine::sync::downloaded").doing("go on with the sync")?;
        prepared.plan.warnings.extend(prepared.reach.take_warnings());
        let listed = prepared.packages.len();
        let failures = judge_failures(repo, downloaded.failures, wanted(&prepared), listed)?;
        payload::take(
            &downloaded.blobs,
            Arc::make_mut(&mut prepared.files),
            listed,
            &self.pool,
        );
        let feed_timestamp = prepared.overview.timestamp;
        let recording = Recording {
            engine: self,
            repo,
            format,
            row,
            lease,
        };
        let fetched = (downloaded.blobs, downloaded.rows);
        let mut recorded = Box::pin(recording.record(prepared, records, fetched, &failures)).await?;
        let retired = if recorded.is_new {
            self.retire_after(row, lease, &mut recorded.plan.warnings).await?
        } else {
            0
        };
        Ok(Some(Done {
            plan: recorded.plan,
            revision: Some(recorded.revision),
            recorded: recorded.is_new,
            packages: recorded.packages as u64,
            retired,
            new_advisories: recorded.new_advisories,
            feed_timestamp,
            failures,
            unread,
            checked: None,
        }))
    }

    /// Fetches what is missing, and records what upstream says about packages meanwhile: that needs none of their bytes.
    async fn bring(
        &self,
        (repo, format): (&Repository, &'static dyn Format),
        prepared: &mut Prepared,
        missing: &Missing,
        lease: &Lease,
        fetched: &Arc<AtomicU64>,
    ) -> Result<(Downloaded, Records), EngineError> {
        let places = Arc::new(Places::new(
            &prepared.packages,
            prepared.choice.packages.iter().map(|(index, _)| *index),
        ));
        let listed = (std::mem::take(&mut prepared.listing.records), places);
        tokio::try_join!(
            self.download(repo, prepared, missing, lease, fetched),
            record_parts(format, prepared.files.clone(), listed, &self.catalog, lease, repo),
        )
    }

    /// Whether what the plan found in the pool is still there, now that it is noted as relied on.
    async fn still_holds(&self, prepared: &Prepared, epoch: (i64, bool)) -> Result<bool, EngineError> {
        let now = self.catalog.collection_epoch().await.doing("read leases")?;
        if epoch == now && !now.1 {
            return Ok(true);
        }
        let hits = prepared.hits.all().iter().copied();
        let files = prepared.files.all().map(|had| (had.sha256, had.size));
        let relied_on: Vec<(Sha256, u64)> = hits.chain(files).collect();
        let pool = self.pool.clone();
        blocking(move || Ok(relied_on.iter().all(|(name, size)| pool.contains(name, *size)))).await
    }

    /// Notes every blob that is relied on before anything else names it.
    async fn intend(&self, prepared: &Prepared, missing: &Missing, lease: &Lease) -> Result<(), EngineError> {
        let relied_on: Vec<Sha256> = prepared
            .hits
            .all()
            .iter()
            .map(|(sha256, _)| *sha256)
            .chain(missing.sha256.iter().copied())
            .chain(
                prepared
                    .files
                    .ordered()
                    .filter_map(|wanted| wanted.promise.as_ref()?.sha256()),
            )
            .chain(prepared.files.all().map(|had| had.sha256))
            .collect();
        self.catalog
            .intend(lease, &relied_on)
            .await
            .doing("note what is relied on")
    }

    async fn download(
        &self,
        repo: &Repository,
        prepared: &Prepared,
        missing: &Missing,
        lease: &Lease,
        fetched: &Arc<AtomicU64>,
    ) -> Result<Downloaded, EngineError> {
        let downloader = Downloader {
            source: Arc::new(Source {
                repo: repo.id.to_string(),
                reach: prepared.reach.clone(),
                pool: self.pool.clone(),
                progress: self.progress.clone(),
                fetched_bytes: fetched.clone(),
                limit_bytes: repo.limits.package_bytes,
            }),
            catalog: &self.catalog,
            lease,
            parallel: repo.download.parallel,
        };
        let orders = orders(self.format(repo)?.name(), &prepared.packages, &missing.packages);
        // Files that come with the repository may be the largest, so they go first.
        let files = payload::orders(&prepared.files, prepared.packages.len()).into_iter();
        let bytes = missing.bytes + prepared.files.ordered_bytes();
        downloader.run(files.chain(orders), bytes).await
    }

    /// Bytes and inodes of the plan plus 5 % must be free before the first byte is fetched.
    fn preflight(&self, missing: &Missing, files: &Files) -> Result<(), EngineError> {
        let count = (missing.packages.len() + files.ordered().count()) as u64;
        let bytes = missing.bytes + files.ordered_bytes();
        if count == 0 {
            return Ok(());
        }
        let (free_bytes, free_inodes) = self.pool.free_space().doing("find its free space")?;
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
        check("not enough inodes", with_reserve(count), free_inodes)
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
