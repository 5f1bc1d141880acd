//! Blocks of RPM repositories.

use crate::raw::{WordChoice, block};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "rpm";
pub(super) const FILTERS: &str = "rpm";

block! {
    /// Filters by RPM header fields. A package without a field does not pass an include list for it.
    RpmFilters {
        /// Leave source packages out.
        #[schemars(extend("default" = false))]
        exclude_source_rpms: bool,
        /// By group.
        groups: WordChoice,
        /// By licence.
        licenses: WordChoice,
        /// By vendor.
        vendors: WordChoice,
        /// By epoch.
        epochs: WordChoice,
    }
}
