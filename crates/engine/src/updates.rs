//! What a sync would change, without changing anything.

use std::collections::{BTreeMap, HashSet};

use chantal_catalog::Revision;
use chantal_model::{ItemKind, RepoId, RevisionNumber};
use serde::Serialize;

use crate::Engine;
use crate::diff::{Counts, DiffEntry};
use crate::error::{Doing, EngineError};
use crate::query::{advisory_row, time};
use crate::report::{AdvisoryRow, SyncOptions, SyncPlan};
use crate::sync::{Planned, Prepared};

/// Keys read from the catalog at a time.
const PAGE: u32 = 1000;

/// What a sync would change.
#[derive(Clone, Debug, Serialize)]
pub struct Updates {
    /// The repository.
    pub repo: RepoId,
    /// Its feed, without credentials.
    pub feed: String,
    /// The revision that is recorded now.
    pub current: Option<RevisionNumber>,
    /// Whether the feed answered that nothing changed, so that nothing else was read.
    pub unchanged: bool,
    /// Whether a sync would add, change or remove packages, or add advisories.
    pub different: bool,
    /// When upstream last changed its metadata, RFC 3339; `None` where it does not say, or was not asked.
    pub changed: Option<String>,
    /// Changes of packages, counted.
    pub counts: Counts,
    /// The same one by one.
    pub changes: Vec<DiffEntry>,
    /// New advisories by severity.
    pub new_advisories: BTreeMap<String, u64>,
    /// The same one by one.
    pub advisories: Vec<AdvisoryRow>,
    /// Files that a sync would fetch.
    pub download_files: u64,
    /// Their bytes.
    pub download_bytes: u64,
    /// Bytes fetched to find out.
    pub fetched_bytes: u64,
    /// Records of upstream that could not be read, and other things that need attention.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Compares a feed with the newest revision. Changes nothing, not even what is remembered about the feed; one that
    /// has not changed costs one request.
    pub async fn check_updates(&self, id: &RepoId) -> Result<Updates, EngineError> {
        let look = self.look(id, &SyncOptions::default()).await?;
        let (plan, changed, advisories) = match look.planned {
            Planned::Unchanged(unchanged) => (unchanged.plan, None, Vec::new()),
            Planned::Changed(prepared) => {
                let current = match &look.row {
                    Some(row) => self.catalog.current(row.line).await.doing("find the newest revision")?,
                    None => None,
                };
                let advisories = self.new_advisories(&prepared, current.as_ref()).await?;
                (prepared.plan, prepared.overview.timestamp, advisories)
            }
        };
        Ok(updates(plan, changed, advisories, look.fetched_bytes))
    }

    /// Advisories that a sync would add.
    async fn new_advisories(
        &self,
        prepared: &Prepared,
        current: Option<&Revision>,
    ) -> Result<Vec<AdvisoryRow>, EngineError> {
        let known = match current {
            Some(current) => self.advisory_keys(current).await?,
            None => HashSet::new(),
        };
        let items = prepared
            .choice
            .items
            .iter()
            .map(|index| &prepared.listing.items[*index as usize]);
        let mut new = Vec::new();
        for item in items.filter(|item| item.kind == ItemKind::Advisory && !known.contains(&*item.key)) {
            let (_, attributes) = prepared.listing.record(item).map_err(|source| EngineError::Io {
                what: "read back a file in",
                path: self.config.storage.temp_path.clone(),
                source,
            })?;
            new.push(advisory_row(item.key.to_string(), Some(&attributes)));
        }
        Ok(new)
    }

    async fn advisory_keys(&self, current: &Revision) -> Result<HashSet<String>, EngineError> {
        let mut keys = HashSet::new();
        let mut after = String::new();
        loop {
            let page = self
                .catalog
                .member_keys(current.line, current.number, ItemKind::Advisory, &after, PAGE)
                .await
                .doing("read the current revision")?;
            let Some(last) = page.last() else { return Ok(keys) };
            after.clone_from(&last.path);
            keys.extend(page.into_iter().map(|key| key.path));
        }
    }
}

fn updates(plan: SyncPlan, changed: Option<i64>, advisories: Vec<AdvisoryRow>, fetched_bytes: u64) -> Updates {
    let mut new_advisories = BTreeMap::new();
    for advisory in &advisories {
        *new_advisories.entry(advisory.severity.clone()).or_default() += 1;
    }
    Updates {
        different: !plan.changes.is_empty() || !advisories.is_empty(),
        repo: plan.repo,
        feed: plan.feed,
        current: plan.current,
        unchanged: plan.unchanged,
        changed: changed.map(time),
        counts: plan.counts,
        changes: plan.changes,
        new_advisories,
        advisories,
        download_files: plan.download_files,
        download_bytes: plan.download_bytes,
        fetched_bytes,
        warnings: plan.warnings,
    }
}
