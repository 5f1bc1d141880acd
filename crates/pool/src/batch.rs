//! Files that are made durable together.

use std::time::{Duration, Instant};

use crate::Pool;
use crate::error::PoolError;
use crate::incoming::{Sealed, Settled};

/// A batch is due at so many files,
const MAX_FILES: usize = 512;
/// at so many bytes,
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// or after so long.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Sealed files that wait to be settled. Dropped, it removes them.
pub struct Batch {
    pool: Pool,
    files: Vec<Sealed>,
    bytes: u64,
    since: Instant,
}

impl Batch {
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            files: Vec::new(),
            bytes: 0,
            since: Instant::now(),
        }
    }

    /// Adds a file; `true` when the batch is due.
    pub fn push(&mut self, sealed: Sealed) -> bool {
        if self.files.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += sealed.size;
        self.files.push(sealed);
        self.files.len() >= MAX_FILES || self.bytes >= MAX_BYTES || self.since.elapsed() >= MAX_AGE
    }

    /// Settles what was pushed, in order; the batch is empty afterwards.
    pub fn flush(&mut self) -> Result<Vec<Settled>, PoolError> {
        self.bytes = 0;
        let pool = self.pool.clone();
        pool.settle(std::mem::take(&mut self.files))
    }
}
