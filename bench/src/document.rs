//! The part of `docs/performance.md` that a run writes; what is outside of its two markers stays.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use crate::report::Report;
use crate::stats::{Series, cpu, median, rss_mib, wall};

/// Stands before the part of a run.
pub(crate) const BEGIN: &str = "<!-- measured: begin; written by `make bench` -->";
/// Stands after it.
pub(crate) const END: &str = "<!-- measured: end -->";

/// What is known about a run beside its figures.
pub(crate) struct Circumstances {
    pub(crate) date: String,
    pub(crate) machine: String,
    pub(crate) command: String,
    pub(crate) tools: Vec<(String, String)>,
    pub(crate) data: Vec<String>,
    pub(crate) pairs: usize,
}

/// Puts the measured part into the document.
pub(crate) fn insert(document: &str, part: &str) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("the document has no line {BEGIN}"))?;
    let (old, after) = rest
        .split_once(END)
        .with_context(|| format!("the document has no line {END}"))?;
    ensure!(!old.contains(BEGIN), "the document has two lines {BEGIN}");
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", part.trim()))
}

/// The measured part.
pub(crate) fn render(circumstances: &Circumstances, report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## Measured on {}\n", circumstances.date);
    let _ = writeln!(out, "{}.\n", circumstances.machine);
    let _ = writeln!(
        out,
        "`{}`, {} rounds. Versions:\n",
        circumstances.command, circumstances.pairs
    );
    for (name, version) in &circumstances.tools {
        let _ = writeln!(out, "- {name}: {version}");
    }
    let _ = writeln!(out, "\nRepositories:\n");
    for line in &circumstances.data {
        let _ = writeln!(out, "- {line}");
    }
    bars(&mut out, report);
    if !report.remarks.is_empty() {
        let _ = writeln!(out, "\nFurther figures:\n");
        for remark in &report.remarks {
            let _ = writeln!(out, "- {remark}");
        }
    }
    samples(&mut out, report);
    out
}

fn bars(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "\n### Bars\n\n| bar | what | chantal | against | measured | reach | stretch | met |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for row in &report.rows {
        let met = match row.is_met() {
            Some(true) if row.is_stretched() => "yes, and stretch",
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {met} |",
            row.bar,
            row.what,
            row.ours,
            row.peer,
            row.shown().replace('|', "\\|").replace('\n', " "),
            row.bar_shown(Some(row.reach)),
            row.bar_shown(row.stretch),
        );
    }
}

fn samples(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "\n### Samples\n\nMedian, least and most of the rounds; CPU is user and system together, memory the peak of the \
         largest process.\n\n| series | who | runs | wall s | least | most | CPU s | least | most | MiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (name, series) in &report.series {
        for who in series.0.keys() {
            row(out, name, series, who);
        }
    }
}

fn row(out: &mut String, name: &str, series: &Series, who: &str) {
    let samples = series.of(who);
    let three = |figure: fn(&_) -> f64| {
        let figures = || samples.iter().map(figure);
        let (least, most) = (figures().fold(f64::MAX, f64::min), figures().fold(0.0, f64::max));
        format!("{:.4} | {least:.4} | {most:.4}", median(figures()))
    };
    let memory = samples.iter().map(rss_mib).fold(0.0, f64::max);
    let _ = writeln!(
        out,
        "| {name} | {who} | {} | {} | {} | {memory:.1} |",
        samples.len(),
        three(wall),
        three(cpu)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let document = format!("# Title\n\nby hand\n\n{BEGIN}\nold\n{END}\n\nmore by hand\n");
        let inserted = insert(&document, "new\n").unwrap();
        assert_eq!(
            inserted,
            format!("# Title\n\nby hand\n\n{BEGIN}\n\nnew\n\n{END}\n\nmore by hand\n")
        );
        assert_eq!(insert(&inserted, "new").unwrap(), inserted);
        assert!(insert("no markers", "new").is_err());
    }
}
