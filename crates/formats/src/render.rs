//! What rendering reads and writes.

use std::io::Write;

use chantal_model::{Algorithm, Compression, Digest, ItemKind, Sha256};

use crate::error::FormatError;

/// Index into [`crate::Format::parts`].
pub type Part = usize;

/// A package of the content to render.
#[derive(Clone, Copy, Debug)]
pub struct RenderedPackage<'a> {
    /// Its published path.
    pub path: &'a str,
    /// Its label, see [`chantal_model::Package::label`].
    pub label: &'a str,
    /// How parts name it, see [`chantal_model::Package::part_key`].
    pub part_key: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its architecture.
    pub arch: &'a str,
    /// Its version as users write it.
    pub version: &'a str,
    /// Its record of the part asked for; `None` where upstream had none.
    pub record: Option<&'a [u8]>,
}

/// Anything else of the content to render.
#[derive(Clone, Copy, Debug)]
pub struct RenderedItem<'a> {
    /// Its key, see [`crate::Item::key`]; for files the published path.
    pub key: &'a str,
    /// Its attributes.
    pub attributes: &'a serde_json::Value,
    /// Its record.
    pub record: &'a [u8],
}

/// A package in a part of the metadata.
#[derive(Clone, Copy, Debug)]
pub enum PartRecord<'a> {
    /// Its record of that part.
    Recorded(&'a [u8]),
    /// Upstream had none.
    Missing(RenderedPackage<'a>),
}

/// Exactly the content of one revision, selected and recorded.
pub trait Content: Sync {
    /// Number of packages.
    fn package_count(&self) -> u64;
    /// Hands out every package in the byte order of its path, with its record of `part`. Each call starts anew; calls
    /// may run at the same time in several threads.
    fn packages(
        &self,
        part: Part,
        take: &mut dyn FnMut(RenderedPackage<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError>;
    /// As [`Content::packages`], for a part that needs nothing but the records.
    fn records(
        &self,
        part: Part,
        take: &mut dyn FnMut(PartRecord<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.packages(part, &mut |package| match package.record {
            Some(record) => take(PartRecord::Recorded(record)),
            None => take(PartRecord::Missing(package)),
        })
    }
    /// Hands out every item of a kind in the byte order of its key. [`ItemKind::File`] means the verbatim ones.
    fn items(
        &self,
        kind: ItemKind,
        take: &mut dyn FnMut(RenderedItem<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError>;
}

/// How to render. Stored with every revision, so that a snapshot is rendered as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderSettings {
    /// Compression of generated metadata.
    pub compression: Compression,
    /// Digest algorithm of generated metadata.
    pub checksum: Algorithm,
    /// Upstream's revision, or another one made from content; never from a clock.
    pub revision: String,
    /// A time that comes from content, in seconds since 1970.
    pub timestamp: i64,
}

/// Takes rendered files.
pub trait Tree: Sync {
    /// Opens a new file whose bytes are digested as they come.
    fn create(&self, also: &[Algorithm]) -> Result<Box<dyn Leaf + '_>, FormatError>;
}

/// A rendered file that has no name yet.
pub trait Leaf: Write + Send {
    /// Size and digests of what was written so far.
    fn digests(&self) -> (u64, Sha256, Vec<Digest>);
    /// Gives the file its path in the published tree.
    fn place(self: Box<Self>, path: &str) -> Result<(), FormatError>;
}

/// What a client's configuration file says.
#[derive(Clone, Copy, Debug)]
pub struct ClientFile<'a> {
    /// Repository id, or id and snapshot name joined by `-`.
    pub id: &'a str,
    /// Display name.
    pub name: &'a str,
    /// URL of the published tree, with a slash at its end.
    pub base_url: &'a str,
    /// URL of the list that names the current generation, where there is one.
    pub mirrorlist: Option<&'a str>,
    /// URL of the key that signs the packages, where one is published.
    pub package_key: Option<&'a str>,
    /// URL of the key that signs the metadata, where one is published.
    pub metadata_key: Option<&'a str>,
}
