//! Lines, at most one per second and step, for logs and dumb terminals.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chantal_model::{Progress, Step};

use super::{About, Unit, index, label};
use crate::talk::Talk;

/// Says now and then how far each step is.
pub(super) struct Lines {
    talk: Arc<Talk>,
    about: About,
    running: [Mutex<Option<Running>>; Step::ALL.len()],
}

struct Running {
    total: u64,
    done: u64,
    told: Instant,
}

impl Lines {
    pub(super) fn new(talk: Arc<Talk>, about: About) -> Self {
        Self {
            talk,
            about,
            running: Default::default(),
        }
    }

    fn slot(&self, step: Step) -> MutexGuard<'_, Option<Running>> {
        self.running[index(step)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn underway(step: Step, done: u64, total: u64) -> String {
    let (name, unit) = label(step);
    match total {
        0 => format!("{name}: {}", unit.amount(done)),
        total => format!(
            "{name}: {} of {} ({} %)",
            unit.amount(done),
            unit.amount(total),
            percent(done, total)
        ),
    }
}

fn percent(done: u64, total: u64) -> u64 {
    (u128::from(done.min(total)) * 100 / u128::from(total.max(1))) as u64
}

fn over(step: Step, done: u64) -> Option<String> {
    let (name, unit) = label(step);
    (unit != Unit::None && done > 0).then(|| format!("{name}: done, {}", unit.amount(done)))
}

impl Progress for Lines {
    fn begin(&self, step: Step, total: u64) {
        *self.slot(step) = Some(Running {
            total,
            done: 0,
            told: Instant::now(),
        });
    }

    fn advance(&self, step: Step, by: u64) {
        let line = {
            let mut slot = self.slot(step);
            let Some(running) = slot.as_mut() else {
                return;
            };
            running.done += by;
            if running.told.elapsed() < Duration::from_secs(1) {
                return;
            }
            running.told = Instant::now();
            underway(step, running.done, running.total)
        };
        self.talk.say(&self.about.line(&line));
    }

    fn end(&self, step: Step) {
        let done = self.slot(step).take().map_or(0, |running| running.done);
        if let Some(line) = over(step, done) {
            self.talk.say(&self.about.line(&line));
        }
    }

    fn say(&self, line: &str) {
        self.talk.say(&self.about.line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_far_a_step_is() {
        assert_eq!(
            underway(Step::Download, 512 * 1024, 1024 * 1024),
            "fetching packages: 512.0 KiB of 1.0 MiB (50 %)"
        );
        assert_eq!(underway(Step::Add, 3, 0), "linking files: 3 files");
        assert_eq!(over(Step::Select, 1), Some("choosing packages: done, 1 package".into()));
        assert_eq!(over(Step::Switch, 0), None);
    }

    #[test]
    fn more_than_was_promised_is_not_more_than_all() {
        assert_eq!(percent(7, 5), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(0, 0), 0);
    }
}
