//! Rows of the catalog that nothing refers to.

use chantal_catalog::{Cleaned, Refused};
use chantal_model::fault;

use super::CollectOptions;
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::Vacuumed;

impl Engine {
    /// See [`Engine::clean_rows`].
    pub(crate) async fn clean_rows_now(&self, options: CollectOptions) -> Result<Cleaned, EngineError> {
        let lease = self
            .catalog
            .acquire(chantal_catalog::COLLECT, options.wait)
            .await
            .doing("hold the right to collect")?;
        let deadline = std::time::Instant::now() + options.wait.unwrap_or_default();
        let cleaned = loop {
            let cleaned = self.catalog.clean(Some(&lease)).await;
            match cleaned {
                Ok(Err(_)) if std::time::Instant::now() < deadline => {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                other => break other,
            }
        };
        fault!("engine::clean::done").doing("end the cleanup")?;
        lease.release().await.doing("release the right to collect")?;
        self.forget_tasks().await?;
        self.catalog.tidy().await;
        cleaned.doing("remove rows")?.map_err(|refused| busy(&refused))
    }

    /// Marks tasks whose process is gone, and forgets those that ended before what `tasks.keep_days` keeps.
    pub(crate) async fn forget_tasks(&self) -> Result<u64, EngineError> {
        const DAY_SECONDS: i64 = 86_400;
        let now = self.clock.now().as_second();
        self.catalog.bury_tasks(now).await.doing("look after tasks")?;
        let before = now - i64::from(self.config.task_days) * DAY_SECONDS;
        self.catalog.forget_tasks(before).await.doing("forget tasks")
    }

    /// See [`Engine::vacuum`].
    pub(crate) async fn vacuum_now(&self) -> Result<Vacuumed, EngineError> {
        let before_bytes = self.database_bytes().await?;
        self.catalog.vacuum().await.doing("be made smaller")?;
        Ok(Vacuumed {
            before_bytes,
            now_bytes: self.database_bytes().await?,
        })
    }

    /// What the database takes up: what is in the log is not in the file yet.
    async fn database_bytes(&self) -> Result<u64, EngineError> {
        let file = self.catalog.size_bytes().await.doing("tell its size")?;
        Ok(file + self.catalog.log_bytes())
    }

    /// What [`Engine::clean_rows`] would do now. Changes nothing.
    pub async fn plan_clean_rows(&self) -> Result<Cleaned, EngineError> {
        let cleaned = self.catalog.clean(None).await.doing("find rows")?;
        cleaned.map_err(|refused| busy(&refused))
    }
}

fn busy(refused: &Refused) -> EngineError {
    let names: Vec<String> = refused
        .0
        .iter()
        .map(|lease| format!("{} ({})", lease.name, lease.holder))
        .collect();
    EngineError::Working { who: names.join(", ") }
}
