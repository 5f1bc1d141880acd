//! Lets a format render a recorded revision: content comes from the catalog, rendered files go into the pool.

mod records;

use std::sync::Mutex;

use chantal_catalog::{Catalog, Member};
use chantal_formats::{
    Content, Format, FormatError, Leaf, Part, PartRecord, RenderSettings, RenderedItem, RenderedPackage, Tree,
};
use chantal_model::{Algorithm, Digest, ItemKind, Landing, RelPath, RevisionNumber, Sha256};
use chantal_pool::{Incoming, Pool, Sealed};
use tokio::runtime::Handle;

use crate::error::EngineError;

use records::Records;

/// Members that are in memory at a time, for each part that is rendered.
const PAGE: u32 = 256;

/// A rendered file on its way into the pool.
pub(crate) struct Rendered {
    pub(crate) path: RelPath,
    pub(crate) sealed: Sealed,
}

/// Renders a revision. Runs on a blocking thread of the runtime behind `handle`.
pub(crate) fn render(
    repo: &str,
    format: &dyn Format,
    catalog: &Catalog,
    pool: &Pool,
    handle: &Handle,
    (line, revision, package_count): (i64, RevisionNumber, u64),
    settings: &RenderSettings,
) -> Result<Vec<Rendered>, EngineError> {
    let content = Recorded {
        catalog,
        pool,
        handle,
        line,
        revision,
        package_count,
    };
    let tree = PoolTree {
        pool,
        placed: Mutex::new(Vec::new()),
    };
    format
        .render(&content, settings, &tree)
        .map_err(|source| EngineError::Render {
            repo: repo.to_owned(),
            source,
        })?;
    let placed = tree
        .placed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let placed = placed.into_iter().map(|(path, sealed)| Rendered { path, sealed });
    Ok(placed.collect())
}

/// A revision as the catalog has it.
struct Recorded<'a> {
    catalog: &'a Catalog,
    pool: &'a Pool,
    handle: &'a Handle,
    line: i64,
    revision: RevisionNumber,
    package_count: u64,
}

/// Takes a member with its record.
type Take<'a> = dyn FnMut(&Member, Option<&[u8]>) -> Result<(), FormatError> + 'a;

impl Recorded<'_> {
    /// Records of one part of the members of one kind, in path order.
    fn records_of(&self, kind: ItemKind, part: Part) -> Result<Records<'_>, FormatError> {
        let order = self.catalog.record_order(self.line, self.revision, (kind, part));
        let order = self.handle.block_on(order).map_err(|error| unreadable(&error))?;
        Records::new(self.catalog, self.pool, self.handle, order)
    }

    /// Pages through members of one kind in path order, each with its record. Later syncs do not change what a revision
    /// holds, so pages of different moments fit each other and the records.
    fn each(&self, kind: ItemKind, mut records: Records<'_>, take: &mut Take<'_>) -> Result<(), FormatError> {
        let mut after: Option<String> = None;
        loop {
            let page = self
                .catalog
                .members(self.line, self.revision, kind, after.as_deref(), PAGE);
            let page = self.handle.block_on(page).map_err(|error| unreadable(&error))?;
            for member in &page {
                take(member, records.next()?)?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.path.clone()),
                _ => return Ok(()),
            }
        }
    }

    fn each_package(
        &self,
        records: Records<'_>,
        take: &mut dyn FnMut(RenderedPackage<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.each(ItemKind::Package, records, &mut |member, record| {
            let Some(package) = &member.package else {
                return Ok(());
            };
            take(RenderedPackage {
                path: &member.path,
                label: &package.label,
                part_key: &package.part_key,
                name: &package.name,
                arch: &package.arch,
                version: &package.version,
                record,
            })
        })
    }
}

fn unreadable(error: &chantal_catalog::CatalogError) -> FormatError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    FormatError::Io {
        file: "catalog".into(),
        source: std::io::Error::other(text),
    }
}

impl Content for Recorded<'_> {
    fn package_count(&self) -> u64 {
        self.package_count
    }

    fn packages(
        &self,
        part: Part,
        take: &mut dyn FnMut(RenderedPackage<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.each_package(self.records_of(ItemKind::Package, part)?, take)
    }

    fn records(
        &self,
        part: Part,
        take: &mut dyn FnMut(PartRecord<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let mut records = self.records_of(ItemKind::Package, part)?;
        if !records.is_complete() {
            return self.each_package(records, &mut |package| match package.record {
                Some(record) => take(PartRecord::Recorded(record)),
                None => take(PartRecord::Missing(package)),
            });
        }
        for _ in 0..records.len() {
            if let Some(record) = records.next()? {
                take(PartRecord::Recorded(record))?;
            }
        }
        Ok(())
    }

    fn items(
        &self,
        kind: ItemKind,
        take: &mut dyn FnMut(RenderedItem<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.each(kind, self.records_of(kind, 0)?, &mut |member, record| {
            let attributes = member
                .attributes
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or(serde_json::Value::Null);
            if kind == ItemKind::File && attributes["role"] != "verbatim" {
                return Ok(());
            }
            take(RenderedItem {
                key: &member.path,
                attributes: &attributes,
                record: record.unwrap_or_default(),
            })
        })
    }
}

/// Takes rendered files into the pool.
struct PoolTree<'a> {
    pool: &'a Pool,
    placed: Mutex<Vec<(RelPath, Sealed)>>,
}

impl Tree for PoolTree<'_> {
    fn create(&self, also: &[Algorithm]) -> Result<Box<dyn Leaf + '_>, FormatError> {
        let incoming = self.pool.incoming(also);
        Ok(Box::new(PoolLeaf { tree: self, incoming }))
    }
}

struct PoolLeaf<'a> {
    tree: &'a PoolTree<'a>,
    incoming: Incoming,
}

fn unwritable(error: chantal_pool::PoolError) -> FormatError {
    let file = error.to_string();
    FormatError::Io {
        source: error.into(),
        file,
    }
}

impl std::io::Write for PoolLeaf<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Landing::write(&mut self.incoming, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Leaf for PoolLeaf<'_> {
    fn digests(&self) -> (u64, Sha256, Vec<Digest>) {
        let (sha256, others) = self.incoming.digests();
        (self.incoming.len_bytes(), sha256, others)
    }

    fn place(self: Box<Self>, path: &str) -> Result<(), FormatError> {
        let Self { tree, incoming } = *self;
        let path = RelPath::parse(path).map_err(|error| FormatError::malformed(path, error.to_string()))?;
        let sealed = incoming.seal().map_err(unwritable)?;
        let mut placed = tree.placed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        placed.push((path, sealed));
        Ok(())
    }
}
