//! Numbers for monitoring: what can be counted without reading much.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::sql;

/// What there is of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryGauges {
    /// Its id.
    pub repository: String,
    /// Its format.
    pub format: String,
    /// Its newest revision.
    pub revision: Option<i64>,
    /// Packages of that.
    pub packages: Option<i64>,
    /// Bytes of those.
    pub package_bytes: Option<i64>,
    /// Revisions that did not retire.
    pub revisions: i64,
    /// Its snapshots.
    pub snapshots: i64,
    /// Its published trees.
    pub publications: i64,
    /// When its feed was last looked at.
    pub checked_at: Option<i64>,
    /// When something new was last seen there.
    pub changed_at: Option<i64>,
    /// When upstream made what it serves, as it says.
    pub upstream_timestamp: Option<i64>,
}

/// What is in the pool, by its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobGauges {
    /// Blobs.
    pub blobs: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Those that the last collection saw unused.
    pub unused: i64,
    /// Their bytes.
    pub unused_bytes: i64,
}

impl Catalog {
    /// What there is of each repository, by id.
    pub async fn repository_gauges(&self) -> Result<Vec<RepositoryGauges>, CatalogError> {
        db::query(sql::REPOSITORY_GAUGES)
            .read_all(&self.reader, |row| {
                Ok(RepositoryGauges {
                    repository: row.try_get(0)?,
                    format: row.try_get(1)?,
                    revision: row.try_get(2)?,
                    packages: row.try_get(3)?,
                    package_bytes: row.try_get(4)?,
                    revisions: row.try_get(5)?,
                    snapshots: row.try_get(6)?,
                    publications: row.try_get(7)?,
                    checked_at: row.try_get(8)?,
                    changed_at: row.try_get(9)?,
                    upstream_timestamp: row.try_get(10)?,
                })
            })
            .await
    }

    /// What is in the pool.
    pub async fn blob_gauges(&self) -> Result<BlobGauges, CatalogError> {
        let (blobs, bytes, unused, unused_bytes) = db::query_as(sql::BLOB_GAUGES).fetch_one(&self.reader).await?;
        Ok(BlobGauges {
            blobs,
            bytes,
            unused,
            unused_bytes,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::{Bench, member, revision};

    #[tokio::test]
    pub(crate) async fn gauges_count_what_is_there() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let (repository, lease) = bench.repository().await;
        let empty = RepositoryGauges {
            repository: "r".into(),
            format: "x".into(),
            ..RepositoryGauges::default()
        };
        assert_eq!(catalog.repository_gauges().await.unwrap(), std::slice::from_ref(&empty));
        let open = vec![member(catalog, &lease, 1).await, member(catalog, &lease, 2).await];
        let number = catalog
            .commit_revision(&lease, revision(&repository, &open, vec![]), &mut open.into_iter())
            .await
            .unwrap();
        let name = "s".parse().unwrap();
        catalog
            .create_snapshot(repository.id, &name, None, repository.line, number, 5)
            .await
            .unwrap();
        let current = catalog.current(repository.line).await.unwrap().unwrap();
        let full = RepositoryGauges {
            revision: Some(number.0),
            packages: Some(current.package_count),
            package_bytes: Some(current.package_bytes),
            revisions: 1,
            snapshots: 1,
            ..empty
        };
        assert_eq!(catalog.repository_gauges().await.unwrap(), [full]);
        let blobs = |unused| BlobGauges {
            blobs: 2,
            bytes: 8,
            unused,
            unused_bytes: unused * 4,
        };
        assert_eq!(catalog.blob_gauges().await.unwrap(), blobs(0));
        db::query("UPDATE blob SET unused_since = 5 WHERE id = (SELECT min(id) FROM blob)")
            .execute(&catalog.writer)
            .await
            .unwrap();
        assert_eq!(catalog.blob_gauges().await.unwrap(), blobs(1));
    }
}
