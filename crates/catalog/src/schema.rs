//! Migrations: an empty database is made, an older one is upgraded on request, a newer one is refused.

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row, SqlSafeStr};

use crate::connect::Catalog;
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
pub(crate) const MIGRATIONS: [Migration; 3] = [
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
pub(crate) async fn version(pool: &SqlitePool) -> Result<Option<i64>, CatalogError> {
    let tables: i64 = sqlx::query(sql::SQLITE_HAS_SCHEMA).fetch_one(pool).await?.try_get(0)?;
    if tables == 0 {
        let any: i64 = sqlx::query(sql::SQLITE_HAS_ANYTHING)
            .fetch_one(pool)
            .await?
            .try_get(0)?;
        if any > 0 {
            return Err(CatalogError::corrupt("it is a database of another program"));
        }
        return Ok(None);
    }
    Ok(sqlx::query(sql::SCHEMA_VERSION)
        .fetch_one(pool)
        .await?
        .try_get::<Option<i64>, _>(0)?)
}

/// Applies what is missing, each migration in a transaction of its own.
pub(crate) async fn upgrade(catalog: &Catalog) -> Result<(), CatalogError> {
    let mut found = version(&catalog.writer).await?.unwrap_or(0);
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        let mut transaction = catalog.begin().await?;
        sqlx::raw_sql(sql::CREATE_SCHEMA_VERSION)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(migration.sqlite).into_sql_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(sql::ADD_SCHEMA_VERSION)
            .bind(migration.version)
            .bind(migration.name)
            .bind(crate::process::now())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    found = version(&catalog.writer).await?.unwrap_or(0);
    if found == LATEST {
        return Ok(());
    }
    Err(CatalogError::Schema { found, needed: LATEST })
}

impl Catalog {
    /// Every migration that this program knows, oldest first.
    pub fn migrations() -> &'static [Migration] {
        &MIGRATIONS
    }

    /// What is known about the schema.
    pub async fn schema_status(&self) -> Result<SchemaStatus, CatalogError> {
        let version = version(&self.writer).await?.unwrap_or(0);
        let applied: Vec<(i64, String, i64)> = sqlx::query_as(sql::SCHEMA_HISTORY).fetch_all(&self.reader).await?;
        Ok(SchemaStatus {
            version,
            latest: LATEST,
            size_bytes: std::fs::metadata(self.path()).map_or(0, |meta| meta.len()),
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
        let before = version(&self.writer).await?.unwrap_or(0);
        upgrade(self).await?;
        Ok(MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .filter(|version| *version > before)
            .collect())
    }
}
