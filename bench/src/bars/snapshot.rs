//! S4 and S5: snapshots and their differences.

use anyhow::Result;

use super::Bench;
use crate::data::{DataSet, State};
use crate::database::{Database, added};
use crate::mirror::REPOSITORY;
use crate::report::{Report, Row, Unit};

/// What making a snapshot wrote.
struct Written {
    rows: i64,
    pages: u64,
}

fn write_snapshot(bench: &Bench<'_>, set: &DataSet) -> Result<Written> {
    let stage = bench.stage;
    stage.serve(set, State::One)?;
    let mirror = stage.mirror("s4", &[])?;
    mirror.run(&["--quiet", "repo", "sync", REPOSITORY])?;
    let mut database = Database::open(&mirror.database())?;
    database.checkpoint()?;
    let before = database.rows()?;
    mirror.run(&["--quiet", "snapshot", "create", REPOSITORY, "--name", "first"])?;
    let rows = added(&before, &database.rows()?);
    Ok(Written {
        rows,
        pages: database.wal_pages()?,
    })
}

/// S4: making a snapshot.
pub(super) fn create(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let small = bench.wide[0].as_ref().unwrap_or(&bench.deep);
    let sets = [Some(small), bench.wide[1].as_ref()];
    let mut pages = Vec::new();
    for set in sets.into_iter().flatten() {
        let written = write_snapshot(bench, set)?;
        let what = format!("snapshot create: rows written, {} packages", set.packages);
        let row = Row::at_most("S4", what, Unit::Count, 3.0);
        report.row(row.measured(written.rows as f64, written.rows.to_string(), "-"));
        pages.push(written.pages);
    }
    let row = Row::at_most(
        "S4",
        "snapshot create: WAL pages, 100,000 more than 10,000",
        Unit::Count,
        1.0,
    );
    report.row(match pages[..] {
        [small, large] => row.measured(
            large.saturating_sub(small) as f64,
            format!("{large} pages"),
            format!("{small} pages"),
        ),
        _ => row.missing("a quick run has no large repository"),
    });
    report.remark(format!("S4: pages that a snapshot writes to the log: {pages:?}"));
    Ok(())
}
