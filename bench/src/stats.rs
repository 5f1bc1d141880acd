//! Medians, and series of samples.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::Sample;

/// Median of some figures; not a number if there are none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

/// Samples of each competitor, round by round.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Series(pub(crate) BTreeMap<String, Vec<Sample>>);

impl Series {
    /// Adds the sample of a round.
    pub(crate) fn push(&mut self, who: &str, sample: Sample) {
        self.0.entry(who.to_owned()).or_default().push(sample);
    }

    /// The samples of a competitor.
    pub(crate) fn of(&self, who: &str) -> &[Sample] {
        self.0.get(who).map_or(&[], Vec::as_slice)
    }

    /// Median of one figure of a competitor.
    pub(crate) fn median(&self, who: &str, figure: fn(&Sample) -> f64) -> f64 {
        median(self.of(who).iter().map(figure))
    }

    /// Median over the rounds of `ours / peer`, both of the same round.
    pub(crate) fn ratio(&self, ours: &str, peer: &str, figure: fn(&Sample) -> f64) -> f64 {
        let rounds = self.of(ours).iter().zip(self.of(peer));
        median(rounds.map(|(ours, peer)| figure(ours) / figure(peer)))
    }
}

/// Wall seconds of a sample.
pub(crate) fn wall(sample: &Sample) -> f64 {
    sample.wall
}

/// CPU seconds of a sample.
pub(crate) fn cpu(sample: &Sample) -> f64 {
    sample.cpu
}

/// Peak MiB of a sample.
pub(crate) fn rss_mib(sample: &Sample) -> f64 {
    sample.rss_kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_ratio_compares_the_runs_of_one_round() {
        let mut series = Series::default();
        for (ours, peer) in [(1.0, 2.0), (10.0, 20.0), (3.0, 3.0)] {
            let sample = |wall| Sample {
                wall,
                ..Sample::default()
            };
            series.push("ours", sample(ours));
            series.push("peer", sample(peer));
        }
        assert!((series.ratio("ours", "peer", wall) - 0.5).abs() < 1e-9);
    }
}
