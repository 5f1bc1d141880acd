//! Which blobs are read this time, where a run reads a share of them and runs together read all.

use std::io::Write;

use chantal_model::Sha256;

use crate::Pool;
use crate::error::PoolError;

/// The file that says up to where blobs have been read.
pub(crate) const POSITION: &str = "verify-position";
/// Names are spread evenly over so many places on a ring, by their first bytes.
const RING: f64 = 18_446_744_073_709_551_616.0;

/// Which blobs are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// All of them.
    All,
    /// Those of an arc of the ring of names: from a place on, so many places.
    Arc {
        /// Where it begins.
        from: u64,
        /// How long it is.
        places: u64,
    },
}

impl Turn {
    /// Part `number` of `of` equal parts, counted from 1.
    pub fn part(number: u32, of: u32) -> Self {
        let bound = |part: u32| ((u128::from(part) << 64) / u128::from(of.max(1))) as u64;
        if of <= 1 {
            return Self::All;
        }
        let (from, to) = (bound(number - 1), bound(number));
        Self::Arc {
            from,
            places: to.wrapping_sub(from),
        }
    }

    /// Whether a blob is read.
    pub fn has(self, sha256: &Sha256) -> bool {
        match self {
            Self::All => true,
            Self::Arc { from, places } => place(sha256).wrapping_sub(from) < places,
        }
    }
}

fn place(Sha256(bytes): &Sha256) -> u64 {
    let first = bytes.first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}

impl Pool {
    /// The share of blobs, in percent, whose turn it is: it begins where the last run ended.
    pub fn next_turn(&self, percent: f64) -> Turn {
        if percent >= 100.0 {
            return Turn::All;
        }
        let text = std::fs::read_to_string(self.root().join(POSITION)).unwrap_or_default();
        Turn::Arc {
            from: u64::from_str_radix(text.trim(), 16).unwrap_or(0),
            // A place too many is better than a gap between the last run of a round and the first.
            places: (RING * percent / 100.0).ceil() as u64,
        }
    }

    /// Notes that the blobs of a turn have been read.
    pub fn end_turn(&self, turn: Turn) -> Result<(), PoolError> {
        let Turn::Arc { from, places } = turn else {
            return Ok(());
        };
        let path = self.root().join(POSITION);
        let io = |source| PoolError::io("write", &path, source);
        let mut file = tempfile::NamedTempFile::new_in(self.root().join("tmp")).map_err(io)?;
        writeln!(file, "{:016x}", from.wrapping_add(places)).map_err(io)?;
        file.persist(&path).map_err(|error| io(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolOptions;

    fn names() -> Vec<Sha256> {
        (0..2000_u32).map(|n| Sha256::of(&n.to_le_bytes())).collect()
    }

    #[test]
    fn parts_together_are_everything_and_share_nothing() {
        for of in [1, 2, 3, 7, 1000] {
            let parts: Vec<Turn> = (1..=of).map(|number| Turn::part(number, of)).collect();
            for name in names() {
                assert_eq!(parts.iter().filter(|part| part.has(&name)).count(), 1, "{of}");
            }
        }
    }

    #[test]
    fn runs_one_after_another_read_everything_whatever_their_share() {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::open(directory.path(), PoolOptions::default()).unwrap();
        let mut left = names();
        for percent in [30.0, 5.0, 25.0, 40.0] {
            let turn = pool.next_turn(percent);
            let before = left.len();
            left.retain(|name| !turn.has(name));
            let read = before - left.len();
            assert!((read as f64 - 20.0 * percent).abs() < 100.0, "{percent} %: {read}");
            pool.end_turn(turn).unwrap();
        }
        assert_eq!(left, []);
        assert_eq!(pool.next_turn(100.0), Turn::All);
        assert!(pool.list().unwrap().1.is_empty(), "the position is no foreign file");
    }

    #[test]
    fn what_was_never_ended_begins_again() {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::open(directory.path(), PoolOptions::default()).unwrap();
        assert_eq!(pool.next_turn(5.0), pool.next_turn(5.0));
        std::fs::write(pool.root().join(POSITION), "not a number").unwrap();
        assert!(matches!(pool.next_turn(5.0), Turn::Arc { from: 0, .. }));
    }
}
