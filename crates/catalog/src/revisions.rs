//! Revisions: the last transaction of a sync writes one, with the intervals that it opens and closes.

use chantal_model::{Mode, RevisionNumber, Sha256};

use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::db::{self, Row, Transaction};
use crate::error::CatalogError;
use crate::feeds::{self, FeedState};
use crate::lease::Lease;
use crate::members::NewMember;
use crate::named::Named;
use crate::sql::{self, many};
use crate::{FOREVER, PARTS};

/// Rows of eleven columns in one statement, below SQLite's limit of 32,766 values.
const MEMBER_ROWS: usize = 250;

/// The immutable content of a repository after a change.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its line.
    pub line: i64,
    /// Its number.
    pub number: RevisionNumber,
    /// The mode it was recorded in.
    pub mode: Mode,
    /// The settings it is rendered with, as JSON.
    pub settings: String,
    /// Digest over its content.
    pub fingerprint: Sha256,
    /// When it was recorded.
    pub created_at: i64,
    /// Upstream's own revision.
    pub upstream_revision: Option<String>,
    /// Upstream's own time.
    pub upstream_timestamp: Option<i64>,
    /// Packages in it.
    pub package_count: i64,
    /// Their size in bytes.
    pub package_bytes: i64,
    /// When it was retired: it is not held any more.
    pub retired_at: Option<i64>,
}

/// A revision to be recorded.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// Its line.
    pub line: i64,
    /// Its repository.
    pub repository: i64,
    /// Its mode.
    pub mode: Mode,
    /// The settings it is rendered with, as JSON.
    pub settings: String,
    /// Digest over its content.
    pub fingerprint: Sha256,
    /// When it is recorded.
    pub created_at: i64,
    /// Upstream's own revision.
    pub upstream_revision: Option<String>,
    /// Upstream's own time.
    pub upstream_timestamp: Option<i64>,
    /// Packages in it.
    pub package_count: i64,
    /// Their size in bytes.
    pub package_bytes: i64,
    /// Rows of members that it has no more.
    pub close: Vec<i64>,
    /// What is remembered about the feed, saved in the same transaction.
    pub feed_state: Option<FeedState>,
}

pub(crate) fn revision(row: &Row<'_>) -> Result<Revision, CatalogError> {
    let mode: String = row.try_get(2)?;
    Ok(Revision {
        line: row.try_get(0)?,
        number: RevisionNumber(row.try_get(1)?),
        mode: mode
            .parse()
            .map_err(|_| CatalogError::corrupt(format!("a revision in mode {mode:?}")))?,
        settings: row.try_get(3)?,
        fingerprint: sha256(&row.try_get::<Vec<u8>>(4)?)?,
        created_at: row.try_get(5)?,
        upstream_revision: row.try_get(6)?,
        upstream_timestamp: row.try_get(7)?,
        package_count: row.try_get(8)?,
        package_bytes: row.try_get(9)?,
        retired_at: row.try_get(10)?,
    })
}

impl Catalog {
    /// The newest revision of a line.
    pub async fn current(&self, line: i64) -> Result<Option<Revision>, CatalogError> {
        db::query(sql::CURRENT_REVISION)
            .bind(line)
            .read_optional(&self.reader, revision)
            .await
    }

    /// One revision, retired or not.
    pub async fn revision(&self, line: i64, number: RevisionNumber) -> Result<Option<Revision>, CatalogError> {
        db::query(sql::REVISION)
            .bind(line)
            .bind(number.0)
            .read_optional(&self.reader, revision)
            .await
    }

    /// Every revision of a line that is held, oldest first.
    pub async fn revisions(&self, line: i64) -> Result<Vec<Revision>, CatalogError> {
        db::query(sql::REVISIONS)
            .bind(line)
            .read_all(&self.reader, revision)
            .await
    }

    /// Records a revision in one transaction, with the members that the revision before does not have; gives its number.
    pub async fn commit_revision(
        &self,
        lease: &Lease,
        new: NewRevision,
        open: &mut (dyn Iterator<Item = NewMember> + Send),
    ) -> Result<RevisionNumber, CatalogError> {
        self.write_revision(lease, &new, open).await?.commit().await
    }

    /// Does the same but for the commit, so that something else can be made durable meanwhile. Until the answer is
    /// committed or dropped, nobody else writes to SQLite.
    pub async fn write_revision(
        &self,
        lease: &Lease,
        new: &NewRevision,
        open: &mut (dyn Iterator<Item = NewMember> + Send),
    ) -> Result<PendingRevision, CatalogError> {
        let mut transaction = self.begin_unchecked_as(lease).await?;
        let mut named = Named::default();
        let current = db::query(sql::CURRENT_REVISION)
            .bind(new.line)
            .read_optional(&mut transaction, revision)
            .await?;
        let number = current.map_or(1, |current| current.number.0 + 1);
        db::query(sql::ADD_REVISION)
            .bind(new.line)
            .bind(number)
            .bind(new.mode.name())
            .bind(&new.settings)
            .bind(&new.fingerprint.0[..])
            .bind(new.created_at)
            .bind(&new.upstream_revision)
            .bind(new.upstream_timestamp)
            .bind(new.package_count)
            .bind(new.package_bytes)
            .execute(&mut transaction)
            .await?;
        for id in &new.close {
            db::query(sql::CLOSE_MEMBER)
                .bind(number)
                .bind(id)
                .execute(&mut transaction)
                .await?;
        }
        loop {
            let chunk: Vec<NewMember> = open.take(MEMBER_ROWS).collect();
            if chunk.is_empty() {
                break;
            }
            let mut query = db::insertion(many::ADD_MEMBERS).persistent(chunk.len() == MEMBER_ROWS);
            for member in &chunk {
                named.add(member);
                query = query
                    .bind(new.line)
                    .bind(member.kind.name())
                    .bind(&member.path)
                    .bind(member.package_id)
                    .bind(member.blob_id);
                for part in 0..PARTS {
                    query = query.bind(member.records[part]);
                }
                query = query.bind(&member.attributes).bind(number).bind(FOREVER);
            }
            query.execute(&mut transaction).await?;
        }
        if transaction.is_sqlite() {
            named.check(&mut transaction, new.line).await?;
        }
        if let Some(state) = &new.feed_state {
            feeds::save(&mut transaction, new.repository, state).await?;
        }
        Ok(PendingRevision {
            transaction,
            number: RevisionNumber(number),
        })
    }
}

/// A revision that counts once it is committed; dropped, it was never there.
pub struct PendingRevision {
    transaction: Transaction,
    number: RevisionNumber,
}

impl PendingRevision {
    /// Makes it count; gives its number.
    pub async fn commit(self) -> Result<RevisionNumber, CatalogError> {
        self.transaction.commit().await?;
        Ok(self.number)
    }
}
