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
