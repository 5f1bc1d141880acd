//! Snapshots: one row and one pin, whatever the size.

use std::collections::HashSet;

use chantal_model::{ItemKind, RevisionNumber, SnapshotName};

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::members::{PackageRow, package_row};
use crate::sql;

/// A named pin of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its row.
    pub id: i64,
    /// Its repository.
    pub repository: i64,
    /// Its name.
    pub name: SnapshotName,
    /// What the user said about it.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// The line that it pins.
    pub line: i64,
    /// The revision that it pins.
    pub revision: RevisionNumber,
}

type Row = (i64, i64, String, Option<String>, i64, i64, i64);

fn snapshot((id, repository, name, description, created_at, line, revision): Row) -> Result<Snapshot, CatalogError> {
    Ok(Snapshot {
        id,
        repository,
        name: name
            .parse()
            .map_err(|_| CatalogError::corrupt(format!("snapshot {id} is named {name:?}")))?,
        description,
        created_at,
        line,
        revision: RevisionNumber(revision),
    })
}

impl Catalog {
    /// Every snapshot of a repository, by name.
    pub async fn snapshots(&self, repository: i64) -> Result<Vec<Snapshot>, CatalogError> {
        let rows: Vec<Row> = db::query_as(sql::SNAPSHOTS)
            .bind(repository)
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter().map(snapshot).collect()
    }

    /// One snapshot.
    pub async fn snapshot(&self, repository: i64, name: &SnapshotName) -> Result<Option<Snapshot>, CatalogError> {
        let row: Option<Row> = db::query_as(sql::SNAPSHOT)
            .bind(repository)
            .bind(name.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(snapshot).transpose()
    }

    /// Pins a revision under a name.
    pub async fn create_snapshot(
        &self,
        repository: i64,
        name: &SnapshotName,
        description: Option<&str>,
        line: i64,
        revision: RevisionNumber,
        at: i64,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        if !Self::is_living(&mut transaction, line, revision).await? {
            return Err(CatalogError::Retired { revision: revision.0 });
        }
        let (id,): (i64,) = db::query_as(sql::ADD_SNAPSHOT)
            .bind(repository)
            .bind(name.as_str())
            .bind(description)
            .bind(at)
            .fetch_one(&mut transaction)
            .await?;
        db::query(sql::ADD_PIN)
            .bind(id)
            .bind(0_i64)
            .bind(line)
            .bind(revision.0)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes a snapshot; its revision stays. The database refuses while it is published.
    pub async fn delete_snapshot(&self, id: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        db::query(sql::DELETE_PINS).bind(id).execute(&mut transaction).await?;
        db::query(sql::DELETE_SNAPSHOT)
            .bind(id)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Packages that left and that came between two revisions of a line, whichever is the older. The work is
    /// proportional to what changed between them.
    pub async fn diff(
        &self,
        line: i64,
        from: RevisionNumber,
        to: RevisionNumber,
    ) -> Result<(Vec<PackageRow>, Vec<PackageRow>), CatalogError> {
        let (older, newer) = (from.min(to), from.max(to));
        let mut sides = Vec::with_capacity(2);
        for text in [sql::DIFF_REMOVED, sql::DIFF_ADDED] {
            let side = db::query(text)
                .bind(line)
                .bind(older.0)
                .bind(newer.0)
                .apart()
                .read_all(&self.reader, package_row)
                .await?;
            sides.push(side);
        }
        let mut added = sides.pop().unwrap_or_default();
        let mut removed = sides.pop().unwrap_or_default();
        // What left and came back in between did neither.
        let key = |row: &PackageRow| (row.path.clone(), row.sha256);
        let back: HashSet<_> = added.iter().map(key).collect();
        let both: HashSet<_> = removed.iter().map(key).filter(|row| back.contains(row)).collect();
        added.retain(|row| !both.contains(&key(row)));
        removed.retain(|row| !both.contains(&key(row)));
        Ok(if from <= to { (removed, added) } else { (added, removed) })
    }

    /// Keys and attributes of items that a newer revision has and an older one does not. Empty if `to` is not newer.
    pub async fn items_added(
        &self,
        line: i64,
        from: RevisionNumber,
        to: RevisionNumber,
        kind: ItemKind,
    ) -> Result<Vec<(String, Option<String>)>, CatalogError> {
        Ok(db::query_as(sql::ITEMS_ADDED)
            .bind(line)
            .bind(from.0)
            .bind(to.0)
            .bind(kind.name())
            .fetch_all(&self.reader)
            .await?)
    }
}
