//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up.
    Counter,
    /// Sum and count of observations.
    Summary,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Summary => "summary",
        }
    }
}

/// Label names with their values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Families of numbers, one after the other.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// A family whose samples are being written. One without any leaves no trace.
pub(super) struct Family<'e> {
    exposition: &'e mut Exposition,
    name: &'static str,
    head: Option<(Kind, &'static str)>,
}

impl Exposition {
    /// Begins a family.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &'static str) -> Family<'_> {
        Family {
            exposition: self,
            name,
            head: Some((kind, help)),
        }
    }

    /// A gauge with one sample and no labels.
    pub(super) fn number(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(Kind::Gauge, name, help).sample(&[], value);
    }

    /// Everything that was written.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// Adds a sample whose name goes on, such as `_sum`.
    pub(super) fn suffixed(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        let (text, name) = (&mut self.exposition.text, self.name);
        if let Some((kind, help)) = self.head.take() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        }
        let _ = write!(text, "{name}{suffix}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{label}=\"");
            escape(text, value);
            text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{end} {value}");
    }
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

/// Milliseconds as seconds.
pub(super) fn seconds(milliseconds: i64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_a_family_without_samples_leaves_no_trace() {
        let mut text = Exposition::default();
        text.family(Kind::Gauge, "chantal_none", "Nothing.");
        let mut family = text.family(Kind::Summary, "chantal_run_seconds", "Times.");
        family.suffixed("_sum", &[("a", "x\"\\\ny"), ("b", "")], seconds(1_002));
        family.suffixed("_count", &[("a", "ü")], 3);
        text.number("chantal_one", "One.", 1);
        assert_eq!(
            text.finish(),
            "# HELP chantal_run_seconds Times.\n# TYPE chantal_run_seconds summary\n\
             chantal_run_seconds_sum{a=\"x\\\"\\\\\\ny\",b=\"\"} 1.002\n\
             chantal_run_seconds_count{a=\"ü\"} 3\n\
             # HELP chantal_one One.\n# TYPE chantal_one gauge\nchantal_one 1\n"
        );
    }
}
