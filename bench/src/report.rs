//! What was measured, against which bar.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stats::Series;

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Ours divided by theirs.
    Ratio,
    /// A whole number of something.
    Count,
    /// Rows visited for each that is reported, and the like.
    Figure,
    MiB,
    Bytes,
}

/// On which side of the bar the figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Side {
    AtMost,
    AtLeast,
}

/// One bar and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) bar: &'static str,
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) peer: String,
    /// Nothing: not measured.
    pub(crate) figure: Option<f64>,
    pub(crate) unit: Unit,
    pub(crate) side: Side,
    pub(crate) reach: f64,
    pub(crate) stretch: Option<f64>,
    /// Why it was not measured.
    pub(crate) missing: Option<String>,
}

impl Row {
    /// A bar that the figure must not be above.
    pub(crate) fn at_most(bar: &'static str, what: impl Into<String>, unit: Unit, reach: f64) -> Self {
        Self {
            bar,
            what: what.into(),
            ours: String::new(),
            peer: String::new(),
            figure: None,
            unit,
            side: Side::AtMost,
            reach,
            stretch: None,
            missing: None,
        }
    }

    /// A bar that the figure must not be below.
    pub(crate) fn at_least(bar: &'static str, what: impl Into<String>, unit: Unit, reach: f64) -> Self {
        Self {
            side: Side::AtLeast,
            ..Self::at_most(bar, what, unit, reach)
        }
    }

    pub(crate) fn stretch(mut self, stretch: f64) -> Self {
        self.stretch = Some(stretch);
        self
    }

    /// What came of it.
    pub(crate) fn measured(mut self, figure: f64, ours: impl Into<String>, peer: impl Into<String>) -> Self {
        self.figure = Some(figure).filter(|figure| figure.is_finite());
        if self.figure.is_none() {
            self.missing = Some("no samples".into());
        }
        self.ours = ours.into();
        self.peer = peer.into();
        self
    }

    /// Why nothing came of it.
    pub(crate) fn missing(mut self, why: impl Into<String>) -> Self {
        self.missing = Some(why.into());
        self
    }

    /// Whether the bar is met; nothing if it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.figure.map(|figure| self.holds(figure, self.reach))
    }

    /// Whether the stretch is met.
    pub(crate) fn is_stretched(&self) -> bool {
        matches!((self.figure, self.stretch), (Some(figure), Some(stretch)) if self.holds(figure, stretch))
    }

    fn holds(&self, figure: f64, bar: f64) -> bool {
        // As shown: a ratio is told with two decimals.
        let figure = match self.unit {
            Unit::Ratio | Unit::Figure => (figure * 100.0).round() / 100.0,
            Unit::Count | Unit::MiB | Unit::Bytes => figure,
        };
        match self.side {
            Side::AtMost => figure <= bar,
            Side::AtLeast => figure >= bar,
        }
    }

    /// The figure in words.
    pub(crate) fn shown(&self) -> String {
        match (self.figure, &self.missing) {
            (Some(figure), _) => show(self.unit, figure),
            (None, Some(why)) => format!("not measured: {why}"),
            (None, None) => "not measured".into(),
        }
    }

    /// A bar in words.
    pub(crate) fn bar_shown(&self, bar: Option<f64>) -> String {
        let sign = if self.side == Side::AtMost { "≤" } else { "≥" };
        bar.filter(|bar| bar.is_finite())
            .map_or(String::new(), |bar| format!("{sign} {}", show(self.unit, bar)))
    }
}

fn show(unit: Unit, figure: f64) -> String {
    match unit {
        Unit::Ratio => format!("{figure:.2}x"),
        Unit::Count => format!("{figure:.0}"),
        Unit::Figure => format!("{figure:.2}"),
        Unit::MiB => format!("{figure:.1} MiB"),
        Unit::Bytes => format!("{figure:.0} B"),
    }
}

/// Everything that a run found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) series: BTreeMap<String, Series>,
    /// Further figures worth knowing, in words.
    pub(crate) remarks: Vec<String>,
}

impl Report {
    /// Adds a row and tells it.
    pub(crate) fn row(&mut self, row: Row) {
        let met = match row.is_met() {
            Some(true) if row.is_stretched() => "met, stretch too",
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "NOT MEASURED",
        };
        eprintln!(
            "{:4} {}: {} ({}), {met}",
            row.bar,
            row.what,
            row.shown(),
            row.bar_shown(Some(row.reach))
        );
        self.rows.push(row);
    }

    /// Notes that a bar could not be measured at all.
    pub(crate) fn failed(&mut self, bar: &'static str, error: &anyhow::Error) {
        self.row(Row::at_most(bar, "the measurement failed", Unit::Count, f64::NAN).missing(format!("{error:#}")));
    }

    /// Tells how many bars were met.
    pub(crate) fn summary(&self) {
        let count = |met| self.rows.iter().filter(|row| row.is_met() == met).count();
        eprintln!(
            "{} bars met, {} missed, {} not measured",
            count(Some(true)),
            count(Some(false)),
            count(None)
        );
    }

    /// Adds the samples of a bar.
    pub(crate) fn samples(&mut self, name: &str, series: Series) {
        self.series.insert(name.to_owned(), series);
    }

    /// Adds a remark and tells it.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("     {text}");
        self.remarks.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_missed_or_not_measured() {
        let row = || Row::at_most("S1", "x", Unit::Ratio, 1.5).stretch(1.2);
        assert_eq!(row().measured(1.4, "", "").is_met(), Some(true));
        assert!(!row().measured(1.4, "", "").is_stretched());
        assert!(row().measured(1.2, "", "").is_stretched());
        assert_eq!(row().measured(1.51, "", "").is_met(), Some(false));
        assert_eq!(row().measured(f64::NAN, "", "").is_met(), None);
        assert_eq!(row().missing("no curl").shown(), "not measured: no curl");
        assert_eq!(
            Row::at_least("S15", "x", Unit::Ratio, 0.9)
                .measured(0.89, "", "")
                .is_met(),
            Some(false)
        );
    }
}
