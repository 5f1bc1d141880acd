//! Keys that are accepted and that this version does not act on yet: one table, so that nothing is ignored silently.

use std::fmt;

use crate::formats;
use crate::node::{Node, Place, Value};

/// Whom such a key concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// A feature of its own: a warning is enough.
    Nobody,
    /// Every repository: none can be acted on.
    Everybody,
}

/// Top-level keys.
pub(crate) const TOP: &[(&str, &str, Concerns)] = &[
    (
        "cache",
        "the cache of the reference system; the pool keeps metadata",
        Concerns::Nobody,
    ),
    ("database.pool_size", "PostgreSQL", Concerns::Nobody),
    ("database.max_overflow", "PostgreSQL", Concerns::Nobody),
    ("database.echo", "logging of statements", Concerns::Nobody),
    (
        "storage.cache_path",
        "the cache of the reference system; the pool keeps metadata",
        Concerns::Nobody,
    ),
    ("download.min_speed", "the least speed", Concerns::Everybody),
    ("download.bandwidth", "the bandwidth limit", Concerns::Everybody),
    ("limits.ratio", "the cap on compression ratios", Concerns::Everybody),
    ("limits.files_per_package", "the cap on files", Concerns::Everybody),
    ("publish.require_closure", "the dependency check", Concerns::Everybody),
    ("gpg", "signing", Concerns::Everybody),
    ("verify", "signature checks", Concerns::Everybody),
    ("defaults", "defaults for repositories", Concerns::Everybody),
    ("views", "views", Concerns::Nobody),
    ("environments", "environments", Concerns::Nobody),
    ("revisions", "retention of revisions", Concerns::Nobody),
    ("snapshots", "retention of snapshots", Concerns::Nobody),
    ("scheduler", "the scheduler", Concerns::Nobody),
    ("notify", "notifications", Concerns::Nobody),
];

/// Keys below a repository.
pub(crate) const REPOSITORY: &[(&str, &str)] = &[
    ("feeds", "several feeds"),
    ("mirrorlist", "mirror lists"),
    ("metalink", "metalinks"),
    ("matrix", "matrix expansion"),
    ("auth.cert_dir", "the choice among certificates"),
    ("schedule", "the scheduler"),
    ("filters.metadata.size_bytes", "filters by size"),
    ("filters.metadata.build_time", "filters by build time"),
    (
        "filters.post_processing.only_latest_n_versions",
        "filters by number of versions",
    ),
    ("filters.with_dependencies", "dependency closure"),
    ("filters.dependency_repositories", "dependency closure"),
    ("filters.weak_dependencies", "dependency closure"),
    ("modules", "the choice of module streams"),
    ("download.min_speed", "the least speed"),
    ("download.bandwidth", "the bandwidth limit"),
    ("limits.ratio", "the cap on compression ratios"),
    ("limits.files_per_package", "the cap on files"),
    ("publish.require_closure", "the dependency check"),
    (
        "cache_enabled",
        "the cache of the reference system; the pool keeps metadata",
    ),
    ("gpg", "signing"),
    ("verify", "signature checks"),
    ("max_removed_percent", "the wipe guard"),
    ("allow_rollback", "the rollback guard"),
    ("max_age", "the age check"),
    ("retention.keep_count", "retention of versions"),
    ("retention.deleted_packages", "retention of versions"),
];

/// Something in a repository's configuration that this version does not act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// The key, as a path below the repository or the top level.
    pub key: String,
    /// The feature that it belongs to.
    pub feature: String,
    /// File and line.
    pub place: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {} is not built yet", self.key, self.place, self.feature)
    }
}

/// A key of the tables that is set.
pub(crate) struct Set {
    pub(crate) key: String,
    pub(crate) feature: &'static str,
    pub(crate) place: Place,
    pub(crate) concerns: Concerns,
}

/// Top-level keys of the table that are set.
pub(crate) fn top(root: &Node) -> Vec<Set> {
    TOP.iter()
        .filter_map(|(path, feature, concerns)| {
            let place = set(root, path)?;
            Some(Set {
                key: (*path).to_owned(),
                feature,
                place,
                concerns: *concerns,
            })
        })
        .collect()
}

/// Keys of the tables that a repository sets.
pub(crate) fn repository(node: &Node) -> Vec<Set> {
    REPOSITORY
        .iter()
        .chain(formats::UNBUILT)
        .filter_map(|(path, feature)| {
            let place = set(node, path)?;
            Some(Set {
                key: (*path).to_owned(),
                feature,
                place,
                concerns: Concerns::Everybody,
            })
        })
        .collect()
}

/// Where a key is set to something other than nothing.
fn set(node: &Node, path: &str) -> Option<Place> {
    let mut at = node;
    let mut place = node.place;
    for step in path.split('.') {
        let (key, value) = at.entry(step)?;
        place = key.place;
        at = value;
    }
    (!is_nothing(at)).then_some(place)
}

/// Values that ask for nothing: null, false, empty, a block that is switched off.
fn is_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => {
            let switched_off = node
                .get("enabled")
                .is_some_and(|enabled| matches!(enabled.value, Value::Bool(false)));
            switched_off || entries.iter().all(|(_, value)| is_nothing(value))
        }
        Value::Text(text) => text.is_empty() || text == "off",
        _ => false,
    }
}
