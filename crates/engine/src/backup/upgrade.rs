//! Bringing the schema up to date, after the database was kept as it is.

use chantal_catalog::Catalog;
use chantal_config::Config;
use jiff::Timestamp;

use super::keep;
use crate::error::{Doing, EngineError};

/// What was upgraded.
#[derive(Clone, Debug)]
pub struct UpgradeReport {
    /// The versions that were applied.
    pub applied: Vec<i64>,
    /// Where the database is as it was: a copy of the file, or an archive.
    pub previous: Option<String>,
}

/// Applies missing migrations, all of them or none; before that a copy is made, unless `keeps` says otherwise.
///
/// # Errors
/// The database is as it was.
pub async fn upgrade(config: &Config, now: Timestamp, keeps: bool) -> Result<UpgradeReport, EngineError> {
    let catalog = Catalog::open_any(&crate::location(config)).await.doing("be opened")?;
    let schema = catalog.schema_status().await.doing("tell its schema")?;
    let mut previous = None;
    if keeps && schema.version < schema.latest {
        let what = format!("upgrade-from-{}", schema.version);
        let path = keep::keep_previous(config, &catalog, &what, now).await?;
        previous = Some(path.display().to_string());
    }
    let applied = catalog.upgrade().await.doing("be upgraded")?;
    catalog.close().await;
    Ok(UpgradeReport { applied, previous })
}
