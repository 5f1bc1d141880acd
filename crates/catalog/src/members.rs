//! Packages and the members of revisions.

use chantal_model::{ItemKind, RevisionNumber, Sha256, VersionKey};

use crate::PARTS;
use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::db::{self, Row};
use crate::error::CatalogError;
use crate::records::RecordPlace;
use crate::sql;

/// Packages read at a time.
const PAGE: i64 = 2000;

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

/// A member that has bytes.
#[derive(Clone, Debug)]
pub struct MemberFile {
    /// Its published path.
    pub path: String,
    /// Its bytes.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
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

pub(crate) fn package_row(row: &Row<'_>) -> Result<PackageRow, CatalogError> {
    Ok(PackageRow {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        version_key: VersionKey(row.try_get::<Vec<u8>>(2)?.into()),
        arch: row.try_get(3)?,
        size: row.try_get::<i64>(4)? as u64,
        sha256: sha256(&row.try_get::<Vec<u8>>(5)?)?,
        path: row.try_get(6)?,
        summary: row.try_get(7)?,
    })
}

impl Catalog {
    /// Members of one kind of a revision whose path comes after `after`, in path order, at most `limit`.
    pub async fn members(
        &self,
        line: i64,
        revision: RevisionNumber,
        kind: ItemKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Member>, CatalogError> {
        db::query(sql::MEMBERS)
            .bind(line)
            .bind(kind.name())
            .bind(after.unwrap_or_default())
            .bind(revision.0)
            .bind(i64::from(limit))
            .apart()
            .read_all(&self.reader, member)
            .await
    }

    /// As [`Self::members`], those that have bytes and what is known of these.
    pub async fn member_files(
        &self,
        line: i64,
        revision: RevisionNumber,
        kind: ItemKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<MemberFile>, CatalogError> {
        db::query(sql::MEMBER_FILES)
            .bind(line)
            .bind(kind.name())
            .bind(after)
            .bind(revision.0)
            .bind(i64::from(limit))
            .apart()
            .read_all(&self.reader, |row| {
                Ok(MemberFile {
                    path: row.try_get(0)?,
                    sha256: sha256(&row.try_get::<Vec<u8>>(1)?)?,
                    size: row.try_get::<i64>(2)? as u64,
                    attributes: row.try_get(3)?,
                })
            })
            .await
    }

    /// Paths of members of one kind of a revision that have bytes and whose path comes after `after`, in path order, at
    /// most `limit`.
    pub async fn member_paths(
        &self,
        line: i64,
        revision: RevisionNumber,
        kind: ItemKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, CatalogError> {
        let rows: Vec<(String,)> = db::query_as(sql::MEMBER_PATHS)
            .bind(line)
            .bind(kind.name())
            .bind(after)
            .bind(revision.0)
            .bind(i64::from(limit))
            .apart()
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.into_iter().map(|(path,)| path).collect())
    }

    /// Where the records of a part of all members of one kind of a revision are, in path order; `None` for a member
    /// without one.
    pub async fn record_order(
        &self,
        line: i64,
        revision: RevisionNumber,
        (kind, part): (ItemKind, usize),
    ) -> Result<Vec<Option<RecordPlace>>, CatalogError> {
        let mut order = Vec::new();
        let mut after = String::new();
        loop {
            // One row for a page: each costs a message between two threads.
            let (count, last, places): (i64, Option<String>, Option<String>) = db::query_as(sql::MEMBER_RECORDS)
                .bind(line)
                .bind(kind.name())
                .bind(&after)
                .bind(revision.0)
                .bind(PAGE)
                .bind(part as i64)
                .apart()
                .fetch_one(&self.reader)
                .await?;
            order.extend(places.iter().flat_map(|places| places.split(',')).map(record_place));
            match last {
                Some(last) if count == PAGE => after = last,
                _ => return Ok(order),
            }
        }
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
        db::query(sql::MEMBER_KEYS)
            .bind(line)
            .bind(kind.name())
            .bind(after)
            .bind(revision.0)
            .bind(i64::from(limit))
            .apart()
            .read_all(&self.reader, |row| {
                Ok(MemberKey {
                    id: row.try_get(0)?,
                    path: row.try_get(1)?,
                    package_id: row.try_get(2)?,
                    blob_id: row.try_get(3)?,
                    records: [row.try_get(4)?, row.try_get(5)?, row.try_get(6)?],
                    attributes: row.try_get(7)?,
                })
            })
            .await
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
            let packages = db::query(sql::PACKAGES_OF)
                .bind(line)
                .bind(&after)
                .bind(revision.0)
                .bind(PAGE)
                .apart()
                .read_all(&self.reader, package_row)
                .await?;
            let is_last = packages.len() < PAGE as usize;
            for package in packages {
                after.clone_from(&package.path);
                take(package);
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

fn member(row: &Row<'_>) -> Result<Member, CatalogError> {
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
/// Reads a pack and a slot; anything else stands for a member without a record.
fn record_place(text: &str) -> Option<RecordPlace> {
    let (pack, slot) = text.split_once(' ')?;
    Some(RecordPlace {
        pack: pack.parse().ok()?,
        slot: slot.parse().ok()?,
    })
}
