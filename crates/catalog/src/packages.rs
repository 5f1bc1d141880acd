//! Packages: bytes with a description.

use std::collections::HashMap;

use chantal_model::{Sha256, VersionKey};

use crate::blobs::{LOOKUP, sha256};
use crate::connect::Catalog;
use crate::db::{self, Inserted, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql::many;

/// Packages in one transaction: each costs a barrier.
const PACKAGE_ROWS: usize = 20_000;
/// Rows of twelve columns in one statement, far below SQLite's limit of 32,766 values: a statement takes memory by the
/// value.
const STATEMENT_ROWS: usize = 250;

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

pub(crate) type PackageKey = (i64, Sha256, String);

pub(crate) fn key(package: &NewPackage) -> PackageKey {
    (package.blob_id, package.description, package.format.clone())
}

/// Records packages as they come, in transactions of bounded size.
///
/// What was added counts once [`PackageWriter::finish`] has returned; until then the writing connection may be held. It is
/// durable with the revision that names it.
pub struct PackageWriter<'a> {
    catalog: &'a Catalog,
    lease: &'a Lease,
    transaction: Option<Transaction>,
    rows: usize,
}

impl<'a> PackageWriter<'a> {
    /// Starts to record packages.
    pub fn new(catalog: &'a Catalog, lease: &'a Lease) -> Self {
        Self {
            catalog,
            lease,
            transaction: None,
            rows: 0,
        }
    }

    /// Records packages; gives their rows in order. Equal bytes with an equal description are one package.
    pub async fn add(&mut self, packages: &[NewPackage]) -> Result<Vec<i64>, CatalogError> {
        let mut transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.catalog.begin_passing_as(self.lease).await?,
        };
        let mut known = package_ids(&mut transaction, packages).await?;
        let mut new: Vec<&NewPackage> = packages
            .iter()
            .filter(|package| !known.contains_key(&key(package)))
            .collect();
        // In order, so that two writers never wait for each other.
        new.sort_by_cached_key(|package| key(package));
        insert_packages(&mut transaction, &new, &mut known).await?;
        if packages.iter().any(|package| !known.contains_key(&key(package))) {
            // Another process wrote one in the meantime.
            known = package_ids(&mut transaction, packages).await?;
        }
        self.rows += new.len();
        // On PostgreSQL the rows of two chunks could be waited for in two orders.
        if self.rows >= PACKAGE_ROWS || !transaction.is_sqlite() {
            self.rows = 0;
            transaction.commit().await?;
        } else {
            self.transaction = Some(transaction);
        }
        packages
            .iter()
            .map(|package| {
                let id = known.get(&key(package)).copied();
                id.ok_or_else(|| CatalogError::corrupt("a package that was just written is gone"))
            })
            .collect()
    }

    /// Commits what is not committed yet.
    pub async fn finish(self) -> Result<(), CatalogError> {
        match self.transaction {
            Some(transaction) => Ok(transaction.commit().await?),
            None => Ok(()),
        }
    }
}

pub(crate) async fn insert_packages(
    transaction: &mut Transaction,
    packages: &[&NewPackage],
    rows: &mut HashMap<PackageKey, i64>,
) -> Result<(), CatalogError> {
    for chunk in packages.chunks(STATEMENT_ROWS) {
        let mut query = db::insertion_as::<(i64, i64, Vec<u8>, String)>(many::ADD_PACKAGES)
            .persistent(chunk.len() == STATEMENT_ROWS);
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
        match query.insert(transaction).await? {
            Inserted::Numbered(numbers) => {
                let keys = chunk.iter().map(|package| key(package));
                rows.extend(keys.zip(numbers).filter_map(|(key, id)| Some((key, id?))));
            }
            Inserted::Returned(new) => {
                for (id, blob, description, format) in new {
                    rows.insert((blob, sha256(&description)?, format), id);
                }
            }
        }
    }
    Ok(())
}

pub(crate) async fn package_ids(
    transaction: &mut Transaction,
    packages: &[NewPackage],
) -> Result<HashMap<PackageKey, i64>, CatalogError> {
    let mut found = HashMap::with_capacity(packages.len());
    for chunk in packages.chunks(LOOKUP) {
        let mut query = db::among_as::<(i64, i64, Vec<u8>, String)>(many::PACKAGE_IDS).persistent(false);
        for package in chunk {
            query = query.bind(package.blob_id);
        }
        for (id, blob, description, format) in query.fetch_all(&mut *transaction).await? {
            found.insert((blob, sha256(&description)?, format), id);
        }
    }
    Ok(found)
}
