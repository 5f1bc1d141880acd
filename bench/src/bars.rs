//! The bars, one function each.

mod difference;
mod growth;
mod publish;
mod snapshot;
mod storage;
mod sync;

use anyhow::Result;

use crate::data::DataSet;
use crate::measure::Sample;
use crate::peers::Peers;
use crate::report::Report;
use crate::stage::Stage;
use crate::stats::{Series, cpu, wall};

/// What a bar works with.
pub(crate) struct Bench<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) peers: &'a Peers,
    /// Ten thousand packages with bodies that other tools read.
    pub(crate) deep: DataSet,
    /// A small one, for a server that takes its time.
    pub(crate) far: DataSet,
    /// Rich metadata and tiny bodies, in two sizes; the large one is left out of a quick run.
    pub(crate) wide: [Option<DataSet>; 2],
}

type Bar = fn(&Bench<'_>, &mut Report) -> Result<()>;

/// Every bar by its name, in the order of a run.
pub(crate) const BARS: [(&str, Bar); 11] = [
    ("S1", sync::cold),
    ("S1-far", sync::delayed),
    ("S2", sync::unchanged),
    ("S3", sync::changed),
    ("S4", snapshot::create),
    ("S5", difference::visited),
    ("S6", publish::first),
    ("S7", publish::again),
    ("S9", storage::catalog),
    ("S15", storage::verify),
    ("S16", growth::growth),
];

/// Our name in series.
const OURS: &str = "chantal";

/// `1.234 s` and CPU, the medians of a competitor.
fn seconds(series: &Series, who: &str) -> String {
    format!("{:.3} s", series.median(who, wall))
}

/// The same of CPU.
fn cpu_seconds(series: &Series, who: &str) -> String {
    format!("{:.3} s", series.median(who, cpu))
}

/// Name of a competitor with its median.
fn named(series: &Series, who: &str, shown: fn(&Series, &str) -> String) -> String {
    format!("{who} {}", shown(series, who))
}

/// Whether a competitor has samples.
fn has(series: &Series, who: &str) -> bool {
    !series.of(who).is_empty()
}

/// The largest of one figure of a competitor.
fn most(series: &Series, who: &str, figure: fn(&Sample) -> f64) -> f64 {
    series.of(who).iter().map(figure).fold(f64::NAN, f64::max)
}
