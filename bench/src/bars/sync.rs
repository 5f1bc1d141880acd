//! S1 to S3: syncs.

use std::path::Path;

use anyhow::Result;
use chantal_testkit::upstream::{Site, Upstream};

use super::{Bench, OURS, cpu_seconds, has, named, seconds};
use crate::data::State;
use crate::measure::run;
use crate::mirror::{Mirror, REPOSITORY};
use crate::peers::{curl, curl_one, parse, reposync};
use crate::report::{Report, Row, Unit};
use crate::stats::{Series, cpu, wall};

const CURL: &str = "curl, 16 connections";
const DNF: &str = "dnf reposync";
const ONE: &str = "curl, one file";
const FLOOR: &str = "curl of the changed files + createrepo_c's parser";

/// S1: a first sync.
pub(super) fn cold(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let set = &bench.deep;
    stage.serve(set, State::One)?;
    let files = set.files(State::One)?;
    let mut series = Series::default();
    for _ in 0..stage.pairs {
        let mirror = stage.mirror("s1", &[])?;
        series.push(OURS, stage.measure("s1", &prepared(&mirror)?)?);
        let target = stage.fresh("s1-curl")?;
        let list = stage.curl_list(&files, &target)?;
        series.push(CURL, stage.measure("s1-curl", &curl(&list))?);
        if bench.peers.dnf.is_some() {
            let target = stage.fresh("s1-dnf")?;
            series.push(DNF, stage.measure("s1-dnf", &reposync(&stage.feed(), &target, None))?);
        }
    }
    let ratio = |peer, figure| series.ratio(OURS, peer, figure);
    let row = Row::at_most("S1", "cold sync, wall", Unit::Ratio, 1.5).stretch(1.2);
    let row = row.measured(ratio(CURL, wall), seconds(&series, OURS), named(&series, CURL, seconds));
    report.row(row);
    let rows = [
        (
            Row::at_most("S1", "cold sync, wall", Unit::Ratio, 0.25).stretch(1.0 / 6.0),
            wall as fn(&_) -> _,
        ),
        (
            Row::at_most("S1", "cold sync, CPU", Unit::Ratio, 0.4).stretch(1.0 / 3.3),
            cpu,
        ),
    ];
    for ((row, figure), shown) in rows.into_iter().zip([seconds as fn(&_, &_) -> _, cpu_seconds]) {
        report.row(if has(&series, DNF) {
            row.measured(ratio(DNF, figure), shown(&series, OURS), named(&series, DNF, shown))
        } else {
            row.missing("dnf is absent")
        });
    }
    report.samples("S1 cold sync", series);
    durability(bench, report, files.len())
}

/// The first sync creates the database, which `init` would have done.
fn prepared(mirror: &Mirror) -> Result<std::process::Command> {
    mirror.run(&["--quiet", "init"])?;
    Ok(mirror.sync())
}

fn durability(bench: &Bench<'_>, report: &mut Report, files: usize) -> Result<()> {
    let bar = files as f64 / 500.0 + 40.0;
    let row = Row::at_most(
        "S1",
        format!("calls of the fsync class for {files} files"),
        Unit::Count,
        bar,
    );
    if bench.peers.strace.is_none() {
        report.row(row.missing("strace is absent"));
        return Ok(());
    }
    let mirror = bench.stage.mirror("s1-strace", &[])?;
    let calls = bench.stage.durability_calls(&prepared(&mirror)?)?;
    report.row(row.measured(calls as f64, calls.to_string(), "-"));
    Ok(())
}

/// S2: a sync of a feed that did not change.
pub(super) fn unchanged(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    stage.serve(&bench.deep, State::One)?;
    let mirror = stage.mirror("s2", &[])?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    let entry = format!("{}/repodata/repomd.xml", stage.feed());
    let mut series = Series::default();
    let mut requests = 0;
    for _ in 0..SHORT * stage.pairs {
        let before = stage.requests();
        series.push(OURS, stage.measure("s2", &mirror.sync())?);
        requests = requests.max(stage.requests() - before);
        series.push(ONE, stage.measure("s2-curl", &curl_one(&entry))?);
    }
    let row = Row::at_most("S2", "unchanged feed: requests", Unit::Count, 1.0);
    report.row(row.measured(requests as f64, requests.to_string(), "-"));
    let row = Row::at_most("S2", "unchanged feed: whole process, wall", Unit::Ratio, 1.0).stretch(0.6);
    let ratio = series.ratio(OURS, ONE, wall);
    report.row(row.measured(ratio, seconds(&series, OURS), named(&series, ONE, seconds)));
    report.samples("S2 unchanged feed", series);
    unchanged_by_tls(bench, report)
}

/// The same over TLS, where both read the authorities that a system trusts.
fn unchanged_by_tls(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let server = stage.secure()?;
    let mirror = stage.mirror_of(&server.feed(), "s2-tls", &[])?;
    let ours = server.trusted(mirror.sync());
    run(&mut server.trusted(mirror.sync()))?;
    let theirs = server.trusted(curl_one(&format!("{}/repodata/repomd.xml", server.feed())));
    let mut series = Series::default();
    for _ in 0..SHORT * stage.pairs {
        series.push(OURS, stage.measure("s2-tls", &ours)?);
        series.push(ONE, stage.measure("s2-tls-curl", &theirs)?);
    }
    let row = Row::at_most("S2", "unchanged feed over TLS: whole process, wall", Unit::Ratio, 1.5);
    let ratio = series.ratio(OURS, ONE, wall);
    report.row(row.measured(ratio, seconds(&series, OURS), named(&series, ONE, seconds)));
    report.samples("S2 unchanged feed over TLS", series);
    Ok(())
}

/// Runs of a few milliseconds are repeated so many times as often.
pub(super) const SHORT: usize = 4;

/// S3: a sync of a feed of which one package in a hundred changed.
pub(super) fn changed(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let set = &bench.deep;
    stage.serve(set, State::One)?;
    let template = stage.mirror("s3-first", &[])?;
    template.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    stage.serve(set, State::Two)?;
    let changed = set.changed()?;
    let Some(parser) = &bench.peers.parser else {
        let row = Row::at_most("S3", "sync, 1 % changed", Unit::Ratio, 2.0).stretch(1.0);
        report.row(row.missing("createrepo_c's Python module is absent"));
        return Ok(());
    };
    let mut series = Series::default();
    for _ in 0..stage.pairs {
        let mirror = stage.copy(&template, "s3")?;
        series.push(OURS, stage.measure("s3", &mirror.sync())?);
        let target = stage.fresh("s3-curl")?;
        let list = stage.curl_list(&changed, &target)?;
        let fetched = stage.measure("s3-curl", &curl(&list))?;
        let parsed = stage.measure("s3-parse", &parse(parser, &set.state(State::Two)))?;
        series.push(FLOOR, fetched.then(parsed));
    }
    let row = Row::at_most(
        "S3",
        format!("sync, {} packages changed, wall", changed.len()),
        Unit::Ratio,
        2.0,
    );
    let ratio = series.ratio(OURS, FLOOR, wall);
    report.row(
        row.stretch(1.0)
            .measured(ratio, seconds(&series, OURS), named(&series, FLOOR, seconds)),
    );
    report.samples("S3 sync, 1 % changed", series);
    Ok(())
}

/// Each answer of the feed that is far away takes so long; dnf asks for three files at a time.
const FAR_MILLIS: u64 = 20;

/// S1 with every answer delayed.
pub(super) fn delayed(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let stage = bench.stage;
    let set = &bench.far;
    let mut site = Site::directory(&set.state(State::One));
    site.delay_millis = FAR_MILLIS;
    let upstream = Upstream::start(site);
    let url = upstream.url("");
    let files = set.files(State::One)?;
    let mut series = Series::default();
    for _ in 0..stage.pairs {
        let mirror = Mirror::create(&stage.chantal, stage.fresh("s1-far")?, &url, &[])?;
        series.push(OURS, stage.measure("s1-far", &prepared(&mirror)?)?);
        let target = stage.fresh("s1-far-curl")?;
        let list = stage.curl_list_of(&url, &files, &target)?;
        series.push(CURL, stage.measure("s1-far-curl", &curl(&list))?);
        if bench.peers.dnf.is_some() {
            let target: &Path = &stage.fresh("s1-far-dnf")?;
            series.push(DNF, stage.measure("s1-far-dnf", &reposync(&url, target, None))?);
        }
    }
    let what = format!(
        "cold sync of {} packages, answers after {FAR_MILLIS} ms, wall",
        set.packages
    );
    let row = Row::at_most("S1", &what, Unit::Ratio, 1.3);
    let ratio = |peer| series.ratio(OURS, peer, wall);
    report.row(row.measured(ratio(CURL), seconds(&series, OURS), named(&series, CURL, seconds)));
    let row = Row::at_most("S1", &what, Unit::Ratio, 0.25);
    report.row(if has(&series, DNF) {
        row.measured(ratio(DNF), seconds(&series, OURS), named(&series, DNF, seconds))
    } else {
        row.missing("dnf is absent")
    });
    report.samples("S1 cold sync, delayed answers", series);
    Ok(())
}
