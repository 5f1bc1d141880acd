//! Whether transfers go on fast enough to be waited for.

use std::time::Duration;

use crate::error::Slow;

/// What came lately, and how long it was waited for: of one transfer, or of all from one mirror.
///
/// Only waiting counts: a slow disk is not the server's fault.
pub(crate) struct Pace {
    window: Duration,
    /// The slowest transfer that is worth a connection, in bytes a second.
    least: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Judges transfers whenever it was waited for as long as `window`.
    pub(crate) fn new(window: Duration, least: u64) -> Self {
        Self {
            window,
            least,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// What is wrong with what is not fast enough.
    pub(crate) fn too_slow(&self) -> Slow {
        Slow {
            least: self.least,
            within: self.window,
        }
    }

    /// Takes note of a piece; whether the transfer is fast enough.
    pub(crate) fn is_kept(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let is_kept = self.bytes as f64 >= self.least as f64 * self.waited.as_secs_f64();
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_judged_by_its_last_window_only() {
        let mut pace = Pace::new(Duration::from_secs(60), 1024);
        assert!(pace.is_kept(Duration::from_secs(60), 1 << 30));
        assert!(pace.is_kept(Duration::from_secs(59), 1));
        assert!(!pace.is_kept(Duration::from_secs(1), 1));
        assert!(pace.is_kept(Duration::from_secs(60), 60 * 1024));
    }
}
