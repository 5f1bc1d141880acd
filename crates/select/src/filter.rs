//! Filters that judge one package by itself.

use chantal_model::Fields;
use regex::Regex;

use crate::{Candidate, Retention, Verdict};

/// An include and an exclude list of exact words. An empty include list lets everything in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these.
    pub include: Vec<String>,
    /// Never these.
    pub exclude: Vec<String>,
}

impl Choice {
    /// Whether a word passes.
    pub fn allows(&self, word: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|one| one == word)) && !self.denies(word)
    }

    fn denies(&self, word: &str) -> bool {
        self.exclude.iter().any(|one| one == word)
    }

    /// Whether a path of words that `:` divides passes; a word of a list means everything below it.
    pub fn allows_below(&self, path: &str) -> bool {
        let names = |one: &String| Self::names(one, path);
        (self.include.is_empty() || self.include.iter().any(names)) && !self.exclude.iter().any(names)
    }

    /// Whether a word of a list means a path, or something above it.
    pub(crate) fn names(word: &str, path: &str) -> bool {
        path.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

/// A choice by one of a package's [`Fields`]. A package without the field does not pass an include list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// Name of the field.
    pub field: String,
    /// Which texts pass.
    pub choice: Choice,
}

impl FieldChoice {
    fn denies(&self, fields: &Fields) -> bool {
        fields.get(&self.field).is_some_and(|text| self.choice.denies(text))
    }

    fn lets_in(&self, fields: &Fields) -> bool {
        let include = &self.choice.include;
        include.is_empty()
            || fields
                .get(&self.field)
                .is_some_and(|text| include.iter().any(|one| one == text))
    }
}

/// A range with both ends in it; an end that is not there is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T> {
    /// The least.
    pub min: Option<T>,
    /// The most.
    pub max: Option<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Self {
        Self { min: None, max: None }
    }
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether every value is in it.
    pub fn is_open(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    /// Whether a value is in it; what is not known is in an open range only.
    pub fn holds(&self, value: Option<T>) -> bool {
        match value {
            None => self.is_open(),
            Some(value) => self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max),
        }
    }
}

/// Compiled filters of a repository.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    pub(crate) include: Vec<Regex>,
    exclude: Vec<Regex>,
    /// Architectures, compared as words.
    pub architectures: Choice,
    /// Leave source packages out.
    pub exclude_sources: bool,
    /// Size in bytes.
    pub size_bytes: Range<u64>,
    /// Build time in seconds since 1970.
    pub build_time: Range<i64>,
    /// Choices by further fields.
    pub fields: Vec<FieldChoice>,
    /// Which bundles may come in, by their series or the beginning of it (see [`Choice::allows_below`]).
    pub bundles: Choice,
    /// Keep only so many versions of each series of what upstream lists; 0 keeps all.
    pub latest: usize,
    /// What stays although upstream drops it.
    pub retention: Retention,
}

/// A pattern that is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is not a regular expression")]
pub struct FilterError {
    /// The pattern.
    pub pattern: String,
    /// What the parser says about it.
    #[source]
    pub source: regex::Error,
}

impl Filters {
    /// Compiles patterns, which are searched anywhere in the name and in the full name.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let compile = |patterns: &[String]| {
            patterns
                .iter()
                .map(|pattern| {
                    Regex::new(pattern).map_err(|source| FilterError {
                        pattern: pattern.clone(),
                        source,
                    })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            include: compile(include)?,
            exclude: compile(exclude)?,
            ..Self::default()
        })
    }

    /// Whether every package that upstream lists is chosen, where it is in no bundle.
    pub fn are_open(&self) -> bool {
        let Self {
            include,
            exclude,
            architectures,
            exclude_sources,
            size_bytes,
            build_time,
            fields,
            bundles: _,
            latest,
            retention,
        } = self;
        include.is_empty()
            && exclude.is_empty()
            && *architectures == Choice::default()
            && !exclude_sources
            && size_bytes.is_open()
            && build_time.is_open()
            && fields.is_empty()
            && *latest == 0
            && !retention.looks_back()
    }

    /// Judges a package by itself.
    ///
    /// What is of no use here at all (source, architecture) comes first, then the exclude lists, which are vetoes, also
    /// where a bundle would bring the package in; include lists and ranges come last.
    pub(crate) fn judge(&self, candidate: &Candidate<'_>) -> Verdict {
        if candidate.is_source && self.exclude_sources {
            Verdict::Source
        } else if !self.architectures.allows(candidate.arch) {
            Verdict::Architecture
        } else if self.excluding(candidate).is_some() {
            Verdict::Excluded
        } else if self.denying(candidate).is_some() {
            Verdict::FieldExcluded
        } else if !self.include.is_empty() && !self.include.iter().any(|pattern| found(pattern, candidate)) {
            Verdict::NotIncluded
        } else if self.not_admitting(candidate).is_some() {
            Verdict::FieldNotIncluded
        } else if !self.size_bytes.holds(candidate.size_bytes) {
            Verdict::Size
        } else if !self.build_time.holds(candidate.build_time) {
            Verdict::BuildTime
        } else {
            Verdict::Chosen
        }
    }

    /// The exclude pattern that matches.
    pub fn excluding(&self, candidate: &Candidate<'_>) -> Option<&str> {
        let pattern = self.exclude.iter().find(|pattern| found(pattern, candidate));
        pattern.map(Regex::as_str)
    }

    /// The field whose exclude list names the package's text.
    pub fn denying(&self, candidate: &Candidate<'_>) -> Option<&FieldChoice> {
        self.fields.iter().find(|field| field.denies(candidate.fields))
    }

    /// The field whose include list does not let the package in.
    pub fn not_admitting(&self, candidate: &Candidate<'_>) -> Option<&FieldChoice> {
        self.fields.iter().find(|field| !field.lets_in(candidate.fields))
    }
}

pub(crate) fn found(pattern: &Regex, candidate: &Candidate<'_>) -> bool {
    pattern.is_match(candidate.name) || pattern.is_match(candidate.full_name)
}
