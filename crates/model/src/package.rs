//! Packages as every format describes them.

use std::fmt;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::landing::Promise;

/// A key whose byte order is a format's version order.
///
/// It is total: what a format cannot parse sorts before everything valid, then by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionKey(pub Box<[u8]>);

/// A version as its format writes it, with its sort key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// As users write it: RPM `[epoch:]version-release`, epoch 0 left out.
    pub text: Box<str>,
    /// Sorts as the format compares.
    pub key: VersionKey,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Further facts about a package that filters ask for: pairs of a field's name and its text, in one piece of memory.
///
/// A format names its fields (RPM: `license`, `vendor`, `group`, `epoch`); a fact that upstream does not state is not
/// there at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(Box<str>);

impl Fields {
    /// Divides a name from its text, and a pair from the next.
    const MARK: char = '\u{1f}';

    /// Packs pairs; empty texts are no facts, and the mark that divides pairs is taken out of them.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut packed = String::new();
        for (name, text) in pairs.into_iter().filter(|(_, text)| !text.is_empty()) {
            packed.extend(name.chars().chain([Self::MARK]));
            packed.extend(text.chars().filter(|letter| *letter != Self::MARK).chain([Self::MARK]));
        }
        Self(packed.into())
    }

    /// The text of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| *field == name).map(|(_, text)| text)
    }

    /// Every pair.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut words = self.0.split_terminator(Self::MARK);
        std::iter::from_fn(move || Some((words.next()?, words.next()?)))
    }

    /// The memory itself, for keeping it elsewhere.
    pub fn as_packed(&self) -> &str {
        &self.0
    }

    /// Takes back what [`Fields::as_packed`] gave.
    pub fn from_packed(packed: &str) -> Self {
        Self(packed.into())
    }
}

/// One installable unit that a feed lists.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: Box<str>,
    /// Its version.
    pub version: Version,
    /// Its architecture; a source package carries the format's word for that (RPM: `src`).
    pub arch: Arc<str>,
    /// Where upstream has it, relative to the feed or absolute, as metadata writes it (not yet checked).
    pub href: Box<str>,
    /// Another base URL that upstream names for this package (`xml:base`).
    pub base: Option<Box<str>>,
    /// Size and digests that upstream promises.
    pub promise: Promise,
    /// Digest over upstream's record without its location; with the bytes it makes the package's identity.
    pub description: Sha256,
    /// How other parts of the metadata name this package (RPM: the pkgid).
    pub part_key: Box<str>,
    /// Identity inside one repository as advisories and modules name it (RPM: `name-epoch:version-release.arch`).
    pub label: Box<str>,
    /// Whether this is a source package.
    pub is_source: bool,
    /// When it was built, in seconds since 1970, if upstream says so.
    pub build_time: Option<i64>,
    /// One line about it.
    pub summary: Box<str>,
    /// What else filters may ask for.
    pub fields: Fields,
}

/// What kind of thing a member of a repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// An installable unit with a blob.
    Package,
    /// A metadata file of upstream that is published as it is, with a blob.
    File,
    /// An erratum.
    Advisory,
    /// A package group, category or environment.
    Group,
    /// A module stream or another document about modules.
    Module,
    /// Anything else that rendering reads, such as the attributes of a document's root.
    Document,
}

impl ItemKind {
    /// Every kind, in order.
    pub const ALL: [Self; 6] = [
        Self::Package,
        Self::File,
        Self::Advisory,
        Self::Group,
        Self::Module,
        Self::Document,
    ];

    /// The word that the catalog stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::File => "file",
            Self::Advisory => "advisory",
            Self::Group => "group",
            Self::Module => "module",
            Self::Document => "document",
        }
    }

    /// Reads the catalog's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_was_packed_but_for_empty_ones() {
        let fields = Fields::new([
            ("license", "MIT and BSD"),
            ("vendor", ""),
            ("group", "a\u{1f}b"),
            ("epoch", "0"),
        ]);
        let pairs: Vec<_> = fields.iter().collect();
        assert_eq!(pairs, [("license", "MIT and BSD"), ("group", "ab"), ("epoch", "0")]);
        assert_eq!(fields.get("epoch"), Some("0"));
        assert_eq!(fields.get("vendor"), None);
        assert_eq!(Fields::from_packed(fields.as_packed()), fields);
        assert_eq!(Fields::default().iter().count(), 0);
    }
}
