//! The trait [`Format`], its registry and one folder per package format.
//!
//! A format *asks* for files and *describes* packages; it does no I/O, knows no clock and no network. The engine
//! fetches, pools and records. What a format reads are verified bytes; what it writes goes into a [`Tree`].

mod compress;
mod error;
mod read;
mod relations;
mod render;
pub mod rpm;

pub use compress::{Decoder, Effort, Encoder, OpenLimits, decode, encode};
pub use error::{Bad, FormatError};
pub use read::{Fetched, Flow, Got, Item, Overview, ReadRequest, Role, Rule, Sink, Stop, Wanted};
pub use relations::{Capability, Need, Relation, RelationKind, Relations};
pub use render::{ClientFile, Content, Leaf, Part, PartRecord, RenderSettings, RenderedItem, RenderedPackage, Tree};

use std::borrow::Cow;

use chantal_model::{Comparison, Fields, ItemKind, Package, RelPath, VersionKey};

/// What one package format knows.
///
/// The flow is the engine's: it asks [`Format::wants`] until nothing is wanted, lists, selects, passes over the
/// parts, records, and renders what was recorded.
pub trait Format: Send + Sync {
    /// The name that the configuration's `type` uses.
    fn name(&self) -> &'static str;

    /// Names the metadata files still missing, given those already fetched. Empty: ready to list.
    ///
    /// The first call, with nothing fetched, names the entry point.
    fn wants(&self, have: &dyn Fetched, request: &ReadRequest) -> Result<Vec<Wanted>, FormatError>;

    /// What the entry point says about the whole feed, once nothing more is wanted.
    fn overview(&self, have: &dyn Fetched, request: &ReadRequest) -> Result<Overview, FormatError>;

    /// Reports every package, advisory, group, module and document that the fetched metadata lists, in a stream.
    fn list(&self, have: &dyn Fetched, request: &ReadRequest, found: &mut dyn Sink) -> Result<(), FormatError>;

    /// Names of the parts in which upstream describes a package; part 0 is what [`Format::list`] reads.
    fn parts(&self) -> &'static [&'static str];

    /// Passes over one part and hands out each package's raw record.
    ///
    /// `key` is the [`Package::part_key`]; for part 0 records come in the order in which [`Format::list`] reported the
    /// packages, bad ones left out alike. Other parts come in any order. A part that upstream does not have is empty.
    fn part(
        &self,
        part: usize,
        have: &dyn Fetched,
        request: &ReadRequest,
        take: &mut dyn FnMut(&str, &[u8]) -> Flow,
    ) -> Result<(), FormatError>;

    /// What [`Package::fields`] of a package was, from its stored record of part 0.
    fn fields(&self, record: &[u8]) -> Fields;

    /// An item again, from its stored record; `None` for what this format does not read back. Its key may be another
    /// one, if the feed had two of one key.
    fn item(&self, kind: ItemKind, record: &[u8]) -> Option<Item>;

    /// A key whose byte order is this format's version order; `text` is as in [`chantal_model::Version::text`].
    fn version_key(&self, text: &str) -> VersionKey;

    /// Whether two ranges of versions have anything in common. Either version may leave parts out, as requirements do
    /// (RPM: the release).
    fn overlap(&self, one: (Comparison, &str), other: (Comparison, &str)) -> bool;

    /// A version with those of its leading parts that a wanted one names too (RPM: the epoch), which is how people who
    /// leave them out compare both.
    fn beside<'v>(&self, version: &'v str, wanted: &str) -> Cow<'v, str>;

    /// What a raw record of part 0 says about other packages.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a record that [`Format::list`] did not make.
    fn relations(&self, record: &[u8]) -> Result<Relations, FormatError>;

    /// Whether a file of this name may be a package, or something that a feed names like one.
    fn is_package_file(&self, file_name: &str) -> bool;

    /// Paths under which generated metadata may publish a package, best first; the last is free for any package,
    /// since it carries a digest.
    fn paths(&self, package: &Package) -> Vec<RelPath>;

    /// The path at which upstream has a package, below the directory that its feed names.
    ///
    /// # Errors
    /// Why its location is no such path.
    fn upstream_path(&self, package: &Package) -> Result<RelPath, String>;

    /// The directory that holds the entry point (RPM: `repodata`); it is switched as a whole.
    fn entry_dir(&self) -> &'static str;

    /// Whether a file of the entry directory has a fixed name and so must be replaced, and in which order: the higher
    /// the rank the later. `None` for files whose name changes with their content.
    fn entry_rank(&self, file_name: &str) -> Option<u8>;

    /// Writes the metadata of a repository that holds exactly this content.
    ///
    /// Equal content and settings give equal bytes.
    fn render(&self, content: &dyn Content, settings: &RenderSettings, out: &dyn Tree) -> Result<(), FormatError>;

    /// A configuration file for clients, as file name and text.
    fn client_file(&self, about: &ClientFile<'_>) -> (String, String);
}

/// All formats, in the order in which they were added.
pub fn all() -> [&'static dyn Format; 1] {
    [&rpm::Rpm]
}

/// Ends of names of packages, and of what belongs to them, in formats that are not here yet.
const FOREIGN: [&str; 9] = [
    ".deb", ".udeb", ".ddeb", ".dsc", ".apk", ".whl", ".tgz", ".tar.gz", ".tar.xz",
];

/// Whether a file of this name may be a package of a format that is not here yet.
pub fn is_foreign_package_file(file_name: &str) -> bool {
    FOREIGN.iter().any(|end| file_name.ends_with(end))
}

/// Finds a format by the name that the configuration's `type` uses.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    all().into_iter().find(|format| format.name() == name)
}
