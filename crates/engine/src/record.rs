//! Records what a sync chose and fetched: records, packages, then one transaction for the new revision.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chantal_catalog::{Lease, MemberKey, NewBlob, NewMember, NewPackage, NewRevision, Repository as Row, Revision};
use chantal_config::Repository;
use chantal_formats::{Format, Rule};
use chantal_model::{ItemKind, Mode, Package, RelPath, RevisionNumber, Sha256, Step};

use crate::Engine;
use crate::content::{Current, Entry, Identity, PARTS, Resolved, delta, fingerprint};
use crate::download::Failure;
use crate::error::{Doing, EngineError, blocking};
use crate::parts::{Records, record_parts};
use crate::report::SyncPlan;
use crate::sync::Prepared;

/// Members written in one statement's worth of work.
const CHUNK: usize = 2000;

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
    pub(crate) new_advisories: BTreeMap<String, u64>,
}

impl Recording<'_> {
    /// Writes records and packages, then the revision, unless the content equals the current one.
    pub(crate) async fn record(
        &self,
        mut prepared: Prepared,
        fetched: Vec<(u32, Sha256, u64)>,
        failures: &[Failure],
    ) -> Result<Recorded, EngineError> {
        let progress = &self.engine.progress;
        progress.begin(Step::Record, prepared.plan.chosen);
        let blobs = self.blobs_of(&prepared, fetched).await?;
        let kept = kept_packages(&prepared, &blobs);
        let chosen = flags(prepared.packages.len(), &kept);
        let records = record_parts(
            self.format,
            prepared.files.clone(),
            prepared.packages.clone(),
            Arc::new(chosen),
            &self.engine.catalog,
            self.lease,
            self.repo.id.as_str(),
        )
        .await?;
        let warnings = warnings_about_parts(self.format, &records);
        let mut entries = package_entries(&kept, &blobs, &records);
        entries.extend(self.item_entries(&prepared, &kept).await?);
        entries.extend(file_entries(&prepared));
        entries.extend(absent_entries(self.repo.mode, failures));
        let fingerprint = fingerprint(self.repo.mode, &prepared.settings.to_json(), &mut entries);
        let current = self
            .engine
            .catalog
            .current(self.row.line)
            .await
            .doing("find the newest revision")?;
        let count = kept.len();
        drop(kept);
        prepared.plan.warnings.extend(warnings);
        prepared.feed_state.complete = failures.is_empty() && prepared.listing.bad.is_empty();
        let recorded = match current {
            Some(current) if current.fingerprint == fingerprint => {
                self.engine
                    .catalog
                    .save_feed_state(self.lease, self.row.id, &prepared.feed_state)
                    .await
                    .doing("save the feed's state")?;
                Recorded {
                    plan: prepared.plan,
                    revision: current.number,
                    is_new: false,
                    new_advisories: BTreeMap::new(),
                }
            }
            current => {
                self.commit(prepared, count, entries, &records, fingerprint, current.as_ref())
                    .await?
            }
        };
        progress.end(Step::Record);
        Ok(recorded)
    }

    /// Every blob that is relied on, by index of the listed package; makes sure that the catalog has a row for it.
    async fn blobs_of(
        &self,
        prepared: &Prepared,
        fetched: Vec<(u32, Sha256, u64)>,
    ) -> Result<HashMap<u32, (Sha256, u64)>, EngineError> {
        let mut blobs = prepared.hits.clone();
        let mut by_digest = HashMap::new();
        for (package, sha256, size) in fetched {
            if let Some(digest) = prepared.packages[package as usize].promise.digests.first() {
                by_digest.insert(digest.clone(), (sha256, size));
            }
            blobs.insert(package, (sha256, size));
        }
        for (index, _) in &prepared.choice.packages {
            if let Some(digest) = prepared.packages[*index as usize].promise.digests.first()
                && let Some(found) = by_digest.get(digest)
            {
                blobs.entry(*index).or_insert(*found);
            }
        }
        let mut rows: Vec<NewBlob> = prepared
            .hits
            .iter()
            .map(|(index, (sha256, size))| NewBlob {
                sha256: *sha256,
                size: *size,
                digests: prepared.packages[*index as usize].promise.digests.clone(),
            })
            .collect();
        rows.extend(prepared.files.all().map(|had| {
            NewBlob {
                sha256: had.sha256,
                size: had.size,
                digests: had
                    .wanted
                    .promise
                    .iter()
                    .flat_map(|promise| promise.digests.clone())
                    .collect(),
            }
        }));
        for chunk in rows.chunks(CHUNK) {
            self.engine
                .catalog
                .add_blobs(self.lease, chunk)
                .await
                .doing("record files of the pool")?;
        }
        Ok(blobs)
    }

    /// Advisories, groups, modules and documents that belong to the kept packages, with their records stored.
    async fn item_entries(
        &self,
        prepared: &Prepared,
        kept: &[(u32, &RelPath, &Package)],
    ) -> Result<Vec<Entry>, EngineError> {
        let kept: HashSet<u32> = kept.iter().map(|(index, _, _)| *index).collect();
        let belongs = |index: &&u32| {
            let item = &prepared.listing.items[**index as usize];
            self.repo.mode == Mode::Mirror
                || item.rule == Rule::Always
                || !item.refers_to_packages
                || item.members.iter().any(|member| kept.contains(member))
        };
        let chosen: Vec<u32> = prepared.choice.items.iter().filter(belongs).copied().collect();
        let mut entries = Vec::with_capacity(chosen.len());
        for chunk in chosen.chunks(CHUNK) {
            let mut bodies = Vec::with_capacity(chunk.len());
            for index in chunk {
                let item = &prepared.listing.items[*index as usize];
                let body = prepared.listing.record(item).map_err(|source| EngineError::Io {
                    what: "read back a file in",
                    path: self.engine.config.storage.temp_path.clone(),
                    source,
                })?;
                bodies.push((item.digest, body));
                entries.push(Entry {
                    kind: item.kind,
                    path: item.key.clone(),
                    blob: None,
                    records: [Some(item.digest), None, None],
                    attributes: Some(item.attributes.to_string()),
                    package: None,
                });
            }
            self.engine
                .catalog
                .add_records(self.lease, 0, &bodies)
                .await
                .doing("store records")?;
        }
        let files: Vec<(Sha256, Vec<u8>)> = prepared
            .files
            .all()
            .filter(|had| !had.wanted.record.is_empty())
            .map(|had| (Sha256::of(&had.wanted.record), had.wanted.record.clone()))
            .collect();
        self.engine
            .catalog
            .add_records(self.lease, 0, &files)
            .await
            .doing("store records")?;
        Ok(entries)
    }

    async fn commit(
        &self,
        prepared: Prepared,
        package_count: usize,
        entries: Vec<Entry>,
        records: &Records,
        fingerprint: Sha256,
        current: Option<&Revision>,
    ) -> Result<Recorded, EngineError> {
        let resolved = self.resolve(&prepared.packages, &entries, records).await?;
        let held = match current {
            Some(current) => self.held_keys(current).await?,
            None => Vec::new(),
        };
        let new_advisories = new_advisories(&entries, &held);
        let delta = delta(&entries, &resolved, held.into_iter().map(as_current).collect());
        let open: Vec<NewMember> = delta
            .open
            .iter()
            .map(|&index| NewMember {
                kind: entries[index].kind,
                path: entries[index].path.clone(),
                package_id: resolved[index].package_id,
                blob_id: resolved[index].blob_id,
                records: resolved[index].record_ids,
                attributes: entries[index].attributes.clone(),
            })
            .collect();
        let bytes: u64 = entries
            .iter()
            .filter(|entry| entry.kind == ItemKind::Package)
            .filter_map(|entry| entry.blob.map(|(_, size)| size))
            .sum();
        let revision = NewRevision {
            line: self.row.line,
            repository: self.row.id,
            mode: self.repo.mode,
            settings: prepared.settings.to_json(),
            fingerprint,
            upstream_revision: prepared.overview.revision.clone(),
            upstream_timestamp: prepared.overview.timestamp,
            package_count: package_count as i64,
            package_bytes: bytes as i64,
            close: delta.close,
            feed_state: Some(prepared.feed_state),
        };
        // Hits may come from a run that was killed before its blobs' names were durable.
        let pool = self.engine.pool.clone();
        blocking(move || pool.barrier().doing("make blobs durable")).await?;
        let number = self
            .engine
            .catalog
            .commit_revision(self.lease, revision, &mut open.into_iter())
            .await
            .doing("record the new revision")?;
        Ok(Recorded {
            plan: prepared.plan,
            revision: number,
            is_new: true,
            new_advisories,
        })
    }

    async fn held_keys(&self, current: &Revision) -> Result<Vec<(ItemKind, MemberKey)>, EngineError> {
        let mut held = Vec::new();
        for kind in ItemKind::ALL {
            let mut after = String::new();
            loop {
                let page = self
                    .engine
                    .catalog
                    .member_keys(current.line, current.number, kind, &after, 1000)
                    .await
                    .doing("read the current revision")?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.path);
                held.extend(page.into_iter().map(|key| (kind, key)));
            }
        }
        Ok(held)
    }

    /// Database ids of everything that members name.
    async fn resolve(
        &self,
        packages: &[Package],
        entries: &[Entry],
        records: &Records,
    ) -> Result<Vec<Resolved>, EngineError> {
        let catalog = &self.engine.catalog;
        let mut resolved = Vec::with_capacity(entries.len());
        for chunk in entries.chunks(CHUNK) {
            let names: Vec<Sha256> = chunk
                .iter()
                .filter_map(|entry| entry.blob.map(|(sha256, _)| sha256))
                .collect();
            let blobs = catalog.blobs(&names).await.doing("look up blobs")?;
            let digests: Vec<Sha256> = chunk
                .iter()
                .filter(|entry| entry.package.is_none())
                .filter_map(|entry| entry.records[0])
                .collect();
            let record_ids = catalog.record_ids(&digests).await.doing("look up records")?;
            let blob_id = |entry: &Entry| {
                entry
                    .blob
                    .and_then(|(sha256, _)| blobs.get(&sha256).map(|blob| blob.id))
            };
            let new: Vec<NewPackage> = chunk
                .iter()
                .filter_map(|entry| Some((entry, &packages[entry.package? as usize])))
                .map(|(entry, package)| new_package(self.format.name(), package, blob_id(entry)))
                .collect();
            let mut package_ids = catalog
                .add_packages(self.lease, &new)
                .await
                .doing("store packages")?
                .into_iter();
            for entry in chunk {
                resolved.push(Resolved {
                    package_id: entry.package.and_then(|_| package_ids.next()),
                    blob_id: blob_id(entry),
                    record_ids: match entry.package {
                        Some(index) => records.ids[index as usize],
                        None => [
                            entry.records[0].and_then(|digest| record_ids.get(&digest).copied()),
                            None,
                            None,
                        ],
                    },
                });
                self.engine
                    .progress
                    .advance(Step::Record, u64::from(entry.package.is_some()));
            }
        }
        Ok(resolved)
    }
}

fn new_package(format: &str, package: &Package, blob_id: Option<i64>) -> NewPackage {
    NewPackage {
        format: format.to_owned(),
        blob_id: blob_id.expect("every kept package has a blob whose row was just written"),
        description: package.description,
        name: package.name.to_string(),
        version: package.version.text.to_string(),
        version_key: package.version.key.clone(),
        arch: package.arch.to_string(),
        label: package.label.to_string(),
        part_key: (package.promise.sha256().map(|sha256| sha256.hex()).as_deref() != Some(&*package.part_key))
            .then(|| package.part_key.to_string()),
        is_source: package.is_source,
        build_time: package.build_time,
        summary: package.summary.to_string(),
    }
}

/// The chosen packages whose bytes are there.
fn kept_packages<'a>(
    prepared: &'a Prepared,
    blobs: &HashMap<u32, (Sha256, u64)>,
) -> Vec<(u32, &'a RelPath, &'a Package)> {
    prepared
        .choice
        .packages
        .iter()
        .filter(|(index, _)| blobs.contains_key(index))
        .map(|(index, path)| (*index, path, &prepared.packages[*index as usize]))
        .collect()
}

fn flags(len: usize, kept: &[(u32, &RelPath, &Package)]) -> Vec<bool> {
    let mut flags = vec![false; len];
    for (index, _, _) in kept {
        flags[*index as usize] = true;
    }
    flags
}

fn package_entries(
    kept: &[(u32, &RelPath, &Package)],
    blobs: &HashMap<u32, (Sha256, u64)>,
    records: &Records,
) -> Vec<Entry> {
    kept.iter()
        .map(|(index, path, _)| Entry {
            kind: ItemKind::Package,
            path: path.to_string(),
            blob: blobs.get(index).copied(),
            records: records.digests[*index as usize],
            attributes: None,
            package: Some(*index),
        })
        .collect()
}

/// Upstream's metadata files: those published as they are, and those that only were read.
fn file_entries(prepared: &Prepared) -> Vec<Entry> {
    prepared
        .files
        .all()
        .map(|had| {
            let role = if had.wanted.verbatim { "verbatim" } else { "source" };
            let record = (!had.wanted.record.is_empty()).then(|| Sha256::of(&had.wanted.record));
            Entry {
                kind: ItemKind::File,
                path: had.wanted.path.to_string(),
                blob: Some((had.sha256, had.size)),
                records: [record, None, None],
                attributes: Some(serde_json::json!({ "role": role, "id": had.wanted.id }).to_string()),
                package: None,
            }
        })
        .collect()
}

/// In mode `mirror` the metadata names packages that upstream does not have; they are noted.
fn absent_entries(mode: Mode, failures: &[Failure]) -> Vec<Entry> {
    failures
        .iter()
        .filter(|failure| mode == Mode::Mirror && failure.absent)
        .map(|failure| Entry {
            kind: ItemKind::Document,
            path: format!("absent/{}", failure.package),
            blob: None,
            records: [None; PARTS],
            attributes: Some(
                serde_json::json!({ "absent": failure.report.package, "url": failure.report.url }).to_string(),
            ),
            package: None,
        })
        .collect()
}

fn as_current((kind, key): (ItemKind, MemberKey)) -> (Identity, Current) {
    (
        (kind, key.path),
        Current {
            id: key.id,
            package_id: key.package_id,
            blob_id: key.blob_id,
            record_ids: key.records,
            attributes: key.attributes,
        },
    )
}

fn new_advisories(entries: &[Entry], held: &[(ItemKind, MemberKey)]) -> BTreeMap<String, u64> {
    let known: HashSet<&str> = held
        .iter()
        .filter(|(kind, _)| *kind == ItemKind::Advisory)
        .map(|(_, key)| key.path.as_str())
        .collect();
    let mut new = BTreeMap::new();
    for entry in entries {
        if entry.kind == ItemKind::Advisory && !known.contains(entry.path.as_str()) {
            *new.entry(severity(entry.attributes.as_deref())).or_default() += 1;
        }
    }
    new
}

/// The word that an advisory is counted under: its severity, or its type where it has none.
pub(crate) fn severity(attributes: Option<&str>) -> String {
    let attributes: serde_json::Value = attributes
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    ["severity", "type"]
        .iter()
        .filter_map(|key| attributes[*key].as_str())
        .find(|word| !word.is_empty() && !word.eq_ignore_ascii_case("none"))
        .unwrap_or("other")
        .to_lowercase()
}

fn warnings_about_parts(format: &dyn Format, records: &Records) -> Vec<String> {
    let mut warnings = Vec::new();
    for (part, name) in format.parts().iter().enumerate().take(PARTS) {
        if records.missing[part] > 0 {
            warnings.push(format!(
                "{} packages are not described in {name}",
                records.missing[part]
            ));
        }
        if records.unknown[part] > 0 {
            warnings.push(format!(
                "{name} describes {} packages that upstream does not list",
                records.unknown[part]
            ));
        }
    }
    warnings
}
