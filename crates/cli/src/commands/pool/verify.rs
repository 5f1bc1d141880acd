//! `chantal pool verify`.

use chantal_engine::{Access, Share, VerifyOptions, VerifyReport};
use clap::Args;

use super::PROBLEMS;
use crate::app::App;
use crate::commands::Wait;
use crate::exit::{self, Outcome};
use crate::output::human::{bytes, counted};
use crate::output::{Column, Show, column};

/// Compares every blob with its name and every published file with its blob; exit 8 if something is wrong
///
/// Finds blobs that are missing, truncated, altered, unreadable, no files, or of the wrong mode or owner, foreign files in
/// the pool, and published files that are missing, altered or writable. Each is listed with the repositories, snapshots
/// and published trees that it concerns.
///
/// With --repair, what is damaged or foreign moves to `quarantine/` in the pool; nothing is deleted. Bytes come again from
/// a published tree that has them whole, from the feed, or from generating metadata again, and every tree that linked the
/// damaged file is linked anew. Exit 0 if all of it could be made good; else each line says why not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal pool verify
  chantal pool verify --read-data-subset 5%
  chantal pool verify --read-data-subset 1/7
  chantal pool verify --repair")]
pub(crate) struct Verify {
    /// Reads a share of the blobs: `5%` goes on where the last such run ended, so that runs together read all; `1/7` is
    /// the first of seven parts. Whether all are there, in their size and mode, is looked at in any case
    #[arg(long, value_name = "N%|N/T", value_parser = share)]
    read_data_subset: Option<Share>,
    /// Makes good what can be made good
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    wait: Wait,
}

const REPAIRED: &[Column] = &[
    column("Kind", "kind", Show::Text),
    column("Blob", "blob", Show::Text),
    column("Published file", "path", Show::Text),
    column("Used by", "used_by", Show::List),
    column("Repaired", "repaired", Show::Flag),
    column("Outcome", "outcome", Show::Text),
];

/// Reads `N%` or `N/T`.
fn share(text: &str) -> Result<Share, String> {
    let wrong = || "expected a percentage such as `5%`, or a part such as `1/7`".to_owned();
    if let Some(number) = text.strip_suffix('%') {
        let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
        if percent > 0.0 && percent <= 100.0 {
            return Ok(Share::Percent(percent));
        }
        return Err("the percentage must be above 0 and at most 100".to_owned());
    }
    let (number, of) = text.split_once('/').ok_or_else(wrong)?;
    let number: u32 = number.trim().parse().map_err(|_| wrong())?;
    let of: u32 = of.trim().parse().map_err(|_| wrong())?;
    if (1..=of).contains(&number) {
        return Ok(Share::Part(number, of));
    }
    Err(format!("parts are numbered from 1 to {of}"))
}

impl Verify {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let access = if self.repair { Access::Write } else { Access::Read };
        let report = app
            .engine(access)
            .await?
            .verify(VerifyOptions {
                share: self.read_data_subset.unwrap_or_default(),
                repair: self.repair,
                wait: self.wait.duration(),
            })
            .await?;
        app.output
            .rows(&report.problems, if self.repair { REPAIRED } else { PROBLEMS })?;
        say(app, &report, self.repair);
        Ok(match report.remaining() {
            0 if report.failed => exit::PARTIAL,
            0 => exit::OK,
            _ => exit::DAMAGED,
        })
    }
}

fn say(app: &App, report: &VerifyReport, repair: bool) {
    for left in &report.left {
        app.talk.say(&format!("not looked at: {left}"));
    }
    for note in &report.notes {
        app.talk.say(note);
    }
    let found = match report.problems.len() {
        0 => "nothing found".to_owned(),
        found => counted(found as u64, "problem") + " found",
    };
    let repaired = report.problems.len() - report.remaining();
    let repaired = if repair && !report.problems.is_empty() {
        format!(", {repaired} repaired, {} left", report.remaining())
    } else {
        String::new()
    };
    app.talk.say(&format!(
        "{found}{repaired}; {} looked at, {} of them ({}) read",
        counted(report.blobs, "blob"),
        report.read,
        bytes(report.read_bytes)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_part() {
        assert_eq!(share("5%"), Ok(Share::Percent(5.0)));
        assert_eq!(share("0.5%"), Ok(Share::Percent(0.5)));
        assert_eq!(share("1/7"), Ok(Share::Part(1, 7)));
        for wrong in ["", "5", "0%", "101%", "-1%", "NaN%", "0/7", "8/7", "1/0", "a/b", "1/"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
