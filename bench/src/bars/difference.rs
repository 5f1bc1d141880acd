//! S5: rows that a difference of two states visits.
//!
//! SQLite as built here cannot count visited rows itself, so they are counted from outside: the statements are those
//! that the program logs, their plans are SQLite's own, and for each index range that a plan names the rows in it are
//! counted: one of the table for each, and one more for each further table that the plan looks up.

use anyhow::{Context, Result, bail, ensure};

use super::Bench;
use crate::data::{DataSet, State};
use crate::database::Database;
use crate::mirror::{Mirror, REPOSITORY};
use crate::report::{Report, Row, Unit};

/// S5: the difference of two revisions.
pub(super) fn visited(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let set = bench.wide[1].as_ref().or(bench.wide[0].as_ref()).unwrap_or(&bench.deep);
    let mirror = two_revisions(bench, set)?;
    let (reported, log) = difference(&mirror)?;
    let mut database = Database::open(&mirror.database())?;
    let line = database.count("SELECT id FROM line WHERE kind = 'main'", &[])?;
    let (mut rows, mut scans, mut plans) = (0, 0, Vec::new());
    for statement in statements(&log) {
        if !statement.contains("member") {
            continue;
        }
        let plan = database.plan(&statement)?;
        scans += plan.iter().filter(|step| step.starts_with("SCAN")).count();
        rows += rows_of(&mut database, &plan, line)?;
        plans.push(plan.join("; "));
    }
    ensure!(
        !plans.is_empty(),
        "the log of the difference has no statement about members:\n{log}"
    );
    let what = format!("snapshot diff, 1 % of {} packages changed", set.packages);
    let row = Row::at_most(
        "S5",
        format!("{what}: rows visited for each reported"),
        Unit::Figure,
        4.0,
    )
    .stretch(2.0);
    report.row(row.measured(
        rows as f64 / reported as f64,
        format!("{rows} rows"),
        format!("{reported} reported"),
    ));
    let row = Row::at_most("S5", format!("{what}: scans of a whole table"), Unit::Count, 0.0);
    report.row(row.measured(scans as f64, scans.to_string(), "-"));
    report.remark(format!("S5: plans of the difference: {}", plans.join(" / ")));
    Ok(())
}

/// A mirror that saw both states of a feed.
pub(super) fn two_revisions(bench: &Bench<'_>, set: &DataSet) -> Result<Mirror> {
    bench.stage.serve(set, State::One)?;
    let mirror = bench.stage.mirror("s5", &[])?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    bench.stage.serve(set, State::Two)?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    Ok(mirror)
}

/// Packages that left and that came, and the statements in the log.
fn difference(mirror: &Mirror) -> Result<(i64, String)> {
    let arguments = ["--format", "json", "snapshot", "diff", REPOSITORY, "r1", "r2"];
    let mut command = mirror.command(&arguments);
    let output = command
        .env("CHANTAL_LOG", "sql=debug")
        .output()
        .context("start chantal")?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "snapshot diff failed: {log}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let of = |key: &str| said["counts"][key].as_i64().unwrap_or(0);
    // What is in both states, but another one there, is a package that left and one that came.
    let reported = of("added") + of("removed") + 2 * (of("upgraded") + of("downgraded") + of("rebuilt"));
    ensure!(reported > 0, "the difference reports nothing: {said}");
    Ok((reported, log))
}

/// Statements as the log has them, each at the end of its line.
fn statements(log: &str) -> Vec<String> {
    log.lines()
        .filter_map(|line| line.split_once("statement=\"")?.1.strip_suffix('"'))
        .map(|text| text.replace("\\n", "\n").replace("\\\"", "\""))
        .collect()
}

/// Rows that a plan visits: those of its range of members, times the tables of each.
fn rows_of(database: &mut Database, plan: &[String], line: i64) -> Result<i64> {
    let first = plan.first().context("a statement has no plan")?;
    // What a subquery looks up is looked up for the few rows that all other conditions leave.
    let looked_up = plan[1..].iter().take_while(|step| step.starts_with("SEARCH")).count() as i64;
    let Some(range) = first.split_once('(').and_then(|(_, rest)| rest.split_once(')')) else {
        bail!("the first step of a plan is no search: {first}");
    };
    // Revision 1 and 2 are the only ones, so both bounds are known.
    let conditions: Vec<String> = range
        .0
        .split(" AND ")
        .map(|condition| match condition {
            "kind=?" => Ok("kind = 'advisory'".to_owned()),
            "line_id=?" => Ok(format!("line_id = {line}")),
            "added_in>?" | "removed_in>?" => Ok(condition.replace('?', "1")),
            "added_in<?" | "removed_in<?" => Ok(condition.replace("<?", "<=2")),
            other => bail!("a condition that is not known: {other} in {first}"),
        })
        .collect::<Result<_>>()?;
    let inside = database.count(
        &format!("SELECT count(*) FROM member WHERE {}", conditions.join(" AND ")),
        &[],
    )?;
    Ok(inside * (1 + looked_up))
}
