//! Fetches the packages that the pool lacks, in parallel, each verified before it is stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chantal_catalog::{Catalog, Lease, NewBlob, PackageWriter};
use chantal_fetch::{Outcome, Reference, Wish};
use chantal_model::{Fields, Landing, Package, Progress, Promise, Sha256, Step, masked};
use chantal_pool::{Batch, Pool, Sealed, Settled};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::blobs::Blobs;
use crate::error::{Doing, EngineError, ExitClass, blocking, joined, of_fetch};
use crate::feed::incoming;
use crate::packed::Packed;
use crate::reach::{Reach, reference};
use crate::record::new_package;
use crate::report::FailedPackage;

/// Fetched packages that may wait to be stored: about as many as come while a batch is made durable.
const AHEAD: usize = 384;
/// Orders that wait to be fetched at most: while the task that hands them out records what came, fetching goes on.
const QUEUE: usize = 128;
/// Durable packages that may wait to be recorded together. Those of a run that is killed are found by their digest.
const RECORD_ROWS: usize = 2048;

/// The name of a format, and what it lists of a package.
type Facts = (&'static str, Box<Package>);

/// A package that is to be fetched.
pub(crate) struct Order {
    /// Index of the listed package.
    pub(crate) package: u32,
    pub(crate) reference: Reference,
    pub(crate) promise: Promise,
    pub(crate) label: String,
    /// The format of a package and what is listed of it; `None` of another file.
    pub(crate) facts: Option<Facts>,
}

/// A package on its way from the one who fetches to the one who stores.
struct Fetched {
    package: u32,
    is_promised: bool,
    facts: Option<Facts>,
    sealed: Sealed,
}

/// A package that could not be had.
pub(crate) struct Failure {
    pub(crate) package: u32,
    pub(crate) class: ExitClass,
    /// Whether upstream answers that it does not have it, rather than anything else.
    pub(crate) absent: bool,
    pub(crate) report: FailedPackage,
}

/// Index of the listed package, its row and that of its blob, in the order of indices.
pub(crate) type Rows = Vec<(u32, i64, i64)>;

/// What was fetched and what was not.
#[derive(Default)]
pub(crate) struct Downloaded {
    /// The bytes of each, by the number of its order.
    pub(crate) blobs: Blobs,
    pub(crate) rows: Rows,
    pub(crate) failures: Vec<Failure>,
}

/// What one fetch needs; shared by the tasks that run at the same time.
pub(crate) struct Source {
    /// The repository, for people.
    pub(crate) repo: String,
    pub(crate) reach: Reach,
    pub(crate) pool: Pool,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) fetched_bytes: Arc<AtomicU64>,
    /// The largest package whose size is not promised.
    pub(crate) limit_bytes: u64,
}

/// Everything that a download needs.
pub(crate) struct Downloader<'a> {
    pub(crate) source: Arc<Source>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) lease: &'a Lease,
    pub(crate) parallel: usize,
}

/// Fetches what is in the queue, one after the other.
struct Fetcher {
    source: Arc<Source>,
    queue: Arc<Mutex<mpsc::Receiver<Order>>>,
    send: mpsc::Sender<Fetched>,
}

impl Fetcher {
    /// Gives what could not be had. An error stops all.
    async fn run(self) -> Result<Vec<Failure>, EngineError> {
        let mut failures = Vec::new();
        loop {
            let next = self.queue.lock().await.recv().await;
            let Some(one) = next else { return Ok(failures) };
            match self.source.fetch(&one).await {
                Ok(Ok(sealed)) => {
                    let fetched = Fetched {
                        package: one.package,
                        is_promised: one.promise.sha256().is_some(),
                        facts: one.facts,
                        sealed,
                    };
                    // The receiver is gone only when storing failed; its error is the one to report.
                    if self.send.send(fetched).await.is_err() {
                        self.stop().await;
                        return Ok(failures);
                    }
                }
                Ok(Err(failure)) => failures.push(failure),
                Err(error) => {
                    self.stop().await;
                    return Err(error);
                }
            }
        }
    }

    /// Leaves nothing to fetch.
    async fn stop(&self) {
        let mut queue = self.queue.lock().await;
        queue.close();
        while queue.try_recv().is_ok() {}
    }
}

/// Turns indices of listed packages, in ascending order, into orders, one at a time.
pub(crate) fn orders<'a>(
    format: &'static str,
    packages: &'a Packed,
    missing: &'a [u32],
) -> impl Iterator<Item = Order> + Send + 'a {
    let mut wanted = missing.iter().copied().peekable();
    packages.iter().filter_map(move |(index, mut package)| {
        wanted.next_if_eq(&index)?;
        let reference = reference(&package);
        // Thousands wait to be recorded: without what the catalog has no column for.
        package.href = Box::default();
        package.fields = Fields::default();
        Some(Order {
            package: index,
            reference,
            label: package.label.to_string(),
            promise: std::mem::take(&mut package.promise),
            facts: Some((format, Box::new(package))),
        })
    })
}

impl Downloader<'_> {
    /// Fetches all that is ordered. What fails is reported and does not stop the others; only a failure of the pool or
    /// the catalog does.
    ///
    /// Fetching goes on while a batch is made durable.
    pub(crate) async fn run(&self, orders: impl Iterator<Item = Order>, bytes: u64) -> Result<Downloaded, EngineError> {
        let progress = &self.source.progress;
        progress.begin(Step::Download, bytes);
        let (send, receive) = mpsc::channel(AHEAD);
        let batch = self.source.pool.batch();
        let stored = self.store_all(batch, receive);
        let (failures, (blobs, rows)) = tokio::try_join!(self.fetch_all(orders, send), stored)?;
        progress.end(Step::Download);
        Ok(Downloaded { blobs, rows, failures })
    }

    async fn fetch_all(
        &self,
        mut orders: impl Iterator<Item = Order>,
        send: mpsc::Sender<Fetched>,
    ) -> Result<Vec<Failure>, EngineError> {
        let (order, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let mut fetching = JoinSet::new();
        for _ in 0..self.parallel.max(1) {
            let fetcher = Fetcher {
                source: self.source.clone(),
                queue: queue.clone(),
                send: send.clone(),
            };
            fetching.spawn(fetcher.run());
        }
        drop((queue, send));
        let mut is_more = true;
        while is_more {
            // By many at a time: each time, somebody has to wake this task.
            let Ok(places) = order.reserve_many(QUEUE / 2).await else {
                // A fetcher has stopped all; it says why.
                break;
            };
            for place in places {
                match orders.next() {
                    Some(one) => place.send(one),
                    None => is_more = false,
                }
            }
        }
        drop(order);
        let mut failures = Vec::new();
        while let Some(fetcher) = fetching.join_next().await {
            failures.extend(joined(fetcher).await??);
        }
        Ok(failures)
    }

    async fn store_all(
        &self,
        mut batch: Batch,
        mut receive: mpsc::Receiver<Fetched>,
    ) -> Result<(Blobs, Rows), EngineError> {
        let mut store = Store::default();
        // Names that nobody knew before, so that they are not noted as relied on yet.
        let mut surprises = Vec::new();
        while let Some(fetched) = receive.recv().await {
            store.waiting.push_back((fetched.package, fetched.facts));
            surprises.extend((!fetched.is_promised).then_some(fetched.sealed.sha256));
            if batch.push(fetched.sealed) {
                self.intend(&mut surprises).await?;
                let settled;
                (batch, settled) = blocking(move || {
                    let settled = batch.flush().doing("store packages")?;
                    Ok((batch, settled))
                })
                .await?;
                store.take(settled);
                if store.unrecorded.len() >= RECORD_ROWS {
                    self.record(&mut store).await?;
                }
            }
        }
        self.intend(&mut surprises).await?;
        store.take(blocking(move || batch.finish().doing("store packages")).await?);
        self.record(&mut store).await?;
        store.rows.sort_unstable();
        Ok((store.blobs, store.rows))
    }

    async fn intend(&self, names: &mut Vec<Sha256>) -> Result<(), EngineError> {
        let noted = self.catalog.intend(self.lease, names).await;
        names.clear();
        noted.doing("note what is relied on")
    }

    /// Records files, and what is listed of those that are packages.
    async fn record(&self, store: &mut Store) -> Result<(), EngineError> {
        if store.unrecorded.is_empty() {
            return Ok(());
        }
        let (blobs, listed): (Vec<NewBlob>, Vec<_>) = std::mem::take(&mut store.unrecorded).into_iter().unzip();
        let ids = self.catalog.add_blobs(self.lease, &blobs).await;
        let ids = ids.doing("record fetched packages")?;
        let mut numbers = Vec::with_capacity(listed.len());
        let mut packages = Vec::with_capacity(listed.len());
        for ((blob, id), (number, facts)) in blobs.iter().zip(ids).zip(listed) {
            if let Some((format, facts)) = facts {
                numbers.push((number, id));
                packages.push(new_package(format, &facts, &blob.sha256, id));
            }
        }
        if packages.is_empty() {
            return Ok(());
        }
        let mut writer = PackageWriter::new(self.catalog, self.lease);
        let rows = writer.add(&packages).await.doing("store packages")?;
        writer.finish().await.doing("store packages")?;
        let rows = numbers.into_iter().zip(rows);
        store.rows.extend(rows.map(|((number, blob), row)| (number, row, blob)));
        Ok(())
    }
}

/// A file by its number in the download, and what is listed of it if it is a package.
type Listed = (u32, Option<Facts>);

/// Fetched packages on their way into the catalog.
#[derive(Default)]
struct Store {
    blobs: Blobs,
    rows: Rows,
    /// Packages whose files are not durable yet, oldest first.
    waiting: VecDeque<Listed>,
    /// Durable files that the catalog does not know yet.
    unrecorded: Vec<(NewBlob, Listed)>,
}

impl Store {
    /// Takes what has become durable, oldest first.
    fn take(&mut self, settled: Vec<Settled>) {
        let listed = self.waiting.drain(..settled.len());
        for (listed, settled) in listed.zip(settled) {
            self.blobs.set(listed.0, (settled.sha256, settled.size));
            let blob = NewBlob {
                sha256: settled.sha256,
                size: settled.size,
                digests: settled.digests,
            };
            self.unrecorded.push((blob, listed));
        }
    }
}

impl Source {
    async fn fetch(&self, one: &Order) -> Result<Result<Sealed, Failure>, EngineError> {
        let mut landing = incoming(&self.pool, Some(&one.promise), "take a package").await?;
        self.progress.advance(Step::Download, landing.len_bytes());
        let wish = Wish {
            reference: one.reference.clone(),
            promise: Some(one.promise.clone()),
            limit_bytes: self.limit_bytes,
            validators: None,
            is_optional: false,
            tells: false,
        };
        let on_bytes = |bytes| {
            self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.progress.advance(Step::Download, bytes);
        };
        let mirrors = self.reach.mirrors();
        let found = mirrors
            .fetch(&self.reach.client, &wish, &mut landing as &mut dyn Landing, &on_bytes)
            .await;
        let url = match &found {
            Ok(found) => Some(found.url.clone()),
            Err(_) => mirrors.url(&one.reference).ok(),
        };
        let failure = |class, absent, reason| Failure {
            package: one.package,
            class,
            absent,
            report: FailedPackage {
                package: one.label.clone(),
                url: url.as_ref().map(|url| masked(url.as_str())).unwrap_or_default(),
                reason,
            },
        };
        match found.map(|found| found.outcome) {
            Ok(Outcome::Landed(_)) => Ok(Ok(landing.seal().doing("take a package")?)),
            Ok(Outcome::Absent { status }) => {
                let is_local = url.as_ref().is_some_and(|url| url.scheme() == "file");
                let reason = if is_local {
                    "the file does not exist".to_owned()
                } else {
                    format!("missing upstream (HTTP {status})")
                };
                Ok(Err(failure(ExitClass::Unreachable, true, reason)))
            }
            Ok(Outcome::Unchanged) => {
                let reason = "the server answered 304 to an unconditional request".into();
                Ok(Err(failure(ExitClass::Malformed, false, reason)))
            }
            // A full disk stops the sync; anything that upstream did is this package's failure.
            Err(source) if source.kind() == chantal_fetch::Kind::Local => Err(EngineError::Fetch {
                repo: self.repo.clone(),
                what: one.label.clone(),
                source,
            }),
            Err(error) => Ok(Err(failure(of_fetch(&error), false, error.to_string()))),
        }
    }
}
