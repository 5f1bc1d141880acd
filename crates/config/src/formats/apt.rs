//! Blocks of APT repositories.

use crate::raw::{WordChoice, block};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "apt";
pub(super) const FILTERS: &str = "deb";

block! {
    /// Filters by APT fields.
    DebFilters {
        /// By component.
        components: WordChoice,
        /// By priority.
        priorities: WordChoice,
        /// By section.
        sections: WordChoice,
    }
}

block! {
    /// APT suite and components.
    Apt {
        /// The suite.
        distribution: String,
        /// Components.
        #[schemars(extend("default" = ["main"]))]
        components: Vec<String>,
        /// Architectures.
        #[schemars(extend("default" = ["amd64"]))]
        architectures: Vec<String>,
        /// Source packages too.
        #[schemars(extend("default" = false))]
        include_source_packages: bool,
        /// Contents indexes too.
        #[schemars(extend("default" = false))]
        include_contents: bool,
        /// Translations too.
        #[schemars(extend("default" = false))]
        include_translations: bool,
        /// Publish by-hash copies.
        #[schemars(extend("default" = false))]
        by_hash: bool,
        /// Field of the generated Release.
        origin: String,
        /// Field of the generated Release.
        label: String,
        /// Field of the generated Release.
        suite: String,
        /// Field of the generated Release.
        codename: String,
        /// Field of the generated Release.
        not_automatic: bool,
        /// Field of the generated Release.
        but_automatic_upgrades: bool,
        /// Days until the generated Release expires.
        #[schemars(range(min = 1))]
        valid_until_days: u32,
    }
}
