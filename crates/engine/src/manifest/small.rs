//! Small manifests: one file for each snapshot and publication, one for the feed, one for holds.

use std::collections::HashSet;

use chantal_catalog::{FeedState, Repository as Row, Snapshot};
use chantal_model::{RelPath, RevisionNumber, Sha256, SnapshotName};
use serde::Serialize;

use super::scroll::packed;
use super::{FeedForm, HoldForm, PublicationForm, Scroll, SnapshotForm, StateForm, YOUNG_SECONDS, below, holds};
use crate::Engine;
use crate::error::{Doing, EngineError};

/// The file of a publication, whose path may be absolute.
fn publication_name(path: &str) -> String {
    format!("publications/{}", &Sha256::of(path.as_bytes()).hex()[..32])
}

impl Engine {
    /// Writes a value, unless the file has it.
    pub(super) fn keep_value(&self, name: &RelPath, value: &impl Serialize) -> Result<(), EngineError> {
        let packed = packed(value)?;
        if self.pool.peek_manifest(name).as_ref() == Some(&packed) {
            return Ok(());
        }
        let mut scroll = Scroll::begin(&self.pool, name)?;
        scroll.value(&packed)?;
        scroll.finish()
    }

    /// Keeps what is remembered about a feed.
    pub(crate) async fn keep_feed(&self, row: &Row) -> Result<(), EngineError> {
        let state = self.catalog.feed_state(row.id).await.doing("read the feed's state")?;
        let current = self.catalog.current(row.line).await.doing("find the newest revision")?;
        self.keep_feed_at(row, state, current.map(|current| current.number.0))
    }

    /// Keeps the state of a feed with a revision, which may be about to be recorded.
    pub(crate) fn keep_feed_at(
        &self,
        row: &Row,
        state: Option<FeedState>,
        revision: Option<i64>,
    ) -> Result<(), EngineError> {
        let name = below(row.name.as_str(), "feed")?;
        match state {
            Some(state) => self.keep_value(
                &name,
                &FeedForm {
                    revision,
                    ..FeedForm::from(state)
                },
            ),
            None => self.pool.remove_manifest(&name).doing("remove a manifest"),
        }
    }

    /// Keeps a snapshot that is about to be made.
    pub(crate) fn keep_snapshot(
        &self,
        repository: &str,
        name: &SnapshotName,
        description: Option<&str>,
        revision: RevisionNumber,
        created_at: i64,
    ) -> Result<(), EngineError> {
        let file = below(repository, &format!("snapshots/{name}"))?;
        let form = SnapshotForm {
            name: name.to_string(),
            description: description.map(str::to_owned),
            created_at,
            revision: revision.0,
        };
        self.keep_value(&file, &form)
    }

    /// Brings the manifest of a snapshot in step with the catalog.
    pub(crate) async fn settle_snapshot(&self, row: &Row, name: &SnapshotName) -> Result<(), EngineError> {
        if let Some(found) = self.catalog.snapshot(row.id, name).await.doing("read snapshots")? {
            return self.keep_found(row, &found);
        }
        let file = below(row.name.as_str(), &format!("snapshots/{name}"))?;
        self.pool.remove_manifest(&file).doing("remove a manifest")
    }

    fn keep_found(&self, row: &Row, found: &Snapshot) -> Result<(), EngineError> {
        let description = found.description.as_deref();
        self.keep_snapshot(
            row.name.as_str(),
            &found.name,
            description,
            found.revision,
            found.created_at,
        )
    }

    pub(super) async fn keep_snapshots(&self, row: &Row) -> Result<(), EngineError> {
        let snapshots = self.catalog.snapshots(row.id).await.doing("read snapshots")?;
        for snapshot in &snapshots {
            self.keep_found(row, snapshot)?;
        }
        let known: HashSet<&str> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
        self.forget_others(row, "snapshots", &known)
    }

    /// Removes files of a directory that nothing in the catalog stands for, once they are old.
    fn forget_others(&self, row: &Row, directory: &str, known: &HashSet<&str>) -> Result<(), EngineError> {
        let before = self.clock.now().as_second() - YOUNG_SECONDS;
        let path = below(row.name.as_str(), directory)?;
        for (name, _) in self.pool.manifests(Some(&path)).doing("list manifests")? {
            let file = below(row.name.as_str(), &format!("{directory}/{name}"))?;
            if !known.contains(name.as_str()) && self.pool.manifest_written(&file).is_some_and(|at| at < before) {
                self.pool.remove_manifest(&file).doing("remove a manifest")?;
            }
        }
        Ok(())
    }

    /// Brings the manifest of a publication in step with the catalog.
    pub(crate) async fn keep_publication(&self, repository: &str, path: &str) -> Result<(), EngineError> {
        let name = below(repository, &publication_name(path))?;
        let Some(publication) = self.catalog.publication(path).await.doing("read publications")? else {
            return self.pool.remove_manifest(&name).doing("remove a manifest");
        };
        let states = self.catalog.states(path).await.doing("read publications")?;
        let mut rendered = Vec::new();
        let keys: std::collections::BTreeSet<&String> = states.iter().map(|state| &state.render_key).collect();
        for key in keys {
            let files = self.catalog.rendered(key).await.doing("look up rendered metadata")?;
            let files: Vec<_> = files
                .into_iter()
                .map(|(path, sha256, size)| (path, sha256.hex(), size))
                .collect();
            if !files.is_empty() {
                rendered.push((key.clone(), files));
            }
        }
        let form = PublicationForm {
            path: publication.path,
            kind: publication.kind.name().to_owned(),
            snapshot: publication.snapshot,
            pinned: publication.pinned,
            generation: publication.generation,
            states: states.iter().map(StateForm::from).collect(),
            rendered,
        };
        self.keep_value(&name, &form)
    }

    pub(super) async fn keep_publications(&self, row: &Row) -> Result<(), EngineError> {
        let publications = self.catalog.publications().await.doing("read publications")?;
        let own = publications
            .iter()
            .filter(|publication| publication.repository == row.id);
        let mut names = Vec::new();
        for publication in own {
            self.keep_publication(row.name.as_str(), &publication.path).await?;
            names.push(publication_name(&publication.path));
        }
        let known = names.iter().filter_map(|name| name.rsplit('/').next()).collect();
        self.forget_others(row, "publications", &known)
    }

    /// Keeps all holds.
    pub(crate) async fn keep_holds(&self) -> Result<(), EngineError> {
        let forms: Vec<HoldForm> = self
            .catalog
            .holds()
            .await
            .doing("read holds")?
            .into_iter()
            .map(|hold| HoldForm {
                sha256: hold.sha256.hex(),
                reason: hold.reason,
                created_at: hold.created_at,
            })
            .collect();
        if forms.is_empty() {
            return self.pool.remove_manifest(&holds()).doing("remove a manifest");
        }
        self.keep_value(&holds(), &forms)
    }
}
