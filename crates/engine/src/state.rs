//! The files of a state: packages by the catalog, metadata as it came or as it was rendered.

use std::path::Path;

use chantal_catalog::{Lease, PublicationState};
use chantal_config::Repository;
use chantal_formats::{Format, ReadRequest, Role};
use chantal_model::{ItemKind, Mode, RelPath, Sha256, Step};
use chantal_pool::{Pool, Sealed};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::files::Files;
use crate::publish::State;
use crate::render::{Rendered, render};

/// Members read at a time.
const PAGE: u32 = 2000;

/// One file of a state: where it is published and where its bytes are.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    pub(crate) path: RelPath,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

/// The published path of the file that a client reads first: upstream's entry point lies there too.
pub(crate) fn entry_path(format: &dyn Format) -> Result<RelPath, EngineError> {
    let request = ReadRequest {
        mode: Mode::Filtered,
        allow_sha1: false,
        max_metadata_bytes: 0,
        max_ratio: 1,
        max_files_per_package: 0,
        without_trees: true,
    };
    let wanted = format
        .wants(&Files::default(), &request)
        .map_err(|source| EngineError::Render {
            repo: format.name().to_owned(),
            source,
        })?;
    let entry = wanted.into_iter().find(|wanted| wanted.role == Role::Entry);
    Ok(entry.expect("every format first wants its entry point").path)
}

/// Whether a staged directory holds every file with its size.
pub(crate) fn complete(directory: &Path, sizes: &[(String, u64)]) -> Result<(), String> {
    for (name, size) in sizes {
        match std::fs::symlink_metadata(directory.join(name)) {
            Ok(meta) if meta.is_file() && meta.len() == *size => {}
            Ok(meta) => return Err(format!("{name} has {} bytes instead of {size}", meta.len())),
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    Ok(())
}

fn file(path: &str, sha256: Sha256, size: u64) -> Option<StateFile> {
    Some(StateFile {
        path: RelPath::parse(path).ok()?,
        sha256,
        size,
    })
}

/// Stores rendered files; gives them by path.
fn settle(pool: &Pool, rendered: Vec<Rendered>) -> Result<Vec<StateFile>, EngineError> {
    let (paths, sealed): (Vec<RelPath>, Vec<Sealed>) =
        rendered.into_iter().map(|file| (file.path, file.sealed)).unzip();
    let settled = pool.settle(sealed).doing("store rendered metadata")?;
    let mut files: Vec<StateFile> = paths
        .into_iter()
        .zip(settled)
        .map(|(path, settled)| StateFile {
            path,
            sha256: settled.sha256,
            size: settled.size,
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

impl Engine {
    /// Hands out the members of a kind that have bytes, with their attributes, in path order.
    async fn each_file(
        &self,
        line: i64,
        revision: chantal_model::RevisionNumber,
        kind: ItemKind,
        take: &mut (dyn FnMut(StateFile, Option<String>) + Send),
    ) -> Result<(), EngineError> {
        let mut after = String::new();
        loop {
            let page = self
                .catalog
                .member_files(line, revision, kind, &after, PAGE)
                .await
                .doing("read a revision")?;
            let full = page.len() == PAGE as usize;
            if let Some(last) = page.last() {
                after.clone_from(&last.path);
            }
            for member in page {
                if let Some(file) = file(&member.path, member.sha256, member.size) {
                    take(file, member.attributes);
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Every package of a state, in path order.
    pub(crate) async fn package_files(&self, state: &State) -> Result<Vec<StateFile>, EngineError> {
        let mut files = Vec::with_capacity(state.packages as usize);
        self.each_file(state.line, state.revision, ItemKind::Package, &mut |file, _| {
            files.push(file);
        })
        .await?;
        Ok(files)
    }

    /// Upstream's files that a state publishes as they came.
    async fn verbatim_files(
        &self,
        line: i64,
        revision: chantal_model::RevisionNumber,
    ) -> Result<Vec<StateFile>, EngineError> {
        let mut files = Vec::new();
        self.each_file(line, revision, ItemKind::File, &mut |file, attributes| {
            let attributes: Option<serde_json::Value> = attributes.and_then(|text| serde_json::from_str(&text).ok());
            if attributes.is_some_and(|attributes| attributes["role"] == "verbatim") {
                files.push(file);
            }
        })
        .await?;
        Ok(files)
    }

    /// Every metadata file of a state; `None` if they must be rendered first.
    pub(crate) async fn metadata_files(&self, state: &State) -> Result<Option<Vec<StateFile>>, EngineError> {
        let mut files = self.verbatim_files(state.line, state.revision).await?;
        if state.mode == Mode::Mirror {
            return Ok(Some(files));
        }
        let rendered = self
            .catalog
            .rendered(&state.render_key)
            .await
            .doing("look up rendered metadata")?;
        if rendered.is_empty()
            || rendered
                .iter()
                .any(|(_, sha256, size)| !self.pool.contains(sha256, *size))
        {
            return Ok(None);
        }
        files.extend(
            rendered
                .into_iter()
                .filter_map(|(path, sha256, size)| file(&path, sha256, size)),
        );
        Ok(Some(files))
    }

    /// Every metadata file of a state, rendered now if it was not before.
    pub(crate) async fn rendered(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        state: &State,
        lease: &Lease,
    ) -> Result<Vec<StateFile>, EngineError> {
        if let Some(files) = self.metadata_files(state).await? {
            return Ok(files);
        }
        self.progress.begin(Step::Render, state.packages);
        let (catalog, pool, id) = (self.catalog.clone(), self.pool.clone(), repo.id.to_string());
        let (content, settings) = (
            (state.line, state.revision, state.packages),
            state.render_settings.clone(),
        );
        let handle = tokio::runtime::Handle::current();
        let rendered = blocking(move || render(&id, format, &catalog, &pool, &handle, content, &settings)).await?;
        // The pool may have such bytes already, and nothing refers to them.
        let names: Vec<Sha256> = rendered.iter().map(|file| file.sealed.sha256).collect();
        self.catalog
            .intend(lease, &names)
            .await
            .doing("note what is relied on")?;
        let pool = self.pool.clone();
        let rendered = blocking(move || settle(&pool, rendered)).await?;
        let blobs: Vec<chantal_catalog::NewBlob> = rendered
            .iter()
            .map(|file| chantal_catalog::NewBlob {
                sha256: file.sha256,
                size: file.size,
                digests: Vec::new(),
            })
            .collect();
        self.catalog
            .add_blobs(lease, &blobs)
            .await
            .doing("record rendered metadata")?;
        let rows: Vec<(String, Sha256)> = rendered
            .iter()
            .map(|file| (file.path.to_string(), file.sha256))
            .collect();
        self.catalog
            .save_rendered(lease, &state.render_key, &rows)
            .await
            .doing("record rendered metadata")?;
        self.progress.end(Step::Render);
        let mut files = self.verbatim_files(state.line, state.revision).await?;
        files.extend(rendered);
        Ok(files)
    }

    /// Metadata files of a state that is or was served.
    pub(crate) async fn metadata_of(&self, state: &PublicationState) -> Result<Vec<StateFile>, EngineError> {
        let mut files = self.verbatim_files(state.line, state.revision).await?;
        let rendered = self
            .catalog
            .rendered(&state.render_key)
            .await
            .doing("look up rendered metadata")?;
        files.extend(
            rendered
                .into_iter()
                .filter_map(|(path, sha256, size)| file(&path, sha256, size)),
        );
        Ok(files)
    }

    /// Every file of a state that is or was served, packages last.
    pub(crate) async fn files_of(&self, state: &PublicationState) -> Result<Vec<StateFile>, EngineError> {
        let mut files = self.metadata_of(state).await?;
        self.each_file(state.line, state.revision, ItemKind::Package, &mut |file, _| {
            files.push(file);
        })
        .await?;
        Ok(files)
    }

    /// Hands out the paths of the packages of a state that is or was served.
    pub(crate) async fn each_package_path(
        &self,
        state: &PublicationState,
        take: &mut (dyn FnMut(&RelPath) + Send),
    ) -> Result<(), EngineError> {
        let mut after = String::new();
        loop {
            let page = self
                .catalog
                .member_paths(state.line, state.revision, ItemKind::Package, &after, PAGE)
                .await
                .doing("read a revision")?;
            for path in &page {
                if let Ok(path) = RelPath::parse(path) {
                    take(&path);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after.clone_from(last),
                _ => return Ok(()),
            }
        }
    }
}
