//! Who holds a lease and how far it is, for other processes to see.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::process::{Process, now};
use crate::{schema, sql};

/// The first schema that keeps progress.
const HAS_PROGRESS: i64 = 3;

/// The holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: i64,
    /// Since when it holds the lease.
    pub since: i64,
    /// Whether it lives; `None` for a process of another host whose lease has not expired yet.
    pub alive: Option<bool>,
    /// What it last said about how far it is.
    pub progress: Option<LeaseProgress>,
}

/// How far the holder of a lease is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseProgress {
    /// The step's word.
    pub step: String,
    /// What is done, in the step's unit.
    pub done: i64,
    /// What there is to do; 0 if that is not known.
    pub total: i64,
    /// When it said so.
    pub told_at: i64,
}

type Row = (String, String, i64, i64, i64, i64, i64);

impl Catalog {
    /// Every lease that was not given back.
    pub async fn lease_names(&self) -> Result<Vec<String>, CatalogError> {
        let rows: Vec<(String,)> = db::query_as(sql::LEASE_NAMES).fetch_all(&self.reader).await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Who holds a lease, living or not; `None` where it was given back.
    pub async fn holder(&self, name: &str) -> Result<Option<Holder>, CatalogError> {
        let row: Option<Row> = db::query_as(sql::LEASE).bind(name).fetch_optional(&self.reader).await?;
        let Some((host, boot_id, pid, start, fence, since, expires_at)) = row.filter(|row| row.6 > 0) else {
            return Ok(None);
        };
        let now = self.now().await?;
        let process = Process {
            host,
            boot_id,
            pid,
            start,
        };
        let alive = match (process.is_elsewhere(), expires_at > now) {
            (false, _) => Some(!process.is_gone()),
            (true, true) => None,
            (true, false) => Some(false),
        };
        Ok(Some(Holder {
            host: process.host,
            pid,
            since,
            alive,
            progress: self.progress(name, fence).await?,
        }))
    }

    async fn progress(&self, name: &str, fence: i64) -> Result<Option<LeaseProgress>, CatalogError> {
        // A database that was not upgraded yet can be read, but knows nothing of this.
        if schema::version(&self.reader).await? < Some(HAS_PROGRESS) {
            return Ok(None);
        }
        let row: Option<(String, i64, i64, i64)> = db::query_as(sql::PROGRESS)
            .bind(name)
            .bind(fence)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|(step, done, total, told_at)| LeaseProgress {
            step,
            done,
            total,
            told_at,
        }))
    }

    /// Says how far the holder of a lease is. Nothing happens once the lease is somebody else's.
    pub async fn tell_progress(&self, lease: &Lease, step: &str, done: u64, total: u64) -> Result<(), CatalogError> {
        let mut transaction = self.begin_passing().await?;
        db::query(sql::TELL_PROGRESS)
            .bind(lease.name())
            .bind(lease.fence())
            .bind(step)
            .bind(i64::try_from(done).unwrap_or(i64::MAX))
            .bind(i64::try_from(total).unwrap_or(i64::MAX))
            .bind(now())
            .execute(&mut transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::db;
    use crate::tests::Bench;

    #[tokio::test]
    pub(crate) async fn another_process_sees_who_holds_a_lease_and_how_far_it_is() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        assert_eq!(catalog.holder("sync:r").await.unwrap(), None);
        let (_, lease) = bench.repository().await;
        let holder = catalog.holder("sync:r").await.unwrap().unwrap();
        assert_eq!((holder.alive, holder.progress), (Some(true), None));
        assert_eq!(holder.pid, i64::from(std::process::id()));

        catalog.tell_progress(&lease, "download", 7, u64::MAX).await.unwrap();
        let told = catalog.holder("sync:r").await.unwrap().unwrap().progress.unwrap();
        assert_eq!((told.step.as_str(), told.done, told.total), ("download", 7, i64::MAX));

        db::query("UPDATE lease SET pid_start = 1")
            .execute(&catalog.writer)
            .await
            .unwrap();
        assert_eq!(catalog.holder("sync:r").await.unwrap().unwrap().alive, Some(false));
        let next = catalog.acquire("sync:r", None).await.unwrap();
        let holder = catalog.holder("sync:r").await.unwrap().unwrap();
        assert_eq!(holder.progress, None, "the next holder begins anew");
        catalog.tell_progress(&lease, "record", 1, 1).await.unwrap();
        let holder = catalog.holder("sync:r").await.unwrap().unwrap();
        assert_eq!(holder.progress, None, "the earlier holder was heard");
        next.release().await.unwrap();
        assert_eq!(catalog.holder("sync:r").await.unwrap(), None);
    }

    #[tokio::test]
    pub(crate) async fn of_a_holder_elsewhere_only_its_lease_tells() {
        let bench = Bench::new().await;
        let (_, _lease) = bench.repository().await;
        for (until, alive) in [(i64::MAX, None), (1, Some(false))] {
            db::query("UPDATE lease SET host = 'elsewhere', expires_at = $1")
                .bind(until)
                .execute(&bench.catalog.writer)
                .await
                .unwrap();
            let holder = bench.catalog.holder("sync:r").await.unwrap().unwrap();
            assert_eq!((holder.alive, holder.host.as_str()), (alive, "elsewhere"));
        }
    }

    #[tokio::test]
    pub(crate) async fn a_database_that_was_not_upgraded_knows_no_progress() {
        let bench = Bench::new().await;
        let (_, _lease) = bench.repository().await;
        for text in [
            "ALTER TABLE lease DROP COLUMN step",
            "DELETE FROM schema_version WHERE version >= 3",
        ] {
            db::query(text).execute(&bench.catalog.writer).await.unwrap();
        }
        let holder = bench.catalog.holder("sync:r").await.unwrap().unwrap();
        assert_eq!((holder.alive, holder.progress), (Some(true), None));
    }
}
