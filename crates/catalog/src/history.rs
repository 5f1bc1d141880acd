//! What ran, when, and how it ended.

use chantal_model::RevisionNumber;

use crate::connect::Catalog;
use crate::db::{self, Row, Transaction};
use crate::error::CatalogError;
use crate::process::{Process, now};
use crate::sql;

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `succeeded`, `partial`, `failed` or `cancelled`.
    pub status: String,
    /// The exit code.
    pub exit_code: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// The revision that it recorded.
    pub revision: Option<RevisionNumber>,
    /// Packages added.
    pub added: i64,
    /// Packages removed.
    pub removed: i64,
    /// Packages upgraded.
    pub upgraded: i64,
    /// Packages of the content.
    pub packages: i64,
    /// Bytes fetched.
    pub bytes_fetched: i64,
    /// Bytes that the pool had.
    pub bytes_saved: i64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct HistoryRow {
    /// The repository's name.
    pub repository: String,
    /// What was done.
    pub verb: String,
    /// When it began.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// `running`, `succeeded`, `partial`, `failed`, `cancelled`, or `killed` for a run whose process is gone.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The revision that it recorded.
    pub revision: Option<RevisionNumber>,
    /// Packages added.
    pub added: i64,
    /// Packages removed.
    pub removed: i64,
    /// Packages upgraded.
    pub upgraded: i64,
    /// Bytes fetched.
    pub bytes_fetched: i64,
    /// The exit code.
    pub exit_code: Option<i64>,
}

/// Which runs of a repository are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// All of them.
    All,
    /// The newest of each repository.
    Last,
}

/// Whether the process of a run that did not end does not work on it any more. Of another host only the lease tells.
fn is_over(process: &Process, held_until: Option<i64>) -> bool {
    process.is_gone() || process.is_elsewhere() && held_until.is_none_or(|until| until <= now())
}

impl Catalog {
    /// Notes that a run began; gives its row.
    pub async fn begin_history(&self, repository: i64, verb: &str) -> Result<i64, CatalogError> {
        let mut transaction = self.begin_passing().await?;
        let id = begin(repository, verb, Process::own(), &mut transaction).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Notes how a run ended.
    pub async fn finish_history(&self, id: i64, outcome: &Outcome) -> Result<(), CatalogError> {
        let mut transaction = self.begin_passing().await?;
        finish(id, outcome, &mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Runs of one repository or of all, newest first.
    pub async fn history(
        &self,
        repository: Option<i64>,
        limit: i64,
        which: Runs,
    ) -> Result<Vec<HistoryRow>, CatalogError> {
        let read = |row: &Row<'_>| {
            let process = Process {
                host: row.try_get(2)?,
                boot_id: row.try_get(3)?,
                pid: row.try_get(4)?,
                start: row.try_get(5)?,
            };
            let mut status: String = row.try_get(8)?;
            let held_until: Option<i64> = row.try_get(16)?;
            if status == "running" && is_over(&process, held_until) {
                "killed".clone_into(&mut status);
            }
            Ok(HistoryRow {
                repository: row.try_get(0)?,
                verb: row.try_get(1)?,
                started_at: row.try_get(6)?,
                finished_at: row.try_get(7)?,
                status,
                error: row.try_get(9)?,
                revision: row.try_get::<Option<i64>>(10)?.map(RevisionNumber),
                added: row.try_get(11)?,
                removed: row.try_get(12)?,
                upgraded: row.try_get(13)?,
                bytes_fetched: row.try_get(14)?,
                exit_code: row.try_get(15)?,
            })
        };
        db::query(sql::HISTORY)
            .bind(repository.unwrap_or(0))
            .bind(limit)
            .bind(i64::from(which == Runs::Last))
            .read_all(&self.reader, read)
            .await
    }
}

/// Notes that a run began, as part of a transaction; gives its row.
pub(crate) async fn begin(
    repository: i64,
    verb: &str,
    own: &Process,
    transaction: &mut Transaction,
) -> Result<i64, db::Error> {
    let (id,) = db::query_as(sql::BEGIN_HISTORY)
        .bind(repository)
        .bind(verb)
        .bind(&own.host)
        .bind(&own.boot_id)
        .bind(own.pid)
        .bind(own.start)
        .bind(now())
        .fetch_one(transaction)
        .await?;
    Ok(id)
}

/// Notes how a run ended, as part of a transaction.
pub(crate) async fn finish(id: i64, outcome: &Outcome, transaction: &mut Transaction) -> Result<(), db::Error> {
    db::query(sql::FINISH_HISTORY)
        .bind(id)
        .bind(now())
        .bind(&outcome.status)
        .bind(outcome.exit_code)
        .bind(&outcome.error)
        .bind(outcome.revision.map(|revision| revision.0))
        .bind(outcome.added)
        .bind(outcome.removed)
        .bind(outcome.upgraded)
        .bind(outcome.packages)
        .bind(outcome.bytes_fetched)
        .bind(outcome.bytes_saved)
        .execute(transaction)
        .await?;
    Ok(())
}
