//! `repo delete`, killed at system calls: the tree is whole or out of sight, and the next run finishes.

use std::process::Command;

use chantal_testkit::chantal::finish;

use crate::bench::{Bench, Layout, Tree};
use crate::injection::can_trace;

const DELETE: [&str; 6] = ["repo", "delete", "r", "--yes", "--force", "--unpublish"];

/// Runs the deletion until it makes a call for the `when`th time in one thread; gives whether it was killed there.
fn killed(bench: &Bench, calls: &str, when: usize) -> bool {
    let plain = bench.chantal.command(&DELETE);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=KILL:when={when}")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(bench.chantal.path())
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = finish(&mut command);
    assert!(matches!(output.code, 0 | 137), "{calls} at {when}: {}", output.stderr);
    output.code == 137
}

/// Everything that must hold after a kill, and that another deletion finishes.
fn finishes(bench: &Bench, old: &Tree, context: &str) {
    let now = bench.tree();
    let published = bench.path(bench.layout.published).join("r/latest/repodata");
    if published.exists() {
        assert_eq!(&now, old, "{context}");
    }
    bench.chantal.run(&["db", "verify"]).ok();
    // A tree goes before the row that says it is served.
    let found = bench.chantal.run(&["pool", "verify", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let is_taken_down = |problem: &serde_json::Value| problem["kind"] == "published-missing" && !published.exists();
    assert!(
        found.as_array().unwrap().iter().all(is_taken_down),
        "{context}: {found}"
    );
    let again = bench.chantal.run(&DELETE);
    let was_done = again.code == 2 && again.stderr.contains("nothing is recorded of repository r");
    assert!(again.code == 0 || was_done, "{context}: {}", again.stderr);
    assert_eq!(bench.tree(), Tree::new(), "{context}");
    assert!(bench.revision().is_null(), "{context}");
    bench.chantal.run(&["pool", "verify"]).ok();
    // It begins anew like one that never was.
    for verb in crate::bench::VERBS {
        bench.chantal.run(verb).ok();
    }
    assert_eq!(bench.revision(), 1, "{context}");
}

#[test]
fn a_killed_deletion_is_finished_by_the_next_one() {
    if !can_trace() {
        return;
    }
    let mut kills = 0;
    for (calls, points) in [
        ("renameat,renameat2", &[1, 2][..]),
        ("unlinkat", &[1, 2, 5, 30]),
        ("pwrite64", &[1, 4, 12, 30]),
        ("fdatasync,fsync", &[1, 2, 3]),
    ] {
        for when in points {
            let bench = Bench::served(Layout::default());
            bench.chantal.run(&["snapshot", "create", "r", "--name", "s"]).ok();
            let old = bench.tree();
            let context = format!("{calls} at {when}");
            kills += usize::from(killed(&bench, calls, *when));
            finishes(&bench, &old, &context);
        }
    }
    println!("killed {kills} times");
    assert!(kills >= 6, "only {kills} kills");
}
