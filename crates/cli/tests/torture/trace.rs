//! Which places exist, and which of them a verb reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chantal_testkit::chantal::finish;
use chantal_testkit::needs::workspace;

use crate::bench::Bench;
use crate::verbs::{VERBS, Verb};

/// Every place that the source names. Barriers that can be left out are no places where something fails.
pub(crate) fn places() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in ["pool", "publish", "catalog", "engine"] {
        look(&workspace().join("crates").join(name).join("src"), &mut found);
    }
    found
}

fn look(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            look(&path, found);
            continue;
        }
        let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect();
        for (call, ends) in [("fault!(\"", &[""][..]), ("faulty!(\"", &["::before", "::after"])] {
            for rest in text.split(call).skip(1) {
                let name = rest.split('"').next().unwrap();
                for end in ends {
                    assert!(
                        found.insert(format!("{name}{end}")) || name == "publish::rmdir",
                        "{name} is named twice: {}",
                        path.display()
                    );
                }
            }
        }
    }
}

/// How often an undisturbed verb reaches each place.
pub(crate) fn reached(bench: &Bench, place: usize, verb: &Verb) -> BTreeMap<String, usize> {
    bench.restore(place);
    let trace = bench.chantal.path().join("trace");
    let _ = std::fs::remove_file(&trace);
    finish(bench.command(verb).env("CHANTAL_FAULT_TRACE", &trace)).ok();
    let mut reached = BTreeMap::new();
    for name in std::fs::read_to_string(&trace).unwrap().lines() {
        *reached.entry(name.to_owned()).or_default() += 1;
    }
    for skipped in ["pool::skip", "pool::skip_all"] {
        reached.remove(skipped);
    }
    reached
}

/// The same of all verbs, in their order.
pub(crate) fn reached_by_all(bench: &Bench) -> Vec<BTreeMap<String, usize>> {
    let verbs = VERBS.iter().enumerate();
    verbs.map(|(place, verb)| reached(bench, place, verb)).collect()
}
