//! `kill -9` at any moment of any verb, and at every system call that changes something.
//!
//! `CHANTAL_KILLS` sets how many of the first kind; `CHANTAL_SYSTEMATIC` which verbs are killed at every call, `all` or
//! names with commas between.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chantal_testkit::chantal::finish;
use chantal_testkit::needs::{need, programs};

use crate::bench::Bench;
use crate::numbers::{Draw, number};
use crate::points::{Fault, Kind, strike};
use crate::trace::reached_by_all;
use crate::verbs::{CHAIN, VERBS, Verb};

/// System calls that change something on disk.
pub(crate) const MUTATING: [&str; 16] = [
    "write",
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

/// One round in so many is followed by all that comes after it.
const GO_ON: usize = 20;

/// How long a verb takes by itself.
fn length(bench: &Bench, place: usize) -> Duration {
    bench.restore(place);
    let start = Instant::now();
    bench.run(&VERBS[place]).ok();
    start.elapsed()
}

/// Runs a verb and kills it after a while; `false` if it had ended.
fn killed_after(bench: &Bench, place: usize, delay: Duration) -> bool {
    bench.restore(place);
    let mut command = bench.command(&VERBS[place]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let had_ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    let status = child.wait().unwrap();
    assert!(!had_ended || status.success(), "{}: {status}", VERBS[place].name);
    !had_ended
}

#[test]
fn a_verb_killed_at_any_moment_loses_nothing() {
    let bench = Bench::new();
    let lengths: Vec<Duration> = (0..VERBS.len()).map(|place| length(&bench, place)).collect();
    let reached = reached_by_all(&bench);
    let kills = number("CHANTAL_KILLS", 120) as usize;
    let mut draw = Draw::new(2);
    let (mut killed, mut rounds) = (0, 0);
    let mut by_verb: BTreeMap<&str, usize> = BTreeMap::new();
    let mut bad = Vec::new();
    while killed < kills {
        rounds += 1;
        assert!(rounds < kills * 4 + 100, "only {killed} kills in {rounds} rounds");
        let place = draw.below(VERBS.len());
        let verb = &VERBS[place];
        // Half of them at any time, half where it is known what was done last.
        let (was_killed, told) = if rounds % 2 == 0 {
            let delay = lengths[place].mul_f64(draw.fraction() * 1.1);
            let was_killed = killed_after(&bench, place, delay);
            let told = format!("{} killed after {delay:?}", verb.name);
            let checked = bench.check(place).and_then(|()| bench.finishes(place));
            let checked = checked.and_then(|()| match rounds % GO_ON {
                0 if place < CHAIN => bench.goes_on(place),
                _ => Ok(()),
            });
            (was_killed, checked.map_err(|error| format!("{told}: {error}")))
        } else {
            let names: Vec<&String> = reached[place].keys().collect();
            let name = *draw.of(&names);
            let fault = Fault {
                verb: place,
                place: name,
                hit: 1 + draw.below(reached[place][name]),
                kind: Kind::Abort,
            };
            let code = strike(&bench, &fault, false);
            (code == Ok(134), code.map(drop))
        };
        if was_killed {
            killed += 1;
            *by_verb.entry(verb.name).or_default() += 1;
        }
        bad.extend(told.err());
    }
    println!("{killed} kills in {rounds} rounds, by verb: {by_verb:?}");
    assert!(bad.is_empty(), "{} of {rounds}:\n{}", bad.len(), bad.join("\n"));
}

/// Whether processes can be traced here.
pub(crate) fn can_trace() -> bool {
    let traced = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    need(
        programs(&["strace"]) && traced().is_ok_and(|output| output.status.success()),
        "tracing with strace",
    )
}

/// A verb under `strace`, with one thread for its tasks, so that calls come in one order as far as that goes.
pub(crate) fn traced(bench: &Bench, verb: &Verb, arguments: &[&str]) -> Command {
    let plain = bench.command(verb);
    // One that hangs is told by 124.
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "100", "strace", "-f", "-qq"])
        .args(arguments)
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(bench.chantal.path())
        .env_clear()
        .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TOKIO_WORKER_THREADS", "1");
    command
}

/// Kills a verb at the first, second, … call of one kind, until a run ends by itself; gives how many were killed.
fn killed_at_each(bench: &Bench, place: usize, call: &str) -> Result<usize, String> {
    let verb = &VERBS[place];
    for when in 1.. {
        bench.restore(place);
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let arguments = ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
        let output = finish(&mut traced(bench, verb, &arguments));
        let told = |error: String| format!("{} killed at {call} {when}: {error}", verb.name);
        match output.code {
            137 => {}
            0 => return Ok(when - 1),
            code => return Err(told(format!("exit {code}: {}", output.stderr))),
        }
        bench.check(place).map_err(told)?;
        bench.finishes(place).map_err(told)?;
    }
    unreachable!("the loop has no end")
}

#[test]
fn a_verb_killed_at_each_call_that_changes_something_loses_nothing() {
    if !can_trace() {
        return;
    }
    let wanted = std::env::var("CHANTAL_SYSTEMATIC").unwrap_or_default();
    let wanted = if wanted.is_empty() { "snapshot" } else { &wanted };
    let bench = Bench::new();
    let mut bad = Vec::new();
    let mut kills = 0;
    for (place, verb) in VERBS.iter().enumerate() {
        if wanted != "all" && wanted.split(',').all(|name| name != verb.name) {
            continue;
        }
        let mut by_call = BTreeMap::new();
        for call in MUTATING {
            match killed_at_each(&bench, place, call) {
                Ok(count) => drop(by_call.insert(call, count)),
                Err(error) => bad.push(error),
            }
        }
        by_call.retain(|_, count| *count > 0);
        println!("{}: killed at {by_call:?}", verb.name);
        kills += by_call.values().sum::<usize>();
    }
    println!("{kills} kills at system calls");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(kills > 0, "no verb is called {wanted}");
}
