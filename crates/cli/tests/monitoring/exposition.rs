//! A strict reader of the text format of Prometheus, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    samples: Vec<(String, Labels, f64)>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, Family>);

impl Exposition {
    /// Reads a text and panics at whatever a strict reader would refuse.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line does not end");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current: Option<String> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !help.is_empty(), "{line}");
                let family = Family {
                    help: help.to_owned(),
                    ..Family::default()
                };
                assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                current = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(current.as_deref(), Some(name), "TYPE does not follow HELP: {line}");
                assert!(["gauge", "counter", "summary"].contains(&kind), "{line}");
                let family = families.get_mut(name).unwrap();
                assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
                kind.clone_into(&mut family.kind);
            } else {
                let name = current.clone().expect(line);
                families.get_mut(&name).unwrap().add(&name, line);
            }
        }
        for (name, family) in &families {
            assert!(!family.samples.is_empty(), "{name} has no samples");
            assert_eq!(
                family.kind == "counter",
                name.ends_with("_total"),
                "{name} is a {}",
                family.kind
            );
        }
        Self(families)
    }

    /// The value of a series; `None` if there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let family = self.0.iter().find(|(family, _)| {
            *family == name || name.strip_suffix("_sum") == Some(family) || name.strip_suffix("_count") == Some(family)
        })?;
        let found = family.1.samples.iter().find(|(n, l, _)| n == name && *l == labels);
        found.map(|(_, _, value)| *value)
    }

    /// Every series, by name and labels.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        let samples = self.0.values().flat_map(|family| &family.samples);
        samples.map(|(name, labels, _)| format!("{name} {labels:?}")).collect()
    }

    /// The values of one label in a family.
    pub(crate) fn labels(&self, name: &str, label: &str) -> Vec<String> {
        let family = self.0.get(name).map(|family| &family.samples[..]).unwrap_or_default();
        family.iter().map(|(_, labels, _)| labels[label].clone()).collect()
    }
}

impl Family {
    #[track_caller]
    fn add(&mut self, family: &str, line: &str) {
        let (name, labels, rest) = match line.find(['{', ' ']) {
            Some(at) if line[at..].starts_with('{') => {
                let (labels, rest) = labels(&line[at + 1..]);
                (&line[..at], labels, rest)
            }
            Some(at) => (&line[..at], Labels::new(), &line[at..]),
            None => panic!("{line}"),
        };
        let suffixes: &[&str] = if self.kind == "summary" {
            &["_sum", "_count"]
        } else {
            &[""]
        };
        assert!(
            suffixes.iter().any(|suffix| name == format!("{family}{suffix}")),
            "{line} in {family}"
        );
        let value = rest.strip_prefix(' ').expect(line);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(self.kind == "gauge" || value >= 0.0, "{line}");
        let is_new = self.samples.iter().all(|(n, l, _)| n != name || *l != labels);
        assert!(is_new, "the same series twice: {line}");
        self.samples.push((name.to_owned(), labels, value));
    }
}

/// Reads labels up to the closing brace; gives what follows it.
#[track_caller]
fn labels(text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").expect(text);
        assert!(is_name(name) && !name.contains(':'), "{text}");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect(text) {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().expect(text).1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("unknown escape {other:?} in {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{text}");
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (labels, rest.strip_prefix('}').expect(text)),
        }
    }
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[test]
fn the_reader_refuses_what_is_wrong() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let good = format!("{head}a_total{{x=\"\\\\\\\"\\n\"}} 1\n");
    assert_eq!(Exposition::read(&good).value("a_total", &[("x", "\\\"\n")]), Some(1.0));
    for wrong in [
        "a 1\n".to_owned(),
        head.to_owned(),
        format!("{head}a_total 1"),
        format!("{head}a_total one\n"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total -1\n"),
        format!("{head}a_total 1\na_total 2\n"),
        format!("{head}a_total{{x=\"1}} 1\n"),
        format!("{head}a_total{{x=\"\\q\"}} 1\n"),
        format!("{head}a_total{{1=\"1\"}} 1\n"),
        format!("{head}a_total{{x=\"1\",x=\"2\"}} 1\n"),
        format!("{head}a_total 1\n{head}a_total 1\n"),
        "# HELP a A.\n# TYPE a counter\na 1\n".to_owned(),
    ] {
        let refused = std::panic::catch_unwind(|| Exposition::read(&wrong));
        assert!(refused.is_err(), "{wrong}");
    }
}
