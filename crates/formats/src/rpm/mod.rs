//! RPM repositories: repomd.xml and the files that it names.
//!
//! Read as createrepo_c and librepo write and read them. What upstream says about a package is kept as it came and only
//! cut and put together again, so nothing that we do not know is lost.

mod client;
mod comps;
mod filelists;
mod href;
mod item;
mod list;
mod modulemd;
mod pathname;
mod primary;
pub(crate) mod record;
mod relations;
mod render;
mod render_comps;
mod render_modules;
mod render_updateinfo;
mod repomd;
mod rich;
mod tree;
mod treeinfo;
mod updateinfo;
mod version;
mod wants;
mod xml;
mod yaml;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use chantal_model::{Comparison, Fields, ItemKind, Package, RelPath, VersionKey};

use crate::error::{Bad, FormatError};
use crate::read::{Fetched, Flow, Item, Overview, ReadRequest, Sink, Wanted};
use crate::relations::Relations;
use crate::render::{ClientFile, Content, RenderSettings, Tree};

/// RPM repositories with `repodata/repomd.xml`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rpm;

impl crate::Format for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn wants(&self, have: &dyn Fetched, request: &ReadRequest) -> Result<Vec<Wanted>, FormatError> {
        wants::wants(have, request)
    }

    fn overview(&self, have: &dyn Fetched, request: &ReadRequest) -> Result<Overview, FormatError> {
        list::overview(have, request)
    }

    fn list(&self, have: &dyn Fetched, request: &ReadRequest, found: &mut dyn Sink) -> Result<(), FormatError> {
        list::list(have, request, found)
    }

    fn parts(&self) -> &'static [&'static str] {
        &list::PARTS
    }

    fn part(
        &self,
        part: usize,
        have: &dyn Fetched,
        request: &ReadRequest,
        take: &mut dyn FnMut(&str, &[u8]) -> Flow,
    ) -> Result<(), FormatError> {
        list::part(part, have, request, take)
    }

    fn fields(&self, record: &[u8]) -> Fields {
        primary::stored_facts(record)
    }

    fn item(&self, kind: ItemKind, record: &[u8]) -> Option<Item> {
        let mut found = None;
        let mut take = |item: Result<Item, Bad>| {
            found = found.take().or(item.ok());
            Ok(())
        };
        let document = |name: &str| [b"<", name.as_bytes(), b">", record, b"</", name.as_bytes(), b">"].concat();
        // A stored record was read once; what cannot be read again is not found.
        let _ = match kind {
            ItemKind::Module => modulemd::read(record, "modules", &mut take),
            ItemKind::Advisory => updateinfo::read(&*document("updates"), "updateinfo", &mut take),
            ItemKind::Group => comps::read(&*document("comps"), "group", &mut take),
            ItemKind::Package | ItemKind::File | ItemKind::Document => Ok(()),
        };
        found
    }

    fn version_key(&self, text: &str) -> VersionKey {
        version::key(text)
    }

    fn overlap(&self, one: (Comparison, &str), other: (Comparison, &str)) -> bool {
        version::overlap(one, other)
    }

    fn beside<'v>(&self, version: &'v str, wanted: &str) -> Cow<'v, str> {
        version::beside(version, wanted)
    }

    fn relations(&self, record: &[u8]) -> Result<Relations, FormatError> {
        relations::read(record)
    }

    fn is_package_file(&self, file_name: &str) -> bool {
        file_name
            .rsplit_once('.')
            .is_some_and(|(stem, suffix)| !stem.is_empty() && matches!(suffix, "rpm" | "drpm"))
    }

    fn paths(&self, package: &Package) -> Vec<RelPath> {
        pathname::paths(package)
    }

    fn upstream_path(&self, package: &Package) -> Result<RelPath, String> {
        match &package.base {
            Some(base) => Err(format!("it has its own base URL {base}")),
            None => href::path(&package.href).map_err(|error| error.reason.to_owned()),
        }
    }

    fn entry_dir(&self) -> &'static str {
        pathname::ENTRY_DIR
    }

    fn entry_rank(&self, file_name: &str) -> Option<u8> {
        pathname::entry_rank(file_name)
    }

    fn render(&self, content: &dyn Content, settings: &RenderSettings, out: &dyn Tree) -> Result<(), FormatError> {
        render::render(content, settings, out)
    }

    fn client_file(&self, about: &ClientFile<'_>) -> (String, String) {
        client::file(about)
    }
}
