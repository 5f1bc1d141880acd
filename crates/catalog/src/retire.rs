//! Retention of revisions: which of them retire, and what goes with them.
//!
//! A retired revision keeps its row, so that whoever asks for it is told when it went. Intervals of members in which no
//! other revision lies are deleted; packages, records and blobs stay for collection.

use chantal_model::RevisionNumber;

use crate::connect::Catalog;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::lease::{Lease, rfc3339};
use crate::sql;

/// Which revisions stay, beside the newest, those that a snapshot pins and those that a published tree serves or served
/// within its grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The last so many.
    pub keep_last: u32,
    /// Those that were still the newest at this time, in seconds since 1970.
    pub newest_since: i64,
}

/// What came of retiring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// The revisions, oldest first, with the times at which they were recorded.
    pub revisions: Vec<(RevisionNumber, i64)>,
    /// Intervals of members that went with them.
    pub members: u64,
}

impl Catalog {
    /// The revisions of a line that would retire now, oldest first, with the times at which they were recorded.
    pub async fn retirable(&self, line: i64, retention: Retention) -> Result<Vec<(RevisionNumber, i64)>, CatalogError> {
        let rows: Vec<(i64, i64)> = db::query_as(sql::RETIRABLE)
            .bind(line)
            .bind(i64::from(retention.keep_last))
            .bind(retention.newest_since)
            .fetch_all(&self.reader)
            .await?;
        Ok(rows
            .into_iter()
            .map(|(number, at)| (RevisionNumber(number), at))
            .collect())
    }

    /// Retires revisions of a line in one transaction. The lease is the repository's.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] while anything is being published, since that may be what would go.
    pub async fn retire(
        &self,
        lease: &Lease,
        line: i64,
        retention: Retention,
        at: i64,
    ) -> Result<Retired, CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin_alone_as(lease).await?;
        let publishing: Option<(String, String, i64, i64)> = db::query_as(sql::PUBLISHING)
            .bind(now)
            .fetch_optional(&mut transaction)
            .await?;
        if let Some((name, host, pid, since)) = publishing {
            return Err(CatalogError::Busy {
                name,
                holder: format!("process {pid} on {host}"),
                since: rfc3339(since),
            });
        }
        let retired = retire_in(&mut transaction, line, retention, at).await?;
        if !retired.revisions.is_empty() {
            transaction.commit().await?;
        }
        Ok(retired)
    }

    /// Whether a revision is there and has not been retired, asked within a transaction that keeps it so.
    pub(crate) async fn is_living(
        transaction: &mut Transaction,
        line: i64,
        revision: RevisionNumber,
    ) -> Result<bool, CatalogError> {
        transaction.hold_leases().await?;
        let living: Option<(i64,)> = db::query_as(sql::LIVING_REVISION)
            .bind(line)
            .bind(revision.0)
            .fetch_optional(transaction)
            .await?;
        Ok(living.is_some())
    }
}

/// Retires revisions of a line within a transaction.
pub(crate) async fn retire_in(
    transaction: &mut Transaction,
    line: i64,
    retention: Retention,
    at: i64,
) -> Result<Retired, CatalogError> {
    let revisions: Vec<(i64, i64)> = db::query_as(sql::RETIRABLE)
        .bind(line)
        .bind(i64::from(retention.keep_last))
        .bind(retention.newest_since)
        .fetch_all(&mut *transaction)
        .await?;
    if revisions.is_empty() {
        return Ok(Retired::default());
    }
    for (number, _) in &revisions {
        db::query(sql::RETIRE)
            .bind(line)
            .bind(*number)
            .bind(at)
            .execute(&mut *transaction)
            .await?;
    }
    let members = db::query(sql::DROP_RETIRED_MEMBERS)
        .bind(line)
        .execute(transaction)
        .await?;
    Ok(Retired {
        revisions: revisions
            .into_iter()
            .map(|(number, at)| (RevisionNumber(number), at))
            .collect(),
        members,
    })
}
