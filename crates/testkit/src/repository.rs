//! A repository of made packages: metadata and packages as a tree of files.

mod documents;
mod installer;
mod random;
pub(crate) mod repomd;
mod sample;
mod written;
pub(crate) mod xml;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use chantal_model::{Algorithm, Compression};

pub use documents::{Advisory, Delta, Fix, Group, Module};
pub use installer::InstallTree;
pub use repomd::Names;
pub use sample::SampleDelta;
pub use written::{Fragments, WrittenRepository, href};

use crate::rpm::{Rpm, RpmFile};
use crate::tree::{Content, Tree};
use repomd::{Repomd, digest};
use xml::Described;

/// Where packages are, seen from the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Beside `repodata/`.
    Flat,
    /// `Packages/<first letter>/`.
    Letters,
    /// Below this prefix, which ends in a slash; it may begin with `../`.
    Prefix(String),
}

/// A metadata file of a type of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Extra {
    kind: String,
    name: String,
    bytes: Vec<u8>,
}

/// Describes a repository; [`Repository::build`] makes it.
///
/// Equal descriptions give equal bytes.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The packages, in the order of the metadata.
    pub packages: Vec<Rpm>,
    /// Advisories; none: no updateinfo.
    pub advisories: Vec<Advisory>,
    /// Groups; none: no comps.
    pub groups: Vec<Group>,
    /// Modules; none: no modules.yaml.
    pub modules: Vec<Module>,
    /// Delta packages; none: no prestodelta.
    pub deltas: Vec<Delta>,
    extras: Vec<Extra>,
    compression: Compression,
    algorithm: Algorithm,
    names: Names,
    place: Place,
    base: Option<(String, String)>,
    vendor: Vendor,
    root: String,
    revision: String,
    timestamp: u64,
    keep_bodies: bool,
}

/// Whether packages carry elements that createrepo_c does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Plain,
    Elements,
}

const VENDOR_FORMAT: &str = "    <rpm:files-count xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">1</rpm:files-count>\n    \
                             <vendor:note xmlns:vendor=\"https://example.invalid/ns\">kept &amp; not understood</vendor:note>\n";
const VENDOR_PACKAGE: &str =
    "  <vendor:support xmlns:vendor=\"https://example.invalid/ns\" level=\"L3\" until=\"2030-01-01\"/>\n";

impl Default for Repository {
    fn default() -> Self {
        Self::new()
    }
}

impl Repository {
    /// An empty repository: gzip, SHA-256, digests in names, packages below `Packages/`.
    pub fn new() -> Self {
        Self {
            packages: Vec::new(),
            advisories: Vec::new(),
            groups: Vec::new(),
            modules: Vec::new(),
            deltas: Vec::new(),
            extras: Vec::new(),
            compression: Compression::Gzip,
            algorithm: Algorithm::Sha256,
            names: Names::Digest,
            place: Place::Letters,
            base: None,
            vendor: Vendor::Plain,
            root: String::new(),
            revision: "1700000000".into(),
            timestamp: 1_700_000_000,
            keep_bodies: true,
        }
    }

    /// Adds a package.
    #[must_use]
    pub fn with(mut self, rpm: Rpm) -> Self {
        self.packages.push(rpm);
        self
    }

    /// Takes every package of this name out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.packages.retain(|rpm| rpm.name != name);
        self
    }

    /// Adds an advisory.
    #[must_use]
    pub fn advisory(mut self, advisory: Advisory) -> Self {
        self.advisories.push(advisory);
        self
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds a module.
    #[must_use]
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Adds a delta package.
    #[must_use]
    pub fn delta(mut self, delta: Delta) -> Self {
        self.deltas.push(delta);
        self
    }

    /// Adds a metadata file under a type of one's own (`productid`, or one that nobody knows), not compressed.
    #[must_use]
    pub fn extra(mut self, kind: &str, name: &str, bytes: &[u8]) -> Self {
        self.extras.push(Extra {
            kind: kind.into(),
            name: name.into(),
            bytes: bytes.to_vec(),
        });
        self
    }

    /// Compresses metadata so.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Uses these digests for metadata and packages.
    #[must_use]
    pub fn checksum(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Names metadata files so.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Places packages so.
    #[must_use]
    pub fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Writes `xml:base` on every location; `directory` is where that URL's files are in the tree.
    #[must_use]
    pub fn base(mut self, url: &str, directory: &str) -> Self {
        self.base = Some((url.into(), directory.trim_matches('/').into()));
        self
    }

    /// Adds elements that createrepo_c does not write to every package.
    #[must_use]
    pub fn vendor_elements(mut self) -> Self {
        self.vendor = Vendor::Elements;
        self
    }

    /// Puts the repository below a directory of the tree, so that packages may be at `../`.
    #[must_use]
    pub fn root(mut self, directory: &str) -> Self {
        self.root = format!("{}/", directory.trim_matches('/'));
        self
    }

    /// Sets revision and timestamps.
    #[must_use]
    pub fn revision(mut self, seconds: u64) -> Self {
        self.revision = seconds.to_string();
        self.timestamp = seconds;
        self
    }

    /// Makes packages anew at each request and keeps none in memory.
    #[must_use]
    pub fn made_on_the_fly(mut self) -> Self {
        self.keep_bodies = false;
        self
    }

    /// A package by name; the first of several.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn package(&self, name: &str) -> &Rpm {
        self.packages
            .iter()
            .find(|rpm| rpm.name == name)
            .unwrap_or_else(|| panic!("no package {name:?}"))
    }

    /// The href of a package.
    pub fn href(&self, rpm: &Rpm) -> String {
        let file = rpm.file_name();
        match &self.place {
            Place::Flat => file,
            Place::Letters => format!(
                "Packages/{}/{file}",
                rpm.name.chars().next().unwrap_or('_').to_ascii_lowercase()
            ),
            Place::Prefix(prefix) => format!("{prefix}{file}"),
        }
    }

    /// Where a package is in the tree.
    pub fn path(&self, rpm: &Rpm) -> String {
        let href = self.href(rpm);
        match &self.base {
            Some((_, directory)) => normal(&format!("{directory}/{href}")),
            None => normal(&format!("{}{href}", self.root)),
        }
    }

    /// Makes the files.
    pub fn build(&self) -> Tree {
        let mut tree = Tree::default();
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for rpm in &self.packages {
            let file = rpm.build();
            let described = self.describe(rpm, &file);
            parts[0].push(xml::primary(&described));
            parts[1].push(xml::filelists(&described));
            parts[2].push(xml::other(&described));
            tree.put(self.path(rpm), self.body(rpm, file));
        }
        let mut repomd = self.repomd();
        let common = "xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"";
        let documents = [
            ("primary", "metadata", common),
            (
                "filelists",
                "filelists",
                "xmlns=\"http://linux.duke.edu/metadata/filelists\"",
            ),
            ("other", "otherdata", "xmlns=\"http://linux.duke.edu/metadata/other\""),
        ];
        for ((kind, root, namespaces), packages) in documents.into_iter().zip(&parts) {
            let text = xml::document(root, namespaces, packages.len(), packages);
            repomd.add(&mut tree, kind, &format!("{kind}.xml"), text.as_bytes());
        }
        self.add_documents(&mut repomd, &mut tree);
        repomd.finish(&mut tree);
        tree
    }

    /// Makes the files and writes them below a directory.
    pub fn write_to(&self, directory: &Path) -> Result<Tree> {
        let tree = self.build();
        tree.write_to(directory)?;
        Ok(tree)
    }

    fn describe<'a>(&'a self, rpm: &'a Rpm, file: &RpmFile) -> Described<'a> {
        let (vendor_format, vendor_package) = match self.vendor {
            Vendor::Plain => ("", ""),
            Vendor::Elements => (VENDOR_FORMAT, VENDOR_PACKAGE),
        };
        Described {
            rpm,
            digest: digest(&file.bytes, self.algorithm).hex(),
            algorithm: self.algorithm,
            href: self.href(rpm),
            base: self.base.as_ref().map(|(url, _)| url.as_str()),
            size: file.bytes.len() as u64,
            installed: file.installed_bytes,
            archive: file.archive_bytes,
            header: (file.header_start, file.header_end),
            vendor_format,
            vendor_package,
        }
    }

    fn body(&self, rpm: &Rpm, file: RpmFile) -> Content {
        if self.keep_bodies {
            return file.bytes.into();
        }
        let rpm = rpm.clone();
        Content::Made(Arc::new(move || rpm.build().bytes))
    }

    fn repomd(&self) -> Repomd {
        Repomd {
            compression: self.compression,
            algorithm: self.algorithm,
            names: self.names,
            revision: self.revision.clone(),
            timestamp: self.timestamp,
            root: self.root.clone(),
            entries: String::new(),
        }
    }

    fn add_documents(&self, repomd: &mut Repomd, tree: &mut Tree) {
        if !self.groups.is_empty() {
            let text = documents::comps(&self.groups);
            repomd.add_as_is(tree, "group", "comps.xml", text.clone().into_bytes(), None);
            if repomd.compression != Compression::None {
                repomd.add(tree, "group_gz", "comps.xml", text.as_bytes());
            }
        }
        if !self.advisories.is_empty() {
            repomd.add(
                tree,
                "updateinfo",
                "updateinfo.xml",
                documents::updateinfo(&self.advisories).as_bytes(),
            );
        }
        if !self.modules.is_empty() {
            repomd.add(
                tree,
                "modules",
                "modules.yaml",
                documents::modules(&self.modules).as_bytes(),
            );
        }
        if !self.deltas.is_empty() {
            repomd.add(
                tree,
                "prestodelta",
                "prestodelta.xml",
                documents::prestodelta(&self.deltas).as_bytes(),
            );
            for delta in &self.deltas {
                tree.put(format!("{}{}", self.root, delta.path), delta.bytes.clone());
            }
        }
        for extra in &self.extras {
            repomd.add_as_is(tree, &extra.kind, &extra.name, extra.bytes.clone(), None);
        }
    }
}

/// Resolves `.` and `..` in a path of the tree.
fn normal(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}
