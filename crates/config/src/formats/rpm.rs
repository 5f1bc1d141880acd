//! Blocks of RPM repositories.

use crate::raw::{Quantity, WordChoice, block};
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
        /// By group, the whole text.
        groups: WordChoice,
        /// By licence, the whole text.
        licenses: WordChoice,
        /// By vendor, the whole text.
        vendors: WordChoice,
        /// By epoch; without one it is 0.
        epochs: EpochChoice,
    }
}

block! {
    /// Include and exclude lists of epochs. An empty include list lets everything in.
    EpochChoice {
        /// Only these.
        include: Vec<Quantity>,
        /// Never these.
        exclude: Vec<Quantity>,
    }
}

impl RpmFilters {
    /// The choices by facts about packages, as the format names them.
    pub(super) fn choices(&self) -> Vec<(&'static str, WordChoice)> {
        let epochs = self.epochs.as_ref().map(|epochs| {
            let words =
                |list: &Option<Vec<Quantity>>| list.as_ref().map(|list| list.iter().map(Quantity::text).collect());
            WordChoice {
                include: words(&epochs.include),
                exclude: words(&epochs.exclude),
            }
        });
        let all = [
            ("group", self.groups.clone()),
            ("license", self.licenses.clone()),
            ("vendor", self.vendors.clone()),
            ("epoch", epochs),
        ];
        all.into_iter()
            .filter_map(|(field, choice)| Some((field, choice?)))
            .collect()
    }
}
