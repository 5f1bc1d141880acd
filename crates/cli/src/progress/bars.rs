//! Bars on a terminal, one per step that runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chantal_model::{Progress, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{About, Unit, index, label};
use crate::talk::Talk;

/// Shows a bar for each step that runs.
pub(super) struct Bars {
    talk: Arc<Talk>,
    about: About,
    multi: MultiProgress,
    running: [Mutex<Option<ProgressBar>>; Step::ALL.len()],
}

impl Bars {
    pub(super) fn new(talk: Arc<Talk>, about: About) -> Self {
        Self {
            about,
            multi: talk.bars().clone(),
            talk,
            running: Default::default(),
        }
    }

    fn slot(&self, step: Step) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.running[index(step)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn template(unit: Unit, known: bool) -> &'static str {
    match (unit, known) {
        (Unit::Bytes, true) => "{msg:20} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
        (Unit::Bytes, false) => "{msg:20} {spinner} {binary_bytes} {binary_bytes_per_sec}",
        (Unit::None, _) => "{msg:20} {spinner}",
        (_, true) => "{msg:20} {wide_bar} {human_pos}/{human_len} {eta}",
        (_, false) => "{msg:20} {spinner} {human_pos}",
    }
}

impl Progress for Bars {
    fn begin(&self, step: Step, total: u64) {
        let (name, unit) = label(step);
        let known = total > 0;
        let bar = if known {
            ProgressBar::new(total)
        } else {
            ProgressBar::new_spinner()
        };
        let style = ProgressStyle::with_template(template(unit, known)).expect("the templates are constants");
        let bar = self
            .multi
            .add(bar.with_style(style).with_message(self.about.column(name)));
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Some(old) = self.slot(step).replace(bar) {
            old.finish_and_clear();
        }
    }

    fn advance(&self, step: Step, by: u64) {
        if let Some(bar) = &*self.slot(step) {
            bar.inc(by);
        }
    }

    fn end(&self, step: Step) {
        if let Some(bar) = self.slot(step).take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        self.talk.say(&self.about.line(line));
    }
}

impl Drop for Bars {
    /// What failed did not end its steps.
    fn drop(&mut self) {
        for step in Step::ALL {
            self.end(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        for unit in [Unit::Bytes, Unit::Packages, Unit::Files, Unit::None] {
            for known in [true, false] {
                ProgressStyle::with_template(template(unit, known)).unwrap();
            }
        }
    }
}
