//! Members that are not packages: advisories, groups, modules, documents, metadata files.

use chantal_catalog::{Lease, NewBlob};
use chantal_formats::Rule;
use chantal_model::{ItemKind, Mode, Sha256};

use crate::Engine;
use crate::choose::Choice;
use crate::content::{Line, Rows};
use crate::download::Failure;
use crate::error::{Doing, EngineError};
use crate::files::Files;
use crate::listing::Listing;

/// Records that are read back and stored at a time.
const CHUNK: usize = 500;

/// One member that is not a package.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: ItemKind,
    pub(crate) path: Box<str>,
    pub(crate) blob: Option<Box<(Sha256, u64)>>,
    pub(crate) record: Option<Sha256>,
    /// Facts for listings, as JSON.
    pub(crate) attributes: Option<Box<str>>,
    /// Rows of its bytes and of its record.
    pub(crate) rows: (Option<i64>, Option<i64>),
}

impl Entry {
    pub(crate) fn line(&self) -> Line<'_> {
        Line {
            kind: self.kind,
            path: &self.path,
            blob: self.blob.as_deref().copied(),
            records: [self.record, None, None],
            attributes: self.attributes.as_deref(),
        }
    }

    pub(crate) fn rows(&self) -> Rows {
        Rows {
            package: None,
            blob: self.rows.0,
            records: [self.rows.1, None, None],
        }
    }
}

/// What storing items needs.
pub(crate) struct Items<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) lease: &'a Lease,
    pub(crate) mode: Mode,
}

impl Items<'_> {
    /// Stores the records of all items that belong to the kept packages, given as flags; the entries, with those that
    /// `stayed` of the current revision, are in order of kind and path.
    pub(crate) async fn store(
        &self,
        listing: &Listing,
        choice: &Choice,
        kept: &[bool],
        files: &Files,
        failures: &[Failure],
        stayed: Vec<Entry>,
    ) -> Result<Vec<Entry>, EngineError> {
        let mut entries = self.listed(listing, choice, kept).await?;
        entries.extend(stayed);
        entries.extend(self.files(files).await?);
        entries.extend(absent(self.mode, failures));
        entries.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
        Ok(entries)
    }

    async fn listed(&self, listing: &Listing, choice: &Choice, kept: &[bool]) -> Result<Vec<Entry>, EngineError> {
        let belongs = |index: &&u32| {
            let item = &listing.items[**index as usize];
            self.mode == Mode::Mirror
                || item.rule == Rule::Always
                || !item.refers_to_packages
                || choice.for_retained.contains(*index)
                || item.members.iter().any(|member| kept[*member as usize])
        };
        let chosen: Vec<u32> = choice.items.iter().filter(belongs).copied().collect();
        let mut entries = Vec::with_capacity(chosen.len());
        for chunk in chosen.chunks(CHUNK) {
            let mut bodies = Vec::with_capacity(chunk.len());
            let mut facts = Vec::with_capacity(chunk.len());
            for index in chunk {
                let item = &listing.items[*index as usize];
                let (body, attributes) = listing.record(item).map_err(|source| EngineError::Io {
                    what: "read back a file in",
                    path: self.engine.config.storage.temp_path.clone(),
                    source,
                })?;
                bodies.push((item.digest, body));
                facts.push(attributes);
            }
            let rows = self.add(&bodies).await?;
            for ((index, attributes), row) in chunk.iter().zip(facts).zip(rows) {
                let item = &listing.items[*index as usize];
                entries.push(Entry {
                    kind: item.kind,
                    path: item.key.clone(),
                    blob: None,
                    record: Some(item.digest),
                    attributes: Some(attributes.into()),
                    rows: (None, Some(row)),
                });
            }
        }
        Ok(entries)
    }

    /// Upstream's metadata files: those published as they are, and those that only were read.
    async fn files(&self, files: &Files) -> Result<Vec<Entry>, EngineError> {
        let blobs: Vec<NewBlob> = files
            .all()
            .map(|had| NewBlob {
                sha256: had.sha256,
                size: had.size,
                digests: had
                    .wanted
                    .promise
                    .iter()
                    .flat_map(|promise| promise.digests.clone())
                    .collect(),
            })
            .collect();
        let blob_rows = self
            .engine
            .catalog
            .add_blobs(self.lease, &blobs)
            .await
            .doing("record files of the pool")?;
        let recorded: Vec<(Sha256, Vec<u8>)> = files
            .all()
            .filter(|had| !had.wanted.record.is_empty())
            .map(|had| (Sha256::of(&had.wanted.record), had.wanted.record.clone()))
            .collect();
        let mut record_rows = self.add(&recorded).await?.into_iter();
        Ok(files
            .all()
            .zip(blob_rows)
            .map(|(had, blob)| {
                let role = if had.wanted.verbatim { "verbatim" } else { "source" };
                let has_record = !had.wanted.record.is_empty();
                let row = if has_record { record_rows.next() } else { None };
                Entry {
                    kind: ItemKind::File,
                    path: had.wanted.path.as_str().into(),
                    blob: Some(Box::new((had.sha256, had.size))),
                    record: has_record.then(|| Sha256::of(&had.wanted.record)),
                    attributes: Some(
                        serde_json::json!({ "role": role, "id": had.wanted.id })
                            .to_string()
                            .into(),
                    ),
                    rows: (Some(blob), row),
                }
            })
            .collect())
    }

    async fn add(&self, records: &[(Sha256, Vec<u8>)]) -> Result<Vec<i64>, EngineError> {
        self.engine
            .catalog
            .add_records(self.lease, 0, records)
            .await
            .doing("store records")
    }
}

/// In mode `mirror` the metadata names packages that upstream does not have; they are noted.
fn absent(mode: Mode, failures: &[Failure]) -> Vec<Entry> {
    failures
        .iter()
        .filter(|failure| mode == Mode::Mirror && failure.absent)
        .map(|failure| Entry {
            kind: ItemKind::Document,
            path: format!("absent/{}", failure.package).into(),
            blob: None,
            record: None,
            attributes: Some(
                serde_json::json!({ "absent": failure.report.package, "url": failure.report.url })
                    .to_string()
                    .into(),
            ),
            rows: (None, None),
        })
        .collect()
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
