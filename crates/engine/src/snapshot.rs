//! Snapshots: named pins of a revision. Making one writes two rows, whatever the size.

use chantal_catalog::Snapshot;
use chantal_model::{ItemKind, RepoId, RevisionNumber, SnapshotName, fault};

use crate::Engine;
use crate::diff::{Changed, Counts, Side, pair};
use crate::error::{Doing, EngineError};
use crate::query::{advisory_row, package_row, time};
use crate::report::{DiffReport, PackageRow, SnapshotRow};

impl Engine {
    /// See [`Engine::create_snapshot`].
    pub(crate) async fn create_snapshot_now(
        &self,
        id: &RepoId,
        name: &SnapshotName,
        description: Option<&str>,
    ) -> Result<SnapshotRow, EngineError> {
        self.configured(id)?;
        let row = self.known(id).await?;
        let current = self
            .catalog
            .current(row.line)
            .await
            .doing("find the newest revision")?
            .ok_or_else(|| {
                EngineError::request(
                    format!("repository {id} has no revision yet"),
                    Some("`chantal repo sync` makes one"),
                )
            })?;
        self.pin(id, row.id, name, description, (current.line, current.number))
            .await
    }

    /// See [`Engine::copy_snapshot`].
    pub(crate) async fn copy_snapshot_now(
        &self,
        id: &RepoId,
        source: &SnapshotName,
        target: &SnapshotName,
        description: Option<&str>,
    ) -> Result<SnapshotRow, EngineError> {
        let found = self.find_snapshot(id, source).await?;
        let row = self.known(id).await?;
        self.pin(id, row.id, target, description, (found.line, found.revision))
            .await
    }

    async fn pin(
        &self,
        id: &RepoId,
        repository: i64,
        name: &SnapshotName,
        description: Option<&str>,
        (line, revision): (i64, RevisionNumber),
    ) -> Result<SnapshotRow, EngineError> {
        if let Some(there) = self.catalog.snapshot(repository, name).await.doing("read snapshots")? {
            return Err(EngineError::request(
                format!(
                    "repository {id} has a snapshot {name} already; it pins {}",
                    there.revision
                ),
                Some("snapshots never change: choose another name, or delete it first"),
            ));
        }
        let now = self.clock.now().as_second();
        self.keep_snapshot(id.as_str(), name, description, revision, now)?;
        fault!("engine::snapshot::before").doing("make the snapshot")?;
        let made = self
            .catalog
            .create_snapshot(repository, name, description, line, revision, now)
            .await;
        if made.is_err() {
            self.settle_snapshot(&self.known(id).await?, name).await?;
        }
        made.doing("make the snapshot")?;
        fault!("engine::snapshot::after").doing("show the snapshot")?;
        self.snapshot(id, name).await
    }

    /// Every snapshot, newest first.
    pub async fn snapshots(&self, id: Option<&RepoId>) -> Result<Vec<SnapshotRow>, EngineError> {
        let mut rows = Vec::new();
        for repository in self.catalog.repositories().await.doing("read repositories")? {
            if id.is_some_and(|id| *id != repository.name) {
                continue;
            }
            for snapshot in self.catalog.snapshots(repository.id).await.doing("read snapshots")? {
                rows.push(self.snapshot_row(&repository.name, snapshot).await?);
            }
        }
        if let Some(id) = id
            && rows.is_empty()
            && self
                .catalog
                .repository(id)
                .await
                .doing("find the repository")?
                .is_none()
        {
            self.configured(id)?;
        }
        rows.sort_by(|a, b| (&a.repo, &b.created, &b.name).cmp(&(&b.repo, &a.created, &a.name)));
        Ok(rows)
    }

    /// One snapshot.
    pub async fn snapshot(&self, id: &RepoId, name: &SnapshotName) -> Result<SnapshotRow, EngineError> {
        let found = self.find_snapshot(id, name).await?;
        self.snapshot_row(id, found).await
    }

    async fn snapshot_row(&self, id: &RepoId, snapshot: Snapshot) -> Result<SnapshotRow, EngineError> {
        let revision = self
            .catalog
            .revision(snapshot.line, snapshot.revision)
            .await
            .doing("read a revision")?;
        let published = self
            .catalog
            .publications()
            .await
            .doing("read publications")?
            .into_iter()
            .filter(|publication| publication.snapshot_id == Some(snapshot.id))
            .map(|publication| publication.path)
            .collect();
        Ok(SnapshotRow {
            repo: id.to_string(),
            name: snapshot.name.to_string(),
            description: snapshot.description,
            revision: snapshot.revision,
            created: time(snapshot.created_at),
            packages: revision.as_ref().map_or(0, |revision| revision.package_count as u64),
            bytes: revision.as_ref().map_or(0, |revision| revision.package_bytes as u64),
            published,
        })
    }

    pub(crate) async fn find_snapshot(&self, id: &RepoId, name: &SnapshotName) -> Result<Snapshot, EngineError> {
        let row = self.known(id).await?;
        self.catalog
            .snapshot(row.id, name)
            .await
            .doing("read snapshots")?
            .ok_or_else(|| {
                EngineError::request(
                    format!("repository {id} has no snapshot {name}"),
                    Some(&format!("`chantal snapshot list {id}` shows all")),
                )
            })
    }

    /// See [`Engine::delete_snapshot`].
    pub(crate) async fn delete_snapshot_now(
        &self,
        id: &RepoId,
        name: &SnapshotName,
        force: bool,
    ) -> Result<(), EngineError> {
        let row = self.snapshot(id, name).await?;
        if let Some(path) = row.published.first() {
            if !force {
                return Err(EngineError::request(
                    format!("snapshot {name} of {id} is published at {path}"),
                    Some(&format!(
                        "`chantal publish unpublish {id} --snapshot {name}` first, or `--force`"
                    )),
                ));
            }
            self.take_down_snapshot(id, name).await?;
        }
        let found = self.find_snapshot(id, name).await?;
        self.catalog
            .delete_snapshot(found.id)
            .await
            .doing("delete the snapshot")?;
        self.settle_snapshot(&self.known(id).await?, name).await
    }

    /// The packages of a state, in path order.
    pub async fn content(&self, id: &RepoId, state: &str, limit: Option<u64>) -> Result<Vec<PackageRow>, EngineError> {
        let (line, revision) = self.resolve_state(id, state).await?;
        let mut rows = Vec::new();
        self.catalog
            .each_package(line, revision, &mut |package| {
                if limit.is_none_or(|limit| (rows.len() as u64) < limit) {
                    rows.push(package_row(package));
                }
            })
            .await
            .doing("read a revision")?;
        Ok(rows)
    }

    /// What differs between two states of a repository.
    ///
    /// A state is a snapshot's name, `latest` (the newest revision), `published` (what is served at the repository's
    /// path) or `r` and a revision number.
    pub async fn diff(&self, id: &RepoId, from: &str, to: &str) -> Result<DiffReport, EngineError> {
        let (line, from_revision) = self.resolve_state(id, from).await?;
        let (_, to_revision) = self.resolve_state(id, to).await?;
        let (removed, added) = self
            .catalog
            .diff(line, from_revision, to_revision)
            .await
            .doing("compare two revisions")?;
        // A package that only moved to another path neither went nor came.
        let gone: std::collections::HashSet<_> = removed.iter().map(|package| package.sha256).collect();
        let came: std::collections::HashSet<_> = added.iter().map(|package| package.sha256).collect();
        let removed = removed
            .into_iter()
            .filter(|package| !came.contains(&package.sha256))
            .map(changed)
            .collect();
        let added = added
            .into_iter()
            .filter(|package| !gone.contains(&package.sha256))
            .map(changed)
            .collect();
        let changes = pair(removed, added);
        let new_advisories = self
            .catalog
            .items_added(line, from_revision, to_revision, ItemKind::Advisory)
            .await
            .doing("compare two revisions")?
            .into_iter()
            .map(|(key, attributes)| advisory_row(key, attributes.as_deref()))
            .collect();
        Ok(DiffReport {
            repo: id.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            from_revision,
            to_revision,
            counts: Counts::of(&changes),
            changes,
            new_advisories,
        })
    }

    /// The line and revision that a state's name means.
    pub(crate) async fn resolve_state(&self, id: &RepoId, state: &str) -> Result<(i64, RevisionNumber), EngineError> {
        let row = self.known(id).await?;
        let none = |what: &str| EngineError::request(format!("repository {id} has no {what}"), None);
        if state == "latest" {
            let current = self.catalog.current(row.line).await.doing("find the newest revision")?;
            return current
                .map(|current| (current.line, current.number))
                .ok_or_else(|| none("revision yet"));
        }
        if state == "published" {
            let repo = self.configured(id)?;
            let path = crate::site::tree(repo, None).to_string();
            let live = self.live_state(&path).await?;
            return live
                .map(|live| (live.line, live.revision))
                .ok_or_else(|| none("published state"));
        }
        if state == "upstream" {
            return Err(EngineError::request(
                "`upstream` is not recorded here",
                Some(&format!("`chantal repo sync {id} --dry-run` compares with upstream")),
            ));
        }
        if let Some(digits) = state.strip_prefix('r')
            && let Ok(number) = digits.parse::<i64>()
        {
            let revision = self
                .catalog
                .revision(row.line, RevisionNumber(number))
                .await
                .doing("read a revision")?;
            let revision = revision.ok_or_else(|| none(&format!("revision {state}")))?;
            let found = crate::retire::living(id, revision)?;
            return Ok((found.line, found.number));
        }
        let name: SnapshotName = state
            .parse()
            .map_err(|error: chantal_model::NameError| EngineError::request(error.to_string(), None))?;
        let found = self.find_snapshot(id, &name).await?;
        Ok((found.line, found.revision))
    }
}

fn changed(package: chantal_catalog::PackageRow) -> Changed {
    Changed {
        name: package.name,
        arch: package.arch,
        side: Side {
            version: package.version,
            path: package.path,
            key: package.version_key,
        },
    }
}
