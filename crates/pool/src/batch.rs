//! Files that are made durable together.

use std::fs::File;
use std::time::{Duration, Instant};

use chantal_model::fault;

use crate::error::PoolError;
use crate::incoming::{Sealed, Settled};
use crate::settle::{FEW, Sorted};
use crate::{Durability, Pool};

/// A batch is due at so many files,
const MAX_FILES: usize = 512;
/// at so many bytes,
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// or after so long.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Sealed files that wait to be settled. Dropped, it removes those that have no name yet.
///
/// One barrier serves two batches: it makes the bytes of the new one durable, and the names of the one before.
pub struct Batch {
    pool: Pool,
    files: Vec<Sealed>,
    bytes: u64,
    since: Instant,
    /// Files that have names which are not durable yet.
    named: Sorted,
    /// Is told of every write error since the batch began, or else since the first file of it was opened.
    witness: Option<File>,
    /// Whether that is so since the batch began, so that files need not stay open for it.
    is_early: bool,
}

impl Batch {
    pub(crate) fn new(pool: Pool) -> Self {
        let witness = File::open(pool.root()).ok();
        Self {
            files: Vec::new(),
            bytes: 0,
            since: Instant::now(),
            named: Sorted::default(),
            is_early: witness.is_some() && pool.inner.durability == Durability::Batch,
            witness,
            pool,
        }
    }

    /// Adds a file that was begun after the batch; `true` when the batch is due.
    pub fn push(&mut self, sealed: Sealed) -> bool {
        if self.files.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += sealed.size;
        self.files.push(sealed);
        // A process may have a thousand files open.
        if self.is_early && self.files.len() > FEW {
            let open = self.files.iter_mut().rev().take_while(|sealed| sealed.file.is_some());
            open.for_each(|sealed| sealed.file = None);
        }
        self.files.len() >= MAX_FILES || self.bytes >= MAX_BYTES || self.since.elapsed() >= MAX_AGE
    }

    /// Gives names to what was pushed; gives what is durable now, in the order of pushing: the files of the flush
    /// before. [`Batch::finish`] gives the rest.
    ///
    /// # Errors
    /// See [`Pool::settle`]. What an earlier flush named and did not give back may not be durable.
    pub fn flush(&mut self) -> Result<Vec<Settled>, PoolError> {
        self.bytes = 0;
        let mut sorted = self.pool.sort(std::mem::take(&mut self.files))?;
        if sorted.settled.is_empty() {
            return Ok(Vec::new());
        }
        if self.witness.is_none() {
            self.witness = Some(self.pool.witness(&sorted.new)?);
        }
        let witness = self.witness.as_ref().expect("it was just set");
        let is_all_durable = self.pool.sync_data(&sorted.new, witness)?;
        fault!("pool::batch::flush").map_err(|source| PoolError::barrier(self.pool.root(), source))?;
        if !is_all_durable && !self.named.settled.is_empty() {
            self.pool.sync_directories(&self.named.directories, witness)?;
        }
        self.pool.name_all(&mut sorted)?;
        Ok(std::mem::replace(&mut self.named, sorted).settled)
    }

    /// Settles everything; gives what no flush has given yet.
    ///
    /// # Errors
    /// See [`Batch::flush`].
    pub fn finish(mut self) -> Result<Vec<Settled>, PoolError> {
        let mut settled = self.flush()?;
        fault!("pool::batch::finish").map_err(|source| PoolError::barrier(self.pool.root(), source))?;
        if let Some(witness) = &self.witness
            && !self.named.settled.is_empty()
        {
            self.pool.sync_directories(&self.named.directories, witness)?;
        }
        settled.extend(std::mem::take(&mut self.named).settled);
        Ok(settled)
    }
}
