//! Records what a sync chose and fetched: packages, then one transaction for the new revision.

mod openings;

use std::collections::BTreeMap;

use chantal_catalog::{
    FeedState, Lease, NewBlob, NewMember, NewPackage, NewRevision, PackageWriter, PendingRevision, Repository as Row,
    Revision,
};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{ItemKind, Package, RelPath, RevisionNumber, Sha256, Step, fault};

use crate::Engine;
use crate::blobs::Blobs;
use crate::content::{Delta, Fingerprint, Line, Merge, New, PARTS, Rows};
use crate::download::{Failure, Rows as KnownRows};
use crate::error::{Doing, EngineError, blocking};
use crate::items::{Entry, Items, severity};
use crate::manifest::Opened;
use crate::parts::Records;
use crate::report::SyncPlan;
use crate::retain::{Retained, merged, retained};
use crate::sync::Prepared;
use openings::opened;

/// Packages written at a time.
const CHUNK: usize = 2000;
/// Old members read at a time.
const PAGE: u32 = 1000;

/// What recording needs beside the content.
pub(crate) struct Recording<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) repo: &'a Repository,
    pub(crate) format: &'static dyn Format,
    pub(crate) row: &'a Row,
    pub(crate) lease: &'a Lease,
}

/// What was recorded.
pub(crate) struct Recorded {
    pub(crate) plan: SyncPlan,
    pub(crate) revision: RevisionNumber,
    pub(crate) is_new: bool,
    /// How many packages the revision has.
    pub(crate) packages: usize,
    pub(crate) new_advisories: BTreeMap<String, u64>,
}

/// The new content. Packages are addressed by their slot, which is their place in the choice.
struct Content {
    /// Index of the listed package and published path, in path order.
    choice: Vec<(u32, RelPath)>,
    blobs: Blobs,
    records: Records,
    /// Packages of the current revision that stay, in path order.
    retained: Vec<Retained>,
    items: Vec<Entry>,
    /// Rows of packages and their blobs, by slot.
    rows: Vec<(i64, i64)>,
}

impl Content {
    /// The packages whose bytes are there: slot, path, blob.
    fn kept(&self) -> impl Iterator<Item = (usize, &RelPath, (Sha256, u64))> {
        self.choice
            .iter()
            .enumerate()
            .filter_map(|(slot, (index, path))| Some((slot, path, self.blobs.get(*index)?)))
    }

    /// Number and size of all packages.
    fn size(&self) -> (usize, u64) {
        let kept = self.kept().map(|(_, _, (_, size))| size);
        let sizes = kept.chain(self.retained.iter().map(|one| one.blob.1));
        sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
    }

    fn fingerprint(&self, mut fingerprint: Fingerprint) -> Sha256 {
        let kept = self.kept().map(|(slot, path, blob)| Line {
            kind: ItemKind::Package,
            path: path.as_str(),
            blob: Some(blob),
            records: self.records.digests(slot),
            attributes: None,
        });
        for line in merged(kept, self.retained.iter().map(Retained::line), |line| line.path) {
            fingerprint.add(&line);
        }
        for item in &self.items {
            fingerprint.add(&item.line());
        }
        fingerprint.finish()
    }

    fn package_rows(&self, slot: usize) -> Rows {
        let (package, blob) = self.rows[slot];
        Rows {
            package: Some(package),
            blob: Some(blob),
            records: self.records.rows(slot),
        }
    }

    fn items_of(&self, kind: ItemKind) -> impl Iterator<Item = &Entry> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    /// Packages in path order, those of the listing with their slot.
    fn packages(&self) -> impl Iterator<Item = (Option<usize>, New<'_>)> + Send {
        let kept = self.kept().map(|(slot, path, _)| {
            let new = New {
                path: path.as_str(),
                rows: self.package_rows(slot),
                attributes: None,
            };
            (Some(slot), new)
        });
        let retained = self.retained.iter().map(|one| (None, one.member()));
        merged(kept, retained, |(_, new)| new.path)
    }

    /// Members of one kind in path order.
    fn members(&self, kind: ItemKind) -> Box<dyn Iterator<Item = New<'_>> + Send + '_> {
        if kind == ItemKind::Package {
            return Box::new(self.packages().map(|(_, new)| new));
        }
        Box::new(self.items_of(kind).map(|item| New {
            path: &item.path,
            rows: item.rows(),
            attributes: item.attributes.as_deref(),
        }))
    }
}

impl Recording<'_> {
    /// Writes packages, then the revision, unless the content equals the current one.
    pub(crate) async fn record(
        &self,
        prepared: Prepared,
        records: Records,
        fetched: (Blobs, KnownRows),
        failures: &[Failure],
    ) -> Result<Recorded, EngineError> {
        let recording = self.record_all(prepared, records, fetched, failures);
        // What came has filled the log of the database, and the disk has little to do now.
        let (recorded, ()) = tokio::join!(recording, self.engine.catalog.ease());
        recorded
    }

    async fn record_all(
        &self,
        mut prepared: Prepared,
        records: Records,
        (fetched, known): (Blobs, KnownRows),
        failures: &[Failure],
    ) -> Result<Recorded, EngineError> {
        let progress = &self.engine.progress;
        progress.begin(Step::Record, prepared.plan.chosen);
        let catalog = &self.engine.catalog;
        let current = catalog.current(self.row.line).await.doing("find the newest revision")?;
        let content = self.content(&mut prepared, (records, fetched), failures, current.as_ref());
        let mut content = content.await?;
        prepared
            .plan
            .warnings
            .extend(warnings_about_parts(self.format, &content));
        prepared.feed_state.complete =
            failures.is_empty() && prepared.listing.bad.is_empty() && prepared.overview.unverified == 0;
        let fingerprint = content.fingerprint(Fingerprint::new(self.repo.mode, &prepared.settings.to_json()));
        let recorded = match current {
            Some(current) if current.fingerprint == fingerprint => {
                self.leave(&prepared.feed_state, &current).await?;
                Recorded {
                    plan: prepared.plan,
                    revision: current.number,
                    is_new: false,
                    packages: content.size().0,
                    new_advisories: BTreeMap::new(),
                }
            }
            current => {
                content.rows = self.add_packages(&prepared, &content, &known).await?;
                fault!("engine::record::stored").doing("record the new revision")?;
                Box::pin(self.commit(prepared, &content, fingerprint, current.as_ref())).await?
            }
        };
        progress.end(Step::Record);
        Ok(recorded)
    }

    /// The new content but for the rows of its packages; the plan counts what is there of it.
    async fn content(
        &self,
        prepared: &mut Prepared,
        (records, fetched): (Records, Blobs),
        failures: &[Failure],
        current: Option<&Revision>,
    ) -> Result<Content, EngineError> {
        let blobs = self.blobs_of(prepared, fetched).await?;
        let listed = 0..prepared.packages.len() as u32;
        let kept: Vec<bool> = listed.map(|index| blobs.get(index).is_some()).collect();
        let (retained, stayed) = retained(std::mem::take(&mut prepared.held), &prepared.choice);
        self.engine.recount(prepared, &blobs, &retained, current).await?;
        let items = Items {
            engine: self.engine,
            lease: self.lease,
            mode: self.repo.mode,
        };
        let (listing, choice, files) = (&prepared.listing, &prepared.choice, &prepared.files);
        let items = items.store(listing, choice, &kept, files, failures, stayed).await?;
        prepared.listing.items = Vec::new();
        Ok(Content {
            choice: std::mem::take(&mut prepared.choice.packages),
            blobs,
            records,
            retained,
            items,
            rows: Vec::new(),
        })
    }

    /// Nothing is new; only what is remembered about the feed may be.
    async fn leave(&self, state: &FeedState, current: &Revision) -> Result<(), EngineError> {
        self.engine
            .catalog
            .save_feed_state(self.lease, self.row.id, state)
            .await
            .doing("save the feed's state")?;
        self.engine.keep_up(self.row, Some(current), Some(state)).await
    }

    /// Every blob that is relied on; makes sure that the catalog has a row for it.
    async fn blobs_of(&self, prepared: &mut Prepared, fetched: Blobs) -> Result<Blobs, EngineError> {
        let mut blobs = std::mem::take(&mut prepared.hits);
        let packages = (!blobs.all().is_empty()).then(|| prepared.packages.iter());
        let mut rows: Vec<NewBlob> = Vec::new();
        for (index, package) in packages.into_iter().flatten() {
            let Some((sha256, size)) = blobs.get(index) else {
                continue;
            };
            rows.push(NewBlob {
                sha256,
                size,
                digests: package.promise.digests,
            });
            if rows.len() == CHUNK {
                self.add_blobs(&mut rows).await?;
            }
        }
        self.add_blobs(&mut rows).await?;
        blobs.take(fetched);
        // What has the bytes of another package was fetched once.
        let mut without = prepared.choice.flags();
        for (flag, index) in without.iter_mut().zip(0..) {
            *flag &= blobs.get(index).is_none();
        }
        if without.iter().any(|flag| *flag) {
            blobs.take(self.engine.hits(&prepared.packages, &without).await?);
        }
        Ok(blobs)
    }

    async fn add_blobs(&self, rows: &mut Vec<NewBlob>) -> Result<(), EngineError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.engine
            .catalog
            .add_blobs(self.lease, rows)
            .await
            .doing("record files of the pool")?;
        rows.clear();
        Ok(())
    }

    /// Rows of all kept packages and their blobs, by slot; those that the download has recorded are `known`.
    async fn add_packages(
        &self,
        prepared: &Prepared,
        content: &Content,
        known: &KnownRows,
    ) -> Result<Vec<(i64, i64)>, EngineError> {
        let mut slots = vec![None; prepared.packages.len()];
        let mut rows = vec![(0, 0); content.choice.len()];
        for (slot, (index, _)) in content.choice.iter().enumerate() {
            match known.binary_search_by_key(index, |(index, ..)| *index) {
                Ok(at) => rows[slot] = (known[at].1, known[at].2),
                Err(_) => slots[*index as usize] = Some(slot),
            }
        }
        self.engine.progress.advance(Step::Record, known.len() as u64);
        if slots.iter().all(Option::is_none) {
            return Ok(rows);
        }
        let mut chunk: Vec<(usize, Package, Sha256)> = Vec::with_capacity(CHUNK);
        let mut writer = PackageWriter::new(&self.engine.catalog, self.lease);
        for (index, package) in prepared.packages.iter() {
            if let (Some(slot), Some((sha256, _))) = (slots[index as usize], content.blobs.get(index)) {
                chunk.push((slot, package, sha256));
            }
            if chunk.len() == CHUNK {
                self.add_chunk(&mut writer, &mut chunk, &mut rows).await?;
            }
        }
        self.add_chunk(&mut writer, &mut chunk, &mut rows).await?;
        writer.finish().await.doing("store packages")?;
        Ok(rows)
    }

    async fn add_chunk(
        &self,
        writer: &mut PackageWriter<'_>,
        chunk: &mut Vec<(usize, Package, Sha256)>,
        rows: &mut [(i64, i64)],
    ) -> Result<(), EngineError> {
        let catalog = &self.engine.catalog;
        let names: Vec<Sha256> = chunk.iter().map(|(_, _, sha256)| *sha256).collect();
        let blobs = catalog.blobs(&names).await.doing("look up blobs")?;
        let blob = |sha256: &Sha256| blobs.get(sha256).map_or(0, |blob| blob.id);
        let new: Vec<NewPackage> = chunk
            .iter()
            .map(|(_, package, sha256)| new_package(self.format.name(), package, sha256, blob(sha256)))
            .collect();
        let ids = writer.add(&new).await.doing("store packages")?;
        for ((slot, _, sha256), id) in chunk.iter().zip(ids) {
            rows[*slot] = (id, blob(sha256));
        }
        self.engine.progress.advance(Step::Record, chunk.len() as u64);
        chunk.clear();
        Ok(())
    }

    /// Compares with the current revision, kind by kind.
    async fn deltas(
        &self,
        content: &Content,
        current: Option<&Revision>,
    ) -> Result<Vec<(ItemKind, Delta)>, EngineError> {
        let mut deltas = Vec::with_capacity(ItemKind::ALL.len());
        for kind in ItemKind::ALL {
            let mut merge = Merge::new(content.members(kind));
            let mut after = String::new();
            while let Some(current) = current {
                let page = self
                    .engine
                    .catalog
                    .member_keys(current.line, current.number, kind, &after, PAGE)
                    .await
                    .doing("read the current revision")?;
                for old in &page {
                    merge.old(old);
                }
                match page.last() {
                    Some(last) if page.len() == PAGE as usize => after.clone_from(&last.path),
                    _ => break,
                }
            }
            deltas.push((kind, merge.finish()));
        }
        Ok(deltas)
    }

    /// Writes the manifest of a revision and, not committed yet, its rows.
    ///
    /// With SQLite both at the same time. A transaction of PostgreSQL waits for nothing else: it holds the row of a lease
    /// that is told of progress meanwhile, and a connection of those that the manifest reads by.
    async fn write_twice(
        &self,
        current: Option<&Revision>,
        revision: &NewRevision,
        openings: &mut (dyn Iterator<Item = Opened> + Send),
        open: &mut (dyn Iterator<Item = NewMember> + Send),
    ) -> Result<PendingRevision, EngineError> {
        let catalog = &self.engine.catalog;
        let kept = self.engine.keep_revision(self.row, current, revision, openings);
        let written = catalog.write_revision(self.lease, revision, open);
        let (kept, written) = if catalog.is_sqlite() {
            // What is at work on the manifest cannot be stopped, so that both end before an error of either is told.
            tokio::join!(kept, written)
        } else {
            kept.await?;
            (Ok(()), written.await)
        };
        kept?;
        written.doing("record the new revision")
    }

    async fn commit(
        &self,
        prepared: Prepared,
        content: &Content,
        fingerprint: Sha256,
        current: Option<&Revision>,
    ) -> Result<Recorded, EngineError> {
        let deltas = self.deltas(content, current).await?;
        let new_advisories = new_advisories(content, &deltas);
        let (count, bytes) = content.size();
        let revision = NewRevision {
            line: self.row.line,
            repository: self.row.id,
            mode: self.repo.mode,
            settings: prepared.settings.to_json(),
            fingerprint,
            created_at: self.engine.clock.now().as_second(),
            upstream_revision: prepared.overview.revision.clone(),
            upstream_timestamp: prepared.overview.timestamp,
            package_count: count as i64,
            package_bytes: bytes as i64,
            close: deltas
                .iter()
                .flat_map(|(_, delta)| delta.close.iter().copied())
                .collect(),
            feed_state: Some(prepared.feed_state),
        };
        // Hits may come from a run that was killed before its blobs' names were durable.
        let pool = self.engine.pool.clone();
        let barrier = blocking(move || pool.barrier().doing("make blobs durable"));
        let (durable, series) = tokio::join!(barrier, self.engine.keep_series(self.row, current));
        durable?;
        series?;
        fault!("engine::record::durable").doing("record the new revision")?;
        let mut openings = content.openings(self.format.name(), &prepared.packages, &deltas);
        let mut open = deltas.iter().flat_map(|(kind, delta)| opened(content, *kind, delta));
        let pending = self.write_twice(current, &revision, &mut openings, &mut open).await?;
        let number = pending.commit().await.doing("record the new revision")?;
        fault!("engine::record::recorded").doing("end the sync")?;
        drop(openings);
        let counts = &prepared.plan.counts;
        tracing::info!(
            repo.id = %self.repo.id,
            "recorded {number}: {} added, {} removed, {} upgraded",
            counts.added,
            counts.removed,
            counts.upgraded
        );
        Ok(Recorded {
            plan: prepared.plan,
            revision: number,
            is_new: true,
            packages: count,
            new_advisories,
        })
    }
}

pub(crate) fn new_package(format: &str, package: &Package, sha256: &Sha256, blob_id: i64) -> NewPackage {
    let part_key = &*package.part_key;
    NewPackage {
        format: format.to_owned(),
        blob_id,
        description: package.description,
        name: package.name.to_string(),
        version: package.version.text.to_string(),
        version_key: package.version.key.clone(),
        arch: package.arch.to_string(),
        label: package.label.to_string(),
        part_key: (part_key != sha256.hex()).then(|| part_key.to_owned()),
        is_source: package.is_source,
        build_time: package.build_time,
        summary: package.summary.to_string(),
    }
}

fn new_advisories(content: &Content, deltas: &[(ItemKind, Delta)]) -> BTreeMap<String, u64> {
    let mut new = BTreeMap::new();
    for (_, delta) in deltas.iter().filter(|(kind, _)| *kind == ItemKind::Advisory) {
        let mut added = delta.added.iter().copied().peekable();
        for (at, entry) in content.items_of(ItemKind::Advisory).enumerate() {
            if added.next_if_eq(&(at as u32)).is_some() {
                *new.entry(severity(entry.attributes.as_deref())).or_default() += 1;
            }
        }
    }
    new
}

fn warnings_about_parts(format: &dyn Format, content: &Content) -> Vec<String> {
    let mut missing = [0_u64; PARTS];
    for (slot, _, _) in content.kept() {
        for (count, row) in missing.iter_mut().zip(content.records.rows(slot)) {
            *count += u64::from(row.is_none());
        }
    }
    let mut warnings = Vec::new();
    for (part, name) in format.parts().iter().enumerate().take(PARTS) {
        if missing[part] > 0 {
            warnings.push(format!("{} packages are not described in {name}", missing[part]));
        }
        if content.records.unknown[part] > 0 {
            warnings.push(format!(
                "{name} describes {} packages that upstream does not list",
                content.records.unknown[part]
            ));
        }
    }
    warnings
}
