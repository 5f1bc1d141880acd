//! Which packages a repository takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block;
use crate::formats;

/// Which packages to take.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct Filters {
    /// Regular expressions, searched in the name and in the full name.
    pub(crate) patterns: Option<WordChoice>,
    /// By what metadata says.
    pub(crate) metadata: Option<MetadataFilters>,
    /// After all other filters.
    pub(crate) post_processing: Option<PostProcessing>,
    /// Add what the chosen packages need.
    #[schemars(extend("default" = false))]
    pub(crate) with_dependencies: Option<bool>,
    /// Repositories that are searched for that.
    pub(crate) dependency_repositories: Option<Vec<String>>,
    /// Also what they only recommend.
    #[schemars(extend("default" = false))]
    pub(crate) weak_dependencies: Option<bool>,
    #[serde(flatten)]
    pub(crate) blocks: formats::FilterBlocks,
}

block! {
    /// Include and exclude lists. An empty include list lets everything in.
    WordChoice {
        /// Only these.
        include: Vec<String>,
        /// Never these.
        exclude: Vec<String>,
    }
}

block! {
    /// Filters by what metadata says. A package of unknown size or build time does not pass a range for it.
    MetadataFilters {
        /// Size in bytes.
        size_bytes: SizeRange,
        /// When it was built.
        build_time: BuildTime,
        /// Architectures.
        architectures: WordChoice,
    }
}

block! {
    /// A range of sizes in bytes.
    SizeRange {
        /// At least so many.
        min: u64,
        /// At most so many.
        max: u64,
    }
}

block! {
    /// A range of times.
    BuildTime {
        /// From this time on: `2026-01-31` (UTC) or `2026-01-31T12:00:00Z`.
        newer_than: String,
        /// Before this time.
        older_than: String,
        /// Within so many days before the sync.
        #[schemars(range(min = 1))]
        last_n_days: u32,
    }
}

block! {
    /// After all other filters.
    PostProcessing {
        /// Only the newest version of each name and architecture, of modular packages within their stream.
        #[schemars(extend("default" = false))]
        only_latest_version: bool,
        /// Only so many newest versions of each; equal versions count as one and all stay.
        #[schemars(range(min = 1))]
        only_latest_n_versions: u32,
    }
}
