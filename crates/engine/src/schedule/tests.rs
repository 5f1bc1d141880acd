//! The scheduler's loop with a clock that only moves when it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chantal_model::{Clock, NoProgress};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Access, Engine, Ports};

struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

async fn engine(directory: &std::path::Path, schedules: &[(&str, &str)], clock: Arc<Told>) -> Engine {
    let base = directory.display();
    let mut text = format!(
        "storage: {{base_path: {base}, pool_path: {base}/pool, published_path: {base}/published}}\nrepositories:\n"
    );
    for (id, schedule) in schedules {
        let one =
            format!("{{id: {id}, type: rpm, feed: 'http://127.0.0.1:9/', schedule: {{enabled: true, {schedule}}}}}");
        text.extend(["  - ", &one, "\n"]);
    }
    let path = directory.join("config.yaml");
    let loaded = chantal_config::load_text(&path, text, &|_| None).unwrap();
    let ports = Ports {
        clock,
        progress: Arc::new(NoProgress),
    };
    let config = Arc::new(loaded.config);
    Engine::init(&config).await.unwrap();
    Engine::open(config, Access::Write, ports).await.unwrap()
}

#[tokio::test]
async fn a_year_of_schedules_is_queued_run_by_run_through_both_changes_of_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Told(AtomicI64::new(at("2025-12-31T23:00:00Z"))));
    let schedules = [
        ("daily", "cron: '30 2 * * *', time_zone: Europe/Berlin"),
        ("halves", "cron: '0 0,12 * * *', time_zone: America/New_York"),
        (
            "weekly",
            "cron: '30 2 * * sun', time_zone: Europe/Berlin, blackout: ['sun 02:00-04:00']",
        ),
    ];
    let engine = engine(directory.path(), &schedules, clock.clone()).await;
    let mut runs: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    loop {
        let (soonest, wrong) = engine.queue_due(&|_, _| 0).await.unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
        for task in engine.catalog.open_tasks().await.unwrap() {
            runs.entry(task.subject.unwrap()).or_default().push(task.created_at);
            engine.catalog.cancel_task(task.id, task.created_at).await.unwrap();
        }
        let soonest = soonest.unwrap();
        if soonest >= at("2026-12-31T23:00:00Z") {
            break;
        }
        assert!(soonest > clock.0.swap(soonest, Ordering::SeqCst), "the clock goes on");
    }
    let numbers: Vec<(&str, usize)> = runs.iter().map(|(id, times)| (id.as_str(), times.len())).collect();
    assert_eq!(numbers, [("daily", 365), ("halves", 730), ("weekly", 52)]);
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let shown = |time: &i64| {
        let zoned = Timestamp::from_second(*time).unwrap().to_zoned(berlin.clone());
        zoned.strftime("%m-%d %H:%M %Z").to_string()
    };
    let days: std::collections::BTreeSet<String> =
        runs["daily"].iter().map(|time| shown(time)[..5].to_owned()).collect();
    assert_eq!(days.len(), 365, "each day once");
    let odd: Vec<String> = runs["daily"]
        .iter()
        .map(shown)
        .filter(|time| !time.contains("02:30"))
        .collect();
    assert_eq!(odd, ["03-29 03:00 CEST"], "02:30 does not exist on this day");
    assert!(
        runs["daily"].contains(&at("2026-10-25T00:30:00Z")),
        "the first of two 02:30"
    );
    assert!(
        runs["weekly"].iter().map(shown).all(|time| time.contains(" 04:00 ")),
        "{:?}",
        runs["weekly"]
    );
}

#[tokio::test]
async fn what_was_missed_is_queued_once_and_not_while_it_still_waits() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Told(AtomicI64::new(at("2026-01-01T00:00:00Z"))));
    let engine = engine(
        directory.path(),
        &[("r", "cron: '@daily', time_zone: UTC")],
        clock.clone(),
    )
    .await;
    let mut queued = Vec::new();
    for now in ["2026-01-01T00:00:00Z", "2026-01-09T12:00:00Z", "2026-01-10T12:00:00Z"] {
        clock.0.store(at(now), Ordering::SeqCst);
        engine.queue_due(&|_, _| 0).await.unwrap();
        queued.push(engine.catalog.open_tasks().await.unwrap().len());
    }
    assert_eq!(queued, [0, 1, 1]);
    let waits = engine.catalog.open_tasks().await.unwrap().remove(0);
    engine.catalog.cancel_task(waits.id, 1).await.unwrap();
    engine.queue_due(&|_, _| 0).await.unwrap();
    assert_eq!(
        engine.catalog.open_tasks().await.unwrap().len(),
        1,
        "the next one, which was due meanwhile"
    );
}
