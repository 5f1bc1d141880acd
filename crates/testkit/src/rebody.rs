//! Real metadata over made packages.
//!
//! Metadata of real repositories is to be had without their packages. Here every package gets a small body made from
//! its name and version, and only what depends on the body is swapped in the metadata: the digest (`pkgid` in all
//! parts) and the size. Everything else stays as upstream wrote it. Parts that are missing are made, with no files and
//! no changelog; a missing primary is made from filelists. Bodies are no valid packages.

mod cut;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chantal_model::{Algorithm, Compression, Sha256};

use crate::compress::decompress;
use crate::needs::real_data;
use crate::repository::Names;
use crate::repository::repomd::Repomd;
use crate::repository::xml::{attribute, document};
use crate::tree::{Content, Tree};
use cut::{Identity, elements};

/// A package of re-bodied metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebodied {
    /// `name-epoch:version-release.arch`.
    pub label: String,
    /// Its location.
    pub href: String,
    /// SHA-256 of its made body.
    pub pkgid: String,
    /// Its `<package>` element of primary, without what comes around it.
    pub primary: String,
    /// The same of filelists.
    pub filelists: String,
    /// The same of other.
    pub other: String,
}

impl Rebodied {
    fn parts(&self) -> [&str; 3] {
        [&self.primary, &self.filelists, &self.other]
    }
}

/// A served repository.
pub struct RebodiedRepository {
    /// Its files; packages are made at each request.
    pub tree: Tree,
    /// Its packages, in the order of primary.
    pub packages: Vec<Rebodied>,
}

/// Metadata of a real repository.
#[derive(Clone, Debug, Default)]
pub struct RealMetadata {
    primary: Option<Vec<u8>>,
    filelists: Option<Vec<u8>>,
    other: Option<Vec<u8>>,
    /// Type, file name, bytes as upstream has them.
    files: Vec<(String, String, Vec<u8>)>,
    compression: Option<Compression>,
    limit: Option<usize>,
}

impl RealMetadata {
    /// CentOS Stream 9 `AppStream`: 17,649 packages, comps, modules; nothing, loudly, where there is no real data.
    ///
    /// # Panics
    ///
    /// If the data is there and cannot be read.
    pub fn appstream() -> Option<Self> {
        let directory = real_data("rpm/osbuild-centos-repos/appstream")?;
        Some(Self::read(&directory).unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// CentOS Stream 9 `BaseOS`: 4,572 packages with their file lists, comps; nothing, loudly, where there is no data.
    ///
    /// # Panics
    ///
    /// If the data is there and cannot be read.
    pub fn baseos() -> Option<Self> {
        let directory = real_data("rpm/osbuild-centos-repos/baseos")?;
        Some(Self::read(&directory).unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// Takes from a repository's directory what is there and whole; databases and zchunk files are left out.
    ///
    /// # Errors
    ///
    /// repomd.xml or a file that it names cannot be read.
    pub fn read(directory: &Path) -> Result<Self> {
        let entry = directory.join("repodata/repomd.xml");
        let text = fs::read_to_string(&entry).with_context(|| format!("read {}", entry.display()))?;
        let mut read = Self::default();
        for record in elements(&text, "<data ", "</data>") {
            let (Some(kind), Some(href)) = (cut::attribute(record, "type"), cut::attribute(record, "href")) else {
                continue;
            };
            let file = directory.join(href);
            let promised = cut::text(record, "checksum").unwrap_or_default();
            let stays = !kind.ends_with("_db") && !kind.ends_with("_zck");
            if stays && file.is_file() {
                let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
                if Sha256::of(&bytes).hex() == promised {
                    let name = href.rsplit_once('-').map_or(href, |(_, name)| name);
                    read = read.file(kind, name, bytes);
                }
            }
        }
        Ok(read)
    }

    /// Adds a file of a type, as upstream has it; `primary`, `filelists` and `other` are taken apart.
    #[must_use]
    pub fn file(mut self, kind: &str, name: &str, bytes: Vec<u8>) -> Self {
        match kind {
            "primary" => self.primary = Some(bytes),
            "filelists" => self.filelists = Some(bytes),
            "other" => self.other = Some(bytes),
            _ => self.files.push((kind.into(), name.into(), bytes)),
        }
        self
    }

    /// Compresses the parts so; gzip otherwise.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Takes only the first packages.
    #[must_use]
    pub fn limit(mut self, packages: usize) -> Self {
        self.limit = Some(packages);
        self
    }

    /// Makes bodies and swaps what depends on them.
    ///
    /// # Panics
    ///
    /// If there is neither primary nor filelists, or a package lacks a name, version, checksum or location.
    pub fn build(&self) -> RebodiedRepository {
        let open = |part: &Option<Vec<u8>>| part.as_ref().map(|bytes| open_text(bytes));
        let (primary, filelists, other) = (open(&self.primary), open(&self.filelists), open(&self.other));
        let mut tree = Tree::default();
        let mut packages = Vec::new();
        let mut places = HashMap::new();
        let source = primary
            .as_deref()
            .or(filelists.as_deref())
            .expect("primary or filelists is given");
        for element in elements(source, "<package ", "</package>").take(self.limit.unwrap_or(usize::MAX)) {
            let identity = Identity::read(element);
            places.insert(identity.pkgid.to_owned(), packages.len());
            packages.push(rebodied(element, &identity, primary.is_some()));
            let made = identity.owned();
            let body = Content::Made(Arc::new(move || body_of(&made.seed, made.size)));
            tree.put(identity.href, body);
        }
        let kept = |text: &Option<String>, part: fn(&mut Rebodied) -> &mut String, packages: &mut [Rebodied]| {
            for element in elements(text.as_deref().unwrap_or_default(), "<package ", "</package>") {
                if let Some(&place) = cut::attribute(element, "pkgid").and_then(|pkgid| places.get(pkgid)) {
                    let swapped = cut::swap_attribute(element, "pkgid", &packages[place].pkgid);
                    *part(&mut packages[place]) = swapped;
                }
            }
        };
        kept(&filelists, |package| &mut package.filelists, &mut packages);
        kept(&other, |package| &mut package.other, &mut packages);
        self.write(&mut tree, &packages, primary.as_deref());
        RebodiedRepository { tree, packages }
    }

    fn write(&self, tree: &mut Tree, packages: &[Rebodied], primary: Option<&str>) {
        let mut repomd = Repomd {
            compression: self.compression.unwrap_or(Compression::Gzip),
            algorithm: Algorithm::Sha256,
            names: Names::Digest,
            revision: "1700000000".into(),
            timestamp: 1_700_000_000,
            root: String::new(),
            entries: String::new(),
        };
        let linux = "http://linux.duke.edu/metadata";
        let common = format!("xmlns=\"{linux}/common\" xmlns:rpm=\"{linux}/rpm\"");
        // A real document may declare more namespaces, which its elements then use.
        let declared = primary.and_then(|text| elements(text, "<metadata ", " packages=").next());
        let common = declared.map_or(common.as_str(), |tag| {
            &tag["<metadata ".len()..tag.len() - " packages=".len()]
        });
        let own = [
            format!("xmlns=\"{linux}/filelists\""),
            format!("xmlns=\"{linux}/other\""),
        ];
        let parts = [
            ("primary", "metadata", common),
            ("filelists", "filelists", &own[0]),
            ("other", "otherdata", &own[1]),
        ];
        for (place, (kind, root, namespaces)) in parts.into_iter().enumerate() {
            let part = |package| Rebodied::parts(package)[place];
            let elements: Vec<&str> = packages.iter().flat_map(|package| [part(package), "\n"]).collect();
            let text = document(root, namespaces, packages.len(), &elements);
            repomd.add(tree, kind, &format!("{kind}.xml"), text.as_bytes());
        }
        for (kind, name, bytes) in &self.files {
            let compressed = Compression::sniff(bytes) != Compression::None;
            let open = compressed.then(|| decompress(bytes));
            repomd.add_as_is(tree, kind, name, bytes.clone(), open.as_deref());
        }
        repomd.finish(tree);
    }
}

fn open_text(bytes: &[u8]) -> String {
    String::from_utf8(decompress(bytes)).expect("metadata is UTF-8")
}

/// A package whose parts other than primary are made.
fn rebodied(element: &str, identity: &Identity<'_>, is_primary: bool) -> Rebodied {
    let body = body_of(&identity.seed(), identity.size());
    let pkgid = Sha256::of(&body).hex();
    let primary = if is_primary {
        cut::swap_primary(element, &pkgid, body.len())
    } else {
        made_primary(identity, &pkgid, body.len())
    };
    Rebodied {
        label: identity.label(),
        href: identity.href.clone(),
        primary,
        filelists: made_part(identity, &pkgid),
        other: made_part(identity, &pkgid),
        pkgid,
    }
}

/// The body of a package, which names it; real ones are larger.
fn body_of(seed: &str, size: usize) -> Vec<u8> {
    let line = format!("made for tests: {seed}\n");
    line.bytes().cycle().take(size).collect()
}

fn made_part(identity: &Identity<'_>, pkgid: &str) -> String {
    let Identity {
        name,
        arch,
        epoch,
        version,
        release,
        ..
    } = identity;
    format!(
        "<package pkgid=\"{pkgid}\" name=\"{name}\" arch=\"{arch}\">\n  \
         <version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\n</package>"
    )
}

fn made_primary(identity: &Identity<'_>, pkgid: &str, size: usize) -> String {
    let Identity {
        name,
        arch,
        epoch,
        version,
        release,
        href,
        ..
    } = identity;
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{arch}</arch>\n  \
         <version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\n  \
         <checksum type=\"sha256\" pkgid=\"YES\">{pkgid}</checksum>\n  <summary>{name}</summary>\n  \
         <description></description>\n  <packager></packager>\n  <url></url>\n  \
         <time file=\"1700000000\" build=\"1700000000\"/>\n  <size package=\"{size}\" installed=\"0\" archive=\"0\"/>\n  \
         <location href=\"{}\"/>\n  <format>\n    <rpm:license>MIT</rpm:license>\n    <rpm:sourcerpm></rpm:sourcerpm>\n    \
         <rpm:header-range start=\"96\" end=\"{size}\"/>\n    <rpm:provides>\n      \
         <rpm:entry name=\"{name}\" flags=\"EQ\" epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\n    \
         </rpm:provides>\n  </format>\n</package>",
        attribute(href)
    )
}
