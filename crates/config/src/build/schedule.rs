//! When something happens by itself.

use chantal_model::{Blackout, Cron, NameTemplate, Schedule};
use jiff::tz::TimeZone;

use super::{At, Builder};
use crate::effective::Scheduled;
use crate::raw::{self, ChainStep};

const DEFAULT_CRON: &str = "0 2 * * *";
const DEFAULT_TEMPLATE: &str = "{repo_id}-{date}";

impl Builder<'_> {
    /// Checks a schedule, also one that is switched off; `at` is the entry that has it.
    pub(super) fn schedule(&mut self, at: &At, raw: Option<&raw::Schedule>) -> Option<Scheduled> {
        let raw = raw?;
        let before = self.findings.len();
        let cron = raw.cron.as_deref().unwrap_or(DEFAULT_CRON);
        let cron = self.part(
            at,
            "cron",
            crate::units::cron(cron).and_then(|()| said(Cron::parse(cron))),
        );
        let time_zone = match raw.time_zone.as_deref() {
            None => Some(TimeZone::system()),
            Some(name) => {
                let unknown = |_| format!("{name:?} is no time zone: expected a name such as Europe/Berlin or UTC");
                self.part(at, "time_zone", TimeZone::get(name).map_err(unknown))
            }
        };
        let windows = raw.blackout.iter().flatten();
        let blackout: Result<Vec<Blackout>, String> = windows.map(|window| said(Blackout::parse(window))).collect();
        let blackout = self.part(at, "blackout", blackout);
        let template = raw.snapshot_name_template.as_deref().unwrap_or(DEFAULT_TEMPLATE);
        let template = self.part(at, "snapshot_name_template", said(NameTemplate::parse(template)));
        let schedule = Schedule {
            cron: cron?,
            time_zone: time_zone?,
            blackout: blackout?,
            jitter_seconds: raw.jitter_seconds.unwrap_or(0),
        };
        // Whether there is any such time does not depend on where one begins to look.
        let _ = self.part(at, "cron", said(schedule.next(0, 0)));
        let follows = |step| raw.chain.iter().flatten().any(|one| *one == step);
        let is_wanted = raw.enabled.unwrap_or(false) && self.findings.len() == before;
        is_wanted.then(|| Scheduled {
            schedule,
            snapshot: template.filter(|_| raw.create_snapshot.unwrap_or(false) || follows(ChainStep::Snapshot)),
            publish: follows(ChainStep::Publish),
        })
    }

    /// When the scheduler collects.
    pub(super) fn cleanup(&mut self, raw: Option<&raw::Scheduler>) -> Option<Schedule> {
        let text = raw?.cleanup.as_deref()?;
        let read = crate::units::cron(text).and_then(|()| said(Cron::parse(text)));
        let schedule = read.and_then(|cron| {
            let schedule = Schedule {
                cron,
                time_zone: TimeZone::system(),
                blackout: Vec::new(),
                jitter_seconds: 0,
            };
            said(schedule.next(0, 0)).map(|_| schedule)
        });
        match schedule {
            Ok(schedule) => Some(schedule),
            Err(message) => {
                self.wrong(&["scheduler", "cleanup"], message, None);
                None
            }
        }
    }

    fn part<T>(&mut self, at: &At, key: &str, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(&[at[0], at[1], "schedule", key], message, None);
                None
            }
        }
    }
}

fn said<T>(read: Result<T, chantal_model::ScheduleError>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}
