//! Packages and the members of revisions.

use std::collections::HashMap;

use chantal_model::{ItemKind, RevisionNumber, Sha256, VersionKey};

use crate::PARTS;
use crate::blobs::{LOOKUP, sha256};
use crate::connect::Catalog;
use crate::db::{self, Row};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::records::RecordPlace;
use crate::sql::{self, many};

/// Packages in one transaction.
const PACKAGE_ROWS: usize = 2000;
/// Rows of twelve columns in one statement, far below SQLite's limit of 32,766 values: a statement takes memory by the
/// value.
const STATEMENT_ROWS: usize = 250;
/// Packages read at a time.
const PAGE: i64 = 2000;

/// A package to be recorded: bytes with a description.
#[derive(Clone, Debug)]
pub struct NewPackage {
    /// Its format.
    pub format: String,
    /// Its bytes.
    pub blob_id: i64,
    /// Digest over upstream's record without its location.
    pub description: Sha256,
    /// Its name.
    pub name: String,
    /// Its version as users write it.
    pub version: String,
    /// Sorts as the format compares.
    pub version_key: VersionKey,
    /// Its architecture.
    pub arch: String,
    /// How advisories and modules name it.
    pub label: String,
    /// How other parts of the metadata name it; `None` where that is the SHA-256 of its bytes in hexadecimal.
    pub part_key: Option<String>,
    /// Whether it is a source package.
    pub is_source: bool,
    /// When it was built.
    pub build_time: Option<i64>,
    /// One line about it.
    pub summary: String,
}

/// What rendering reads of a member's package.
#[derive(Clone, Debug)]
pub struct MemberPackage {
    /// Its name.
    pub name: String,
    /// Its version as users write it.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// How advisories and modules name it.
    pub label: String,
    /// How other parts of the metadata name it.
    pub part_key: String,
}

/// A member of a revision.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its row.
    pub id: i64,
    /// Its published path, or its key.
    pub path: String,
    /// Its package.
    pub package: Option<MemberPackage>,
    /// Its bytes: name and size.
    pub blob: Option<(Sha256, u64)>,
    /// Rows of its records.
    pub records: [Option<i64>; PARTS],
    /// Facts as JSON.
    pub attributes: Option<String>,
}

/// What a member is compared by.
#[derive(Clone, Debug)]
pub struct MemberKey {
    /// Its row.
    pub id: i64,
    /// Its published path, or its key.
    pub path: String,
    /// Row of its package.
    pub package_id: Option<i64>,
    /// Row of its bytes.
    pub blob_id: Option<i64>,
    /// Rows of its records.
    pub records: [Option<i64>; PARTS],
    /// Facts as JSON.
    pub attributes: Option<String>,
}

/// A member to be opened.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// What it is.
    pub kind: ItemKind,
    /// Its published path, or its key.
    pub path: String,
    /// Row of its package.
    pub package_id: Option<i64>,
    /// Row of its bytes.
    pub blob_id: Option<i64>,
    /// Rows of its records.
    pub records: [Option<i64>; PARTS],
    /// Facts as JSON.
    pub attributes: Option<String>,
}

/// A package at a path.
#[derive(Clone, Debug)]
pub struct PackageRow {
    /// Its name.
    pub name: String,
    /// Its version as users write it.
    pub version: String,
    /// Sorts as the format compares.
    pub version_key: VersionKey,
    /// Its architecture.
    pub arch: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes.
    pub sha256: Sha256,
    /// Its published path.
    pub path: String,
    /// One line about it.
    pub summary: String,
}

pub(crate) fn package_row(row: &Row) -> Result<PackageRow, CatalogError> {
    Ok(PackageRow {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        version_key: VersionKey(row.try_get::<Vec<u8>>(2)?.into()),
        arch: row.try_get(3)?,
        size: row.try_get::<i64>(4)? as u64,
        sha256: sha256(row.try_get(5)?)?,
        path: row.try_get(6)?,
        summary: row.try_get(7)?,
    })
}

impl Catalog {
    /// Records packages; gives their rows in order. Equal bytes with an equal description are one package.
    pub async fn add_packages(&self, lease: &Lease, packages: &[NewPackage]) -> Result<Vec<i64>, CatalogError> {
        let mut ids = Vec::with_capacity(packages.len());
        for chunk in packages.chunks(PACKAGE_ROWS) {
            let mut known = self.package_ids(chunk).await?;
            let mut new: Vec<&NewPackage> = chunk
                .iter()
                .filter(|package| !known.contains_key(&key(package)))
                .collect();
            // In order, so that two writers never wait for each other.
            new.sort_by_cached_key(|package| key(package));
            if !new.is_empty() {
                self.insert_packages(lease, &new, &mut known).await?;
            }
            if chunk.iter().any(|package| !known.contains_key(&key(package))) {
                // Another process wrote one in the meantime.
                known = self.package_ids(chunk).await?;
            }
            for package in chunk {
                let id = known.get(&key(package));
                ids.push(*id.ok_or_else(|| CatalogError::corrupt("a package that was just written is gone"))?);
            }
        }
        Ok(ids)
    }

    async fn insert_packages(
        &self,
        lease: &Lease,
        packages: &[&NewPackage],
        rows: &mut HashMap<PackageKey, i64>,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        for chunk in packages.chunks(STATEMENT_ROWS) {
            let text = sql::values(many::ADD_PACKAGES, chunk.len());
            let mut query = db::query_as::<(i64, i64, Vec<u8>, String)>(text).persistent(false);
            for package in chunk {
                query = query
                    .bind(&package.format)
                    .bind(package.blob_id)
                    .bind(&package.description.0[..])
                    .bind(&package.name)
                    .bind(&package.version)
                    .bind(&package.version_key.0[..])
                    .bind(&package.arch)
                    .bind(&package.label)
                    .bind(&package.part_key)
                    .bind(i64::from(package.is_source))
                    .bind(package.build_time)
                    .bind(&package.summary);
            }
            for (id, blob, description, format) in query.fetch_all(&mut transaction).await? {
                rows.insert((blob, sha256(&description)?, format), id);
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn package_ids(&self, packages: &[NewPackage]) -> Result<HashMap<PackageKey, i64>, CatalogError> {
        let mut found = HashMap::with_capacity(packages.len());
        for chunk in packages.chunks(LOOKUP) {
            let text = sql::list(many::PACKAGE_IDS, chunk.len());
            let mut query = db::query_as::<(i64, i64, Vec<u8>, String)>(text).persistent(false);
            for package in chunk {
                query = query.bind(package.blob_id);
            }
            for (id, blob, description, format) in query.fetch_all(&self.reader).await? {
                found.insert((blob, sha256(&description)?, format), id);
            }
        }
        Ok(found)
    }

    /// Members of one kind of a revision whose path comes after `after`, in path order, at most `limit`.
    pub async fn members(
        &self,
        line: i64,
        revision: RevisionNumber,
        kind: ItemKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Member>, CatalogError> {
        let rows = db::query(sql::MEMBERS)
            .bind(line)
            .bind(kind.name())
            .bind(after.unwrap_or_default())
            .bind(revision.0)
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(member).collect()
    }

    /// As [`Self::members`], with the place of each member's record of a part.
    pub async fn placed_members(
        &self,
        line: i64,
        revision: RevisionNumber,
        (kind, part): (ItemKind, usize),
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Member, Option<RecordPlace>)>, CatalogError> {
        let rows = db::query(sql::PLACED_MEMBERS)
            .bind(line)
            .bind(kind.name())
            .bind(after.unwrap_or_default())
            .bind(revision.0)
            .bind(i64::from(limit))
            .bind(part as i64)
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| {
                let place = row.try_get::<Option<i64>>(13)?.zip(row.try_get::<Option<i64>>(14)?);
                Ok((member(row)?, place.map(|(pack, slot)| RecordPlace { pack, slot })))
            })
            .collect()
    }

    /// What the members of one kind of a revision are compared by, those whose path comes after `after`, in path order,
    /// at most `limit`.
    pub async fn member_keys(
        &self,
        line: i64,
        revision: RevisionNumber,
        kind: ItemKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<MemberKey>, CatalogError> {
        let rows = db::query(sql::MEMBER_KEYS)
            .bind(line)
            .bind(kind.name())
            .bind(after)
            .bind(revision.0)
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(MemberKey {
                    id: row.try_get(0)?,
                    path: row.try_get(1)?,
                    package_id: row.try_get(2)?,
                    blob_id: row.try_get(3)?,
                    records: [row.try_get(4)?, row.try_get(5)?, row.try_get(6)?],
                    attributes: row.try_get(7)?,
                })
            })
            .collect()
    }

    /// Hands out every package of a revision in path order.
    pub async fn each_package(
        &self,
        line: i64,
        revision: RevisionNumber,
        take: &mut (dyn FnMut(PackageRow) + Send),
    ) -> Result<(), CatalogError> {
        let mut after = String::new();
        loop {
            let rows = db::query(sql::PACKAGES_OF)
                .bind(line)
                .bind(&after)
                .bind(revision.0)
                .bind(PAGE)
                .fetch_all(&self.reader)
                .await?;
            for row in &rows {
                let package = package_row(row)?;
                after.clone_from(&package.path);
                take(package);
            }
            if rows.len() < PAGE as usize {
                return Ok(());
            }
        }
    }
}

type PackageKey = (i64, Sha256, String);

fn key(package: &NewPackage) -> PackageKey {
    (package.blob_id, package.description, package.format.clone())
}

fn member(row: &Row) -> Result<Member, CatalogError> {
    let blob = match row.try_get::<Option<Vec<u8>>>(6)? {
        Some(name) => Some((sha256(&name)?, row.try_get::<i64>(7)? as u64)),
        None => None,
    };
    let package = match row.try_get::<Option<String>>(8)? {
        Some(name) => Some(MemberPackage {
            name,
            version: row.try_get(9)?,
            arch: row.try_get(10)?,
            label: row.try_get(11)?,
            part_key: row
                .try_get::<Option<String>>(12)?
                .or_else(|| blob.map(|(sha256, _): (Sha256, u64)| sha256.hex()))
                .unwrap_or_default(),
        }),
        None => None,
    };
    Ok(Member {
        id: row.try_get(0)?,
        path: row.try_get(1)?,
        package,
        blob,
        records: [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?],
        attributes: row.try_get(5)?,
    })
}
