//! Settings that a revision carries, and the fingerprint of what a configuration selects.

use chantal_config::Repository;
use chantal_formats::{Overview, RenderSettings};
use chantal_model::{Algorithm, Compression, Mode, Sha256};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// Version of how trees are laid out and metadata is rendered; a higher one renders anew.
pub(crate) const RENDERER: u32 = 2;

/// What a revision is rendered with, whatever the configuration says later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) layout: u32,
    pub(crate) mode: String,
    pub(crate) compression: String,
    pub(crate) checksum: String,
    pub(crate) revision: String,
    pub(crate) timestamp: i64,
}

impl Settings {
    /// Fixes today's configuration and what upstream said about itself.
    pub(crate) fn new(repo: &Repository, overview: &Overview, newest_build: i64) -> Self {
        let timestamp = overview.timestamp.unwrap_or(newest_build);
        let compression = repo
            .metadata
            .compression
            .or(overview.compression)
            .unwrap_or(Compression::Zstd);
        Self {
            layout: RENDERER,
            mode: repo.mode.name().to_owned(),
            compression: compression.name().to_owned(),
            checksum: repo.metadata.checksum.name().to_owned(),
            revision: overview.revision.clone().unwrap_or_else(|| timestamp.to_string()),
            timestamp,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("settings are plain data")
    }

    /// Reads the settings of a recorded revision.
    pub(crate) fn from_json(repo: &str, text: &str) -> Result<(RenderSettings, Mode), EngineError> {
        let broken = |what: String| EngineError::Configuration {
            repo: repo.to_owned(),
            message: format!("the recorded settings cannot be read: {what}"),
            hint: Some("the database may be damaged: `chantal db verify`".into()),
        };
        let settings: Self = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        let render = RenderSettings {
            compression: settings
                .compression
                .parse()
                .map_err(|_| broken(settings.compression.clone()))?,
            checksum: settings
                .checksum
                .parse::<Algorithm>()
                .map_err(|e| broken(e.to_string()))?,
            revision: settings.revision,
            timestamp: settings.timestamp,
        };
        let mode = settings
            .mode
            .parse::<Mode>()
            .map_err(|error| broken(error.to_string()))?;
        Ok((render, mode))
    }
}

/// A digest over everything in the configuration that decides what a sync records.
pub(crate) fn selection(repo: &Repository) -> String {
    let filters = &repo.filters;
    let mut text = serde_json::json!({
        "layout": RENDERER,
        "mode": repo.mode.name(),
        "include": filters.patterns_include,
        "exclude": filters.patterns_exclude,
        "architectures": [&filters.architectures.include, &filters.architectures.exclude],
        "exclude_sources": filters.exclude_sources,
        "size": [filters.size_bytes.0, filters.size_bytes.1],
        "built": [filters.build_time.newer_than, filters.build_time.older_than],
        "built_days": filters.build_time.last_n_days,
        "fields": filters.fields.iter()
            .map(|one| serde_json::json!([one.field, one.words.include, one.words.exclude]))
            .collect::<Vec<_>>(),
        "latest": filters.latest,
        "modules": [&repo.modules.include, &repo.modules.exclude],
        "retention": [format!("{:?}", repo.retention.keep), repo.retention.keep_deleted.to_string()],
        "compression": repo.metadata.compression.map(Compression::name),
        "checksum": repo.metadata.checksum.name(),
        "sha1": repo.allows_sha1(),
    });
    if filters.exclude_trees {
        text["without_trees"] = true.into();
    }
    Sha256::of(text.to_string().as_bytes()).hex()
}
