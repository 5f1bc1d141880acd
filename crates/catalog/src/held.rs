//! Packages that a revision holds, with all that selection asks about them.

use std::collections::HashMap;

use chantal_model::{RevisionNumber, Sha256, VersionKey};

use crate::PARTS;
use crate::blobs::{LOOKUP, sha256};
use crate::connect::Catalog;
use crate::db::{self, Row};
use crate::error::CatalogError;
use crate::sql::{self, many};

/// A package that a revision holds.
#[derive(Clone, Debug)]
pub struct HeldPackage {
    /// Its published path.
    pub path: String,
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
    /// Whether it is a source package.
    pub is_source: bool,
    /// When it was built.
    pub build_time: Option<i64>,
    /// Its bytes.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its row.
    pub package_id: i64,
    /// Row of its bytes.
    pub blob_id: i64,
    /// Rows of its records.
    pub records: [Option<i64>; PARTS],
}

fn held_package(row: &Row<'_>) -> Result<HeldPackage, CatalogError> {
    Ok(HeldPackage {
        path: row.try_get(0)?,
        name: row.try_get(1)?,
        version: row.try_get(2)?,
        version_key: VersionKey(row.try_get::<Vec<u8>>(3)?.into()),
        arch: row.try_get(4)?,
        label: row.try_get(5)?,
        is_source: row.try_get::<i64>(6)? != 0,
        build_time: row.try_get(7)?,
        sha256: sha256(&row.try_get::<Vec<u8>>(8)?)?,
        size: row.try_get::<i64>(9)? as u64,
        package_id: row.try_get(10)?,
        blob_id: row.try_get(11)?,
        records: [row.try_get(12)?, row.try_get(13)?, row.try_get(14)?],
    })
}

impl Catalog {
    /// Packages of a revision whose path comes after `after`, in path order, at most `limit`.
    pub async fn held_packages(
        &self,
        line: i64,
        revision: RevisionNumber,
        after: &str,
        limit: u32,
    ) -> Result<Vec<HeldPackage>, CatalogError> {
        db::query(sql::HELD_PACKAGES)
            .bind(line)
            .bind(after)
            .bind(revision.0)
            .bind(i64::from(limit))
            .apart()
            .read_all(&self.reader, held_package)
            .await
    }

    /// Digests of records by row.
    pub async fn record_digests(&self, ids: &[i64]) -> Result<HashMap<i64, Sha256>, CatalogError> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among_as::<(i64, Vec<u8>)>(many::RECORD_DIGESTS).persistent(false);
            for id in chunk {
                query = query.bind(*id);
            }
            for (id, digest) in query.fetch_all(&self.reader).await? {
                found.insert(id, sha256(&digest)?);
            }
        }
        Ok(found)
    }
}
