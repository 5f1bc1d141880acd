//! One JSON object per line for programs that watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chantal_model::{Progress, Step};
use serde_json::json;

use super::index;
use crate::talk::Talk;

/// How often a step that goes on is reported.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reports `begin`, `progress`, `end` and `message` events.
pub(super) struct Events {
    talk: Arc<Talk>,
    running: [Mutex<Option<Running>>; Step::ALL.len()],
}

struct Running {
    total: u64,
    done: u64,
    told: Instant,
}

impl Events {
    pub(super) fn new(talk: Arc<Talk>) -> Self {
        Self {
            talk,
            running: Default::default(),
        }
    }

    fn slot(&self, step: Step) -> MutexGuard<'_, Option<Running>> {
        self.running[index(step)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Events {
    fn begin(&self, step: Step, total: u64) {
        *self.slot(step) = Some(Running {
            total,
            done: 0,
            told: Instant::now(),
        });
        self.talk
            .event(&json!({"event": "begin", "step": step, "total": total}));
    }

    fn advance(&self, step: Step, by: u64) {
        let event = {
            let mut slot = self.slot(step);
            let Some(running) = slot.as_mut() else {
                return;
            };
            running.done += by;
            if running.told.elapsed() < INTERVAL {
                return;
            }
            running.told = Instant::now();
            json!({"event": "progress", "step": step, "done": running.done, "total": running.total})
        };
        self.talk.event(&event);
    }

    fn end(&self, step: Step) {
        let done = self.slot(step).take().map_or(0, |running| running.done);
        self.talk.event(&json!({"event": "end", "step": step, "done": done}));
    }

    fn say(&self, line: &str) {
        self.talk.say(line);
    }
}
