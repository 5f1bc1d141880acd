//! Keeps what a format lists on a thread beside the one that reads: packing facts and records takes as long as reading.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chantal_formats::{Bad, Flow, Item, Sink, Stop};
use chantal_model::Package;

use super::Listing;

/// Packages that travel together.
const BATCH: usize = 32;
/// Bytes of records that travel together, roughly at most.
const BATCH_BYTES: usize = 256 << 10;
/// Batches on their way, at most.
const AHEAD: usize = 4;

/// What was listed, in its order.
enum Listed {
    Packages(Batch),
    Item(Box<Item>),
    Bad(Bad),
}

/// Packages with the raw record of each, one after the other in one buffer.
#[derive(Default)]
struct Batch {
    packages: Vec<(Package, usize)>,
    records: Vec<u8>,
}

/// The end that reads.
struct Reading {
    send: SyncSender<Listed>,
    batch: Batch,
}

/// Runs `read` with a sink that hands everything on to the listing; gives what it gives. Why the listing stopped it, if it
/// did, is [`Listing::failure`].
pub(crate) fn listed_beside<T>(listing: &mut Listing, read: impl FnOnce(&mut dyn Sink) -> T) -> T {
    let (send, receive) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let keeping = scope.spawn(move || keep(listing, &receive));
        let mut reading = Reading {
            send,
            batch: Batch::default(),
        };
        let done = read(&mut reading);
        // Where that fails, the listing knows why.
        let _ = reading.flush();
        drop(reading);
        if let Err(panic) = keeping.join() {
            std::panic::resume_unwind(panic);
        }
        done
    })
}

/// Takes all that comes; stops at the first that the listing does not take.
fn keep(listing: &mut Listing, receive: &Receiver<Listed>) {
    while let Ok(listed) = receive.recv() {
        let taken = match listed {
            Listed::Packages(batch) => {
                let mut from = 0;
                batch.packages.into_iter().try_for_each(|(package, end)| {
                    let record = &batch.records[from..end];
                    from = end;
                    listing.package(package, record)
                })
            }
            Listed::Item(item) => listing.item(*item),
            Listed::Bad(bad) => listing.bad(bad),
        };
        if taken.is_err() {
            return;
        }
    }
}

impl Reading {
    fn flush(&mut self) -> Flow {
        if self.batch.packages.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.send(Listed::Packages(batch))
    }

    fn send(&self, listed: Listed) -> Flow {
        self.send.send(listed).map_err(|_| Stop)
    }
}

impl Sink for Reading {
    fn package(&mut self, package: Package, record: &[u8]) -> Flow {
        let Batch { packages, records } = &mut self.batch;
        records.extend_from_slice(record);
        packages.push((package, records.len()));
        if packages.len() >= BATCH || records.len() >= BATCH_BYTES {
            return self.flush();
        }
        Ok(())
    }

    fn item(&mut self, item: Item) -> Flow {
        self.flush()?;
        self.send(Listed::Item(Box::new(item)))
    }

    fn bad(&mut self, bad: Bad) -> Flow {
        self.flush()?;
        self.send(Listed::Bad(bad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chantal_formats::{FormatError, Rule};
    use chantal_model::ItemKind;

    use crate::packed::tests::package;

    fn item(number: u32) -> Item {
        Item {
            kind: ItemKind::Advisory,
            rule: Rule::Always,
            key: format!("i{number}"),
            refers: Vec::new(),
            needs: Vec::new(),
            series: None,
            record: number.to_string().into_bytes(),
            attributes: serde_json::Value::Null,
        }
    }

    #[test]
    fn all_that_is_read_is_kept_in_its_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut listing = Listing::new(directory.path()).unwrap();
        let count = 10 * BATCH as u32 + 3;
        let read = listed_beside(&mut listing, |sink| {
            for number in 0..count {
                sink.package(package(number), number.to_string().as_bytes())?;
                if number % 50 == 0 {
                    sink.item(item(number))?;
                }
            }
            Ok::<_, Stop>(())
        });
        assert!(read.is_ok() && listing.failure().is_none());
        listing.resolve().unwrap();
        let labels = listing.packages.iter().map(|(_, one)| one.label);
        assert!(labels.eq((0..count).map(|number| package(number).label)));
        let mut records = listing.records.read();
        for number in 0..count {
            assert_eq!(records.next().unwrap().unwrap(), number.to_string().as_bytes());
        }
        let keys: Vec<&str> = listing.items.iter().map(|one| &*one.key).collect();
        assert_eq!(keys, ["i0", "i50", "i100", "i150", "i200", "i250", "i300"]);
    }

    #[test]
    fn what_reading_comes_to_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut listing = Listing::new(directory.path()).unwrap();
        let read = listed_beside(&mut listing, |sink| {
            sink.package(package(0), b"0").map_err(|_| FormatError::Stopped)?;
            Err::<(), _>(FormatError::Stopped)
        });
        assert!(matches!(read, Err(FormatError::Stopped)));
        assert_eq!(listing.packages.len(), 1);
    }
}
