//! What is remembered about a feed since its last success.

use chantal_model::Sha256;

use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql;

/// The state of a feed after a sync that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// URL of the entry point, for which the validators hold; without credentials and without the values of its query.
    pub entry_url: String,
    /// Validator of the entry point.
    pub etag: Option<String>,
    /// The other validator.
    pub last_modified: Option<String>,
    /// Digest of the entry point.
    pub entry_sha256: Sha256,
    /// Digest over everything in the configuration that decides what is recorded.
    pub selection: String,
    /// Whether nothing was left out.
    pub complete: bool,
    /// When the feed was last asked.
    pub checked_at: i64,
    /// When it last had something new.
    pub changed_at: i64,
    /// Upstream's own time.
    pub upstream_timestamp: Option<i64>,
}

type Row = (
    String,
    Option<String>,
    Option<String>,
    Vec<u8>,
    String,
    i64,
    i64,
    i64,
    Option<i64>,
);

impl Catalog {
    /// The state of a feed; `None` before the first success and after [`Catalog::clear_feed_state`].
    pub async fn feed_state(&self, repository: i64) -> Result<Option<FeedState>, CatalogError> {
        let row: Option<Row> = db::query_as(sql::FEED_STATE)
            .bind(repository)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(FeedState {
            entry_url: row.0,
            etag: row.1,
            last_modified: row.2,
            entry_sha256: sha256(&row.3)?,
            selection: row.4,
            complete: row.5 != 0,
            checked_at: row.6,
            changed_at: row.7,
            upstream_timestamp: row.8,
        }))
    }

    /// Saves the state of a feed that brought no new revision.
    pub async fn save_feed_state(&self, lease: &Lease, repository: i64, state: &FeedState) -> Result<(), CatalogError> {
        let mut transaction = self.begin_passing_as(lease).await?;
        save(&mut transaction, repository, state).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a feed's state, so that the next sync reads all of it; `false` if there was none.
    pub async fn clear_feed_state(&self, lease: &Lease, repository: i64) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        let done = db::query(sql::CLEAR_FEED_STATE)
            .bind(repository)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(done > 0)
    }
}

pub(crate) async fn save(
    transaction: &mut Transaction,
    repository: i64,
    state: &FeedState,
) -> Result<(), CatalogError> {
    db::query(sql::SAVE_FEED_STATE)
        .bind(repository)
        .bind(&state.entry_url)
        .bind(&state.etag)
        .bind(&state.last_modified)
        .bind(&state.entry_sha256.0[..])
        .bind(&state.selection)
        .bind(i64::from(state.complete))
        .bind(state.checked_at)
        .bind(state.changed_at)
        .bind(state.upstream_timestamp)
        .execute(&mut *transaction)
        .await?;
    Ok(())
}
