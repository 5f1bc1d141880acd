//! Finding, counting, checking.

use chantal_model::Sha256;

use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::members::{PackageRow, package_row};
use crate::records::Unpacked;
use crate::sql;

/// A package and where it is.
#[derive(Clone, Debug)]
pub struct FoundPackage {
    /// The package, at the first of its paths.
    pub package: PackageRow,
    /// Its format.
    pub format: String,
    /// Repositories that hold it now.
    pub repositories: Vec<String>,
    /// Snapshots that hold it, as `repository/snapshot`.
    pub snapshots: Vec<String>,
    /// Repositories of which only older revisions hold it.
    pub older: Vec<String>,
}

/// Numbers about everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogStats {
    /// Repositories.
    pub repositories: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// Revisions.
    pub revisions: i64,
    /// Packages in newest revisions, each repository counted by itself.
    pub packages: i64,
    /// Their bytes.
    pub logical_bytes: i64,
    /// Blobs.
    pub blobs: i64,
    /// Their bytes.
    pub blob_bytes: i64,
}

impl Catalog {
    /// Packages by SHA-256, `name` or `name@version`.
    pub async fn find_package(&self, ident: &str) -> Result<Vec<FoundPackage>, CatalogError> {
        let (name, version) = ident.split_once('@').unwrap_or((ident, ""));
        let digest = ident.parse::<Sha256>().map(|name| name.0.to_vec()).unwrap_or_default();
        let rows = db::query(sql::FIND_PACKAGE)
            .bind(name)
            .bind(version)
            .bind(digest)
            .read_all(&self.reader, |row| {
                Ok::<(i64, String, _), CatalogError>((row.try_get(8)?, row.try_get(9)?, package_row(row)?))
            })
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for (id, format, package) in rows {
            let repositories: Vec<(String,)> = db::query_as(sql::PACKAGE_REPOSITORIES)
                .bind(id)
                .fetch_all(&self.reader)
                .await?;
            let snapshots: Vec<(String, String)> = db::query_as(sql::PACKAGE_SNAPSHOTS)
                .bind(id)
                .fetch_all(&self.reader)
                .await?;
            let older: Vec<(String,)> = db::query_as(sql::PACKAGE_OLDER)
                .bind(id)
                .fetch_all(&self.reader)
                .await?;
            found.push(FoundPackage {
                package,
                format,
                older: older.into_iter().map(|(name,)| name).collect(),
                repositories: repositories.into_iter().map(|(name,)| name).collect(),
                snapshots: snapshots
                    .into_iter()
                    .map(|(repo, name)| format!("{repo}/{name}"))
                    .collect(),
            });
        }
        Ok(found)
    }

    /// Numbers about everything.
    pub async fn stats(&self) -> Result<CatalogStats, CatalogError> {
        let (repositories, snapshots, revisions, packages, logical_bytes, blobs, blob_bytes) =
            db::query_as(sql::STATS).fetch_one(&self.reader).await?;
        Ok(CatalogStats {
            repositories,
            snapshots,
            revisions,
            packages,
            logical_bytes,
            blobs,
            blob_bytes,
        })
    }

    /// Number and bytes of the metadata files of a line's newest revision.
    pub async fn source_files(&self, line: i64) -> Result<(i64, i64), CatalogError> {
        Ok(db::query_as(sql::SOURCE_FILES)
            .bind(line)
            .fetch_one(&self.reader)
            .await?)
    }

    /// Every blob with its size in bytes.
    pub async fn all_blobs(&self) -> Result<Vec<(Sha256, u64)>, CatalogError> {
        let rows: Vec<(Vec<u8>, i64)> = db::query_as(sql::ALL_BLOBS).fetch_all(&self.reader).await?;
        rows.into_iter()
            .map(|(name, size)| Ok((sha256(&name)?, size as u64)))
            .collect()
    }

    /// Looks whether the file is whole, without reading every index; gives what is wrong. PostgreSQL looks after its own.
    pub async fn quick_check(&self) -> Result<Vec<String>, CatalogError> {
        if !self.reader.is_sqlite() {
            return Ok(Vec::new());
        }
        let found: Vec<(String,)> = db::query_as(sql::SQLITE_QUICK_CHECK).fetch_all(&self.reader).await?;
        Ok(found
            .into_iter()
            .map(|(line,)| line)
            .filter(|line| line != "ok")
            .collect())
    }

    /// Checks the file, all references and all records; gives what is wrong.
    pub async fn verify(&self) -> Result<Vec<String>, CatalogError> {
        let mut problems = Vec::new();
        if self.reader.is_sqlite() {
            problems.extend(self.verify_file().await?);
        }
        for (text, what) in [
            (
                sql::DANGLING_MEMBERS,
                "members without a package or with an empty interval",
            ),
            (sql::RECORD_SLOTS, "records outside their pack"),
            (
                sql::WRONG_COUNTS,
                "newest revisions that hold another number of packages than they were recorded with",
            ),
            (sql::RETIRED_IN_USE, "retired revisions that are pinned or published"),
        ] {
            let (count,): (i64,) = db::query_as(text).fetch_one(&self.reader).await?;
            if count > 0 {
                problems.push(format!("{count} {what}"));
            }
        }
        let mut after = 0;
        loop {
            let packs: Vec<(i64, Vec<u8>, i64)> = db::query_as(sql::RECORD_PACKS)
                .bind(after)
                .fetch_all(&self.reader)
                .await?;
            let Some((last, _, _)) = packs.last() else { break };
            after = *last;
            for (id, body, count) in &packs {
                match Unpacked::read(body) {
                    Ok(pack) if pack.get(*count - 1).is_some() && pack.get(*count).is_none() => {}
                    Ok(_) => problems.push(format!("pack {id} does not hold {count} records")),
                    Err(error) => problems.push(format!("pack {id}: {error}")),
                }
            }
        }
        Ok(problems)
    }

    /// What SQLite itself finds wrong with its file; PostgreSQL looks after its own.
    async fn verify_file(&self) -> Result<Vec<String>, CatalogError> {
        let mut problems = Vec::new();
        let integrity: Vec<(String,)> = db::query_as(sql::SQLITE_INTEGRITY)
            .apart()
            .fetch_all(&self.reader)
            .await?;
        problems.extend(integrity.into_iter().map(|(line,)| line).filter(|line| line != "ok"));
        let foreign: Vec<(String, Option<i64>, String)> = db::query_as(sql::SQLITE_FOREIGN_KEYS)
            .apart()
            .fetch_all(&self.reader)
            .await?;
        for (table, _, parent) in foreign {
            problems.push(format!("a row of {table} names a row of {parent} that is not there"));
        }
        Ok(problems)
    }

    /// Rewrites the database without its free pages.
    pub async fn vacuum(&self) -> Result<(), CatalogError> {
        self.writer.raw(sql::VACUUM).await?;
        // Until then the file has the size it had.
        if self.writer.is_sqlite() {
            self.writer.raw(sql::SQLITE_EMPTY_LOG).await?;
        }
        Ok(())
    }
}
