//! The power fails: at any moment, with any part of what was not flushed on the disk or not.
//!
//! Two oracles. What is there fits together: no row without its blob, no tree that is not whole, a database that opens.
//! And what was acknowledged, by an exit with 0 before the cut, is there. Two mutants show that each would notice: a pool
//! that leaves its barriers out, and a system that flushes nothing at all.
//!
//! `CHANTAL_CUTS` sets how many cuts.

use std::collections::BTreeMap;
use std::fmt;

use chantal_testkit::chantal::finish;

use crate::bench::{Bench, Sharing};
use crate::disk::{Disk, Event, Mount, after_cut, can_have_disks};
use crate::kills::{can_trace, traced};
use crate::numbers::{Draw, number};
use crate::verbs::{CHAIN, VERBS, Verb};

/// One cut in so many is followed by the verb that was cut off.
const FINISH: usize = 4;
/// One in so many by all that comes after that.
const GO_ON: usize = 40;

/// What a disk was told while verbs ran on it.
struct Recording {
    base: Vec<u8>,
    events: Vec<Event>,
    /// The first verb that ran.
    first: usize,
    /// How much had happened when each verb ended well.
    acknowledged: Vec<usize>,
}

/// How verbs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Right,
    /// The pool leaves its barriers out.
    WithoutBarriers,
    /// No flush has any effect, not even the database's.
    WithoutFlushes,
}

impl Manner {
    fn run(self, bench: &Bench, verb: &Verb) {
        let mut command = match self {
            Self::Right => bench.command(verb),
            Self::WithoutBarriers => bench.command_with(verb, "pool::skip=return(skip);pool::skip_all=return(skip)"),
            Self::WithoutFlushes => {
                let calls = "fsync,fdatasync,syncfs,sync_file_range,msync";
                let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:retval=0"));
                traced(bench, verb, &["-o", "/dev/null", "-e", &trace, "-e", &inject])
            }
        };
        finish(&mut command).ok();
    }
}

/// Runs some verbs of the chain on a disk that remembers.
fn recorded(bench: &Bench, verbs: std::ops::Range<usize>, manner: Manner) -> Recording {
    let disk = Disk::make().unwrap();
    bench.empty();
    let mount = disk.mount(&bench.disk()).unwrap();
    bench.put(verbs.start, Sharing::Nothing);
    rustix::fs::sync();
    let mut recording = Recording {
        base: disk.record(),
        events: Vec::new(),
        first: verbs.start,
        acknowledged: Vec::new(),
    };
    for verb in &VERBS[verbs] {
        bench.wait_for_graces(verb);
        manner.run(bench, verb);
        recording.acknowledged.push(disk.events());
    }
    recording.events = disk.stop();
    drop(mount);
    recording
}

/// What the two oracles found.
#[derive(Default)]
struct Found {
    cuts: usize,
    by_verb: BTreeMap<&'static str, usize>,
    /// Cuts after which something does not fit together.
    inconsistent: Vec<String>,
    /// Cuts after which something acknowledged is not there.
    lost: Vec<String>,
    /// Cuts after which the next run does not finish.
    stuck: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = [&self.inconsistent, &self.lost, &self.stuck].map(Vec::len);
        let by_verb = &self.by_verb;
        write!(
            f,
            "{} power cuts: {} inconsistent, {} lost what was acknowledged, {} stuck; by verb {by_verb:?}",
            self.cuts, bad[0], bad[1], bad[2]
        )?;
        let first = [&self.inconsistent, &self.lost, &self.stuck].map(|list| list.iter().take(5));
        first.into_iter().flatten().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Recording {
    /// The verb that was at work at a moment.
    fn verb_at(&self, cut: usize) -> usize {
        let done = self.acknowledged.iter().filter(|at| **at <= cut).count();
        self.first + done.min(self.acknowledged.len() - 1)
    }

    /// Cuts the power so often and looks what is left.
    fn cut(&self, bench: &Bench, cuts: usize, draw: &mut Draw, found: &mut Found) {
        let file = tempfile::NamedTempFile::new_in(bench.chantal.path()).unwrap();
        for _ in 0..cuts {
            // As many in each verb, however much it writes.
            let nth = draw.below(self.acknowledged.len());
            let end = self.acknowledged[nth];
            let start = if nth == 0 { 0 } else { self.acknowledged[nth - 1] };
            let cut = start + draw.below((end - start).max(1));
            std::fs::write(file.path(), after_cut(&self.base, &self.events, cut, draw)).unwrap();
            found.cuts += 1;
            let place = self.verb_at(cut);
            *found.by_verb.entry(VERBS[place].name).or_default() += 1;
            let (at, length, name) = (cut - start, end - start, VERBS[place].name);
            let told = |what: String| format!("{name} cut off at {at} of {length}: {what}");
            match Mount::image(file.path(), &bench.disk()) {
                Ok(mount) => {
                    look(bench, place, found, &told);
                    drop(mount);
                }
                Err(error) => found.inconsistent.push(told(error)),
            }
        }
    }
}

/// Judges what is mounted.
fn look(bench: &Bench, place: usize, found: &mut Found, told: &dyn Fn(String) -> String) {
    let facts = match bench.read() {
        Ok(facts) => facts,
        Err(error) => return found.inconsistent.push(told(error)),
    };
    if let Err(error) = facts.lies_between(bench.before(place), bench.after(place)) {
        // Something older than what was acknowledged, or something that never was.
        let was_once = (0..=place).any(|older| facts.lies_between(bench.before(older), bench.after(older)).is_ok());
        let list = if was_once {
            &mut found.lost
        } else {
            &mut found.inconsistent
        };
        return list.push(told(error));
    }
    if found.cuts.is_multiple_of(FINISH) {
        bench.wait_for_graces(&VERBS[place]);
        let finished = bench.finishes(place).or_else(|error| {
            // Files whose removal was not durable come back when no record names them any more: they are noted first, and
            // go the next time.
            if VERBS[place].name != "collect" {
                return Err(error);
            }
            bench.wait_for_graces(&VERBS[place]);
            bench.finishes(place)
        });
        let finished = finished.and_then(|()| match found.cuts % GO_ON {
            0 => bench.goes_on(place),
            _ => Ok(()),
        });
        found.stuck.extend(finished.err().map(told));
    }
}

/// Records so often that chance in the order of writes has its part too.
fn found(bench: &Bench, manner: Manner, verbs: std::ops::Range<usize>, cuts: usize) -> Found {
    const CUTS_PER_RECORDING: usize = 250;
    let mut draw = Draw::new(4);
    let mut found = Found::default();
    while found.cuts < cuts {
        let recording = recorded(bench, verbs.clone(), manner);
        let flushes = recording
            .events
            .iter()
            .filter(|event| matches!(event, Event::Flush))
            .count();
        println!(
            "recorded {} writes and {flushes} flushes",
            recording.events.len() - flushes
        );
        let some = CUTS_PER_RECORDING.min(cuts - found.cuts);
        recording.cut(bench, some, &mut draw, &mut found);
    }
    println!("{manner:?}: {found}");
    found
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    if !can_have_disks() {
        return;
    }
    let bench = Bench::new();
    let cuts = number("CHANTAL_CUTS", 60) as usize;
    // What has a start of its own is recorded by itself.
    let alone = (CHAIN..VERBS.len()).map(|place| (place..place + 1, cuts / 10));
    for (verbs, cuts) in std::iter::once((0..CHAIN, cuts)).chain(alone) {
        let found = found(&bench, Manner::Right, verbs, cuts);
        let bad = found.inconsistent.len() + found.lost.len() + found.stuck.len();
        assert_eq!(bad, 0, "{found}");
    }
}

#[test]
fn a_pool_without_barriers_is_found_out() {
    if !can_have_disks() {
        return;
    }
    let bench = Bench::new();
    let cuts = number("CHANTAL_MUTANT_CUTS", 40) as usize;
    let found = found(&bench, Manner::WithoutBarriers, 0..2, cuts);
    assert!(
        found.inconsistent.len() * 10 >= found.cuts,
        "the harness is blind: {found}"
    );
}

#[test]
fn a_system_that_flushes_nothing_is_found_out() {
    if !can_have_disks() || !can_trace() {
        return;
    }
    let bench = Bench::new();
    let cuts = number("CHANTAL_MUTANT_CUTS", 40) as usize;
    let found = found(&bench, Manner::WithoutFlushes, 1..CHAIN, cuts);
    assert!(found.lost.len() * 10 >= found.cuts, "the harness is blind: {found}");
}
