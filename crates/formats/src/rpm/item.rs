//! What advisories, groups and modules have in common.

use std::collections::HashMap;

/// See [`crate::Item::key`].
pub(super) const MAX_KEY_BYTES: usize = 500;

/// Makes keys unique in the order in which they come: the second `x` becomes `x#2`.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, u64>);

impl Keys {
    /// The key under which an item is reported; `None` for one that is too long.
    pub(super) fn unique(&mut self, key: &str) -> Option<String> {
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        let mut unique = key.to_owned();
        loop {
            let count = self.0.entry(unique.clone()).or_insert(0);
            *count += 1;
            if *count == 1 {
                return Some(unique).filter(|unique| unique.len() <= MAX_KEY_BYTES);
            }
            // `x#2` may be an upstream id of its own, so the new key is looked up too.
            unique = format!("{key}#{count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_repeat() {
        let mut keys = Keys::default();
        let made: Vec<_> = ["a", "a#2", "a", "a", "b"].map(|key| keys.unique(key).unwrap()).into();
        let mut sorted = made.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), made.len(), "{made:?}");
        assert_eq!(made[0], "a");
        assert_eq!(keys.unique(&"x".repeat(501)), None);
    }
}
