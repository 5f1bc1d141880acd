//! Every place where something can be made to fail, under every verb that reaches it: an error, a panic, a sudden end.
//!
//! By default each place is hit by each kind of fault once; `CHANTAL_FAILPOINTS=1` does all verbs, first and later hits.

use std::collections::{BTreeMap, BTreeSet};

use chantal_testkit::chantal::finish;

use crate::bench::Bench;
use crate::numbers::{Draw, number};
use crate::trace::{places, reached_by_all};
use crate::verbs::{CHAIN, VERBS};

pub(crate) const KINDS: [Kind; 3] = [Kind::Error, Kind::Panic, Kind::Abort];

/// One round in so many is followed by all that comes after it.
const GO_ON: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Panic,
    Abort,
}

impl Kind {
    /// What makes the `hit`th passage of a place fail.
    pub(crate) fn at(self, place: &str, hit: usize) -> String {
        let what = match self {
            Self::Error => "1*return(5)",
            Self::Panic => "1*panic",
            Self::Abort => "1*return(abort)",
        };
        match hit {
            0 | 1 => format!("{place}={what}"),
            hit => format!("{place}={}*off->{what}", hit - 1),
        }
    }

    /// Whether a run may end so. A place that chance did not lead to, or an error that does no harm, is no failure.
    fn may_end(self, code: i32) -> bool {
        match self {
            Self::Error | Self::Panic => (0..=9).contains(&code),
            Self::Abort => matches!(code, 0 | 134),
        }
    }
}

/// One fault.
pub(crate) struct Fault<'a> {
    pub(crate) verb: usize,
    pub(crate) place: &'a str,
    pub(crate) hit: usize,
    pub(crate) kind: Kind,
}

/// Runs a verb with a fault and checks everything; gives the exit code.
pub(crate) fn strike(bench: &Bench, fault: &Fault<'_>, goes_on: bool) -> Result<i32, String> {
    bench.restore(fault.verb);
    let failpoints = fault.kind.at(fault.place, fault.hit);
    let output = finish(&mut bench.command_with(&VERBS[fault.verb], &failpoints));
    let told = |what: String| {
        format!(
            "{} with {failpoints}: exit {}: {what}",
            VERBS[fault.verb].name, output.code
        )
    };
    if !fault.kind.may_end(output.code) {
        return Err(told(output.stderr.clone()));
    }
    if fault.kind == Kind::Error && (output.stderr.contains("bug in") || output.stderr.contains("panicked")) {
        return Err(told(output.stderr.clone()));
    }
    bench.check(fault.verb).map_err(told)?;
    if output.code == 0 {
        bench.is_done(fault.verb).map_err(told)?;
    }
    bench.finishes(fault.verb).map_err(told)?;
    if goes_on && fault.verb < CHAIN {
        bench.goes_on(fault.verb).map_err(told)?;
    }
    Ok(output.code)
}

/// The faults of this run.
fn faults(reached: &[BTreeMap<String, usize>]) -> Vec<(usize, String, usize, Kind)> {
    let mut draw = Draw::new(1);
    let mut faults = Vec::new();
    let names: BTreeSet<&String> = reached.iter().flat_map(BTreeMap::keys).collect();
    for name in names {
        let verbs: Vec<usize> = (0..reached.len())
            .filter(|verb| reached[*verb].contains_key(name))
            .collect();
        if number("CHANTAL_FAILPOINTS", 0) > 0 {
            for (verb, kind) in verbs.iter().flat_map(|verb| KINDS.map(|kind| (*verb, kind))) {
                let often = reached[verb][name];
                faults.push((verb, name.clone(), 1, kind));
                if often > 1 {
                    faults.push((verb, name.clone(), 2 + draw.below(often - 1), kind));
                }
            }
        } else {
            for kind in KINDS {
                let verb = *draw.of(&verbs);
                faults.push((verb, name.clone(), 1 + draw.below(reached[verb][name]), kind));
            }
        }
    }
    faults
}

#[test]
fn a_fault_at_any_place_of_any_verb_loses_nothing() {
    let bench = Bench::new();
    let reached = reached_by_all(&bench);
    let all = places();
    let by_schedule = |name: &&String| name.starts_with("engine::schedule::");
    let wanted: BTreeSet<&String> = all.iter().filter(|name| !by_schedule(name)).collect();
    let seen: BTreeSet<&String> = reached.iter().flat_map(BTreeMap::keys).collect();
    let unseen: Vec<_> = wanted.difference(&seen).collect();
    assert!(unseen.is_empty(), "no verb reaches {unseen:?}");
    assert!(
        seen.is_subset(&wanted),
        "not found in the source: {:?}",
        seen.difference(&wanted)
    );
    assert!(all.len() >= 40, "only {} places", all.len());

    let faults = faults(&reached);
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    let mut bad = Vec::new();
    for (round, (verb, place, hit, kind)) in faults.iter().enumerate() {
        let fault = Fault {
            verb: *verb,
            place,
            hit: *hit,
            kind: *kind,
        };
        match strike(&bench, &fault, round % GO_ON == 0) {
            Ok(code) => *codes.entry(code).or_default() += 1,
            Err(error) => bad.push(error),
        }
    }
    println!("{} places, {} faults, exit codes {codes:?}", all.len(), faults.len());
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), faults.len(), bad.join("\n"));
    let unharmed = codes.get(&0).copied().unwrap_or(0);
    assert!(
        unharmed * 4 < faults.len(),
        "{unharmed} of {} did nothing",
        faults.len()
    );
}
