//! What a format asks for and what it reports.

use std::io::BufRead;

use chantal_model::{ItemKind, Mode, Package, Promise, RelPath};

use crate::error::Bad;

/// Answer of [`Fetched::get`].
pub enum Got<'a> {
    /// The verified bytes, as upstream has them (still compressed).
    Here(Box<dyn BufRead + Send + 'a>),
    /// Asked for, and upstream has none.
    Absent,
    /// Not asked for yet.
    NotAsked,
}

/// The metadata files fetched so far.
pub trait Fetched: Sync {
    /// Opens a file by the id of its [`Wanted`]; each call starts at its first byte.
    fn get(&self, id: &str) -> Got<'_>;
}

/// What the engine wants to know from a feed.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// Decides which metadata files are needed at all, and whether they are published as they are.
    pub mode: Mode,
    /// Accept SHA-1 where upstream offers nothing better.
    pub allow_sha1: bool,
    /// The largest metadata file in bytes, as it is transferred.
    pub max_metadata_bytes: u64,
    /// The most decompressed bytes per compressed byte, where no decompressed size is promised.
    pub max_ratio: u64,
    /// The most files of one package.
    pub max_files_per_package: u64,
    /// Leave out what installs a machine and is no package, where that can be told.
    pub without_trees: bool,
}

/// What a wanted file is to its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one file that names all others; fetched first, with a conditional request.
    Entry,
    /// A signature over the entry point.
    Signature,
    /// Anything else that is read, and what is handed on with it.
    Metadata,
    /// A file that clients ask for and nobody here reads. It is fetched with the packages, and [`Fetched::get`] says
    /// that it is absent.
    Payload,
}

/// A metadata file that a format needs.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name for [`Fetched::get`].
    pub id: String,
    /// Where it is, relative to the feed.
    pub href: String,
    /// Its safe path in the published tree.
    pub path: RelPath,
    /// Size and digests, for everything but the entry point and its signature.
    pub promise: Option<Promise>,
    /// The most bytes that may come.
    pub limit_bytes: u64,
    /// Whether upstream may lack it.
    pub optional: bool,
    /// What it is.
    pub role: Role,
    /// Whether it is published as it came; otherwise it is only input of [`crate::Format::list`].
    pub verbatim: bool,
    /// What the entry point says about it, raw; rendering a filtered repository needs it for verbatim files.
    pub record: Vec<u8>,
}

/// What an entry point says about the whole feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Upstream's own revision, as it writes it.
    pub revision: Option<String>,
    /// The newest time that the entry point names, in seconds since 1970.
    pub timestamp: Option<i64>,
    /// How upstream compresses its main index.
    pub compression: Option<chantal_model::Compression>,
    /// Standing weaknesses worth a warning, such as SHA-1.
    pub warnings: Vec<String>,
    /// Ids of optional files that turned out to be of no use: they count as absent.
    pub left_out: Vec<String>,
    /// How many parts of the feed are left out as a whole, since not all of them can be verified; `warnings` name each.
    pub unverified: usize,
}

/// The receiver asks to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Whether to go on.
pub type Flow = Result<(), Stop>;

/// When an item belongs to a selection of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Always.
    Always,
    /// When at least one of the packages it refers to is chosen.
    AnyOf,
    /// Its packages are chosen all or none; it goes with them.
    Whole,
}

/// An advisory, group, module or document.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Unique in its kind within the repository; no more than 500 bytes.
    pub key: String,
    /// Facts for listings and reports, as a JSON object. Advisories: `title`, `type`, `severity`, `issued`, `cves`.
    pub attributes: serde_json::Value,
    /// Labels ([`Package::label`]) of packages that it is about.
    pub refers: Vec<Box<str>>,
    /// Names of packages without which it is not whole (RPM: the mandatory ones of a group).
    pub needs: Vec<Box<str>>,
    /// When it belongs to a selection.
    pub rule: Rule,
    /// For [`Rule::Whole`]: a line of succeeding items (RPM: `name:stream:arch` of a module) and this one's place in it,
    /// the higher the newer. Versions of packages are compared only within the series of their items.
    pub series: Option<(Box<str>, u64)>,
    /// Upstream's raw record.
    pub record: Vec<u8>,
}

/// Takes what a listing finds.
pub trait Sink {
    /// A package with its raw record of part 0.
    fn package(&mut self, package: Package, record: &[u8]) -> Flow;
    /// Anything else.
    fn item(&mut self, item: Item) -> Flow;
    /// A record that could not be read.
    fn bad(&mut self, bad: Bad) -> Flow;
}
