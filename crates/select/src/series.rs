//! The newest versions of each series.

use std::collections::HashMap;
use std::hash::Hash;

/// For each series its newest versions, newest first.
pub(crate) struct Newest<S, V>(HashMap<S, Vec<V>>);

impl<S: Hash + Eq, V: Ord> Newest<S, V> {
    /// Finds the `count` newest distinct versions of each series.
    pub(crate) fn of(units: impl IntoIterator<Item = (S, V)>, count: usize) -> Self {
        let mut series: HashMap<S, Vec<V>> = HashMap::new();
        for (name, version) in units {
            let newest = series.entry(name).or_default();
            if let Err(place) = newest.binary_search_by(|known| version.cmp(known))
                && place < count
            {
                newest.insert(place, version);
                newest.truncate(count);
            }
        }
        Self(series)
    }

    /// Whether a version is among them; equal versions all are.
    pub(crate) fn has(&self, (series, version): (S, V)) -> bool {
        self.0
            .get(&series)
            .is_some_and(|newest| newest.binary_search_by(|known| version.cmp(known)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_versions_count_and_equal_ones_all_stay() {
        let units = [("a", 3), ("a", 1), ("a", 3), ("a", 2), ("b", 1), ("a", 4)];
        let newest = Newest::of(units, 2);
        let stay: Vec<_> = units
            .iter()
            .filter(|(series, version)| newest.has((*series, *version)))
            .collect();
        assert_eq!(stay, [&("a", 3), &("a", 3), &("b", 1), &("a", 4)]);
        assert!(!Newest::of(units, 0).has(("a", 4)));
    }
}
