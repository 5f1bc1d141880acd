//! When something happens by itself, and what its snapshot is called.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use thiserror::Error;

use crate::{RepoId, SnapshotName};

/// What is wrong with a schedule.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ScheduleError(String);

/// A cron expression of five fields, or `@daily` and the like.
///
/// Around a change of the clock: a fixed time that does not exist happens right after the gap, and one that exists twice
/// happens once; `*` and steps go by the clock that is shown.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    cron: croner::Cron,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let parser = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .build();
        let wrong = |why: String| ScheduleError(format!("{text:?} is not a cron expression: {why}"));
        // The parser lets a list without entries be no time at all, for which it then looks through thousands of years.
        if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err(wrong("a list has an empty entry".to_owned()));
        }
        let cron = parser.parse(text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            cron,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first time after `after`; `None` where there is none, as with February 30.
    pub fn next(&self, after: &Zoned) -> Option<Zoned> {
        self.cron.find_next_occurrence(after, false).ok()
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A time of the day, on some days of the week, at which nothing starts: `22:00-06:00`, `sat,sun 00:00-24:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blackout {
    /// The days on which it begins, Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: i64,
    /// Minutes since that midnight; more than a day where it ends on the next.
    to: i64,
}

const DAY_MINUTES: i64 = 24 * 60;

impl Blackout {
    /// Reads a window.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let wrong = || {
            ScheduleError(format!(
                "{text:?} is not a time window: expected `22:00-06:00` or `sat,sun 00:00-24:00`"
            ))
        };
        let (days, times) = match text.trim().rsplit_once(char::is_whitespace) {
            Some((days, times)) => (read_days(days).ok_or_else(wrong)?, times),
            None => ([true; 7], text.trim()),
        };
        let (from, to) = times.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (minutes(from).ok_or_else(wrong)?, minutes(to).ok_or_else(wrong)?);
        if from == DAY_MINUTES || from == to {
            return Err(wrong());
        }
        Ok(Self {
            days,
            from,
            to: if to > from { to } else { to + DAY_MINUTES },
        })
    }

    /// When it is over, if a time lies in it.
    fn end_of(&self, at: &Zoned) -> Option<Zoned> {
        [0, 1].into_iter().find_map(|days_ago: i64| {
            let day = at.date().checked_sub(days_ago.days()).ok()?;
            let index = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
            if !self.days[index] {
                return None;
            }
            let clock = i64::from(at.hour()) * 60 + i64::from(at.minute()) + days_ago * DAY_MINUTES;
            if !(self.from..self.to).contains(&clock) {
                return None;
            }
            let end = day.checked_add((self.to / DAY_MINUTES).days()).ok()?;
            let rest = self.to % DAY_MINUTES;
            let time = Time::new((rest / 60) as i8, (rest % 60) as i8, 0, 0).ok()?;
            end.to_datetime(time).to_zoned(at.time_zone().clone()).ok()
        })
    }
}

impl std::fmt::Display for Blackout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = DAY_NAMES
            .iter()
            .zip(self.days)
            .filter_map(|(name, is_on)| is_on.then_some(*name))
            .collect();
        if names.len() < DAY_NAMES.len() {
            write!(f, "{} ", names.join(","))?;
        }
        let to = if self.to > DAY_MINUTES {
            self.to - DAY_MINUTES
        } else {
            self.to
        };
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            self.from / 60,
            self.from % 60,
            to / 60,
            to % 60
        )
    }
}

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn read_days(text: &str) -> Option<[bool; 7]> {
    let index = |name: &str| DAY_NAMES.iter().position(|one| name.eq_ignore_ascii_case(one));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (index(from.trim())?, index(to.trim())?);
        let mut day = from;
        loop {
            days[day] = true;
            if day == to {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) || (hour, minute) == (24, 0);
    // Only then: other numbers may be too large to be multiplied.
    is_time.then(|| hour * 60 + minute)
}

/// When something happens: a cron expression in a time zone, but never within a blackout, and somewhat later.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// When.
    pub cron: Cron,
    /// By which clock.
    pub time_zone: TimeZone,
    /// When not; it is put off to the end of the window.
    pub blackout: Vec<Blackout>,
    /// At most so many seconds later, by chance.
    pub jitter_seconds: u32,
}

/// Windows that follow each other are passed one by one, but not for ever.
const MAX_WINDOWS: usize = 64;

impl Schedule {
    /// The first time after `after`, in seconds since 1970. `chance` decides about the delay.
    ///
    /// # Errors
    /// There is no such time.
    pub fn next(&self, after: i64, chance: u64) -> Result<i64, ScheduleError> {
        let never = || ScheduleError(format!("{:?} never comes", self.cron.as_str()));
        let zoned = |at: Timestamp| at.to_zoned(self.time_zone.clone());
        let start = zoned(Timestamp::from_second(after).map_err(|_| never())?);
        let mut next = self.cron.next(&start).ok_or_else(never)?;
        for _ in 0..MAX_WINDOWS {
            let Some(end) = self.blackout.iter().find_map(|window| window.end_of(&next)) else {
                let delay = chance % (u64::from(self.jitter_seconds) + 1);
                return Ok(next.timestamp().as_second().saturating_add(delay as i64));
            };
            next = end;
        }
        Err(ScheduleError("the blackout windows leave no time".to_owned()))
    }
}

/// The name of a snapshot with `{repo_id}`, `{date}`, `{time}`, `{datetime}` and `{week}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(String);

const PLACEHOLDERS: [&str; 5] = ["repo_id", "date", "time", "datetime", "week"];

impl std::fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl NameTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A placeholder is unknown, or what it gives is no name.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut rest = text;
        while let Some((_, inside)) = rest.split_once('{') {
            let (name, after) = inside.split_once('}').unwrap_or((inside, ""));
            if !PLACEHOLDERS.contains(&name) {
                let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
                return Err(ScheduleError(format!("{{{name}}} is unknown; there are {known}")));
            }
            rest = after;
        }
        let template = Self(text.to_owned());
        let id: RepoId = "r".parse().map_err(|_| ScheduleError("no id".to_owned()))?;
        template.name(&id, &Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC))?;
        Ok(template)
    }

    /// The name at a time.
    ///
    /// # Errors
    /// It is no name, because it is too long.
    pub fn name(&self, id: &RepoId, at: &Zoned) -> Result<SnapshotName, ScheduleError> {
        let week = at.date().iso_week_date();
        let text = self
            .0
            .replace("{repo_id}", id.as_str())
            .replace("{date}", &at.strftime("%Y-%m-%d").to_string())
            .replace("{time}", &at.strftime("%H%M%S").to_string())
            .replace("{datetime}", &at.strftime("%Y-%m-%dT%H%M%S").to_string())
            .replace("{week}", &format!("{}-W{:02}", week.year(), week.week()));
        text.parse()
            .map_err(|error| ScheduleError(format!("{text:?} is no name of a snapshot: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, zone: &str, blackout: &[&str]) -> Schedule {
        Schedule {
            cron: Cron::parse(cron).unwrap(),
            time_zone: TimeZone::get(zone).unwrap(),
            blackout: blackout.iter().map(|text| Blackout::parse(text).unwrap()).collect(),
            jitter_seconds: 0,
        }
    }

    /// All times between two moments, as the clock of the zone shows them.
    fn times(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let mut now = at(from);
        let mut found = Vec::new();
        loop {
            now = schedule.next(now, 0).unwrap();
            if now >= at(to) {
                return found;
            }
            let shown = Timestamp::from_second(now)
                .unwrap()
                .to_zoned(schedule.time_zone.clone());
            found.push(shown.strftime("%m-%d %H:%M %Z").to_string());
        }
    }

    #[test]
    fn a_year_of_days_has_each_day_once_through_both_changes_of_the_clock() {
        for hour in ["0", "1", "2", "3"] {
            let daily = schedule(&format!("30 {hour} * * *"), "Europe/Berlin", &[]);
            let found = times(&daily, "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z");
            assert_eq!(found.len(), 365, "hour {hour}");
            let days: std::collections::BTreeSet<&str> = found.iter().map(|time| &time[..5]).collect();
            assert_eq!(days.len(), 365, "hour {hour}");
        }
        let daily = schedule("30 2 * * *", "Europe/Berlin", &[]);
        let spring = times(&daily, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(spring, ["03-29 03:00 CEST", "03-30 02:30 CEST"], "02:30 does not exist");
        let autumn = times(&daily, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        assert_eq!(autumn, ["10-25 02:30 CEST", "10-26 02:30 CET"], "02:30 exists twice");
    }

    #[test]
    fn every_hour_is_every_hour_of_real_time() {
        let hourly = schedule("@hourly", "America/New_York", &[]);
        assert_eq!(times(&hourly, "2026-03-07T23:30:00Z", "2026-03-09T23:30:00Z").len(), 48);
        assert_eq!(times(&hourly, "2026-10-31T23:30:00Z", "2026-11-02T23:30:00Z").len(), 48);
    }

    #[test]
    fn what_falls_into_a_blackout_waits_for_its_end() {
        let hourly = schedule(
            "0 * * * *",
            "UTC",
            &["22:00-06:00", "sat-sun 00:00-24:00", "wed 08:00-09:30"],
        );
        // 2026-11-25 is a Wednesday.
        let found = times(&hourly, "2026-11-25T04:30:00Z", "2026-11-25T11:30:00Z");
        assert_eq!(
            found,
            [
                "11-25 06:00 UTC",
                "11-25 07:00 UTC",
                "11-25 09:30 UTC",
                "11-25 10:00 UTC",
                "11-25 11:00 UTC"
            ]
        );
        let weekend = times(&hourly, "2026-11-27T20:30:00Z", "2026-11-30T07:30:00Z");
        assert_eq!(weekend, ["11-27 21:00 UTC", "11-30 06:00 UTC", "11-30 07:00 UTC"]);
        for text in ["22:00-06:00", "sat,sun 00:00-24:00", "wed 08:00-09:30"] {
            assert_eq!(Blackout::parse(text).unwrap().to_string(), text);
        }
        let never = schedule("0 * * * *", "UTC", &["mon-sun 00:00-24:00"]);
        assert!(never.next(0, 0).unwrap_err().to_string().contains("leave no time"));
        for wrong in [
            "",
            "22:00",
            "25:00-06:00",
            "22:00-22:00",
            "24:00-06:00",
            "1553255926290448382:0-1:0",
            "day 22:00-06:00",
            "sat,, 1:00-2:00",
        ] {
            assert!(Blackout::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn chance_delays_by_no_more_than_the_jitter() {
        let mut daily = schedule("@daily", "UTC", &[]);
        daily.jitter_seconds = 300;
        let delays: Vec<i64> = (0..1000)
            .map(|chance| daily.next(0, chance * 7919).unwrap() - 86_400)
            .collect();
        assert!(delays.iter().all(|delay| (0..=300).contains(delay)));
        assert!(delays.iter().any(|delay| *delay > 250) && delays.iter().any(|delay| *delay < 50));
    }

    #[test]
    fn expressions_that_are_none_or_never_come_are_told() {
        for wrong in [
            "",
            "often",
            "61 * * * *",
            "* * * *",
            "0 0 0 * * *",
            "@never",
            ", * * * *",
            "0, * * * *",
            "* * 1,,2 * *",
            "* * * * ,",
        ] {
            let error = Cron::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("is not a cron expression"), "{wrong}: {error}");
        }
        let never = schedule("0 0 30 2 *", "UTC", &[]);
        assert!(never.next(0, 0).unwrap_err().to_string().contains("never comes"));
    }

    #[test]
    fn names_are_made_of_the_time_and_the_repository() {
        let id: RepoId = "el9".parse().unwrap();
        let at: Zoned = "2026-12-31T02:03:04[Europe/Berlin]".parse().unwrap();
        for (template, expected) in [
            ("{repo_id}-{date}", "el9-2026-12-31"),
            ("{datetime}", "2026-12-31T020304"),
            ("w{week}-{time}", "w2026-W53-020304"),
        ] {
            let name = NameTemplate::parse(template).unwrap().name(&id, &at).unwrap();
            assert_eq!(name.as_str(), expected);
        }
        assert!(
            NameTemplate::parse("{day}")
                .unwrap_err()
                .to_string()
                .contains("{day} is unknown")
        );
        assert!(NameTemplate::parse("a/b").is_err());
        assert!(NameTemplate::parse("latest").is_err(), "a reserved name");
    }

    #[test]
    fn days_may_go_round_the_week() {
        assert_eq!(
            read_days("sat-mon"),
            Some([true, false, false, false, false, true, true])
        );
    }
}
