//! The query language of listings: `name=nginx arch=x86_64 version>=1.20 summary~"*web server*"`.
//!
//! Terms stand side by side and must all hold. A term is a field, an operator and a value, or a bare word, which looks
//! for a text in name and version; one with `~` in it is a version's, unless a field or letters alone stand before that.
//! Values with blanks or operators in them stand in quotes, where `\` takes the next character as it is. What a version
//! is compared by is the caller's: only a format knows its order.

mod glob;
mod parse;
mod term;
#[cfg(test)]
mod tests;

pub use parse::QueryError;
pub use term::Field;

use std::borrow::Cow;
use std::fmt;

use chantal_model::Comparison;

use term::Term;

/// What a query looks at.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The repository that holds it.
    pub repo: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its version as users write it.
    pub version: &'a str,
    /// Its architecture.
    pub arch: &'a str,
    /// One line about it.
    pub summary: &'a str,
    /// Its published path.
    pub path: &'a str,
    /// Its digest in hexadecimal digits.
    pub sha256: &'a str,
    /// Its size in bytes.
    pub size: u64,
}

/// What the format of a package knows about its versions.
pub trait Versions {
    /// Whether a version is what was asked for; the wanted one may leave parts out, as its format allows.
    fn satisfies(&self, have: &str, comparison: Comparison, wanted: &str) -> bool;

    /// A version as a pattern is held against it: without the leading parts that the pattern leaves out.
    fn beside<'v>(&self, have: &'v str, pattern: &str) -> Cow<'v, str>;
}

/// Versions that are compared by a function, and have no parts that people leave out.
impl<F: Fn(&str, Comparison, &str) -> bool> Versions for F {
    fn satisfies(&self, have: &str, comparison: Comparison, wanted: &str) -> bool {
        self(have, comparison, wanted)
    }

    fn beside<'v>(&self, have: &'v str, _: &str) -> Cow<'v, str> {
        have.into()
    }
}

/// Terms that must all hold. Without any, everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is not understood, and the column where it stands.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::terms(text).map(|terms| Self { terms })
    }

    /// The query that looks for a text in name and version; `*` stands for any text.
    pub fn text(text: &str) -> Self {
        Self {
            terms: vec![Term::text(text)],
        }
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a field is asked about.
    pub fn mentions(&self, field: Field) -> bool {
        self.terms.iter().any(|term| term.field() == Some(field))
    }

    /// Whether all terms hold.
    pub fn matches(&self, row: &Row<'_>, versions: &dyn Versions) -> bool {
        self.terms.iter().all(|term| term.matches(row, versions))
    }

    /// The words that a field must be, by terms that are not negated.
    pub fn words(&self, field: Field) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(move |term| term.word(field))
    }

    /// Whether text that may also be a name is a query: it has blanks, quotes, stars, or an operator that no name and no
    /// version has, or begins with a field and an operator.
    pub fn is_meant(text: &str) -> bool {
        text.contains(|c: char| c.is_whitespace() || "\"'".contains(c))
            || text.contains(|c| "*?=<>!".contains(c)) && !text.contains('@')
            || parse::begins_with_field(text)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{term}")?;
        }
        Ok(())
    }
}
