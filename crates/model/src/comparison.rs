//! How one version is asked to stand to another.

use std::cmp::Ordering;
use std::fmt;

/// One of the five comparisons of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Comparison {
    /// Older.
    #[serde(rename = "<")]
    Less,
    /// Older or the same.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// The same.
    #[serde(rename = "=")]
    Equal,
    /// The same or newer.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// Newer.
    #[serde(rename = ">")]
    Greater,
}

impl Comparison {
    /// As users write it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    /// Whether what compares so to the wanted value is what was asked for.
    pub fn holds(self, ordering: Ordering) -> bool {
        match ordering {
            Ordering::Less => self.allows_less(),
            Ordering::Equal => self.allows_equal(),
            Ordering::Greater => self.allows_greater(),
        }
    }

    /// Whether older ones are meant too.
    pub fn allows_less(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual)
    }

    /// Whether the same one is meant too.
    pub fn allows_equal(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::Equal | Self::GreaterOrEqual)
    }

    /// Whether newer ones are meant too.
    pub fn allows_greater(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }

    /// Whether the ranges `self x` and `other y` have anything in common, where x compares to y as `ordering` says.
    pub fn overlaps(self, ordering: Ordering, other: Self) -> bool {
        match ordering {
            Ordering::Less => self.allows_greater() || other.allows_less(),
            Ordering::Greater => self.allows_less() || other.allows_greater(),
            Ordering::Equal => {
                self.allows_equal() && other.allows_equal()
                    || self.allows_less() && other.allows_less()
                    || self.allows_greater() && other.allows_greater()
            }
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};

    #[test]
    fn ranges_overlap_where_a_number_is_in_both() {
        let all = [Less, LessOrEqual, Equal, GreaterOrEqual, Greater];
        for one in all {
            for other in all {
                for (x, y) in [(10, 20), (20, 10), (10, 10)] {
                    let common = (0..30).any(|n: i32| one.holds(n.cmp(&x)) && other.holds(n.cmp(&y)));
                    assert_eq!(one.overlaps(x.cmp(&y), other), common, "{one}{x} {other}{y}");
                }
            }
        }
    }
}
