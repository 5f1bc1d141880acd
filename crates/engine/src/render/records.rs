//! Records of one part in path order, whatever order the packs have them in.
//!
//! A feed lists its packages in any order, and each sync adds packs with what was new in it, so that neighbours in path
//! order may lie anywhere. Where that would unpack the packs again and again, each is unpacked once, and the records
//! wait in a scratch file for their turn.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

use chantal_catalog::{Catalog, RecordPlace, RecordReader};
use chantal_formats::FormatError;
use chantal_pool::Pool;
use tokio::runtime::Handle;

use super::{unreadable, unwritable};

/// Records that are in memory at a time.
const WINDOW: usize = 256;
/// Unpacked packs that a reader can be expected to keep from one window to the next.
const KEPT_PACKS: usize = 4;
/// Bytes that go to the scratch file at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads the records of one part, one after the other.
pub(super) struct Records<'a> {
    handle: &'a Handle,
    order: Vec<Option<RecordPlace>>,
    next: usize,
    source: Source,
    record: Vec<u8>,
}

enum Source {
    /// Straight from the packs, a window at a time.
    Packs(Box<RecordReader>, VecDeque<Vec<u8>>),
    /// From a file that has them, each where `spans` says.
    Scratch { file: File, spans: Vec<(u64, u32)> },
}

impl<'a> Records<'a> {
    /// Prepares records in `order`; a scratch file, if there has to be one, lies in the pool.
    pub(super) fn new(
        catalog: &Catalog,
        pool: &Pool,
        handle: &'a Handle,
        order: Vec<Option<RecordPlace>>,
    ) -> Result<Self, FormatError> {
        let reader = RecordReader::new(catalog);
        let source = if is_in_pack_order(&order) {
            Source::Packs(Box::new(reader), VecDeque::new())
        } else {
            scatter(reader, pool, handle, &order)?
        };
        Ok(Self {
            handle,
            order,
            next: 0,
            source,
            record: Vec::new(),
        })
    }

    /// How many there are, missing ones included.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no member is without a record.
    pub(super) fn is_complete(&self) -> bool {
        self.order.iter().all(Option::is_some)
    }

    /// The next member's record.
    ///
    /// # Errors
    /// [`FormatError::Io`] with the catalog's or the scratch file's error.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, FormatError> {
        let at = self.next;
        self.next += 1;
        if !self.order.get(at).is_some_and(Option::is_some) {
            return Ok(None);
        }
        match &mut self.source {
            Source::Packs(reader, window) => {
                if window.is_empty() {
                    let wanted: Vec<RecordPlace> = self.order[at..].iter().flatten().take(WINDOW).copied().collect();
                    let read = self.handle.block_on(reader.read_at(&wanted));
                    *window = read.map_err(|error| unreadable(&error))?.into();
                }
                self.record = window.pop_front().unwrap_or_default();
            }
            Source::Scratch { file, spans } => {
                let (offset, len) = spans[at];
                self.record.resize(len as usize, 0);
                file.read_exact_at(&mut self.record, offset).map_err(scratched)?;
            }
        }
        Ok(Some(&self.record))
    }
}

/// Whether reading in this order unpacks few packs more than once.
fn is_in_pack_order(order: &[Option<RecordPlace>]) -> bool {
    let mut all = HashSet::new();
    let mut last = HashSet::new();
    let mut unpacked = 0;
    for window in order.chunks(WINDOW) {
        let packs: HashSet<i64> = window.iter().flatten().map(|place| place.pack).collect();
        let known = packs.intersection(&last).count().min(KEPT_PACKS);
        unpacked += packs.len() - known;
        all.extend(packs.iter().copied());
        last = packs;
    }
    unpacked <= all.len() + all.len() / 2
}

/// Writes records into a scratch file in the order of the packs.
fn scatter(
    mut reader: RecordReader,
    pool: &Pool,
    handle: &Handle,
    order: &[Option<RecordPlace>],
) -> Result<Source, FormatError> {
    let mut wanted: Vec<(RecordPlace, usize)> = order
        .iter()
        .enumerate()
        .filter_map(|(at, place)| Some(((*place)?, at)))
        .collect();
    wanted.sort_unstable_by_key(|(place, _)| (place.pack, place.slot));
    let file = pool.scratch().map_err(unwritable)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut spans = vec![(0, 0); order.len()];
    let mut offset = 0;
    for window in wanted.chunks(WINDOW) {
        let places: Vec<RecordPlace> = window.iter().map(|(place, _)| *place).collect();
        let records = handle
            .block_on(reader.read_at(&places))
            .map_err(|error| unreadable(&error))?;
        for ((_, at), record) in window.iter().zip(&records) {
            out.write_all(record).map_err(scratched)?;
            spans[*at] = (offset, record.len() as u32);
            offset += record.len() as u64;
        }
    }
    let file = out.into_inner().map_err(|error| scratched(error.into_error()))?;
    Ok(Source::Scratch { file, spans })
}

fn scratched(source: std::io::Error) -> FormatError {
    FormatError::Io {
        file: "scratch file in the pool".into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(packs: impl IntoIterator<Item = i64>) -> Vec<Option<RecordPlace>> {
        packs
            .into_iter()
            .map(|pack| Some(RecordPlace { pack, slot: 0 }))
            .collect()
    }

    #[test]
    fn neighbours_in_one_pack_need_no_scratch_file() {
        assert!(is_in_pack_order(&[]));
        assert!(is_in_pack_order(&places((0..10_000).map(|at| at / 128))));
        // A few that a later sync added.
        assert!(is_in_pack_order(&places((0..10_000).map(|at| if at % 1000 == 0 {
            99
        } else {
            at / 128
        }))));
        assert!(!is_in_pack_order(&places((0..10_000).map(|at| at % 78))));
    }

    /// Records 0 to `count` of a new catalog, as they come in an order of packs and slots.
    async fn read_in(order: Vec<Option<RecordPlace>>, count: u32) -> (Vec<Option<String>>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let catalog = Catalog::open(&path, chantal_catalog::Access::Create).await.unwrap();
        let lease = catalog.acquire("x", None).await.unwrap();
        let records: Vec<_> = (0..count)
            .map(|number| format!("<record {number}>").into_bytes())
            .map(|record| (chantal_model::Sha256::of(&record), record))
            .collect();
        catalog.add_records(&lease, 0, &records).await.unwrap();
        let pool = Pool::open(&directory.path().join("pool"), chantal_pool::PoolOptions::default()).unwrap();
        let handle = Handle::current();
        let read = tokio::task::spawn_blocking(move || {
            let mut records = Records::new(&catalog, &pool, &handle, order).unwrap();
            let is_scattered = matches!(records.source, Source::Scratch { .. });
            let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
            let all = (0..records.len()).map(|_| records.next().unwrap().map(text)).collect();
            (all, is_scattered)
        });
        read.await.unwrap()
    }

    #[tokio::test]
    async fn records_come_in_the_order_asked_for_whatever_the_packs_are() {
        let place = |number: u32| {
            Some(RecordPlace {
                pack: 1 + i64::from(number) / 128,
                slot: i64::from(number) % 128,
            })
        };
        let text = |number: u32| Some(format!("<record {number}>"));
        let straight: Vec<u32> = (0..2000).collect();
        // Every record once, neighbours far from each other.
        let mixed: Vec<u32> = (0..2000).map(|at| at * 997 % 2000).collect();
        for (numbers, is_scattered) in [(straight, false), (mixed, true)] {
            let mut order: Vec<_> = numbers.iter().map(|number| place(*number)).collect();
            let mut expected: Vec<_> = numbers.iter().map(|number| text(*number)).collect();
            // A member without a record in the middle.
            order.insert(700, None);
            expected.insert(700, None);
            assert_eq!(read_in(order, 2000).await, (expected, is_scattered));
        }
    }
}
