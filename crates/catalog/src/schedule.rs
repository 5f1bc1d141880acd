//! What the scheduler does by itself: when next, and how it went.
//!
//! Any number of schedulers share these rows. What is due is put into the queue in the transaction that moves `next_at`
//! on, so that happens once; not while the task of the run before is still open.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::sql::tasks;
use crate::tasks::{NewTask, queue};

/// A repository's schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The repository's id.
    pub repository: String,
    /// What `next_at` was computed from.
    pub spec: String,
    /// When it starts next, in seconds since 1970.
    pub next_at: i64,
    /// When the last run that ended was started.
    pub started_at: Option<i64>,
    /// When that ended.
    pub finished_at: Option<i64>,
    /// How: the word of a task's state.
    pub status: Option<String>,
    /// With which exit code.
    pub exit_code: Option<i64>,
    /// Why.
    pub error: Option<String>,
    /// The task of the newest run; it may be forgotten.
    pub task: Option<i64>,
    /// Whether that has not ended.
    pub is_open: bool,
}

impl Catalog {
    /// Every schedule, by repository.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRow>, CatalogError> {
        db::query(tasks::SCHEDULES)
            .read_all(&self.reader, |row| {
                Ok(ScheduleRow {
                    repository: row.try_get(0)?,
                    spec: row.try_get(1)?,
                    next_at: row.try_get(2)?,
                    started_at: row.try_get(3)?,
                    finished_at: row.try_get(4)?,
                    status: row.try_get(5)?,
                    exit_code: row.try_get(6)?,
                    error: row.try_get(7)?,
                    task: row.try_get(8)?,
                    is_open: row.try_get::<Option<i64>>(9)?.is_some(),
                })
            })
            .await
    }

    /// Notes when a repository starts next by this specification, unless another scheduler did so for the same one.
    pub async fn plan_schedule(&self, repository: &str, spec: &str, next_at: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin_passing().await?;
        db::query(tasks::PLAN_SCHEDULE)
            .bind(repository)
            .bind(spec)
            .bind(next_at)
            .execute(&mut transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets a schedule. Its run, if that still waits, is cancelled.
    pub async fn drop_schedule(&self, repository: &str, at: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let task: Option<(i64,)> = db::query_as(tasks::TASK_OF_SCHEDULE)
            .bind(repository)
            .fetch_optional(&mut transaction)
            .await?;
        if let Some((task,)) = task {
            db::query(tasks::CANCEL_QUEUED)
                .bind(task)
                .bind(at)
                .bind("its schedule is gone")
                .execute(&mut transaction)
                .await?;
        }
        db::query(tasks::DROP_SCHEDULE)
            .bind(repository)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Puts the run of a row into the queue and moves on to `next_at`; `None` if the row is not as it was seen any more, so
    /// that somebody else did so, or if the run before has not ended.
    pub async fn queue_scheduled(
        &self,
        seen: &ScheduleRow,
        next_at: i64,
        new: &NewTask,
        request: &str,
    ) -> Result<Option<i64>, CatalogError> {
        let mut transaction = self.begin().await?;
        let moved = db::query(tasks::MOVE_SCHEDULE)
            .bind(&seen.repository)
            .bind(seen.next_at)
            .bind(next_at)
            .execute(&mut transaction)
            .await?;
        if moved == 0 {
            return Ok(None);
        }
        let (task,) = queue(new, request).fetch_one(&mut transaction).await?;
        db::query(tasks::SAVE_TASK_OF_SCHEDULE)
            .bind(&seen.repository)
            .bind(task)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(task))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tasks::{TaskEnd, TaskState};
    use crate::tests::Bench;

    fn new(at: i64) -> NewTask {
        NewTask {
            verb: "repo sync".into(),
            subject: Some("r".into()),
            asked_by: "schedule",
            at,
        }
    }

    #[tokio::test]
    pub(crate) async fn a_due_run_is_queued_once_and_not_while_the_one_before_is_open() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        catalog.plan_schedule("r", "daily", 100).await.unwrap();
        catalog.plan_schedule("r", "daily", 999).await.unwrap();
        let row = || async { catalog.schedules().await.unwrap().remove(0) };
        assert_eq!(row().await.next_at, 100, "the same specification has its time already");
        catalog.plan_schedule("r", "hourly", 50).await.unwrap();
        assert_eq!((row().await.spec.as_str(), row().await.next_at), ("hourly", 50));

        let due = row().await;
        let task = catalog
            .queue_scheduled(&due, 60, &new(55), "{}")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            catalog.queue_scheduled(&due, 60, &new(55), "{}").await.unwrap(),
            None,
            "twice"
        );
        let waits = row().await;
        assert_eq!((waits.next_at, waits.task, waits.is_open), (60, Some(task), true));
        let again = catalog.queue_scheduled(&waits, 70, &new(61), "{}").await.unwrap();
        assert_eq!(again, None, "the one before is still open");

        let hold = catalog.claim_task(task, 56).await.unwrap().unwrap();
        let end = TaskEnd {
            state: TaskState::Failed,
            at: 58,
            exit_code: 3,
            error: Some("away".into()),
            result: None,
        };
        assert!(catalog.end_task(hold, &end, &[]).await.unwrap());
        let ended = row().await;
        assert_eq!((ended.started_at, ended.finished_at), (Some(56), Some(58)));
        assert_eq!((ended.status.as_deref(), ended.exit_code), (Some("failed"), Some(3)));
        assert!(!ended.is_open && ended.error.as_deref() == Some("away"));

        let next = catalog.queue_scheduled(&ended, 70, &new(61), "{}").await.unwrap();
        catalog.drop_schedule("r", 62).await.unwrap();
        assert!(catalog.schedules().await.unwrap().is_empty());
        let gone = catalog.task(next.unwrap()).await.unwrap().unwrap();
        assert_eq!(
            (gone.state, gone.error.as_deref()),
            (TaskState::Cancelled, Some("its schedule is gone"))
        );
    }

    #[tokio::test]
    pub(crate) async fn of_many_that_see_the_same_due_run_one_queues_it() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        catalog.plan_schedule("r", "daily", 100).await.unwrap();
        let due = catalog.schedules().await.unwrap().remove(0);
        let tries = (0..8).map(|_| {
            let (catalog, due) = (catalog.clone(), due.clone());
            tokio::spawn(async move { catalog.queue_scheduled(&due, 200, &new(101), "{}").await.unwrap() })
        });
        let mut queued = Vec::new();
        for one in tries.collect::<Vec<_>>() {
            queued.extend(one.await.unwrap());
        }
        assert_eq!(queued.len(), 1);
        assert_eq!(catalog.open_tasks().await.unwrap().len(), 1);
    }
}
