//! One JSON object per line for programs that watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chantal_model::{Progress, Step};
use serde_json::{Value, json};

use super::{About, index};
use crate::talk::Talk;

/// How often a step that goes on is reported.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reports `begin`, `progress`, `end` and `message` events.
pub(super) struct Events {
    talk: Arc<Talk>,
    about: About,
    running: [Mutex<Option<Running>>; Step::ALL.len()],
}

struct Running {
    total: u64,
    done: u64,
    told: Instant,
}

impl Events {
    pub(super) fn new(talk: Arc<Talk>, about: About) -> Self {
        Self {
            talk,
            about,
            running: Default::default(),
        }
    }

    /// Writes an event, with the repository that it is about.
    fn tell(&self, mut event: Value) {
        if let Some(repo) = &self.about.repo {
            event["repo"] = json!(repo);
        }
        self.talk.event(&event);
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
        self.tell(json!({"event": "begin", "step": step, "total": total}));
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
        self.tell(event);
    }

    fn end(&self, step: Step) {
        let done = self.slot(step).take().map_or(0, |running| running.done);
        self.tell(json!({"event": "end", "step": step, "done": done}));
    }

    fn say(&self, line: &str) {
        self.talk.say_of(self.about.repo.as_ref(), line);
    }
}
