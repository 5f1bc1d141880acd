//! Blocks of the configuration that belong to one format each. No other file of this crate names a format.

mod apk;
mod apt;
mod helm;
mod rpm;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raw::WordChoice;

/// Format of a repository's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatName {
    /// RPM.
    Rpm,
    /// APT.
    Apt,
    /// Helm charts.
    Helm,
    /// Alpine packages.
    Apk,
}

impl FormatName {
    /// The word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rpm => rpm::NAME,
            Self::Apt => apt::NAME,
            Self::Helm => helm::NAME,
            Self::Apk => apk::NAME,
        }
    }

    /// Filter blocks of other formats, which this one must not have.
    pub(crate) fn foreign_filters(self) -> &'static [&'static str] {
        match self {
            Self::Rpm => &[apt::FILTERS],
            Self::Apt => &[rpm::FILTERS],
            Self::Helm | Self::Apk => &[rpm::FILTERS, apt::FILTERS],
        }
    }
}

/// Blocks of a repository that belong to one format.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RepositoryBlocks {
    /// APT suite and components.
    pub(crate) apt: Option<apt::Apt>,
    /// Alpine branch, repository and architecture.
    pub(crate) apk: Option<apk::Apk>,
}

/// Filters that belong to one format.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FilterBlocks {
    /// Filters by RPM header fields.
    pub(crate) rpm: Option<rpm::RpmFilters>,
    /// Filters by APT fields.
    pub(crate) deb: Option<apt::DebFilters>,
}

impl FilterBlocks {
    /// Whether source packages are left out.
    pub(crate) fn exclude_sources(&self) -> bool {
        self.rpm
            .as_ref()
            .and_then(|filters| filters.exclude_source_rpms)
            .unwrap_or(false)
    }

    /// Whether files that come beside packages, such as images to install from, are left out.
    pub(crate) fn exclude_trees(&self) -> bool {
        self.rpm
            .as_ref()
            .and_then(|filters| filters.exclude_installation_tree)
            .unwrap_or(false)
    }

    /// What no package can have: the key below `filters` and what is wrong.
    pub(crate) fn wrong(&self) -> Vec<(Vec<String>, String)> {
        self.rpm.as_ref().map(rpm::RpmFilters::wrong).unwrap_or_default()
    }

    /// Choices by facts about packages: the name of the fact and its lists.
    pub(crate) fn choices(&self) -> Vec<(&'static str, WordChoice)> {
        self.rpm.as_ref().map(rpm::RpmFilters::choices).unwrap_or_default()
    }
}

/// Keys of one format that this version does not act on, as paths below a repository.
pub(crate) const UNBUILT: &[(&str, &str)] = &[
    ("filters.deb", "APT repositories"),
    ("apt", "APT repositories"),
    ("apk", "Alpine repositories"),
];

/// Whether clients of a format replace a word after `$` in URLs.
pub(crate) fn is_client_variable(name: &str) -> bool {
    rpm::CLIENT_VARIABLES.contains(&name)
}

/// Whether this version can sync a format.
pub(crate) fn is_built(word: &str) -> bool {
    word == rpm::NAME
}

/// The format that is taken where nothing says which.
pub(crate) fn default_name() -> &'static str {
    rpm::NAME
}
