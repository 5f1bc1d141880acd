//! What changed between two contents, in the words that people use.

use std::collections::BTreeMap;

use chantal_model::VersionKey;

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Side {
    /// The version as users write it.
    pub version: String,
    /// Its published path.
    pub path: String,
    #[serde(skip)]
    pub(crate) key: VersionKey,
}

/// A package of one content that is not in the other.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) name: String,
    pub(crate) arch: String,
    pub(crate) side: Side,
}

/// How a package changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only in the second content.
    Added,
    /// Only in the first content.
    Removed,
    /// The second content has a newer version in its place.
    Upgraded,
    /// The second content has an older version in its place.
    Downgraded,
    /// The same version with other bytes or another description.
    Rebuilt,
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DiffEntry {
    /// How it changed.
    pub change: Change,
    /// The package's name.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// What the first content has.
    pub from: Option<Side>,
    /// What the second content has.
    pub to: Option<Side>,
}

/// Pairs what went with what came.
///
/// Per name and architecture the newest that went is paired with the newest that came, the second newest with the
/// second, and so on; what finds no partner was added or removed. So a name of which several versions are kept shows
/// each version once. Sorted by name, architecture and version.
pub(crate) fn pair(removed: Vec<Changed>, added: Vec<Changed>) -> Vec<DiffEntry> {
    let mut groups: BTreeMap<(String, String), (Vec<Side>, Vec<Side>)> = BTreeMap::new();
    for one in removed {
        groups.entry((one.name, one.arch)).or_default().0.push(one.side);
    }
    for one in added {
        groups.entry((one.name, one.arch)).or_default().1.push(one.side);
    }
    let mut entries = Vec::new();
    for ((name, arch), (mut from, mut to)) in groups {
        from.sort_by(|a, b| (&b.key, &b.path).cmp(&(&a.key, &a.path)));
        to.sort_by(|a, b| (&b.key, &b.path).cmp(&(&a.key, &a.path)));
        // Equal versions belong together first: a rebuilt package is not the other half of an upgrade.
        let mut pairs = Vec::new();
        from.retain(|old| match to.iter().position(|new| new.key == old.key) {
            Some(at) => {
                pairs.push((Some(old.clone()), Some(to.remove(at))));
                false
            }
            None => true,
        });
        let longest = from.len().max(to.len());
        let (mut from, mut to) = (from.into_iter(), to.into_iter());
        pairs.extend((0..longest).map(|_| (from.next(), to.next())));
        pairs.sort_by_cached_key(newest);
        entries.extend(pairs.into_iter().map(|(from, to)| DiffEntry {
            change: change(from.as_ref(), to.as_ref()),
            name: name.clone(),
            arch: arch.clone(),
            from,
            to,
        }));
    }
    entries
}

fn newest(pair: &(Option<Side>, Option<Side>)) -> Option<VersionKey> {
    pair.1.as_ref().or(pair.0.as_ref()).map(|side| side.key.clone())
}

fn change(from: Option<&Side>, to: Option<&Side>) -> Change {
    match (from, to) {
        (Some(from), Some(to)) => match to.key.cmp(&from.key) {
            std::cmp::Ordering::Greater => Change::Upgraded,
            std::cmp::Ordering::Less => Change::Downgraded,
            std::cmp::Ordering::Equal => Change::Rebuilt,
        },
        (None, _) => Change::Added,
        (Some(_), None) => Change::Removed,
    }
}

/// How many packages changed in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// See [`Change::Added`].
    pub added: u64,
    /// See [`Change::Removed`].
    pub removed: u64,
    /// See [`Change::Upgraded`].
    pub upgraded: u64,
    /// See [`Change::Downgraded`].
    pub downgraded: u64,
    /// See [`Change::Rebuilt`].
    pub rebuilt: u64,
}

impl Counts {
    pub(crate) fn of(entries: &[DiffEntry]) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            *match entry.change {
                Change::Added => &mut counts.added,
                Change::Removed => &mut counts.removed,
                Change::Upgraded => &mut counts.upgraded,
                Change::Downgraded => &mut counts.downgraded,
                Change::Rebuilt => &mut counts.rebuilt,
            } += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(version: u8) -> Changed {
        Changed {
            name: "kernel".into(),
            arch: "x86_64".into(),
            side: Side {
                version: version.to_string(),
                path: format!("kernel-{version}.rpm"),
                key: VersionKey(Box::new([version])),
            },
        }
    }

    fn changes(removed: &[u8], added: &[u8]) -> Vec<(Change, String)> {
        let sides = |versions: &[u8]| versions.iter().map(|v| side(*v)).collect();
        pair(sides(removed), sides(added))
            .into_iter()
            .map(|entry| {
                let text = |side: Option<Side>| side.map_or("-".into(), |side| side.version);
                (entry.change, format!("{}>{}", text(entry.from), text(entry.to)))
            })
            .collect()
    }

    #[test]
    fn a_newer_version_in_place_of_an_older_one_is_an_upgrade() {
        assert_eq!(changes(&[1], &[2]), [(Change::Upgraded, "1>2".into())]);
        assert_eq!(changes(&[2], &[1]), [(Change::Downgraded, "2>1".into())]);
        assert_eq!(changes(&[2], &[2]), [(Change::Rebuilt, "2>2".into())]);
    }

    #[test]
    fn a_version_beside_those_that_stay_is_added() {
        assert_eq!(changes(&[], &[3]), [(Change::Added, "->3".into())]);
        assert_eq!(changes(&[1], &[]), [(Change::Removed, "1>-".into())]);
    }

    #[test]
    fn several_versions_of_a_name_are_paired_newest_first_and_each_shows_once() {
        assert_eq!(
            changes(&[1, 2], &[3, 4, 5]),
            [
                (Change::Added, "->3".into()),
                (Change::Upgraded, "1>4".into()),
                (Change::Upgraded, "2>5".into()),
            ]
        );
    }

    #[test]
    fn a_rebuilt_version_is_not_half_of_an_upgrade() {
        assert_eq!(
            changes(&[1, 2], &[2, 3]),
            [(Change::Rebuilt, "2>2".into()), (Change::Upgraded, "1>3".into())]
        );
    }
}
