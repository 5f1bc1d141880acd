//! Leases: at most one process works on a name, and one that was replaced can no longer write.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::connect::Catalog;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::feeds::{self, FeedState};
use crate::history::{self, Outcome};
use crate::process::Process;
use crate::sql;

/// It is renewed so often while it lasts.
const BEATS: u32 = 4;
/// Pause between two tries of a waiting process.
const RETRY: Duration = Duration::from_millis(200);
/// What a lease is held for by collection, as the step that it is at.
const COLLECTING: &str = "collect";
/// Collection holds what it looks at for moments only, so that nobody is turned away for it before this is over.
const COLLECTION: Duration = Duration::from_secs(60);

/// A held lease. Every write names one, and is refused once somebody else has it.
///
/// Dropped without [`Lease::release`], it stays until this process ends or it expires.
#[derive(Debug)]
pub struct Lease {
    name: String,
    fence: i64,
    catalog: Catalog,
    heartbeat: JoinHandle<()>,
}

type Row = (String, String, i64, i64, i64, i64, i64);

/// What a lease is taken for.
#[derive(Clone, Copy, Default)]
struct Purpose<'a> {
    /// The step that it begins with.
    step: Option<&'a str>,
    /// The repository and the verb of a run that begins with it.
    run: Option<(i64, &'a str)>,
}

/// What is noted when a lease is given back.
struct After<'a> {
    run: i64,
    outcome: &'a Outcome,
    checked: Option<(i64, &'a FeedState)>,
}

impl Catalog {
    /// Takes a lease. A holder on this host whose process is gone is replaced at once, any other when it expires.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] at once, or after `wait`. Where collection has it, that is waited for in any case.
    pub async fn acquire(&self, name: &str, wait: Option<Duration>) -> Result<Lease, CatalogError> {
        Ok(self.acquire_to(name, wait, Purpose::default()).await?.0)
    }

    /// As [`Self::acquire`], and notes in the same transaction that a run of a verb began for which it is taken; gives the
    /// row of the run.
    pub async fn acquire_to_run(
        &self,
        name: &str,
        wait: Option<Duration>,
        (repository, verb): (i64, &str),
    ) -> Result<(Lease, i64), CatalogError> {
        let purpose = Purpose {
            run: Some((repository, verb)),
            ..Purpose::default()
        };
        let (lease, run) = self.acquire_to(name, wait, purpose).await?;
        Ok((lease, run.expect("it began with the lease")))
    }

    /// As [`Self::acquire`] without waiting, for collection: others wait for its end instead of being turned away.
    pub async fn acquire_to_collect(&self, name: &str) -> Result<Lease, CatalogError> {
        let purpose = Purpose {
            step: Some(COLLECTING),
            ..Purpose::default()
        };
        Ok(self.acquire_to(name, None, purpose).await?.0)
    }

    async fn acquire_to(
        &self,
        name: &str,
        wait: Option<Duration>,
        purpose: Purpose<'_>,
    ) -> Result<(Lease, Option<i64>), CatalogError> {
        let start = Instant::now();
        let deadline = start + wait.unwrap_or_default();
        let patience = start + COLLECTION;
        loop {
            match self.try_acquire(name, purpose).await {
                Ok((fence, run)) => {
                    self.note_taken(name, fence);
                    let lease = Lease {
                        name: name.to_owned(),
                        fence,
                        catalog: self.clone(),
                        heartbeat: tokio::spawn(beat(self.clone(), name.to_owned(), fence)),
                    };
                    return Ok((lease, run));
                }
                Err(CatalogError::Busy { .. }) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
                Err(CatalogError::Busy { .. })
                    if purpose.step.is_none() && Instant::now() < patience && self.is_soon_free(name).await? =>
                {
                    tokio::time::sleep(RETRY / 10).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether collection has a lease, or had it just now.
    async fn is_soon_free(&self, name: &str) -> Result<bool, CatalogError> {
        Ok(self.is_held_by_collection(name).await? || self.holder(name).await?.is_none())
    }

    async fn is_held_by_collection(&self, name: &str) -> Result<bool, CatalogError> {
        let since: Option<(i64,)> = db::query_as(sql::HELD_FOR)
            .bind(name)
            .bind(COLLECTING)
            .fetch_optional(&self.reader)
            .await?;
        Ok(since.is_some())
    }

    async fn try_acquire(&self, name: &str, purpose: Purpose<'_>) -> Result<(i64, Option<i64>), CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin_passing().await?;
        // Of two that want it at once, one waits here and then finds it held.
        transaction.hold_leases().await?;
        let held: Option<Row> = db::query_as(sql::LEASE)
            .bind(name)
            .fetch_optional(&mut transaction)
            .await?;
        let mut fence = 1;
        if let Some((host, boot_id, pid, start, held_fence, since, expires_at)) = held {
            let holder = Process {
                host,
                boot_id,
                pid,
                start,
            };
            if expires_at > now && !holder.is_gone() {
                return Err(CatalogError::Busy {
                    name: name.to_owned(),
                    holder: format!("process {} on {}", holder.pid, holder.host),
                    since: rfc3339(since),
                });
            }
            fence = held_fence + 1;
        }
        let own = Process::own();
        db::query(sql::SAVE_LEASE)
            .bind(name)
            .bind(&own.host)
            .bind(&own.boot_id)
            .bind(own.pid)
            .bind(own.start)
            .bind(fence)
            .bind(now)
            .bind(now + self.lease_seconds)
            .execute(&mut transaction)
            .await?;
        if let Some(step) = purpose.step {
            db::query(sql::TELL_PROGRESS)
                .bind(name)
                .bind(fence)
                .bind(step)
                .bind(0_i64)
                .bind(0_i64)
                .bind(now)
                .execute(&mut transaction)
                .await?;
        }
        // What an earlier holder relied on is nobody's concern any more.
        db::query(sql::DROP_OLD_INTENTS)
            .bind(name)
            .bind(fence)
            .execute(&mut transaction)
            .await?;
        let run = match purpose.run {
            Some((repository, verb)) => Some(history::begin(repository, verb, own, &mut transaction).await?),
            None => None,
        };
        transaction.commit().await?;
        Ok((fence, run))
    }

    fn note_taken(&self, name: &str, fence: i64) {
        if let Some(taken) = &self.taken {
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push((name.to_owned(), fence));
        }
    }

    async fn give_back(&self, name: &str, fence: i64, after: Option<After<'_>>) -> Result<(), CatalogError> {
        let mut transaction = self.begin_passing().await?;
        if let Some(After { run, outcome, checked }) = after {
            history::finish(run, outcome, &mut transaction).await?;
            if let Some((repository, state)) = checked {
                transaction = Self::as_holder_of(transaction, name, fence).await?;
                feeds::save(&mut transaction, repository, state).await?;
            }
        }
        for text in [sql::DROP_LEASE, sql::DROP_INTENTS] {
            db::query(text).bind(name).bind(fence).execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        if let Some(taken) = &self.taken {
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.retain(|one| (one.0.as_str(), one.1) != (name, fence));
        }
        Ok(())
    }

    /// Gives back the leases of work that was dropped, which no longer touches what they guard.
    pub async fn give_back_taken(&self) -> Result<(), CatalogError> {
        let Some(taken) = &self.taken else { return Ok(()) };
        let names = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, fence) in names {
            self.give_back(&name, fence, None).await?;
        }
        Ok(())
    }

    /// A write transaction for the holder of a lease.
    pub(crate) async fn begin_as(&self, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::as_holder(self.begin().await?, lease).await
    }

    /// The same for somebody who finds out for himself whether what rows name is there, see
    /// [`Named`](crate::named::Named).
    pub(crate) async fn begin_unchecked_as(&self, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::as_holder(self.writer.begin_unchecked().await?, lease).await
    }

    /// The same as [`Catalog::begin_as`] for what a later transaction makes durable, see [`Catalog::begin_passing`].
    pub(crate) async fn begin_passing_as(&self, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::as_holder(self.begin_passing().await?, lease).await
    }

    /// The same as [`Catalog::begin_as`], while nobody takes or frees a lease. All who do so lock the table before its rows, or two of them would
    /// wait for each other.
    pub(crate) async fn begin_alone_as(&self, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::alone_as(self.begin().await?, lease).await
    }

    /// Both at once.
    pub(crate) async fn begin_passing_alone_as(&self, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::alone_as(self.begin_passing().await?, lease).await
    }

    async fn alone_as(mut transaction: Transaction, lease: &Lease) -> Result<Transaction, CatalogError> {
        transaction.hold_leases().await?;
        Self::as_holder(transaction, lease).await
    }

    async fn as_holder(transaction: Transaction, lease: &Lease) -> Result<Transaction, CatalogError> {
        Self::as_holder_of(transaction, &lease.name, lease.fence).await
    }

    async fn as_holder_of(mut transaction: Transaction, name: &str, fence: i64) -> Result<Transaction, CatalogError> {
        let text = if transaction.is_sqlite() {
            sql::LEASE_FENCE
        } else {
            sql::POSTGRES_LEASE_FENCE
        };
        let held: Option<(i64,)> = db::query_as(text)
            .bind(name)
            .bind(fence)
            .fetch_optional(&mut transaction)
            .await?;
        match held {
            Some(_) => Ok(transaction),
            None => Err(CatalogError::LostLease { name: name.to_owned() }),
        }
    }
}

impl Lease {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its fence: higher than that of every holder before.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Gives it back.
    pub async fn release(self) -> Result<(), CatalogError> {
        self.heartbeat.abort();
        self.catalog.give_back(&self.name, self.fence, None).await
    }

    /// Notes how the run ended that it was taken for, and gives it back. Of a run that only looked at a feed, `checked` is
    /// the repository and what is remembered of the feed now. Where that cannot be noted, the run failed for that reason.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if somebody else has it by now and something was to be remembered.
    pub async fn release_after(
        self,
        run: i64,
        outcome: &Outcome,
        checked: Option<(i64, &FeedState)>,
    ) -> Result<(), CatalogError> {
        self.heartbeat.abort();
        let after = After { run, outcome, checked };
        let both = self.catalog.give_back(&self.name, self.fence, Some(after));
        match both.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let outcome = Outcome {
                    status: "failed".to_owned(),
                    exit_code: i64::from(error.exit_code()),
                    error: Some(error.to_string()),
                    ..outcome.clone()
                };
                let after = After {
                    run,
                    outcome: &outcome,
                    checked: None,
                };
                self.catalog.give_back(&self.name, self.fence, Some(after)).await?;
                Err(error)
            }
        }
    }

    /// Checks that it is still this one's, before something that the database cannot take back.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`].
    pub async fn check(&self) -> Result<(), CatalogError> {
        let held: Option<(i64,)> = db::query_as(sql::LEASE_FENCE)
            .bind(&self.name)
            .bind(self.fence)
            .fetch_optional(&self.catalog.reader)
            .await?;
        let lost = || CatalogError::LostLease {
            name: self.name.clone(),
        };
        held.map(|_| ()).ok_or_else(lost)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn renew(catalog: &Catalog, name: &str, fence: i64) -> Result<(), CatalogError> {
    let until = catalog.now().await? + catalog.lease_seconds;
    let mut transaction = catalog.begin_passing().await?;
    db::query(sql::RENEW_LEASE)
        .bind(name)
        .bind(fence)
        .bind(until)
        .execute(&mut transaction)
        .await?;
    Ok(transaction.commit().await?)
}

async fn beat(catalog: Catalog, name: String, fence: i64) {
    let pause = catalog.lease_length() / BEATS;
    loop {
        tokio::time::sleep(pause).await;
        let renewed = renew(&catalog, &name, fence).await;
        if let Err(error) = renewed {
            tracing::warn!(lease = name, %error, "the lease {name} could not be renewed");
        }
    }
}

/// Seconds since 1970 for people, in UTC.
pub(crate) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
