//! A catalog made again from manifests, in one transaction.

use std::collections::{BTreeMap, HashMap};

use chantal_model::{Algorithm, Digest, RepoId, Sha256};

use crate::blobs::{LOOKUP, NewBlob, insert_blobs, sha256};
use crate::connect::Catalog;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::facts::{Closed, Fact, PackFact, PackageFact, unhex};
use crate::feeds::{self, FeedState};
use crate::packages::{NewPackage, insert_packages, package_ids};
use crate::publications::{Publication, PublicationState, StateStatus};
use crate::revisions::Revision;
use crate::snapshots::Snapshot;
use crate::sql::{self, many};

/// Rows of eleven columns in one statement.
const MEMBER_ROWS: usize = 250;

/// A catalog that is being made. Dropped without [`Restoring::commit`], nothing was made.
pub struct Restoring {
    transaction: Transaction,
}

impl Catalog {
    /// Starts to fill a catalog.
    ///
    /// # Errors
    /// [`CatalogError::NotEmpty`] if it knows a repository.
    pub async fn restore(&self) -> Result<Restoring, CatalogError> {
        let mut transaction = self.begin().await?;
        transaction.hold_leases().await?;
        let (repositories,): (i64,) = db::query_as(sql::COUNT_REPOSITORIES)
            .fetch_one(&mut transaction)
            .await?;
        if repositories > 0 {
            return Err(CatalogError::NotEmpty { repositories });
        }
        Ok(Restoring { transaction })
    }
}

fn digest(text: &str) -> Result<Sha256, CatalogError> {
    sha256(&unhex(text)?)
}

impl Restoring {
    /// Makes a repository with its main line; gives both rows.
    pub async fn repository(&mut self, id: &RepoId, format: &str, created_at: i64) -> Result<(i64, i64), CatalogError> {
        let (repository,): (i64,) = db::query_as(sql::ADD_REPOSITORY)
            .bind(id.as_str())
            .bind(format)
            .bind(created_at)
            .fetch_one(&mut self.transaction)
            .await?;
        let (line,): (i64,) = db::query_as(sql::ADD_LINE)
            .bind(repository)
            .fetch_one(&mut self.transaction)
            .await?;
        Ok((repository, line))
    }

    /// Adds records that are not there yet.
    pub async fn pack(&mut self, pack: &PackFact) -> Result<(), CatalogError> {
        let digests: Vec<Sha256> = pack.records.iter().map(|(digest, _)| *digest).collect();
        let known = self.records(&digests).await?;
        let mut new: Vec<&(Sha256, i64)> = pack
            .records
            .iter()
            .filter(|(digest, _)| !known.contains_key(digest))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let (id,): (i64,) = db::insertion_as(many::ADD_PACKS)
            .bind(pack.part)
            .bind(pack.body.as_slice())
            .bind(pack.count)
            .fetch_one(&mut self.transaction)
            .await?;
        new.sort_unstable();
        for chunk in new.chunks(LOOKUP) {
            let mut query = db::insertion_as::<(Vec<u8>, i64)>(many::ADD_RECORDS).persistent(false);
            for (digest, slot) in chunk {
                query = query.bind(&digest.0[..]).bind(id).bind(slot);
            }
            query.execute(&mut self.transaction).await?;
        }
        Ok(())
    }

    async fn records(&mut self, digests: &[Sha256]) -> Result<HashMap<Sha256, i64>, CatalogError> {
        let mut found = HashMap::with_capacity(digests.len());
        for chunk in digests.chunks(LOOKUP) {
            let mut query = db::among_as::<(Vec<u8>, i64)>(many::RECORD_IDS).persistent(false);
            for digest in chunk {
                query = query.bind(&digest.0[..]);
            }
            for (digest, id) in query.fetch_all(&mut self.transaction).await? {
                found.insert(sha256(&digest)?, id);
            }
        }
        Ok(found)
    }

    /// Adds members; their records must be there.
    pub async fn members(&mut self, line: i64, facts: &[Fact]) -> Result<(), CatalogError> {
        for facts in facts.chunks(LOOKUP) {
            self.some_members(line, facts).await?;
        }
        Ok(())
    }

    async fn some_members(&mut self, line: i64, facts: &[Fact]) -> Result<(), CatalogError> {
        let blobs = self.blobs(facts).await?;
        let packages = self.packages(facts, &blobs).await?;
        let mut digests = Vec::new();
        for record in facts.iter().flat_map(|fact| fact.records.iter().flatten()) {
            digests.push(digest(record)?);
        }
        digests.sort_unstable();
        digests.dedup();
        let records = self.records(&digests).await?;
        for chunk in (0..facts.len()).collect::<Vec<_>>().chunks(MEMBER_ROWS) {
            let mut query = db::insertion(many::ADD_MEMBERS).persistent(false);
            for &at in chunk {
                let fact = &facts[at];
                let blob = match &fact.blob {
                    Some((name, _)) => blobs.get(name).copied(),
                    None => None,
                };
                query = query
                    .bind(line)
                    .bind(&fact.kind)
                    .bind(&fact.path)
                    .bind(packages.get(&at).copied())
                    .bind(blob);
                for record in &fact.records {
                    let id = match record {
                        Some(record) => Some(records.get(&digest(record)?).copied().ok_or_else(|| {
                            CatalogError::corrupt(format!("no manifest has the record {record} of {}", fact.path))
                        })?),
                        None => None,
                    };
                    query = query.bind(id);
                }
                query = query.bind(&fact.attributes).bind(fact.added_in).bind(fact.removed_in);
            }
            query.execute(&mut self.transaction).await?;
        }
        Ok(())
    }

    /// Rows of the blobs of members, by name.
    async fn blobs(&mut self, facts: &[Fact]) -> Result<HashMap<String, i64>, CatalogError> {
        let named: BTreeMap<&String, u64> = facts
            .iter()
            .filter_map(|fact| fact.blob.as_ref().map(|(name, size)| (name, *size)))
            .collect();
        let mut new = Vec::with_capacity(named.len());
        for (name, size) in &named {
            new.push(NewBlob {
                sha256: digest(name)?,
                size: *size,
                digests: Vec::new(),
            });
        }
        let ids = insert_blobs(&mut self.transaction, &new).await?;
        Ok(named.into_keys().cloned().zip(ids).collect())
    }

    /// Rows of the packages of members, by place.
    async fn packages(
        &mut self,
        facts: &[Fact],
        blobs: &HashMap<String, i64>,
    ) -> Result<HashMap<usize, i64>, CatalogError> {
        let mut places = Vec::new();
        let mut all = Vec::new();
        for (at, fact) in facts.iter().enumerate() {
            let (Some(package), Some((name, _))) = (&fact.package, &fact.blob) else {
                continue;
            };
            places.push(at);
            all.push(new_package(package, blobs.get(name).copied().unwrap_or_default())?);
        }
        let mut known = package_ids(&mut self.transaction, &all).await?;
        let mut seen = std::collections::HashSet::new();
        let new: Vec<&NewPackage> = all
            .iter()
            .filter(|package| {
                let key = crate::packages::key(package);
                !known.contains_key(&key) && seen.insert(key)
            })
            .collect();
        insert_packages(&mut self.transaction, &new, &mut known).await?;
        let ids = all
            .iter()
            .map(|package| known.get(&crate::packages::key(package)).copied());
        Ok(places
            .into_iter()
            .zip(ids)
            .filter_map(|(at, id)| Some((at, id?)))
            .collect())
    }

    /// Adds digests of blobs under other algorithms, those of unknown blobs left out.
    pub async fn digests(&mut self, digests: &[(String, String, String)]) -> Result<(), CatalogError> {
        for (name, algorithm, other) in digests {
            let known = algorithm.parse::<Algorithm>().ok();
            let Some(other) = known.and_then(|known| Digest::from_bytes(known, &unhex(other).ok()?)) else {
                continue;
            };
            db::query(sql::RESTORE_DIGEST)
                .bind(algorithm)
                .bind(other.bytes())
                .bind(unhex(name)?)
                .execute(&mut self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Ends the intervals of members that a revision has no more.
    pub async fn close(&mut self, line: i64, closed: &[Closed], removed_in: i64) -> Result<(), CatalogError> {
        for (kind, path, added_in) in closed {
            db::query(sql::RESTORE_CLOSED)
                .bind(line)
                .bind(kind)
                .bind(path)
                .bind(*added_in)
                .bind(removed_in)
                .execute(&mut self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Adds a revision; its line is what it says.
    pub async fn revision(&mut self, revision: &Revision) -> Result<(), CatalogError> {
        db::query(sql::ADD_REVISION)
            .bind(revision.line)
            .bind(revision.number.0)
            .bind(revision.mode.name())
            .bind(&revision.settings)
            .bind(&revision.fingerprint.0[..])
            .bind(revision.created_at)
            .bind(&revision.upstream_revision)
            .bind(revision.upstream_timestamp)
            .bind(revision.package_count)
            .bind(revision.package_bytes)
            .execute(&mut self.transaction)
            .await?;
        if let Some(at) = revision.retired_at {
            self.retire(revision.line, revision.number.0, at).await?;
        }
        Ok(())
    }

    /// Retires a revision.
    pub async fn retire(&mut self, line: i64, number: i64, at: i64) -> Result<(), CatalogError> {
        db::query(sql::RETIRE)
            .bind(line)
            .bind(number)
            .bind(at)
            .execute(&mut self.transaction)
            .await?;
        Ok(())
    }

    /// Whether a revision is there and was not retired.
    pub async fn is_living(&mut self, line: i64, number: i64) -> Result<bool, CatalogError> {
        let living: Option<(i64,)> = db::query_as(sql::LIVING_REVISION)
            .bind(line)
            .bind(number)
            .fetch_optional(&mut self.transaction)
            .await?;
        Ok(living.is_some())
    }

    /// Removes what only retired revisions of a line held.
    pub async fn drop_retired(&mut self, line: i64) -> Result<(), CatalogError> {
        db::query(sql::DROP_RETIRED_MEMBERS)
            .bind(line)
            .execute(&mut self.transaction)
            .await?;
        Ok(())
    }

    /// Adds a snapshot, whatever row it says; gives its row.
    pub async fn snapshot(&mut self, snapshot: &Snapshot) -> Result<i64, CatalogError> {
        let (id,): (i64,) = db::query_as(sql::ADD_SNAPSHOT)
            .bind(snapshot.repository)
            .bind(snapshot.name.as_str())
            .bind(&snapshot.description)
            .bind(snapshot.created_at)
            .fetch_one(&mut self.transaction)
            .await?;
        db::query(sql::ADD_PIN)
            .bind(id)
            .bind(0_i64)
            .bind(snapshot.line)
            .bind(snapshot.revision.0)
            .execute(&mut self.transaction)
            .await?;
        Ok(id)
    }

    /// Adds a published tree with its states.
    pub async fn publication(
        &mut self,
        publication: &Publication,
        states: &[PublicationState],
    ) -> Result<(), CatalogError> {
        db::query(sql::SAVE_PUBLICATION)
            .bind(&publication.path)
            .bind(publication.repository)
            .bind(publication.kind.name())
            .bind(publication.snapshot_id)
            .bind(i64::from(publication.pinned))
            .bind(publication.generation)
            .execute(&mut self.transaction)
            .await?;
        for state in states {
            db::query(sql::RESTORE_STATE)
                .bind(&state.path)
                .bind(state.line)
                .bind(state.revision.0)
                .bind(&state.render_key)
                .bind(state.generation)
                .bind(state.entry_sha256.map(|name| name.0.to_vec()))
                .bind(match state.status {
                    StateStatus::Staged => "staged",
                    StateStatus::Live => "live",
                    StateStatus::Retired => "retired",
                })
                .bind(state.served_from)
                .bind(state.served_until)
                .execute(&mut self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Adds what rendering gave under a key.
    pub async fn rendered(&mut self, key: &str, files: &[(String, Sha256, u64)]) -> Result<(), CatalogError> {
        let blobs: Vec<NewBlob> = files
            .iter()
            .map(|(_, sha256, size)| NewBlob {
                sha256: *sha256,
                size: *size,
                digests: Vec::new(),
            })
            .collect();
        insert_blobs(&mut self.transaction, &blobs).await?;
        for (path, name, _) in files {
            db::query(sql::SAVE_RENDERED)
                .bind(key)
                .bind(path)
                .bind(&name.0[..])
                .execute(&mut self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Adds what is remembered about a feed.
    pub async fn feed_state(&mut self, repository: i64, state: &FeedState) -> Result<(), CatalogError> {
        feeds::save(&mut self.transaction, repository, state).await
    }

    /// Adds a hold.
    pub async fn hold(&mut self, name: &Sha256, reason: &str, created_at: i64) -> Result<(), CatalogError> {
        db::query(sql::ADD_HOLD)
            .bind(&name.0[..])
            .bind(reason)
            .bind(created_at)
            .execute(&mut self.transaction)
            .await?;
        Ok(())
    }

    /// Forgets what nothing refers to, then makes everything count.
    pub async fn commit(mut self) -> Result<(), CatalogError> {
        for text in [
            sql::DROP_UNUSED_PACKAGES,
            sql::DROP_UNUSED_DIGESTS,
            sql::DROP_UNUSED_BLOBS,
            sql::DROP_UNUSED_RECORDS,
            sql::DROP_EMPTY_PACKS,
        ] {
            db::query(text).execute(&mut self.transaction).await?;
        }
        Ok(self.transaction.commit().await?)
    }
}

fn new_package(fact: &PackageFact, blob_id: i64) -> Result<NewPackage, CatalogError> {
    Ok(NewPackage {
        format: fact.format.clone(),
        blob_id,
        description: digest(&fact.description)?,
        name: fact.name.clone(),
        version: fact.version.clone(),
        version_key: chantal_model::VersionKey(unhex(&fact.version_key)?.into()),
        arch: fact.arch.clone(),
        label: fact.label.clone(),
        part_key: fact.part_key.clone(),
        is_source: fact.is_source,
        build_time: fact.build_time,
        summary: fact.summary.clone(),
    })
}
