//! How far a sync is, counted and now and then told to the catalog, so that other processes see it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chantal_catalog::{Catalog, Lease};
use chantal_model::{Progress, Step};

/// Pause before the first report: most syncs find nothing to do and are over sooner.
const FIRST: Duration = Duration::from_millis(500);
/// Pause between two reports.
const EVERY: Duration = Duration::from_secs(2);

/// Counts what a task reports, and hands it on.
pub(crate) struct Counters {
    inner: Arc<dyn Progress>,
    /// Index of the step that began last, from 1; 0 before the first.
    step: AtomicUsize,
    done: [AtomicU64; Step::ALL.len()],
    total: [AtomicU64; Step::ALL.len()],
}

/// A moment of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) step: Step,
    pub(crate) done: u64,
    pub(crate) total: u64,
}

fn index(step: Step) -> usize {
    Step::ALL.iter().position(|one| *one == step).unwrap_or_default()
}

impl Counters {
    pub(crate) fn new(inner: Arc<dyn Progress>) -> Self {
        Self {
            inner,
            step: AtomicUsize::new(0),
            done: Default::default(),
            total: Default::default(),
        }
    }

    /// How far the step is that began last; `None` before the first.
    pub(crate) fn now(&self) -> Option<Moment> {
        let index = self.step.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Moment {
            step: *Step::ALL.get(index)?,
            done: self.done[index].load(Ordering::Relaxed),
            total: self.total[index].load(Ordering::Relaxed),
        })
    }
}

impl Progress for Counters {
    fn begin(&self, step: Step, total: u64) {
        let index = index(step);
        self.done[index].store(0, Ordering::Relaxed);
        self.total[index].store(total, Ordering::Relaxed);
        self.step.store(index + 1, Ordering::Relaxed);
        self.inner.begin(step, total);
    }

    fn advance(&self, step: Step, by: u64) {
        self.done[index(step)].fetch_add(by, Ordering::Relaxed);
        self.inner.advance(step, by);
    }

    fn end(&self, step: Step) {
        self.inner.end(step);
    }

    fn say(&self, line: &str) {
        self.inner.say(line);
    }
}

/// Tells the catalog how far the holder of a lease is, as long as it is polled. Nobody depends on it, so failures only
/// go to the log.
pub(crate) async fn tell(catalog: &Catalog, lease: &Lease, counters: &Counters) -> Infallible {
    let mut told = None;
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = EVERY;
        let now = counters.now();
        let Some(moment) = now.filter(|_| now != told) else {
            continue;
        };
        let saved = catalog
            .tell_progress(lease, moment.step.name(), moment.done, moment.total)
            .await;
        match saved {
            Ok(()) => told = now,
            Err(error) => tracing::debug!(lease = lease.name(), %error, "progress could not be saved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_began_last_is_the_one_that_is_told() {
        let counters = Counters::new(Arc::new(chantal_model::NoProgress));
        assert_eq!(counters.now(), None);
        counters.begin(Step::Metadata, 10);
        counters.advance(Step::Metadata, 4);
        counters.advance(Step::Metadata, 3);
        let moment = |step, done, total| Some(Moment { step, done, total });
        assert_eq!(counters.now(), moment(Step::Metadata, 7, 10));
        counters.end(Step::Metadata);
        counters.begin(Step::Select, 0);
        assert_eq!(counters.now(), moment(Step::Select, 0, 0));
        counters.begin(Step::Metadata, 5);
        assert_eq!(counters.now(), moment(Step::Metadata, 0, 5));
    }
}
