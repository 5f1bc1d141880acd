//! Rows that new members name: whether all of them are there.
//!
//! SQLite would look up each as it is named, five for each member, all over their tables: of a hundred thousand packages,
//! the tables are larger than the cache, and most of the time goes into reading the same pages again. In the order of
//! rows, each page is read once.

use std::collections::BTreeMap;

use crate::PARTS;
use crate::db::{self, Transaction};
use crate::error::CatalogError;
use crate::members::NewMember;
use crate::sql;

/// Rows in a run that take long to count.
const LONG: i64 = 1000;

/// Rows by the table that they are in.
#[derive(Default)]
pub(crate) struct Named {
    packages: Rows,
    blobs: Rows,
    records: Rows,
}

impl Named {
    /// Notes what a member names.
    pub(crate) fn add(&mut self, member: &NewMember) {
        self.packages.extend(member.package_id);
        self.blobs.extend(member.blob_id);
        self.records.extend((0..PARTS).filter_map(|part| member.records[part]));
    }

    /// Makes sure that all are there.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if one is not.
    pub(crate) async fn check(&self, transaction: &mut Transaction, line: i64) -> Result<(), CatalogError> {
        let mut lines = Rows::default();
        lines.extend([line]);
        let tables = [
            (&lines, sql::LINES_BETWEEN, "its line"),
            (&self.packages, sql::PACKAGES_BETWEEN, "a package"),
            (&self.blobs, sql::BLOBS_BETWEEN, "a file"),
            (&self.records, sql::RECORDS_BETWEEN, "a record"),
        ];
        for (rows, statement, what) in tables {
            for (first, last) in rows.runs() {
                let mut query = db::query(statement).bind(first).bind(last);
                if last - first > LONG {
                    query = query.apart();
                }
                let count = query.read_optional(&mut *transaction, |row| row.try_get::<i64>(0));
                if count.await? != Some(last - first + 1) {
                    return Err(CatalogError::corrupt(format!(
                        "{what} that the new revision names is gone"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Words of [`u64`] that are kept together.
const WORDS: usize = 8;
/// Numbers of rows that are kept together.
const BLOCK: i64 = 64 * WORDS as i64;

/// Numbers of rows, a bit for each: most of a table's are named, or few.
#[derive(Default)]
struct Rows(BTreeMap<i64, [u64; WORDS]>);

impl Rows {
    fn extend(&mut self, rows: impl IntoIterator<Item = i64>) {
        for row in rows {
            let bit = row.rem_euclid(BLOCK) as usize;
            let block = self.0.entry(row.div_euclid(BLOCK)).or_default();
            block[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn all(&self) -> impl Iterator<Item = i64> + '_ {
        let bits = |(block, words): (&i64, &[u64; WORDS])| {
            let (first, words) = (block * BLOCK, *words);
            (0..BLOCK).filter_map(move |bit| {
                let is_set = words[bit as usize / 64] >> (bit % 64) & 1 == 1;
                is_set.then_some(first + bit)
            })
        };
        self.0.iter().flat_map(bits)
    }

    /// The first and the last of each sequence of numbers without a gap, in order.
    fn runs(&self) -> Vec<(i64, i64)> {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for row in self.all() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == row => *last = row,
                _ => runs.push((row, row)),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_go_over_the_borders_of_blocks() {
        let mut rows = Rows::default();
        rows.extend((1..=600).rev().chain([1, 1024, 1023, 5000, -1]));
        assert_eq!(rows.runs(), [(-1, -1), (1, 600), (1023, 1024), (5000, 5000)]);
        assert!(Rows::default().runs().is_empty());
    }

    proptest! {
        #[test]
        fn runs_have_what_was_put_in(wanted in prop::collection::vec(-2000_i64..2000, 0..300)) {
            let mut rows = Rows::default();
            rows.extend(wanted.iter().copied());
            let runs = rows.runs();
            prop_assert!(runs.windows(2).all(|two| two[0].1 + 1 < two[1].0));
            let all: BTreeSet<i64> = runs.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(all, wanted.into_iter().collect::<BTreeSet<i64>>());
        }
    }
}
