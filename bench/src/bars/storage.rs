//! S9 and S15: what the catalog takes, and how fast the pool is read.

use anyhow::{Result, ensure};
use chantal_testkit::rebody::RealMetadata;

use super::{Bench, OURS, named, seconds};
use crate::data::{DataSet, State};
use crate::database::Database;
use crate::mirror::{Mirror, REPOSITORY, walk};
use crate::peers::hash;
use crate::report::{Report, Row, Unit};
use crate::stats::{Series, median, wall};

/// S9: bytes of the catalog.
pub(super) fn catalog(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let made = [Some(&bench.deep), bench.wide[0].as_ref(), bench.wide[1].as_ref()];
    for set in made.into_iter().flatten() {
        bench.stage.serve(set, State::One)?;
        let bytes = bytes_per_package(&synced(bench, "s9")?)?;
        report.remark(format!(
            "S9: {bytes:.0} B of catalog for each package of {}",
            set.name()
        ));
    }
    for (name, real) in [
        ("AppStream", RealMetadata::appstream()),
        ("BaseOS", RealMetadata::baseos()),
    ] {
        let what = format!("catalog bytes for each package, CentOS Stream 9 {name}");
        let row = Row::at_most("S9", what, Unit::Bytes, 1536.0).stretch(1024.0);
        let Some(real) = real else {
            report.row(row.missing("no real metadata"));
            continue;
        };
        let repository = real.build();
        let feed = bench.stage.fresh("s9-real")?;
        repository.tree.write_to(&feed)?;
        bench.stage.serve_directory(&feed)?;
        let bytes = bytes_per_package(&synced(bench, "s9")?)?;
        report.row(row.measured(bytes, format!("{} packages", repository.packages.len()), "-"));
    }
    membership(bench, report)
}

fn synced(bench: &Bench<'_>, name: &str) -> Result<Mirror> {
    let mirror = bench.stage.mirror(name, &[])?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    Ok(mirror)
}

const PACKAGES: &str = "SELECT count(*) FROM member WHERE kind = 'package' AND removed_in > ?1";
const NEVER: i64 = i64::MAX - 1;

/// Packages of the newest revision.
pub(super) fn packages(mirror: &Mirror) -> Result<i64> {
    Database::open(&mirror.database())?.count(PACKAGES, &[NEVER])
}

fn bytes_per_package(mirror: &Mirror) -> Result<f64> {
    let packages = packages(mirror)?;
    ensure!(packages > 0, "the catalog has no packages");
    Ok(Database::open(&mirror.database())?.bytes()? as f64 / packages as f64)
}

/// How often a feed goes back and forth.
const TURNS: usize = 10;

/// Between two states whose packages the catalog knows, only memberships are written.
fn membership(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let set: &DataSet = &bench.deep;
    let mirror = super::difference::two_revisions(bench, set)?;
    let mut database = Database::open(&mirror.database())?;
    let rows = "SELECT count(*) + count(*) FILTER (WHERE removed_in <= ?1) FROM member WHERE kind = 'package'";
    let (bytes, before) = (database.bytes()?, database.count(rows, &[NEVER])?);
    for turn in 0..TURNS {
        let state = if turn % 2 == 0 { State::One } else { State::Two };
        bench.stage.serve(set, state)?;
        mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    }
    let changes = database.count(rows, &[NEVER])? - before;
    let more = database.bytes()? - bytes;
    let row = Row::at_most("S9", "catalog bytes for each change of membership", Unit::Bytes, 200.0);
    report.row(row.measured(
        more as f64 / changes as f64,
        format!("{more} B for {changes} packages that came or left"),
        "-",
    ));
    Ok(())
}

const HASH: &str = "sha256sum, two processes";

/// S15: reading every blob.
pub(super) fn verify(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    bench.stage.serve(&bench.deep, State::One)?;
    let mirror = synced(bench, "s15")?;
    let mut bytes = 0;
    walk(&mirror.pool(), &mut |_, metadata| bytes += metadata.len())?;
    let mut series = Series::default();
    for _ in 0..super::sync::SHORT * bench.stage.pairs {
        let command = mirror.command(&["--quiet", "pool", "verify"]);
        series.push(OURS, bench.stage.measure("s15", &command)?);
        series.push(HASH, bench.stage.measure("s15-hash", &hash(&mirror.pool()))?);
    }
    let rounds = series.of(OURS).iter().zip(series.of(HASH));
    let faster = median(rounds.map(|(ours, theirs)| wall(theirs) / wall(ours)));
    let row = Row::at_least("S15", "pool verify, bytes per second", Unit::Ratio, 0.9);
    report.row(row.measured(faster, seconds(&series, OURS), named(&series, HASH, seconds)));
    let speed = bytes as f64 / 1e6 / series.median(OURS, wall);
    report.remark(format!("S15: {:.0} MB at {speed:.0} MB/s", bytes as f64 / 1e6));
    report.samples("S15 pool verify", series);
    Ok(())
}
