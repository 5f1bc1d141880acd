//! Migrations: an empty database is made, an older one is upgraded on request, a newer one is refused.

use chantal_model::fault;

use crate::connect::Catalog;
use crate::db::{self, Pool, Transaction};
use crate::error::CatalogError;
use crate::sql;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; each is higher than the one before.
    pub version: i64,
    /// What it does.
    pub name: &'static str,
    /// Its statements for SQLite.
    pub sqlite: &'static str,
    /// Its statements for PostgreSQL.
    pub postgres: &'static str,
}

/// Every migration, oldest first.
pub(crate) const MIGRATIONS: [Migration; 8] = [
    Migration {
        version: 1,
        name: "initial",
        sqlite: include_str!("../migrations/sqlite/0001_initial.sql"),
        postgres: include_str!("../migrations/postgres/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "intents by the page",
        sqlite: include_str!("../migrations/sqlite/0002_intents.sql"),
        postgres: include_str!("../migrations/postgres/0002_intents.sql"),
    },
    Migration {
        version: 3,
        name: "progress",
        sqlite: include_str!("../migrations/sqlite/0003_progress.sql"),
        postgres: include_str!("../migrations/postgres/0003_progress.sql"),
    },
    Migration {
        version: 4,
        name: "retired revisions",
        sqlite: include_str!("../migrations/sqlite/0004_retired_revisions.sql"),
        postgres: include_str!("../migrations/postgres/0004_retired_revisions.sql"),
    },
    Migration {
        version: 5,
        name: "collection",
        sqlite: include_str!("../migrations/sqlite/0005_collection.sql"),
        postgres: include_str!("../migrations/postgres/0005_collection.sql"),
    },
    Migration {
        version: 6,
        name: "schedule",
        sqlite: include_str!("../migrations/sqlite/0006_schedule.sql"),
        postgres: include_str!("../migrations/postgres/0006_schedule.sql"),
    },
    Migration {
        version: 7,
        name: "tally",
        sqlite: include_str!("../migrations/sqlite/0007_tally.sql"),
        postgres: include_str!("../migrations/postgres/0007_tally.sql"),
    },
    Migration {
        version: 8,
        name: "tasks",
        sqlite: include_str!("../migrations/sqlite/0008_tasks.sql"),
        postgres: include_str!("../migrations/postgres/0008_tasks.sql"),
    },
];

/// The version that this program writes.
pub(crate) const LATEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// What is known about a database's schema.
#[derive(Clone, Debug, serde::Serialize)]
pub struct SchemaStatus {
    /// The version it has.
    pub version: i64,
    /// The version that this program writes.
    pub latest: i64,
    /// Size of the database file in bytes.
    pub size_bytes: u64,
    /// Migrations with the time they were applied, in seconds since 1970; `None` for those that are missing.
    pub migrations: Vec<(i64, String, Option<i64>)>,
}

/// The schema version; `None` for an empty database.
pub(crate) async fn version(pool: &Pool) -> Result<Option<i64>, CatalogError> {
    // Asked in two statements, somebody who makes the tables in between would pass for another program.
    let tables = if pool.is_sqlite() {
        sql::SQLITE_TABLES
    } else {
        sql::POSTGRES_TABLES
    };
    let (ours, all): (i64, i64) = db::query_as(tables).fetch_one(pool).await?;
    if ours == 0 {
        if all > 0 {
            return Err(CatalogError::corrupt("it is a database of another program"));
        }
        return Ok(None);
    }
    let (version,): (Option<i64>,) = db::query_as(sql::SCHEMA_VERSION).fetch_one(pool).await?;
    Ok(version)
}

/// Applies what is missing, all of it or nothing: whoever opens the database meanwhile never sees a schema in between.
/// Gives the numbers of what it applied.
pub(crate) async fn upgrade(catalog: &Catalog) -> Result<Vec<i64>, CatalogError> {
    let mut transaction = catalog.begin().await?;
    if !transaction.is_sqlite() {
        // Two processes that find a database empty do not both fill it.
        transaction.raw(sql::POSTGRES_LOCK_SCHEMA).await?;
    }
    transaction.raw(sql::CREATE_SCHEMA_VERSION).await?;
    let (newest,): (Option<i64>,) = db::query_as(sql::SCHEMA_VERSION).fetch_one(&mut transaction).await?;
    let newest = newest.unwrap_or(0);
    if newest > LATEST {
        let (found, needed) = (newest, LATEST);
        return Err(CatalogError::Schema { found, needed });
    }
    let applied = apply(&mut transaction, newest, LATEST).await?;
    transaction.commit().await?;
    Ok(applied)
}

/// Applies the migrations that lead from one version to another; gives their numbers.
pub(crate) async fn apply(transaction: &mut Transaction, from: i64, to: i64) -> Result<Vec<i64>, CatalogError> {
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|one| one.version > from && one.version <= to) {
        let text = if transaction.is_sqlite() {
            migration.sqlite
        } else {
            migration.postgres
        };
        transaction.raw(text).await?;
        fault!("catalog::migrate").map_err(db::Error::from)?;
        db::query(sql::ADD_SCHEMA_VERSION)
            .bind(migration.version)
            .bind(migration.name)
            .bind(crate::process::now())
            .execute(&mut *transaction)
            .await?;
        applied.push(migration.version);
    }
    Ok(applied)
}

impl Catalog {
    /// Every migration that this program knows, oldest first.
    pub fn migrations() -> &'static [Migration] {
        &MIGRATIONS
    }

    /// What is known about the schema.
    pub async fn schema_status(&self) -> Result<SchemaStatus, CatalogError> {
        let version = version(&self.writer).await?.unwrap_or(0);
        let applied: Vec<(i64, String, i64)> = db::query_as(sql::SCHEMA_HISTORY).fetch_all(&self.reader).await?;
        Ok(SchemaStatus {
            version,
            latest: LATEST,
            size_bytes: self.size_bytes().await?,
            migrations: MIGRATIONS
                .iter()
                .map(|migration| {
                    let at = applied
                        .iter()
                        .find(|(version, _, _)| *version == migration.version)
                        .map(|one| one.2);
                    (migration.version, migration.name.to_owned(), at)
                })
                .collect(),
        })
    }

    /// Applies missing migrations; gives their numbers.
    pub async fn upgrade(&self) -> Result<Vec<i64>, CatalogError> {
        upgrade(self).await
    }
}
