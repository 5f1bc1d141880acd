//! Blocks of RPM repositories.

use crate::raw::{Quantity, WordChoice, block};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "rpm";
pub(super) const FILTERS: &str = "rpm";

/// What clients replace in the URLs of their own configuration.
pub(super) const CLIENT_VARIABLES: &[&str] = &[
    "releasever",
    "releasever_major",
    "releasever_minor",
    "basearch",
    "arch",
    "infra",
    "stream",
    "contentdir",
    "uuid",
    "YUM0",
    "YUM1",
    "YUM2",
    "YUM3",
    "YUM4",
    "YUM5",
    "YUM6",
    "YUM7",
    "YUM8",
    "YUM9",
];

block! {
    /// Filters by RPM header fields. A package without a field does not pass an include list for it.
    RpmFilters {
        /// Leave source packages out.
        #[schemars(extend("default" = false))]
        exclude_source_rpms: bool,
        /// Leave the installation tree out (`.treeinfo`, and the images that it names).
        #[schemars(extend("default" = false))]
        exclude_installation_tree: bool,
        /// By the tag Group of a package, the whole text; groups of comps are something else.
        groups: GroupChoice,
        /// By licence, the whole text.
        licenses: WordChoice,
        /// By vendor, the whole text.
        vendors: WordChoice,
        /// By epoch; without one it is 0.
        epochs: EpochChoice,
    }
}

block! {
    /// Include and exclude lists of what packages have as their tag Group. An empty include list lets everything in.
    GroupChoice {
        /// Only packages whose tag Group (`rpm -q --qf '%{group}'`) is one of these; not a group of comps.
        include: Vec<String>,
        /// None whose tag Group is one of these; not a group of comps.
        exclude: Vec<String>,
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

/// Whether a text is an epoch as packages have them: a number without zeros before it.
fn is_epoch(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|epoch| epoch.to_string() == text)
}

impl RpmFilters {
    /// What no package can have: the key below `filters` and what is wrong.
    pub(super) fn wrong(&self) -> Vec<(Vec<String>, String)> {
        let epochs = self.epochs.clone().unwrap_or_default();
        let lists = [("include", epochs.include), ("exclude", epochs.exclude)];
        let texts = lists.into_iter().flat_map(|(name, list)| {
            let texts = list.unwrap_or_default().into_iter().map(|epoch| epoch.text());
            texts.enumerate().map(move |(index, text)| (name, index, text))
        });
        texts
            .filter(|(_, _, text)| !is_epoch(text))
            .map(|(name, index, text)| {
                let key = [FILTERS, "epochs", name, &index.to_string()].map(str::to_owned);
                (
                    key.to_vec(),
                    format!("{text:?} is not an epoch: expected a number, such as 0 or 1"),
                )
            })
            .collect()
    }

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
        let groups = self.groups.clone().map(|groups| WordChoice {
            include: groups.include,
            exclude: groups.exclude,
        });
        let all = [
            ("group", groups),
            ("license", self.licenses.clone()),
            ("vendor", self.vendors.clone()),
            ("epoch", epochs),
        ];
        all.into_iter()
            .filter_map(|(field, choice)| Some((field, choice?)))
            .collect()
    }
}
