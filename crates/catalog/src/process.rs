//! Who this process is, so that another one can tell whether it still lives.

use std::sync::OnceLock;

/// A process as leases and the history name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) host: String,
    pub(crate) boot_id: String,
    pub(crate) pid: i64,
    /// Start time in clock ticks since boot: a process id alone may be used again.
    pub(crate) start: i64,
}

impl Process {
    /// This process.
    pub(crate) fn own() -> &'static Self {
        static OWN: OnceLock<Process> = OnceLock::new();
        OWN.get_or_init(|| {
            let pid = i64::from(std::process::id());
            Self {
                host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
                pid,
                start: start_of(pid).unwrap_or(0),
            }
        })
    }

    /// Whether it runs, or ran, on another host.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.host != Self::own().host
    }

    /// Whether it is known to be gone: it ran on this host, and in an earlier boot or under a process id that is now
    /// free or somebody else's. Of other hosts nothing is known.
    pub(crate) fn is_gone(&self) -> bool {
        let own = Self::own();
        self.host == own.host && (self.boot_id != own.boot_id || start_of(self.pid) != Some(self.start))
    }
}

/// Start time of a living process.
fn start_of(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may hold blanks. Field 3 is the state, 22 the start time.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_gone_and_a_reused_number_is() {
        let own = Process::own().clone();
        assert!(!own.is_gone());
        assert!(
            Process {
                start: own.start + 1,
                ..own.clone()
            }
            .is_gone()
        );
        assert!(
            Process {
                boot_id: "other".into(),
                ..own.clone()
            }
            .is_gone()
        );
        assert!(
            !Process {
                host: "elsewhere".into(),
                start: 1,
                ..own
            }
            .is_gone()
        );
    }
}
