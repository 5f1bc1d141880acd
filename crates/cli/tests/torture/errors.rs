//! System calls that fail, one at a time, for every reason a disk or a limit can have.
//!
//! `CHANTAL_ERRORS` sets how many runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chantal_testkit::chantal::{Output, finish};

use crate::bench::Bench;
use crate::kills::{can_trace, traced};
use crate::numbers::{Draw, number};
use crate::verbs::{CHAIN, VERBS};

/// `write` is not among them: the program's own threads wake each other by it. Writes that fail are in `points.rs`, and
/// full disks in `../faults`.
const CALLS: [&str; 16] = [
    "openat",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "ftruncate",
    "fchmod",
];
const ERRORS: [&str; 5] = ["EIO", "ENOSPC", "EDQUOT", "EACCES", "EMFILE"];
/// Calls whose failure must never be passed over where they are about files of the pool or of trees.
const BARRIERS: [&str; 3] = ["fsync", "fdatasync", "syncfs"];

/// How often one thread of a verb makes each call, at most: `strace` counts in each thread by itself.
fn counts(bench: &Bench, place: usize) -> BTreeMap<&'static str, usize> {
    bench.restore(place);
    let log = bench.chantal.path().join("strace.log");
    let path = log.display().to_string();
    let calls = format!("trace={}", CALLS.join(","));
    finish(&mut traced(bench, &VERBS[place], &["-o", &path, "-e", &calls])).ok();
    let text = std::fs::read_to_string(&log).unwrap();
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let name = rest.trim_start().split('(').next().unwrap_or_default();
        *by_thread.entry((thread, name)).or_default() += 1;
    }
    let most = |call: &str| {
        let of_call = by_thread.iter().filter(|((_, name), _)| *name == call);
        of_call.map(|(_, count)| *count).max()
    };
    CALLS.into_iter().filter_map(|call| Some((call, most(call)?))).collect()
}

/// What a run did while a call failed.
struct Injected {
    output: Output,
    /// The calls that failed, as `strace` tells them.
    lines: Vec<String>,
}

fn inject(bench: &Bench, place: usize, call: &str, error: &str, when: usize) -> Injected {
    bench.restore(place);
    let log = bench.chantal.path().join("strace.log");
    let (path, trace) = (log.display().to_string(), format!("trace={call}"));
    let inject = format!("inject={call}:error={error}:when={when}");
    let arguments = ["-y", "-o", &path, "-e", &trace, "-e", &inject];
    let output = finish(&mut traced(bench, &VERBS[place], &arguments));
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().filter(|line| line.contains("(INJECTED)"));
    Injected {
        output,
        lines: lines.map(str::to_owned).collect(),
    }
}

/// Whether the run ended as it has to, seen from its exit.
fn judge(injected: &Injected, call: &str) -> Result<(), String> {
    let Output { code, stderr, .. } = &injected.output;
    let in_a_store = |line: &String| line.contains("/state/pool") || line.contains("/published");
    let passed_over = *code == 0 && BARRIERS.contains(&call) && injected.lines.iter().any(in_a_store);
    if passed_over || !(0..=9).contains(code) || stderr.contains("bug in") || stderr.contains("panicked") {
        return Err(format!("exit {code}: {stderr}{}", injected.lines.join("\n")));
    }
    Ok(())
}

/// The program was not even loaded.
fn is_the_loaders(output: &Output) -> bool {
    output.code == 127 && output.stderr.contains("while loading shared libraries")
}

#[test]
fn a_call_that_fails_is_told_and_loses_nothing() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let counts: Vec<_> = (0..VERBS.len()).map(|place| counts(&bench, place)).collect();
    let wanted = number("CHANTAL_ERRORS", 100) as usize;
    let mut draw = Draw::new(3);
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    let mut by_call: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut runs, mut rounds) = (0, 0);
    let mut bad = Vec::new();
    let mut slowest = (Duration::ZERO, String::new());
    while runs < wanted {
        rounds += 1;
        assert!(
            rounds < wanted * 3 + 100,
            "only {runs} of {rounds} runs had a failing call"
        );
        let place = draw.below(VERBS.len());
        let calls: Vec<_> = counts[place].iter().collect();
        let (call, most) = *draw.of(&calls);
        let (error, when) = (*draw.of(&ERRORS), 1 + draw.below(*most));
        let start = Instant::now();
        let injected = inject(&bench, place, call, error, when);
        slowest = slowest.max((
            start.elapsed(),
            format!("{} with {call} giving {error} at {when}", VERBS[place].name),
        ));
        if injected.lines.is_empty() || is_the_loaders(&injected.output) {
            continue;
        }
        runs += 1;
        *codes.entry(injected.output.code).or_default() += 1;
        *by_call.entry(call).or_default() += 1;
        let checked = judge(&injected, call)
            .and_then(|()| bench.check(place))
            .and_then(|()| match injected.output.code {
                // A success is one only if everything is there.
                0 => bench.is_done(place),
                _ => Ok(()),
            })
            .and_then(|()| bench.finishes(place))
            .and_then(|()| match runs % 20 {
                0 if place < CHAIN => bench.goes_on(place),
                _ => Ok(()),
            });
        let told = |what| {
            let (name, code) = (VERBS[place].name, injected.output.code);
            let lines = injected.lines.join("\n  ");
            format!("{name} with {call} giving {error} at {when}, exit {code}: {what}\n  {lines}")
        };
        bad.extend(checked.err().map(told));
    }
    println!("{runs} runs, exit codes {codes:?}, by call {by_call:?}, the slowest {slowest:?}");
    assert!(bad.is_empty(), "{} of {runs}:\n{}", bad.len(), bad.join("\n"));
}
