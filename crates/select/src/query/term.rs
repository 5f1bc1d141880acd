//! One condition of a query.

use std::fmt;

use chantal_model::Comparison;

use super::glob::Glob;
use super::{Row, Versions};

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The repository's id.
    Repo,
    /// The package's name.
    Name,
    /// Its version, compared as its format does.
    Version,
    /// Its architecture.
    Arch,
    /// One line about it.
    Summary,
    /// Its published path.
    Path,
    /// Its digest.
    Sha256,
    /// Its size in bytes; `K`, `M`, `G` and `T` count in 1024s.
    Size,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 8] = [
        Self::Name,
        Self::Version,
        Self::Arch,
        Self::Summary,
        Self::Path,
        Self::Size,
        Self::Sha256,
        Self::Repo,
    ];

    /// The field of a word in queries.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The word in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Name => "name",
            Self::Version => "version",
            Self::Arch => "arch",
            Self::Summary => "summary",
            Self::Path => "path",
            Self::Sha256 => "sha256",
            Self::Size => "size",
        }
    }

    /// Whether its values have an order.
    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Self::Version | Self::Size)
    }

    fn of<'a>(self, row: &Row<'a>) -> &'a str {
        match self {
            Self::Repo => row.repo,
            Self::Name => row.name,
            Self::Version => row.version,
            Self::Arch => row.arch,
            Self::Summary => row.summary,
            Self::Path => row.path,
            Self::Sha256 => row.sha256,
            Self::Size => "",
        }
    }
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is this word.
    Is(String),
    /// It looks so.
    Like(Glob),
    /// It is a version that compares so.
    Version(Comparison, String),
    /// It is a number of bytes that compares so.
    Size(Comparison, u64),
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Name or version holds a text.
    Text(String, Glob),
    /// A field is as wanted, or, negated, is not.
    Field {
        field: Field,
        negated: bool,
        wanted: Wanted,
    },
}

impl Term {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned(), Glob::new(&format!("*{text}*")))
    }

    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Text(..) => None,
            Self::Field { field, .. } => Some(*field),
        }
    }

    /// The word that a field must be.
    pub(super) fn word(&self, of: Field) -> Option<&str> {
        match self {
            Self::Field {
                field,
                negated: false,
                wanted: Wanted::Is(word),
            } if *field == of => Some(word),
            _ => None,
        }
    }

    pub(super) fn matches(&self, row: &Row<'_>, versions: &dyn Versions) -> bool {
        match self {
            Self::Text(_, glob) => glob.matches(row.name) || glob.matches(row.version),
            Self::Field { field, negated, wanted } => {
                let value = field.of(row);
                let holds = match wanted {
                    Wanted::Is(word) if *field == Field::Sha256 => value.eq_ignore_ascii_case(word),
                    Wanted::Is(word) => value == word,
                    Wanted::Like(glob) if *field == Field::Version => {
                        glob.matches(&versions.beside(value, &glob.to_string()))
                    }
                    Wanted::Like(glob) => glob.matches(value),
                    Wanted::Version(comparison, version) => versions.satisfies(value, *comparison, version),
                    Wanted::Size(comparison, size) => comparison.holds(row.size.cmp(size)),
                };
                holds != *negated
            }
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, negated, wanted) = match self {
            Self::Text(text, _) => return write!(f, "{}", Quoted(text)),
            Self::Field { field, negated, wanted } => (field.name(), *negated, wanted),
        };
        let not = if negated { "!" } else { "" };
        match wanted {
            Wanted::Is(word) => write!(f, "{field}{not}={}", Quoted(word)),
            Wanted::Like(glob) => write!(f, "{field}{not}~{}", Quoted(&glob.to_string())),
            Wanted::Version(comparison, version) => write!(f, "{field}{not}{comparison}{}", Quoted(version)),
            Wanted::Size(comparison, size) => write!(f, "{field}{not}{comparison}{size}"),
        }
    }
}

/// A value in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            let escape = if matches!(c, '"' | '\\') { "\\" } else { "" };
            write!(f, "{escape}{c}")?;
        }
        f.write_str("\"")
    }
}
