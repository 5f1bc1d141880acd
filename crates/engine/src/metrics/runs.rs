//! What ran and what is due.

use std::collections::BTreeMap;

use chantal_catalog::TallyRow;

use super::text::{Exposition, Kind, seconds};
use crate::Engine;
use crate::end::kind;
use crate::error::{Doing, EngineError};

/// All runs of one verb on one repository.
#[derive(Default)]
struct Sums<'t> {
    rows: Vec<&'t TallyRow>,
}

impl Sums<'_> {
    fn last(&self) -> Option<&TallyRow> {
        self.rows.iter().max_by_key(|row| row.number).copied()
    }

    /// The last run that worked, fully or in part.
    fn last_success(&self) -> Option<&TallyRow> {
        let worked = self.rows.iter().filter(|row| matches!(row.exit_code, 0 | 9));
        worked.max_by_key(|row| row.number).copied()
    }

    fn sum(&self, of: fn(&TallyRow) -> i64) -> i64 {
        self.rows.iter().map(|row| of(row)).sum()
    }
}

/// A number of all runs of one verb on one repository.
type Of = fn(&Sums<'_>) -> Option<i64>;

/// A number of a job.
type OfJob = fn(&crate::schedule::Planned) -> Option<i64>;

const LAST: &[(Kind, &str, &str, Of)] = &[
    (
        Kind::Gauge,
        "chantal_last_success_timestamp_seconds",
        "When the last run ended that worked, fully or in part.",
        |sums| Some(sums.last_success()?.last_at),
    ),
    (
        Kind::Gauge,
        "chantal_last_attempt_timestamp_seconds",
        "When the last run ended, however it did.",
        |sums| Some(sums.last()?.last_at),
    ),
    (
        Kind::Gauge,
        "chantal_last_exit_code",
        "Exit code of the last run.",
        |sums| Some(sums.last()?.exit_code),
    ),
    (Kind::Counter, "chantal_fetched_bytes_total", "Bytes fetched.", |sums| {
        Some(sums.sum(|row| row.bytes_fetched))
    }),
    (
        Kind::Counter,
        "chantal_saved_bytes_total",
        "Bytes that need not be fetched, since the pool had them.",
        |sums| Some(sums.sum(|row| row.bytes_saved)),
    ),
];

impl Engine {
    pub(super) async fn of_runs(&self, text: &mut Exposition) -> Result<(), EngineError> {
        let tallies = self.catalog.tallies().await.doing("read what was counted")?;
        let mut runs: BTreeMap<(&str, &str), Sums<'_>> = BTreeMap::new();
        for row in &tallies {
            let sums = runs.entry((row.repository.as_str(), row.verb.as_str())).or_default();
            sums.rows.push(row);
        }
        for (kind, name, help, of) in LAST {
            let mut family = text.family(*kind, name, help);
            for ((repo, verb), sums) in &runs {
                if let Some(value) = of(sums) {
                    family.sample(&[("repo", repo), ("verb", verb)], value);
                }
            }
        }
        let mut family = text.family(
            Kind::Gauge,
            "chantal_last_outcome",
            "What the last run came to: always 1, the label says what.",
        );
        for ((repo, verb), sums) in &runs {
            if let Some(last) = sums.last() {
                family.sample(&[("repo", repo), ("verb", verb), ("kind", kind(last.exit_code))], 1);
            }
        }
        let mut family = text.family(Kind::Counter, "chantal_runs_total", "Runs, by what they came to.");
        let mut counts: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
        for row in &tallies {
            *counts
                .entry((&row.repository, &row.verb, kind(row.exit_code)))
                .or_default() += row.runs;
        }
        for ((repo, verb, kind), runs) in counts {
            family.sample(&[("repo", repo), ("verb", verb), ("kind", kind)], runs);
        }
        let mut family = text.family(
            Kind::Summary,
            "chantal_run_duration_seconds",
            "How long runs took together, and how many there were.",
        );
        for ((repo, verb), sums) in &runs {
            let labels = [("repo", *repo), ("verb", *verb)];
            family.suffixed("_sum", &labels, seconds(sums.sum(|row| row.duration_ms)));
            family.suffixed("_count", &labels, sums.sum(|row| row.runs));
        }
        Ok(())
    }

    pub(super) async fn of_schedules(&self, text: &mut Exposition) -> Result<(), EngineError> {
        let living = self.schedulers().await?.len();
        text.number(
            "chantal_scheduler_up",
            "Whether a scheduler runs, on any host that shares the database.",
            u8::from(living > 0),
        );
        text.number("chantal_schedulers", "Schedulers that run.", living);
        let jobs = self.scheduled().await?;
        let gauges: [(&str, &str, OfJob); 4] = [
            (
                "chantal_schedule_next_timestamp_seconds",
                "When a job starts next. In the past: nobody has started it.",
                |job| Some(job.next),
            ),
            (
                "chantal_schedule_last_timestamp_seconds",
                "When a job was last started.",
                |job| job.row.as_ref()?.started_at,
            ),
            ("chantal_schedule_running", "Whether a job is at work.", |job| {
                Some(i64::from(job.is_running()))
            }),
            (
                "chantal_schedule_last_exit_code",
                "Exit code of the last run of a job that ended.",
                |job| job.row.as_ref()?.exit_code,
            ),
        ];
        for (name, help, of) in gauges {
            let mut family = text.family(Kind::Gauge, name, help);
            for job in &jobs {
                if let Some(value) = of(job) {
                    family.sample(&[("job", job.name())], value);
                }
            }
        }
        Ok(())
    }
}
