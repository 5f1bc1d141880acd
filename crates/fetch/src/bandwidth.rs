//! A limit on bytes a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit on bytes a second; clones share it.
#[derive(Clone, Debug)]
pub struct Bandwidth {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes_per_second: u64,
    /// When what passed so far has used up its time.
    until: Mutex<Option<Instant>>,
}

/// What may pass at once after a pause: so much time's worth.
const BURST: Duration = Duration::from_millis(100);

impl Bandwidth {
    /// A limit; 0 counts as 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                bytes_per_second: bytes_per_second.max(1),
                until: Mutex::new(None),
            }),
        }
    }

    /// Waits until so many bytes are paid for.
    pub(crate) async fn pass(&self, bytes: u64) {
        let pause = self.pause(Instant::now(), bytes);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// How long to wait for bytes that came at `now`; those who wait together share the rate.
    fn pause(&self, now: Instant, bytes: u64) -> Duration {
        let mut until = self.inner.until.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = until.map_or(earliest, |until| until.max(earliest));
        let cost = Duration::from_secs_f64(bytes as f64 / self.inner.bytes_per_second as f64);
        let end = from + cost.min(Duration::from_secs(24 * 3600));
        *until = Some(end);
        end.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_share_a_limit_wait_for_each_other() {
        let limit = Bandwidth::new(1000);
        let now = Instant::now();
        assert_eq!(limit.pause(now, 100), Duration::ZERO);
        assert_eq!(limit.clone().pause(now, 1000), Duration::from_secs(1));
        assert_eq!(limit.pause(now, 1000), Duration::from_secs(2));
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_burst() {
        let limit = Bandwidth::new(1000);
        let now = Instant::now();
        limit.pause(now, 1000);
        let later = now + Duration::from_secs(3600);
        assert_eq!(limit.pause(later, 1100), Duration::from_secs(1));
    }
}
