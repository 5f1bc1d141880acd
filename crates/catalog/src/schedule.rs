//! What the scheduler does by itself: when next, and how it went.
//!
//! Any number of schedulers share these rows. Whoever moves `next_at` on has the run: that happens once. A run is held by
//! the lease `schedule:<repository>`; where a row says that something runs and nobody holds the lease, its scheduler is
//! gone and another one takes over.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql;

/// A repository's schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The repository's id.
    pub repository: String,
    /// What `next_at` was computed from.
    pub spec: String,
    /// When it starts next, in seconds since 1970.
    pub next_at: i64,
    /// Whether it was started and has not ended.
    pub is_running: bool,
    /// When it was last started.
    pub started_at: Option<i64>,
    /// When that ended.
    pub finished_at: Option<i64>,
    /// How: `succeeded`, `partial`, `failed` or `busy`.
    pub status: Option<String>,
    /// With which exit code.
    pub exit_code: Option<i64>,
    /// Why.
    pub error: Option<String>,
}

/// How a scheduled run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledEnd {
    /// See [`ScheduleRow::status`].
    pub status: String,
    /// Its exit code.
    pub exit_code: i64,
    /// Why it failed.
    pub error: Option<String>,
}

impl Catalog {
    /// Every schedule, by repository.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRow>, CatalogError> {
        let rows = db::query(sql::SCHEDULES).fetch_all(&self.reader).await?;
        rows.iter()
            .map(|row| {
                Ok(ScheduleRow {
                    repository: row.try_get(0)?,
                    spec: row.try_get(1)?,
                    next_at: row.try_get(2)?,
                    is_running: row.try_get::<i64>(3)? != 0,
                    started_at: row.try_get(4)?,
                    finished_at: row.try_get(5)?,
                    status: row.try_get(6)?,
                    exit_code: row.try_get(7)?,
                    error: row.try_get(8)?,
                })
            })
            .collect()
    }

    /// Notes when a repository starts next by this specification, unless another scheduler did so for the same one.
    pub async fn plan_schedule(&self, repository: &str, spec: &str, next_at: i64) -> Result<(), CatalogError> {
        db::query(sql::PLAN_SCHEDULE)
            .bind(repository)
            .bind(spec)
            .bind(next_at)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets a schedule.
    pub async fn drop_schedule(&self, repository: &str) -> Result<(), CatalogError> {
        db::query(sql::DROP_SCHEDULE)
            .bind(repository)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Starts the run of a row and moves on to `next_at`; `false` if the row is not as it was seen any more: somebody else
    /// started it, or ended it. A run whose scheduler is gone is started again the same way.
    pub async fn start_scheduled(
        &self,
        lease: &Lease,
        seen: &ScheduleRow,
        next_at: i64,
        at: i64,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        let started = db::query(sql::START_SCHEDULED)
            .bind(&seen.repository)
            .bind(seen.next_at)
            .bind(next_at)
            .bind(at)
            .bind(i64::from(seen.is_running))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(started == 1)
    }

    /// Notes how a run ended.
    pub async fn end_scheduled(
        &self,
        lease: &Lease,
        repository: &str,
        end: &ScheduledEnd,
        at: i64,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        db::query(sql::END_SCHEDULED)
            .bind(repository)
            .bind(at)
            .bind(&end.status)
            .bind(end.exit_code)
            .bind(&end.error)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::Bench;

    #[tokio::test]
    pub(crate) async fn a_due_run_is_started_once_and_taken_over_when_its_scheduler_is_gone() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        catalog.plan_schedule("r", "daily", 100).await.unwrap();
        catalog.plan_schedule("r", "daily", 999).await.unwrap();
        let row = || async { catalog.schedules().await.unwrap().remove(0) };
        assert_eq!(row().await.next_at, 100, "the same specification has its time already");
        catalog.plan_schedule("r", "hourly", 50).await.unwrap();
        assert_eq!((row().await.spec.as_str(), row().await.next_at), ("hourly", 50));

        let lease = catalog.acquire("schedule:r", None).await.unwrap();
        let due = row().await;
        assert!(catalog.start_scheduled(&lease, &due, 60, 55).await.unwrap());
        assert!(!catalog.start_scheduled(&lease, &due, 60, 55).await.unwrap(), "twice");
        let running = row().await;
        assert!(running.is_running && running.next_at == 60 && running.started_at == Some(55));
        let end = ScheduledEnd {
            status: "failed".into(),
            exit_code: 3,
            error: Some("away".into()),
        };
        catalog.end_scheduled(&lease, "r", &end, 58).await.unwrap();
        let ended = row().await;
        assert!(!ended.is_running && ended.finished_at == Some(58) && ended.exit_code == Some(3));
        assert_eq!(ended.error.as_deref(), Some("away"));

        assert!(
            !catalog.start_scheduled(&lease, &running, 60, 59).await.unwrap(),
            "who saw it at work does not start it again after its end"
        );

        // A run that is started again keeps its next time.
        assert!(catalog.start_scheduled(&lease, &ended, 70, 60).await.unwrap());
        db::query("UPDATE lease SET pid_start = 1")
            .execute(&catalog.writer)
            .await
            .unwrap();
        let other = catalog.acquire("schedule:r", None).await.unwrap();
        assert!(catalog.start_scheduled(&other, &row().await, 70, 65).await.unwrap());
        let late = catalog.end_scheduled(&lease, "r", &end, 66).await.unwrap_err();
        assert_eq!(late.exit_code(), 7, "{late}");
        catalog.drop_schedule("r").await.unwrap();
        assert!(catalog.schedules().await.unwrap().is_empty());
    }
}
