//! S8 and S16: memory, and what ten times as many packages cost.

use std::collections::BTreeMap;

use anyhow::Result;

use super::sync::SHORT;
use super::{Bench, OURS, most};
use crate::data::{DataSet, State};
use crate::mirror::{Mirror, REPOSITORY};
use crate::report::{Report, Row, Unit};
use crate::stats::{Series, rss_mib, wall};

/// What is measured at both sizes: its name, the bar, and how much ten times as many packages may cost.
const VERBS: [(&str, f64, Option<f64>); 6] = [
    ("cold sync", 12.0, Some(11.0)),
    ("sync, 1 % changed", 12.0, Some(11.0)),
    ("first publish of half of the packages", 12.0, Some(11.0)),
    ("unchanged feed", 1.3, None),
    ("snapshot create", 1.3, None),
    ("publish, nothing changed", 1.3, None),
];
const WHOLE: &str = "first publish";

/// S16 and S8.
pub(super) fn growth(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let Some(small) = &bench.wide[0] else { return Ok(()) };
    let sets: Vec<&DataSet> = [Some(small), bench.wide[1].as_ref()].into_iter().flatten().collect();
    let mut prepared = Vec::new();
    for set in &sets {
        prepared.push(Prepared::new(bench, set)?);
    }
    let mut series: BTreeMap<&'static str, Series> = BTreeMap::new();
    for round in 0..bench.stage.pairs {
        for (set, prepared) in sets.iter().zip(&prepared) {
            one_round(bench, set, prepared, round, &mut series)?;
        }
    }
    let who: Vec<String> = sets.iter().map(|set| name(set)).collect();
    for (verb, reach, stretch) in VERBS {
        let mut row = Row::at_most(
            "S16",
            format!("{verb}: 100,000 against 10,000, wall"),
            Unit::Ratio,
            reach,
        );
        row.stretch = stretch;
        let [small, large] = &who[..] else {
            report.row(row.missing("a quick run has no large repository"));
            continue;
        };
        let series = &series[verb];
        let shown = |who| format!("{:.3} s", series.median(who, wall));
        report.row(row.measured(series.ratio(large, small, wall), shown(large), shown(small)));
    }
    memory(report, &who, &series);
    for (verb, series) in series {
        report.samples(&format!("S16 {verb}"), series);
    }
    Ok(())
}

fn memory(report: &mut Report, who: &[String], series: &BTreeMap<&'static str, Series>) {
    let bars = [(who.get(1), "100,000", 96.0, 64.0), (who.first(), "10,000", 64.0, 40.0)];
    for (who, packages, reach, stretch) in bars {
        for verb in ["cold sync", WHOLE] {
            let what = format!("{verb} of {packages} packages: peak memory");
            let row = Row::at_most("S8", what, Unit::MiB, reach).stretch(stretch);
            report.row(match who {
                Some(who) => {
                    let peak = most(&series[verb], who, rss_mib);
                    row.measured(peak, format!("{peak:.1} MiB"), "-")
                }
                None => row.missing("a quick run has no large repository"),
            });
        }
    }
}

fn name(set: &DataSet) -> String {
    format!("{OURS}, {} packages", set.packages)
}

/// Mirrors that rounds begin from.
struct Prepared {
    /// Synced.
    whole: Mirror,
    /// Synced, of half of the packages.
    half: Mirror,
    /// Synced and published.
    published: Mirror,
}

impl Prepared {
    fn new(bench: &Bench<'_>, set: &DataSet) -> Result<Self> {
        let stage = bench.stage;
        let half = super::publish::synced_half(stage, set, "s16-half")?;
        let whole = stage.mirror("s16-whole", &[])?;
        whole.run(&["--quiet", "repo", "sync", REPOSITORY])?;
        let published = stage.copy(&half, "s16-published")?;
        published.run(&["--quiet", "publish", "repo", REPOSITORY])?;
        Ok(Self { whole, half, published })
    }
}

fn one_round(
    bench: &Bench<'_>,
    set: &DataSet,
    prepared: &Prepared,
    round: usize,
    series: &mut BTreeMap<&'static str, Series>,
) -> Result<()> {
    let stage = bench.stage;
    let who = name(set);
    let mut push = |verb: &'static str, sample| series.entry(verb).or_default().push(&who, sample);
    stage.serve(set, State::One)?;
    let mirror = stage.mirror("s16", &[])?;
    mirror.run(&["--quiet", "init"])?;
    push("cold sync", stage.measure("s16", &mirror.sync())?);
    push(WHOLE, stage.measure("s16", &mirror.publish())?);
    let mirror = stage.copy(&prepared.half, "s16")?;
    push(
        "first publish of half of the packages",
        stage.measure("s16", &mirror.publish())?,
    );
    for short in 0..SHORT {
        let number = (round * SHORT + short).to_string();
        push("unchanged feed", stage.measure("s16", &prepared.whole.sync())?);
        let arguments = ["--quiet", "snapshot", "create", REPOSITORY, "--name", &number];
        push(
            "snapshot create",
            stage.measure("s16", &prepared.whole.command(&arguments))?,
        );
        push(
            "publish, nothing changed",
            stage.measure("s16", &prepared.published.publish())?,
        );
    }
    let mirror = stage.copy(&prepared.whole, "s16")?;
    stage.serve(set, State::Two)?;
    push("sync, 1 % changed", stage.measure("s16", &mirror.sync())?);
    Ok(())
}
