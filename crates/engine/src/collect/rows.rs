//! Rows of the catalog that nothing refers to.

use chantal_catalog::{Cleaned, Refused};
use chantal_model::fault;

use super::CollectOptions;
use crate::Engine;
use crate::error::{Doing, EngineError};

impl Engine {
    /// Removes packages and raw records that no revision holds, and gathers what is left of packs that are more than
    /// half dead.
    ///
    /// # Errors
    /// Busy while anything is synced, published or adopted: that may be about to use such a row. Nothing was changed.
    pub async fn clean_rows(&self, options: CollectOptions) -> Result<Cleaned, EngineError> {
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
        self.catalog.tidy().await;
        cleaned.doing("remove rows")?.map_err(|refused| busy(&refused))
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
