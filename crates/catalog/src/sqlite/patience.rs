//! Waiting for another program that has the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::db::Error;

/// The first pause; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_millis(64);
/// Who waits longer says so.
const SILENT: Duration = Duration::from_secs(5);
/// How long whoever comes after one that waited in vain waits.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How long connections to a file wait until another program lets go of it. Clones share it: a run ends by many
/// statements, and once one of them has waited in vain, the others do not wait as long again.
#[derive(Clone, Debug)]
pub(crate) struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    most: Duration,
    /// Whether the last one waited in vain.
    is_over: AtomicBool,
}

impl Patience {
    pub(crate) fn new(path: &Path, most: Duration) -> Self {
        Self(Arc::new(Shared {
            path: path.to_owned(),
            most,
            is_over: AtomicBool::new(false),
        }))
    }

    /// How long the next one may wait.
    fn left(&self) -> Duration {
        let most = self.0.most;
        if self.0.is_over.load(Ordering::Relaxed) {
            most.min(AFTERWARDS)
        } else {
            most
        }
    }

    /// Begins to wait.
    pub(crate) fn wait(&self) -> Wait {
        Wait {
            patience: self.clone(),
            most: self.left(),
            start: Instant::now(),
            pause: FIRST,
            is_told: false,
        }
    }
}

/// One that waits.
#[derive(Debug)]
pub(crate) struct Wait {
    patience: Patience,
    most: Duration,
    start: Instant,
    pause: Duration,
    is_told: bool,
}

impl Wait {
    /// Whether an attempt failed because another program has the file, and another attempt is worth it. It pauses before
    /// it says so, and lets other tasks go on meanwhile.
    pub(crate) async fn is_worth_it(&mut self, failure: Option<&Error>) -> bool {
        let is_busy = failure.is_some_and(Error::is_busy);
        let goes_on = is_busy && self.start.elapsed() < self.most;
        if !goes_on {
            self.patience.0.is_over.store(is_busy, Ordering::Relaxed);
            return false;
        }
        if !self.is_told && self.start.elapsed() >= SILENT {
            self.is_told = true;
            let path = self.patience.0.path.display();
            tracing::warn!(%path, "waiting for the database, which another program holds");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked() -> Error {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        rusqlite::Error::SqliteFailure(code, None).into()
    }

    #[tokio::test]
    async fn whoever_comes_after_one_that_waited_in_vain_waits_shortly() {
        let most = Duration::from_secs(60);
        let patience = Patience::new(Path::new("/c.db"), most);
        assert_eq!(patience.left(), most);
        let mut wait = patience.clone().wait();
        assert!(wait.is_worth_it(Some(&locked())).await);
        assert_eq!(patience.left(), most);
        wait.most = Duration::ZERO;
        assert!(!wait.is_worth_it(Some(&locked())).await);
        assert_eq!(patience.left(), AFTERWARDS);
        // It is there again.
        assert!(!patience.wait().is_worth_it(None).await);
        assert_eq!(patience.left(), most);
    }

    #[tokio::test]
    async fn nobody_waits_for_what_waiting_does_not_help() {
        let patience = Patience::new(Path::new("/c.db"), Duration::from_secs(60));
        assert!(!patience.wait().is_worth_it(Some(&Error::NoRow)).await);
        assert_eq!(patience.left(), Duration::from_secs(60));
    }
}
