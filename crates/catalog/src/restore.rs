//! Putting rows of a backup in the place of everything that is there, all in one transaction.

use std::path::Path;

use crate::cleanup::Refused;
use crate::collect::living;
use crate::connect::Catalog;
use crate::db::{self, Query, Transaction};
use crate::dump::Cell;
use crate::error::CatalogError;
use crate::tables::{Column, Shape, TABLES, names, shapes};
use crate::{schema, sql};

/// Values in one statement, at most; SQLite takes 32766.
const VALUES: usize = 8000;
/// Rows in one statement, at most.
const ROWS: usize = 500;
/// Bytes in one statement, roughly at most.
const WEIGHT: usize = 4 << 20;

/// A restoration in the middle; dropped, it is taken back.
pub struct Restore {
    transaction: Transaction,
    version: i64,
    tables: Vec<Shape>,
}

impl Catalog {
    /// The rows of each table that a backup keeps; none where the database has no tables yet.
    pub async fn row_counts(&self) -> Result<Vec<(String, u64)>, CatalogError> {
        let mut transaction = self.reader.begin_reading().await?;
        let tables = shapes(&mut transaction).await?;
        counts(&mut transaction, &tables).await
    }

    /// Starts to replace everything. Until it ends nobody takes a lease.
    ///
    /// # Errors
    /// Who is at work, in the inner result; nothing was changed then.
    pub async fn begin_restore(&self) -> Result<Result<Restore, Refused>, CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin().await?;
        if !transaction.is_sqlite() {
            transaction.raw(sql::POSTGRES_LOCK_SCHEMA).await?;
        }
        let there = names(transaction.is_sqlite(), &mut transaction).await?;
        if there.iter().any(|name| name == "lease") {
            transaction.hold_leases().await?;
            let at_work = living(now, &mut transaction).await?;
            if !at_work.is_empty() {
                return Ok(Err(Refused(at_work)));
            }
        }
        Ok(Ok(Restore {
            transaction,
            version: 0,
            tables: Vec::new(),
        }))
    }
}

impl Restore {
    /// Takes every table away and makes those of a schema, empty.
    pub async fn empty(&mut self, version: i64) -> Result<(), CatalogError> {
        let is_sqlite = self.transaction.is_sqlite();
        let there = names(is_sqlite, &mut self.transaction).await?;
        for table in TABLES.iter().rev() {
            if there.iter().any(|name| name == table.name) {
                db::query(sql::drop_table(table.name))
                    .persistent(false)
                    .execute(&mut self.transaction)
                    .await?;
            }
        }
        self.transaction.raw(sql::CREATE_SCHEMA_VERSION).await?;
        schema::apply(&mut self.transaction, 0, version).await?;
        self.version = version;
        self.tables = shapes(&mut self.transaction).await?;
        Ok(())
    }

    /// The tables that the schema has, those first that others refer to.
    pub fn tables(&self) -> &[Shape] {
        &self.tables
    }

    /// Adds rows to a table, their values in the order of `columns`, which are all of the table's.
    pub async fn add(&mut self, table: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Result<(), CatalogError> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let head = sql::insertion(table, &names);
        let most = (VALUES / columns.len().max(1)).clamp(1, ROWS);
        let mut from = 0;
        while from < rows.len() {
            let mut weight = 0;
            let fitting = rows[from..].iter().take(most).take_while(|row| {
                let fits = weight < WEIGHT;
                weight += row.iter().map(Cell::weight).sum::<usize>();
                fits
            });
            let to = from + fitting.count();
            let mut query = db::query(sql::values((&head, columns.len(), ""), to - from)).persistent(to - from == most);
            for row in &rows[from..to] {
                query = bind(query, columns, row);
            }
            query.execute(&mut self.transaction).await?;
            from = to;
        }
        Ok(())
    }

    /// Rows of each table so far.
    pub async fn row_counts(&mut self) -> Result<Vec<(String, u64)>, CatalogError> {
        counts(&mut self.transaction, &self.tables).await
    }

    /// Brings the schema up to date, ends what ran when the backup was made, and makes it all so.
    pub async fn finish(mut self) -> Result<(), CatalogError> {
        schema::apply(&mut self.transaction, self.version, schema::LATEST).await?;
        for text in TABLES.iter().filter_map(|table| table.settle) {
            db::query(text).execute(&mut self.transaction).await?;
        }
        if !self.transaction.is_sqlite() {
            for table in shapes(&mut self.transaction)
                .await?
                .iter()
                .filter(|table| table.is_numbered())
            {
                db::query(sql::number_on(table.name))
                    .persistent(false)
                    .execute(&mut self.transaction)
                    .await?;
            }
        }
        Ok(self.transaction.commit().await?)
    }
}

fn bind(mut query: Query, columns: &[Column], row: &[Cell]) -> Query {
    for (cell, column) in row.iter().zip(columns) {
        query = query.bind(cell.value(column.kind));
    }
    query
}

async fn counts(transaction: &mut Transaction, tables: &[Shape]) -> Result<Vec<(String, u64)>, CatalogError> {
    let mut counts = Vec::with_capacity(tables.len());
    for table in tables {
        let (rows,): (i64,) = db::query_as(sql::count(table.name))
            .fetch_one(&mut *transaction)
            .await?;
        counts.push((table.name.to_owned(), rows as u64));
    }
    Ok(counts)
}

/// The files of a SQLite database: its own, its log's and the log's index's, those that are there.
pub fn files_of(path: &Path) -> Vec<std::path::PathBuf> {
    ["", "-wal", "-shm"]
        .into_iter()
        .map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            std::path::PathBuf::from(name)
        })
        .filter(|path| path.exists())
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::connect::Access;
    use crate::dump::Dump;
    use crate::tests::{Bench, member, revision};
    use crate::{FeedState, Location};
    use chantal_model::Sha256;
    use std::collections::BTreeMap;

    type Rows = BTreeMap<&'static str, Vec<Vec<Cell>>>;

    /// Every row, and the shapes of the tables.
    async fn all(catalog: &Catalog) -> (Vec<Shape>, Rows) {
        let mut dump: Dump = catalog.begin_dump().await.unwrap();
        let shapes = dump.tables().to_vec();
        let mut rows = Rows::new();
        for shape in &shapes {
            let of_table = rows.entry(shape.name).or_default();
            loop {
                let page = dump.page(shape, of_table.last().map(Vec::as_slice)).await.unwrap();
                if page.is_empty() {
                    break;
                }
                of_table.extend(page);
            }
        }
        (shapes, rows)
    }

    /// A catalog with something in most tables; what ran when it was filled still holds its lease.
    async fn filled() -> Bench {
        let bench = Bench::new().await;
        let (repository, lease) = bench.repository().await;
        let catalog = &bench.catalog;
        let open: Vec<_> = vec![member(catalog, &lease, 1).await, member(catalog, &lease, 2).await];
        let number = catalog
            .commit_revision(&lease, revision(&repository, &open, vec![]), &mut open.into_iter())
            .await
            .unwrap();
        let name = "s".parse().unwrap();
        catalog
            .create_snapshot(repository.id, &name, None, repository.line, number, 5)
            .await
            .unwrap();
        let state = FeedState {
            entry_url: "http://h/".into(),
            etag: None,
            last_modified: Some(String::new()),
            entry_sha256: Sha256::of(b"x"),
            selection: "s".into(),
            complete: true,
            checked_at: 1,
            changed_at: 2,
            upstream_timestamp: Some(i64::MAX),
        };
        catalog.save_feed_state(&lease, repository.id, &state).await.unwrap();
        catalog.begin_history(repository.id, "sync").await.unwrap();
        catalog.intend(&lease, &[Sha256::of(b"x")]).await.unwrap();
        std::mem::forget(lease);
        bench
    }

    /// Puts rows into an empty database of a schema.
    async fn put(catalog: &Catalog, version: i64, rows: &Rows, shapes: &[Shape]) -> Restore {
        let mut restore = catalog.begin_restore().await.unwrap().unwrap();
        restore.empty(version).await.unwrap();
        for table in restore.tables().to_vec() {
            let shape = shapes.iter().find(|shape| shape.name == table.name).unwrap();
            let place = |column: &Column| shape.columns.iter().position(|one| one == column).unwrap();
            let places: Vec<usize> = table.columns.iter().map(place).collect();
            let rows: Vec<Vec<Cell>> = rows[table.name]
                .iter()
                .map(|row| places.iter().map(|at| row[*at].clone()).collect())
                .collect();
            restore.add(table.name, &table.columns, &rows).await.unwrap();
        }
        restore
    }

    #[tokio::test]
    pub(crate) async fn what_is_dumped_comes_back_and_nothing_runs_any_more() {
        let bench = filled().await;
        let (shapes, rows) = all(&bench.catalog).await;
        assert!(rows["member"].len() == 2 && rows["lease"].len() == 1 && rows["history"].len() == 1);
        let busy = bench.catalog.begin_restore().await.unwrap().err().unwrap();
        assert_eq!(busy.0[0].name, "sync:r");
        let other = Bench::new().await;
        for _ in 0..2 {
            let restore = put(&other.catalog, schema::LATEST, &rows, &shapes).await;
            restore.finish().await.unwrap();
            let (_, again) = all(&other.catalog).await;
            for (table, rows) in &rows {
                if !["lease", "history"].contains(table) {
                    assert_eq!(&again[table], rows, "{table}");
                }
            }
            assert_eq!(other.catalog.verify().await.unwrap(), Vec::<String>::new());
            assert!(other.catalog.lease_names().await.unwrap().is_empty());
        }
        let runs = other.catalog.history(None, 9, crate::Runs::All).await.unwrap();
        assert_eq!(runs[0].status, "killed");
        // Fences and numbers count on.
        let lease = other.catalog.acquire("sync:r", None).await.unwrap();
        assert_eq!(lease.fence(), 2);
        let second = other
            .catalog
            .ensure_repository(&"second".parse().unwrap(), "x")
            .await
            .unwrap();
        assert_eq!(second.id, 2);
    }

    #[tokio::test]
    pub(crate) async fn a_restoration_that_does_not_end_changes_nothing() {
        let bench = filled().await;
        let (shapes, rows) = all(&bench.catalog).await;
        let other = Bench::new().await;
        let (repository, lease) = other.repository().await;
        lease.release().await.unwrap();
        let before = all(&other.catalog).await;
        drop(put(&other.catalog, schema::LATEST, &rows, &shapes).await);
        assert_eq!(all(&other.catalog).await, before);
        assert_eq!(other.catalog.repositories().await.unwrap()[0].id, repository.id);
    }

    #[tokio::test]
    pub(crate) async fn every_earlier_schema_is_upgraded_with_its_rows() {
        let bench = filled().await;
        let (shapes, rows) = all(&bench.catalog).await;
        for version in 1..schema::LATEST {
            let other = Bench::new().await;
            let restore = put(&other.catalog, version, &rows, &shapes).await;
            restore.transaction.commit().await.unwrap();
            let counts = other.catalog.row_counts().await.unwrap();
            let open = |access| Catalog::open_at(other.location(), access);
            open(Access::Look).await.unwrap().close().await;
            for access in [Access::Read, Access::Write] {
                let refused = open(access).await.unwrap_err();
                assert_eq!(refused.exit_code(), 2, "{refused}");
                assert!(refused.hint().unwrap().contains("db upgrade"));
            }
            let applied = other.catalog.upgrade().await.unwrap();
            assert_eq!(applied, (version + 1..=schema::LATEST).collect::<Vec<_>>());
            assert!(other.catalog.upgrade().await.unwrap().is_empty());
            let after: BTreeMap<String, u64> = other.catalog.row_counts().await.unwrap().into_iter().collect();
            for (table, count) in counts {
                assert_eq!(after[&table], count, "{table} from version {version}");
            }
            let catalog = open(Access::Write).await.unwrap();
            assert_eq!(catalog.verify().await.unwrap(), Vec::<String>::new());
            catalog.close().await;
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_can_be_restored_into() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::File(directory.path().join("c.db"));
        let catalog = Catalog::open_at(&location, Access::Replace).await.unwrap();
        assert!(catalog.row_counts().await.unwrap().is_empty());
        let mut restore = catalog.begin_restore().await.unwrap().unwrap();
        restore.empty(1).await.unwrap();
        restore.finish().await.unwrap();
        assert_eq!(catalog.schema_status().await.unwrap().version, schema::LATEST);
    }
}
