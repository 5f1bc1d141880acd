//! Restorations that are killed: the old state or the new one is there, whole.

use std::time::{Duration, Instant};

use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;

use crate::{BINARY, Draw, backup, configure, files_named, lived, share_pool, snapshots, tables};

/// Sleeps as exactly as a part of some milliseconds needs.
fn spin(length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Restores again and again between two archives, killed at a drawn point each time.
fn kill_restorations(chantal: &Chantal, rounds: u32) {
    let old = backup(chantal, "old.tar");
    chantal.run(&["snapshot", "create", "f", "--name", "later"]).ok();
    let new = backup(chantal, "new.tar");
    let states = [
        (&old, vec!["first".to_owned()]),
        (&new, vec!["first".to_owned(), "later".to_owned()]),
    ];
    let start = Instant::now();
    chantal.run(&["db", "restore", old.to_str().unwrap(), "--yes"]).ok();
    let whole = start.elapsed();
    let mut draw = Draw(3);
    let mut seen = [0, 0];
    for round in 0..rounds {
        let before = snapshots(chantal);
        let to = usize::from(before.len() == 1);
        let mut running = chantal.spawn(&["db", "restore", states[to].0.to_str().unwrap(), "--yes"]);
        spin(whole.mul_f64(draw.below(1100) as f64 / 1000.0));
        running.kill().unwrap();
        running.wait().unwrap();
        let now = snapshots(chantal);
        let found = states.iter().position(|state| state.1 == now);
        let found = found.unwrap_or_else(|| panic!("round {round}: {now:?}"));
        seen[usize::from(found == to)] += 1;
        chantal.run(&["db", "verify"]).ok();
        if round % 8 == 0 {
            let check = chantal.path().join(format!("check-{round}.tar"));
            chantal
                .run(&["db", "backup", "--no-config", check.to_str().unwrap()])
                .ok();
            assert_eq!(tables(&check), tables(states[found].0), "round {round}");
        }
    }
    println!(
        "{rounds} restorations killed: {} left the old state, {} the new one, {whole:?} each",
        seen[0], seen[1]
    );
    assert!(seen[0] > 0, "none was killed before its end");
    chantal.run(&["db", "restore", new.to_str().unwrap(), "--yes"]).ok();
    chantal.run(&["repo", "sync", "--all"]).ok();
}

#[test]
fn a_killed_restoration_leaves_the_old_state_or_the_new_one() {
    let (chantal, _upstream) = lived();
    kill_restorations(&chantal, 24);
    assert!(!files_named(chantal.path(), "chantal.db.before-restore-").is_empty());
}

#[test]
fn so_does_one_on_a_server() {
    let Some(server) = Postgres::start() else { return };
    let (on_file, upstream) = lived();
    let archive = backup(&on_file, "a.tar");
    let on_server = Chantal::new(BINARY);
    configure(&on_server, &upstream, Some(&server.url(&server.database())));
    share_pool(&on_file, &on_server);
    on_server.run(&["db", "restore", archive.to_str().unwrap()]).ok();
    kill_restorations(&on_server, 12);
}
