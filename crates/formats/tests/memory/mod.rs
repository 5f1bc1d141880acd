//! A repository in memory: fetched files, what a listing keeps of them, and what rendering reads and writes.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Cursor, Write};
use std::sync::{Mutex, PoisonError};

use chantal_formats::{
    Bad, Content, Fetched, Flow, Format, FormatError, Got, Item, Leaf, Part, ReadRequest, RenderSettings, RenderedItem,
    RenderedPackage, Sink, Tree,
};
use chantal_model::{Algorithm, Digest, Digester, ItemKind, Mode, Package, Sha256};
use serde_json::{Value, json};

/// A package's records, by part.
pub(crate) type Records = [Option<Vec<u8>>; 3];

/// Files by their path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What was fetched, by id; anything else was not asked for.
#[derive(Default)]
pub(crate) struct Upstream(pub(crate) BTreeMap<String, Option<Vec<u8>>>);

impl Upstream {
    /// A repository of open documents, by type; its entry point promises nothing about them that counts here.
    pub(crate) fn of(documents: &[(&str, &[u8])]) -> Self {
        let mut upstream = Self::default();
        let mut repomd = "<repomd>".to_owned();
        let zeros = "0".repeat(64);
        for (kind, bytes) in documents {
            let _ = write!(
                repomd,
                "<data type=\"{kind}\"><checksum type=\"sha256\">{zeros}</checksum>\
                 <location href=\"repodata/{kind}\"/></data>"
            );
            upstream.0.insert(format!("data/{kind}"), Some(bytes.to_vec()));
        }
        repomd.push_str("</repomd>");
        upstream.0.insert("repomd".to_owned(), Some(repomd.into_bytes()));
        upstream
    }
}

impl Fetched for Upstream {
    fn get(&self, id: &str) -> Got<'_> {
        match self.0.get(id) {
            Some(Some(bytes)) => Got::Here(Box::new(Cursor::new(bytes.as_slice()))),
            Some(None) => Got::Absent,
            None => Got::NotAsked,
        }
    }
}

pub(crate) fn request(mode: Mode) -> ReadRequest {
    ReadRequest {
        mode,
        allow_sha1: true,
        max_metadata_bytes: 1 << 30,
        max_ratio: 200,
        max_files_per_package: 5_000_000,
        without_trees: false,
    }
}

/// Fetches all that a format wants and compares it with what was promised; what is not among the files is absent, and
/// named if it should not be.
pub(crate) fn fetch(format: &dyn Format, files: &Files) -> Result<(Upstream, Vec<String>), String> {
    let mut missing = Vec::new();
    let mut upstream = Upstream::default();
    loop {
        let wanted = format
            .wants(&upstream, &request(Mode::Filtered))
            .map_err(|error| error.to_string())?;
        if wanted.is_empty() {
            return Ok((upstream, missing));
        }
        for wanted in wanted {
            let bytes = files.get(wanted.path.as_str());
            if let (Some(bytes), Some(promise)) = (bytes, &wanted.promise) {
                let mut digester = Digester::new(promise.algorithms());
                digester.update(bytes);
                let (sha256, others) = digester.finish();
                promise
                    .check(bytes.len() as u64, sha256, &others)
                    .map_err(|mismatch| format!("{}: {mismatch}", wanted.path))?;
            } else if !wanted.optional && bytes.is_none() {
                missing.push(wanted.path.to_string());
            }
            upstream.0.insert(wanted.id, bytes.cloned());
        }
    }
}

/// Keeps all that a listing finds.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) packages: Vec<(Package, Records)>,
    pub(crate) items: Vec<Item>,
    pub(crate) bad: Vec<Bad>,
}

impl Sink for Kept {
    fn package(&mut self, package: Package, record: &[u8]) -> Flow {
        self.packages.push((package, [Some(record.to_vec()), None, None]));
        Ok(())
    }

    fn item(&mut self, item: Item) -> Flow {
        self.items.push(item);
        Ok(())
    }

    fn bad(&mut self, bad: Bad) -> Flow {
        self.bad.push(bad);
        Ok(())
    }
}

impl Kept {
    /// Lists, with the records of every part.
    pub(crate) fn list(format: &dyn Format, have: &dyn Fetched) -> Result<Self, FormatError> {
        let mut kept = Self::default();
        let request = request(Mode::Filtered);
        format.list(have, &request, &mut kept)?;
        let mut index: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, (package, _)) in kept.packages.iter().enumerate() {
            index.entry(package.part_key.to_string()).or_default().push(at);
        }
        for part in 1..format.parts().len() {
            format.part(part, have, &request, &mut |key, record| {
                for at in index.get(key).into_iter().flatten() {
                    kept.packages[*at].1[part] = Some(record.to_vec());
                }
                Ok(())
            })?;
        }
        Ok(kept)
    }

    pub(crate) fn of_kind(&self, kind: ItemKind) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    pub(crate) fn labels(&self) -> BTreeSet<&str> {
        self.packages.iter().map(|(package, _)| &*package.label).collect()
    }

    /// The content of a revision that holds every item and these packages.
    pub(crate) fn choose(&self, format: &dyn Format, mut choose: impl FnMut(&Package) -> bool) -> Chosen {
        let mut chosen = Chosen::default();
        for (package, records) in &self.packages {
            if choose(package) {
                let paths = format.paths(package);
                let free = paths
                    .iter()
                    .map(ToString::to_string)
                    .find(|path| !chosen.packages.contains_key(path));
                // The last path carries a digest: where it is taken, the same bytes are listed twice.
                if let Some(path) = free {
                    chosen.packages.insert(path, (package.clone(), records.clone()));
                }
            }
        }
        for item in &self.items {
            chosen.add(item.kind, &item.key, item.attributes.clone(), &item.record);
        }
        chosen
    }
}

/// The content of one revision.
#[derive(Default)]
pub(crate) struct Chosen {
    pub(crate) packages: BTreeMap<String, (Package, Records)>,
    items: BTreeMap<(ItemKind, String), (Value, Vec<u8>)>,
    /// Added to the number of packages that is announced.
    pub(crate) announce_more: u64,
}

impl Chosen {
    pub(crate) fn add(&mut self, kind: ItemKind, key: &str, attributes: Value, record: &[u8]) {
        self.items.insert((kind, key.to_owned()), (attributes, record.to_vec()));
    }

    pub(crate) fn add_file(&mut self, path: &str, record: &str) {
        self.add(ItemKind::File, path, json!({}), record.as_bytes());
    }

    pub(crate) fn render(&self, format: &dyn Format, settings: &RenderSettings) -> Result<Files, FormatError> {
        let tree = Shelf::default();
        format.render(self, settings, &tree)?;
        Ok(tree.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Content for Chosen {
    fn package_count(&self) -> u64 {
        self.packages.len() as u64 + self.announce_more
    }

    fn packages(
        &self,
        part: Part,
        take: &mut dyn FnMut(RenderedPackage<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        for (path, (package, records)) in &self.packages {
            take(RenderedPackage {
                path,
                label: &package.label,
                part_key: &package.part_key,
                name: &package.name,
                arch: &package.arch,
                version: &package.version.text,
                record: records[part].as_deref(),
            })?;
        }
        Ok(())
    }

    fn items(
        &self,
        kind: ItemKind,
        take: &mut dyn FnMut(RenderedItem<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        for ((of, key), (attributes, record)) in &self.items {
            if *of == kind {
                take(RenderedItem {
                    key,
                    attributes,
                    record,
                })?;
            }
        }
        Ok(())
    }
}

/// Takes rendered files.
#[derive(Default)]
struct Shelf(Mutex<Files>);

impl Tree for Shelf {
    fn create(&self, also: &[Algorithm]) -> Result<Box<dyn Leaf + '_>, FormatError> {
        Ok(Box::new(Sheet {
            shelf: self,
            bytes: Vec::new(),
            digester: Digester::new(also.iter().copied()),
        }))
    }
}

struct Sheet<'a> {
    shelf: &'a Shelf,
    bytes: Vec<u8>,
    digester: Digester,
}

impl Write for Sheet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.digester.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Leaf for Sheet<'_> {
    fn digests(&self) -> (u64, Sha256, Vec<Digest>) {
        let (sha256, others) = self.digester.clone().finish();
        (self.digester.len_bytes(), sha256, others)
    }

    fn place(self: Box<Self>, path: &str) -> Result<(), FormatError> {
        let mut files = self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = files.insert(path.to_owned(), self.bytes);
        assert!(before.is_none(), "{path} was placed twice");
        Ok(())
    }
}
