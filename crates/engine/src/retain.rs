//! Members that a new revision keeps of the current one, although upstream has dropped them.

use chantal_model::{ItemKind, RelPath, Sha256};

use crate::choose::Choice;
use crate::content::{Line, New, PARTS, Rows};
use crate::held::{Dropped, Held};
use crate::items::Entry;

/// A package that stays.
pub(crate) struct Retained {
    pub(crate) path: RelPath,
    pub(crate) blob: (Sha256, u64),
    digests: [Option<Sha256>; PARTS],
    rows: Rows,
}

impl Retained {
    fn of(dropped: Dropped) -> Option<Self> {
        let row = dropped.row;
        Some(Self {
            path: RelPath::parse(&row.path).ok()?,
            blob: (row.sha256, row.size),
            digests: dropped.digests,
            rows: Rows {
                package: Some(row.package_id),
                blob: Some(row.blob_id),
                records: row.records,
            },
        })
    }

    pub(crate) fn line(&self) -> Line<'_> {
        Line {
            kind: ItemKind::Package,
            path: self.path.as_str(),
            blob: Some(self.blob),
            records: self.digests,
            attributes: None,
        }
    }

    pub(crate) fn member(&self) -> New<'_> {
        New {
            path: self.path.as_str(),
            rows: self.rows,
            attributes: None,
        }
    }
}

/// What stays, in path order, and the items that stay with it.
pub(crate) fn retained(held: Held, choice: &Choice) -> (Vec<Retained>, Vec<Entry>) {
    let stays = |list: &[u32], at: usize| list.binary_search(&(at as u32)).is_ok();
    let packages = held.packages.into_iter().enumerate();
    let mut packages: Vec<Retained> = packages
        .filter(|(at, _)| stays(&choice.retained, *at))
        .filter_map(|(_, one)| Retained::of(one))
        .collect();
    packages.sort_by(|a, b| a.path.cmp(&b.path));
    let items = held.items.into_iter().enumerate();
    let items = items.filter(|(at, _)| stays(&choice.retained_items, *at));
    let items = items.map(|(_, item)| Entry {
        kind: ItemKind::Module,
        path: item.member.path.into(),
        blob: None,
        record: item.digest,
        attributes: item.member.attributes.map(Into::into),
        rows: (None, item.member.records[0]),
    });
    (packages, items.collect())
}

/// Two series in path order as one.
pub(crate) fn merged<T>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T>,
    path: impl Fn(&T) -> &str,
) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let first = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) => path(a) <= path(b),
            (a, _) => a.is_some(),
        };
        if first { one.next() } else { other.next() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_series_become_one_in_order() {
        let all: Vec<&str> = merged(["a", "c", "d"].into_iter(), ["b", "e"].into_iter(), |path| path).collect();
        assert_eq!(all, ["a", "b", "c", "d", "e"]);
        assert_eq!(merged(["a"].into_iter(), std::iter::empty(), |path| path).count(), 1);
    }
}
