//! What a sync knows before it changes anything: the feed is read, what belongs to the repository is chosen, and both are
//! compared with what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chantal_catalog::{FeedState, Lease, Repository as Row, Revision};
use chantal_config::Repository;
use chantal_formats::{Format, Overview};
use chantal_model::RepoId;

use crate::Engine;
use crate::blobs::Blobs;
use crate::check_file_systems;
use crate::choose::Choice;
use crate::error::{Doing, EngineError};
use crate::feed::{Feed, Reading};
use crate::files::Files;
use crate::guard;
use crate::held::Held;
use crate::listing::Listing;
use crate::packed::Packed;
use crate::plan::{Asked, Missing, unchanged};
use crate::reach::Reach;
use crate::report::{SyncOptions, SyncPlan};
use crate::settings::{Settings, selection};

/// Everything that a sync knows once it has planned and before it has changed anything.
pub(crate) struct Prepared {
    pub(crate) plan: SyncPlan,
    pub(crate) reach: Reach,
    /// What must not go at once.
    pub(crate) guarded: guard::Guarded,
    pub(crate) files: Arc<Files>,
    pub(crate) overview: Overview,
    pub(crate) packages: Arc<Packed>,
    pub(crate) listing: Listing,
    pub(crate) choice: Choice,
    /// What the current revision has and upstream may have dropped.
    pub(crate) held: Held,
    /// Blobs of chosen packages that the pool has.
    pub(crate) hits: Blobs,
    pub(crate) missing: Missing,
    pub(crate) settings: Settings,
    pub(crate) feed_state: FeedState,
}

/// A feed that is as it was.
pub(crate) struct Unchanged {
    pub(crate) plan: SyncPlan,
    /// What was remembered about it.
    pub(super) known: FeedState,
    pub(super) current: Option<Revision>,
}

/// What planning found.
pub(crate) enum Planned {
    Unchanged(Box<Unchanged>),
    Changed(Box<Prepared>),
}

/// A plan that nothing follows from.
pub(crate) struct Look {
    pub(crate) row: Option<Row>,
    pub(crate) planned: Planned,
    /// Bytes fetched to find out.
    pub(crate) fetched_bytes: u64,
    /// Holds the metadata that the plan was made from.
    _scratch: tempfile::TempDir,
}

impl Engine {
    /// What [`Engine::sync`] would do now. Changes nothing: metadata goes into a scratch directory.
    pub async fn plan_sync(&self, id: &RepoId, options: &SyncOptions) -> Result<SyncPlan, EngineError> {
        Ok(match self.look(id, options).await?.planned {
            Planned::Unchanged(unchanged) => unchanged.plan,
            Planned::Changed(prepared) => {
                let mut plan = prepared.plan;
                let stopped = guard::removals(self.ready(id)?, &plan, &prepared.guarded).err();
                let told = stopped.filter(|_| !options.force_removals);
                plan.warnings
                    .extend(told.map(|error| format!("a sync would stop: {error}")));
                plan
            }
        })
    }

    /// Plans a sync without a lease.
    pub(crate) async fn look(&self, id: &RepoId, options: &SyncOptions) -> Result<Look, EngineError> {
        let repo = self.ready(id)?;
        check_file_systems(&self.config, &self.pool)?;
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
            .prepare(repo, format, (row.as_ref(), None), options, &fetched, Some(&landing))
            .await?;
        Ok(Look {
            row,
            planned,
            fetched_bytes: fetched.load(Ordering::Relaxed),
            _scratch: scratch,
        })
    }

    /// Reads the feed, chooses and compares. A dry run gives a scratch pool that takes the metadata files that the
    /// pool lacks, and gets every change listed.
    pub(super) async fn prepare(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        (row, lease): (Option<&Row>, Option<&Lease>),
        options: &SyncOptions,
        fetched: &Arc<AtomicU64>,
        scratch: Option<&chantal_pool::Pool>,
    ) -> Result<Planned, EngineError> {
        let feed = Feed {
            repo,
            format,
            reach: self.reach(repo, format).await?,
            pool: &self.pool,
            landing: scratch.unwrap_or(&self.pool),
            catalog: &self.catalog,
            progress: self.progress.clone(),
            fetched_bytes: fetched.clone(),
            lease,
        };
        let selection = selection(repo);
        let (known, current) = match row {
            Some(row) => (
                self.catalog.feed_state(row.id).await.doing("read the feed's state")?,
                self.catalog.current(row.line).await.doing("find the newest revision")?,
            ),
            None => (None, None),
        };
        let usable = |known: &&FeedState| known.complete && !options.force && current.is_some();
        // What passes may have changed although the feed has not; or somebody wants to know what it lists.
        let looks_anyway = repo.filters.depends_on_clock() || options.explain.is_some();
        let known_selection = if looks_anyway { "" } else { &*selection };
        let now = self.clock.now().as_second();
        let usable = known.as_ref().filter(usable);
        let judge = |overview: &Overview| {
            guard::future(repo, overview, now)?;
            guard::rollback(repo, known.as_ref(), current.as_ref(), overview)
        };
        let upstream = match Box::pin(feed.read(usable, known_selection, &judge)).await? {
            Reading::Unchanged => {
                let known = usable.expect("nothing else can be as it was").clone();
                let mut plan = unchanged(repo, &feed.reach.feed, current.as_ref());
                plan.warnings.extend(feed.reach.take_warnings());
                let changed = known.upstream_timestamp.unwrap_or(known.changed_at);
                plan.warnings.extend(guard::age(repo, Some(changed), now));
                let unchanged = Unchanged { plan, known, current };
                return Ok(Planned::Unchanged(Box::new(unchanged)));
            }
            Reading::Read(upstream) => *upstream,
        };
        let age = guard::age(repo, upstream.overview.timestamp, now);
        let asked = Asked {
            detailed: scratch.is_some(),
            explain: options.explain.clone(),
        };
        let planned = Box::pin(self.plan(&feed, upstream, current.as_ref(), selection, &asked));
        let mut prepared = planned.await?;
        prepared.plan.warnings.extend(feed.reach.take_warnings());
        prepared.plan.warnings.extend(age);
        let selects_as_before = known.is_some_and(|known| known.selection == prepared.feed_state.selection);
        prepared.guarded = guard::Guarded {
            packages: current.map(|current| current.package_count.max(0) as u64),
            vanished: (!selects_as_before).then(|| guard::vanished(&prepared.plan.changes, &prepared.packages)),
        };
        Ok(Planned::Changed(Box::new(prepared)))
    }
}
