//! A scheduler that fails or ends in the middle of a run: the next one does the run again.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chantal_catalog::{Access, Catalog};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

use crate::points::KINDS;
use crate::trace::places;

const YEARLY: &str = "schedule: {enabled: true, cron: \"0 0 1 1 *\", time_zone: UTC, chain: [publish]}";

/// Looks again and again.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(chantal: &Chantal, failpoints: &str) -> Child {
    let mut command = chantal.command(&["scheduler", "start"]);
    let trace = chantal.path().join("trace");
    let _ = std::fs::remove_file(&trace);
    command.env("FAILPOINTS", failpoints).env("CHANTAL_FAULT_TRACE", trace);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn stop(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

fn row(chantal: &Chantal) -> Value {
    chantal.json(&["scheduler", "list"])[0].clone()
}

/// Makes every schedule due that a scheduler has planned; gives how many.
fn make_due(chantal: &Chantal) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let opened = Catalog::open(&chantal.path().join("chantal.db"), Access::Write).await;
        let catalog = opened.unwrap();
        let rows = catalog.schedules().await.unwrap();
        for row in &rows {
            catalog.plan_schedule(&row.repository, "", 0).await.unwrap();
            catalog.plan_schedule(&row.repository, &row.spec, 1).await.unwrap();
        }
        catalog.close().await;
        rows.len()
    })
}

/// Whether a scheduler has planned anything; when a run would come, the list says also where none has.
fn is_planned(chantal: &Chantal) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let opened = Catalog::open(&chantal.path().join("chantal.db"), Access::Read).await;
        !opened.unwrap().schedules().await.unwrap().is_empty()
    })
}

#[test]
fn a_scheduler_that_fails_at_any_place_is_followed_by_one_that_does_the_run() {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let upstream = Upstream::start(Repository::sample().build().site());
    chantal.repository("r", &upstream.url("/"), &[YEARLY]);
    chantal.run(&["init"]).ok();
    let mut planning = start(&chantal, "");
    until("a schedule is planned", || is_planned(&chantal));
    stop(&mut planning);

    let places: BTreeSet<String> = places();
    let places: Vec<_> = places
        .iter()
        .filter(|name| name.starts_with("engine::schedule::"))
        .collect();
    assert!(places.len() >= 3, "{places:?}");
    for place in places {
        for kind in KINDS {
            let context = format!("{place} {kind:?}");
            assert_eq!(make_due(&chantal), 1, "{context}");
            let mut failing = start(&chantal, &kind.at(place, 1));
            let is_reached = || {
                let trace = std::fs::read_to_string(chantal.path().join("trace"));
                trace.is_ok_and(|text| text.lines().any(|line| line == place))
            };
            until(&context, is_reached);
            stop(&mut failing);
            let mut healthy = start(&chantal, "");
            until(&context, || {
                let row = row(&chantal);
                row["running"] == false && row["status"] == "succeeded" && row["next"].as_str() > Some("2000")
            });
            stop(&mut healthy);
            assert!(
                chantal.published().join("r/latest/repodata/repomd.xml").exists(),
                "{context}"
            );
            chantal.run(&["db", "verify"]).ok();
        }
    }
}
