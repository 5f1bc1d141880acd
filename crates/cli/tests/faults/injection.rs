//! System calls that fail, by `strace`.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use chantal_testkit::chantal::{Output, finish};
use chantal_testkit::needs::{need, programs};

use crate::bench::{Bench, Layout, VERBS};

/// Whether processes can be traced here.
pub(crate) fn can_trace() -> bool {
    let traced = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    need(
        programs(&["strace"]) && traced().is_ok_and(|output| output.status.success()),
        "tracing with strace",
    )
}

/// A run some of whose calls failed.
struct Injected {
    output: Output,
    /// How many calls failed.
    count: usize,
    /// Whether one of them was on a file of the pool or of a tree. SQLite may ignore failures on its own files where they
    /// do no harm: when it makes a directory durable, or moves its log into the database.
    in_a_store: bool,
}

/// Runs a verb while calls fail. `when` counts in each thread.
fn run_with(bench: &Bench, verb: &[&str], calls: &str, error: &str, when: &str) -> Injected {
    let log = bench.path("strace.log");
    let plain = bench.chantal.command(verb);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-y", "-o"])
        .arg(&log)
        .args(["-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:error={error}:when={when}")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(bench.chantal.path())
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = finish(&mut command);
    let text = std::fs::read_to_string(&log).unwrap();
    let injected: Vec<&str> = text.lines().filter(|line| line.contains("(INJECTED)")).collect();
    let in_a_store = |line: &&str| line.contains("/state/pool") || line.contains("/published");
    Injected {
        output,
        count: injected.len(),
        in_a_store: injected.iter().any(in_a_store),
    }
}

/// Lets calls of both verbs fail in one way; gives how many runs it made fail. What is served is old or new and whole,
/// and the next runs finish.
fn verbs_survive(calls: &str, error: &str, when: &str, codes: &[i32]) -> usize {
    let mut failed = 0;
    for place in 0..VERBS.len() {
        let bench = Bench::served(Layout::default());
        let (revision, old) = (bench.revision(), bench.tree());
        for verb in &VERBS[..place] {
            bench.chantal.run(verb).ok();
        }
        let verb = VERBS[place];
        let context = format!("{verb:?} with {calls} giving {error} at {when}");
        let Injected {
            output,
            count,
            in_a_store,
        } = run_with(&bench, verb, calls, error, when);
        println!(
            "{context}: {count} injected, in a store: {in_a_store}, exit {}",
            output.code
        );
        let may_end_well = output.code == 0 && !in_a_store;
        let is_told = count > 0 && codes.contains(&output.code);
        assert!(may_end_well || is_told, "{context}: {}: {}", output.code, output.stderr);
        assert!(!output.stderr.contains("panicked"), "{context}: {}", output.stderr);
        let is_new = bench.new_is_served(&old, &context);
        if output.code != 0 {
            failed += 1;
            if verb[0] == "repo" {
                assert!(!is_new, "{context}");
                assert_eq!(bench.revision(), revision, "{context}: a failed sync records nothing");
            }
        }
        bench.recovers(&context);
    }
    failed
}

#[test]
fn bytes_that_cannot_be_made_durable_stop_the_run() {
    if !can_trace() {
        return;
    }
    let mut failed = 0;
    for when in ["1", "2", "3", "5", "1+"] {
        failed += verbs_survive("fsync,fdatasync", "EIO", when, &[8]);
    }
    assert!(failed >= 4, "only {failed} runs failed");
}

#[test]
fn a_file_system_that_cannot_be_made_durable_stops_the_run() {
    if !can_trace() {
        return;
    }
    let mut failed = 0;
    for when in ["1", "2", "1+"] {
        failed += verbs_survive("syncfs", "EIO", when, &[8]);
    }
    assert!(failed >= 2, "only {failed} runs failed");
}

#[test]
fn writes_that_fail_stop_the_run() {
    if !can_trace() {
        return;
    }
    let mut failed = 0;
    for (calls, error, codes) in [
        // SQLite has one code for an index of its log that cannot grow, whatever the cause.
        ("pwrite64", "EIO", &[6, 8][..]),
        ("pwrite64", "ENOSPC", &[6]),
        ("rename,renameat,renameat2", "EIO", &[8]),
        ("linkat", "EIO", &[8]),
        ("linkat", "ENOSPC", &[6]),
    ] {
        failed += verbs_survive(calls, error, "1+", codes);
    }
    assert!(failed >= 5, "only {failed} runs failed");
}

/// A bench whose second version is recorded and not published.
fn to_be_published() -> Bench {
    let bench = Bench::served(Layout::default());
    bench.chantal.run(VERBS[0]).ok();
    bench
}

#[test]
fn a_blob_with_too_many_links_gets_a_second_inode() {
    if !can_trace() {
        return;
    }
    for when in ["1", "2+2", "1+"] {
        let bench = to_be_published();
        let old = bench.tree();
        let Injected { output, count, .. } = run_with(&bench, VERBS[1], "linkat", "EMLINK", when);
        assert_eq!(output.code, 0, "{when}: {}", output.stderr);
        assert!(count > 0, "{when}");
        assert!(bench.new_is_served(&old, when));
        let rpm = bench.new_packages().swap_remove(0);
        let published = bench.path("published/r/latest").join(rpm);
        let meta = std::fs::metadata(&published).unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o444, "{when}");
        bench.recovers(when);
    }
}

#[test]
fn a_file_system_without_the_exchange_gets_renames() {
    if !can_trace() {
        return;
    }
    for (error, when) in [("EINVAL", "1+"), ("ENOSYS", "1+"), ("EINVAL", "2+"), ("EINVAL", "1")] {
        let bench = to_be_published();
        let old = bench.tree();
        let context = format!("{error} at {when}");
        let Injected { output, count, .. } = run_with(&bench, VERBS[1], "renameat2", error, when);
        assert_eq!(output.code, 0, "{context}: {}", output.stderr);
        assert!(count > 0, "{context}");
        assert!(bench.new_is_served(&old, &context), "{context}");
        bench.recovers(&context);
    }
}
