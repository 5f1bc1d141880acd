//! Filters that judge one package by itself.

use regex::Regex;

use crate::{Candidate, Verdict};

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
        (self.include.is_empty() || self.include.iter().any(|one| one == word))
            && !self.exclude.iter().any(|one| one == word)
    }
}

/// Compiled filters of a repository.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    /// Architectures, compared as words.
    pub architectures: Choice,
    /// Leave source packages out.
    pub exclude_sources: bool,
    /// Keep only the newest version of each name and architecture.
    pub only_latest: bool,
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

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
            && self.exclude.is_empty()
            && self.architectures == Choice::default()
            && !self.exclude_sources
            && !self.only_latest
    }

    pub(crate) fn judge(&self, candidate: &Candidate<'_>) -> Verdict {
        let matches = |patterns: &[Regex]| {
            patterns
                .iter()
                .any(|pattern| pattern.is_match(candidate.name) || pattern.is_match(candidate.full_name))
        };
        if candidate.is_source && self.exclude_sources {
            Verdict::Source
        } else if !self.architectures.allows(candidate.arch) {
            Verdict::Architecture
        } else if !self.include.is_empty() && !matches(&self.include) {
            // An exclude pattern is a veto, also where a bundle would bring the package in.
            if matches(&self.exclude) {
                Verdict::Excluded
            } else {
                Verdict::NotIncluded
            }
        } else if matches(&self.exclude) {
            Verdict::Excluded
        } else {
            Verdict::Chosen
        }
    }
}
