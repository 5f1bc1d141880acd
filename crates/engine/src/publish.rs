//! Publish: make a revision or snapshot the state that clients see at a path.
//!
//! Add, switch, prune, each restartable: packages are linked first, then the entry directory is staged, verified and
//! exchanged, and only what neither the new nor a recently served state names is removed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use chantal_catalog::{Lease, Publication, PublicationKind, PublicationState, StateStatus};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{Mode, RelPath, RepoId, RevisionNumber, Sha256, SnapshotName, Step};
use chantal_publish::{Source, Staged};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::{PublishOptions, PublishPlan, PublishReport, Target};
use crate::settings::{RENDERER, Settings};
use crate::site::{Place, client_file, publishing};
use crate::state::{StateFile, complete, entry_path};

/// The state that is to be served.
pub(crate) struct State {
    pub(crate) line: i64,
    pub(crate) revision: RevisionNumber,
    pub(crate) mode: Mode,
    pub(crate) render_settings: chantal_formats::RenderSettings,
    pub(crate) packages: u64,
    /// Names what rendering gives: equal keys, equal bytes.
    pub(crate) render_key: String,
}

impl Engine {
    /// Publishes a repository's newest revision or a snapshot.
    ///
    /// A state that is served already is left alone. A killed run is finished by the next one.
    ///
    /// # Errors
    /// What was served is still served.
    pub async fn publish(&self, target: &Target, options: &PublishOptions) -> Result<PublishReport, EngineError> {
        let started = Instant::now();
        let (repo, state, snapshot) = self.state_of(target).await?;
        let place = self.place(
            repo,
            snapshot.as_ref().map(|(_, name)| name),
            options.target_dir.clone(),
        )?;
        if let Target::Repository(id) = target
            && options.target_dir.is_none()
        {
            self.refuse_pinned(id, &place).await?;
        }
        let mut report = self
            .publish_state(repo, &place, &state, snapshot.as_ref(), false, options)
            .await?;
        report.duration_ms = started.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// What [`Engine::publish`] would do now. Changes nothing.
    pub async fn plan_publish(&self, target: &Target, options: &PublishOptions) -> Result<PublishPlan, EngineError> {
        let (repo, state, snapshot) = self.state_of(target).await?;
        let place = self.place(
            repo,
            snapshot.as_ref().map(|(_, name)| name),
            options.target_dir.clone(),
        )?;
        if let Target::Repository(id) = target
            && options.target_dir.is_none()
        {
            self.refuse_pinned(id, &place).await?;
        }
        self.plan_state(repo, &place, &state, snapshot.map(|(_, name)| name), options)
            .await
    }

    /// Publishes a snapshot at the repository's own path and pins it there; `None` takes the pin away and publishes
    /// the newest revision.
    pub async fn switch(
        &self,
        id: &RepoId,
        snapshot: Option<&SnapshotName>,
        options: &PublishOptions,
    ) -> Result<PublishReport, EngineError> {
        let started = Instant::now();
        let target = switch_target(id, snapshot);
        let (repo, state, snapshot) = self.state_of(&target).await?;
        let place = self.place(repo, None, options.target_dir.clone())?;
        let pinned = snapshot.is_some();
        let mut report = self
            .publish_state(repo, &place, &state, snapshot.as_ref(), pinned, options)
            .await?;
        report.duration_ms = started.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// What [`Engine::switch`] would do now. Changes nothing.
    pub async fn plan_switch(
        &self,
        id: &RepoId,
        snapshot: Option<&SnapshotName>,
        options: &PublishOptions,
    ) -> Result<PublishPlan, EngineError> {
        let (repo, state, snapshot) = self.state_of(&switch_target(id, snapshot)).await?;
        let place = self.place(repo, None, options.target_dir.clone())?;
        self.plan_state(repo, &place, &state, snapshot.map(|(_, name)| name), options)
            .await
    }

    async fn refuse_pinned(&self, id: &RepoId, place: &Place) -> Result<(), EngineError> {
        let publication = self
            .catalog
            .publication(&place.key())
            .await
            .doing("read publications")?;
        let Some(pinned) = publication.filter(|publication| publication.pinned) else {
            return Ok(());
        };
        Err(EngineError::Pinned {
            repo: id.to_string(),
            snapshot: pinned.snapshot.unwrap_or_default(),
        })
    }

    /// Finds the state that a target names.
    pub(crate) async fn state_of(
        &self,
        target: &Target,
    ) -> Result<(&Repository, State, Option<(i64, SnapshotName)>), EngineError> {
        let (Target::Repository(id) | Target::Snapshot(id, _)) = target;
        let repo = self.configured(id)?;
        let row = self.known(id).await?;
        let (line, number, snapshot) = match target {
            Target::Repository(_) => {
                let current = self.catalog.current(row.line).await.doing("find the newest revision")?;
                let Some(current) = current else {
                    return Err(EngineError::request(
                        format!("repository {id} has no revision yet"),
                        Some("`chantal repo sync` makes one"),
                    ));
                };
                (current.line, current.number, None)
            }
            Target::Snapshot(_, name) => {
                let found = self.find_snapshot(id, name).await?;
                (found.line, found.revision, Some((found.id, name.clone())))
            }
        };
        let revision = self.catalog.revision(line, number).await.doing("read a revision")?;
        let Some(revision) = revision else {
            return Err(EngineError::request(
                format!("repository {id} has no revision {number}"),
                None,
            ));
        };
        let (render_settings, mode) = Settings::from_json(id.as_str(), &revision.settings)?;
        let key = format!("{}\n{}\n{RENDERER}", revision.fingerprint.hex(), revision.settings);
        Ok((
            repo,
            State {
                line,
                revision: number,
                mode,
                render_settings,
                packages: revision.package_count as u64,
                render_key: Sha256::of(key.as_bytes()).hex(),
            },
            snapshot,
        ))
    }

    async fn plan_state(
        &self,
        repo: &Repository,
        place: &Place,
        state: &State,
        snapshot: Option<SnapshotName>,
        options: &PublishOptions,
    ) -> Result<PublishPlan, EngineError> {
        let states = self.catalog.states(&place.key()).await.doing("read publications")?;
        let live = states.iter().find(|one| one.status == StateStatus::Live);
        let unchanged = !options.force && self.is_served(place, state, live, repo)?;
        let mut plan = PublishPlan {
            repo: repo.id.clone(),
            snapshot,
            revision: state.revision,
            path: place.directory().display().to_string(),
            unchanged,
            served: live.map(|live| live.revision),
            packages: state.packages,
            new_files: 0,
            retired_files: 0,
            render: false,
            warnings: self.warnings(repo, state)?,
        };
        if unchanged {
            return Ok(plan);
        }
        let packages = self.package_files(state).await?;
        let rendered = self.metadata_files(state).await?;
        plan.render = rendered.is_none();
        let names: HashSet<&RelPath> = packages
            .iter()
            .map(|file| &file.path)
            .chain(rendered.iter().flatten().map(|file| &file.path))
            .collect();
        let there = place.site.files(&place.tree).map_err(|e| publishing(place, e))?;
        plan.new_files = names.iter().filter(|name| !there.contains(**name)).count() as u64;
        plan.retired_files = there.iter().filter(|name| !names.contains(name)).count() as u64;
        Ok(plan)
    }

    /// Says where today's configuration differs from what the revision was recorded with.
    fn warnings(&self, repo: &Repository, state: &State) -> Result<Vec<String>, EngineError> {
        let mut warnings = Vec::new();
        if repo.mode != state.mode {
            warnings.push(format!(
                "the configuration says mode {}, this revision was recorded in mode {}: sync to make a new one",
                repo.mode, state.mode
            ));
        }
        let _ = self.format(repo)?;
        Ok(warnings)
    }

    /// Whether exactly this state is served: by the record, and by the entry file that lies there.
    fn is_served(
        &self,
        place: &Place,
        state: &State,
        live: Option<&PublicationState>,
        repo: &Repository,
    ) -> Result<bool, EngineError> {
        let format = self.format(repo)?;
        let Some(live) = live else { return Ok(false) };
        if live.render_key != state.render_key {
            return Ok(false);
        }
        let entry = entry_path(format)?;
        let there = place
            .site
            .live_entry(&place.tree, &entry)
            .map_err(|e| publishing(place, e))?;
        Ok(there.is_some_and(|entry| Some(entry.sha256) == live.entry_sha256))
    }

    async fn publish_state(
        &self,
        repo: &Repository,
        place: &Place,
        state: &State,
        snapshot: Option<&(i64, SnapshotName)>,
        pinned: bool,
        options: &PublishOptions,
    ) -> Result<PublishReport, EngineError> {
        let name = format!("publish:{}", place.key());
        let lease = self
            .catalog
            .acquire(&name, options.wait)
            .await
            .doing("hold the published path")?;
        let result = self
            .publish_held(repo, place, state, snapshot, pinned, options, &lease)
            .await;
        lease.release().await.doing("release the published path")?;
        result
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; the values have no other common owner"
    )]
    async fn publish_held(
        &self,
        repo: &Repository,
        place: &Place,
        state: &State,
        snapshot: Option<&(i64, SnapshotName)>,
        pinned: bool,
        options: &PublishOptions,
        lease: &Lease,
    ) -> Result<PublishReport, EngineError> {
        let format = self.format(repo)?;
        let guard = place.site.lock(&place.tree).map_err(|e| publishing(place, e))?;
        let plan = self
            .plan_state(repo, place, state, snapshot.map(|(_, name)| name.clone()), options)
            .await?;
        let kind = if place.is_snapshot {
            PublicationKind::Snapshot
        } else {
            PublicationKind::Latest
        };
        let mut publication = self.publication_row(repo, place, kind, snapshot, pinned).await?;
        let mut report = PublishReport {
            url: place.url.clone(),
            generation: None,
            linked: 0,
            pruned: 0,
            duration_ms: 0,
            plan,
        };
        let entry_dir = RelPath::parse(format.entry_dir()).expect("a format's entry directory is a safe path");
        place
            .site
            .recover(&place.tree, &entry_dir)
            .map_err(|e| publishing(place, e))?;
        if !report.plan.unchanged {
            let metadata = self.rendered(repo, format, state, lease).await?;
            let packages = self.package_files(state).await?;
            report.linked = self.add(place, &entry_dir, packages, &metadata).await?;
            publication.generation += i64::from(place.has_generations());
            let generation = publication.generation;
            self.switch_to(place, format, &entry_dir, state, &metadata, lease, generation)
                .await?;
            report.plan.served = Some(state.revision);
        }
        self.catalog
            .save_publication(lease, &publication)
            .await
            .doing("record the publication")?;
        report.pruned = self.prune(place, &entry_dir, lease).await?;
        self.write_beside(repo, format, place, &entry_dir, publication.generation)?;
        report.generation = place.has_generations().then_some(publication.generation);
        drop(guard);
        Ok(report)
    }

    async fn publication_row(
        &self,
        repo: &Repository,
        place: &Place,
        kind: PublicationKind,
        snapshot: Option<&(i64, SnapshotName)>,
        pinned: bool,
    ) -> Result<Publication, EngineError> {
        let row = self.known(&repo.id).await?;
        let known = self
            .catalog
            .publication(&place.key())
            .await
            .doing("read publications")?;
        Ok(Publication {
            path: place.key(),
            repository: row.id,
            kind,
            snapshot_id: snapshot.map(|(id, _)| *id),
            snapshot: snapshot.map(|(_, name)| name.to_string()),
            pinned,
            generation: known.map_or(0, |known| known.generation),
        })
    }

    /// Links every file outside the entry directory.
    async fn add(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        packages: Vec<StateFile>,
        metadata: &[StateFile],
    ) -> Result<u64, EngineError> {
        let outside: Vec<(RelPath, PathBuf, Sha256)> = packages
            .iter()
            .chain(
                metadata
                    .iter()
                    .filter(|file| file.path.parent().as_ref() != Some(entry_dir)),
            )
            .map(|file| (file.path.clone(), self.pool.path(&file.sha256), file.sha256))
            .collect();
        for file in packages.iter().chain(metadata) {
            if !self.pool.contains(&file.sha256, file.size) {
                return Err(EngineError::MissingBlob {
                    sha256: file.sha256.hex(),
                    what: file.path.to_string(),
                });
            }
        }
        self.progress.begin(Step::Add, outside.len() as u64);
        let (site, tree, pool, progress) = (
            place.site.clone(),
            place.tree.clone(),
            self.pool.clone(),
            self.progress.clone(),
        );
        let shown = place.key();
        let linked = blocking(move || {
            let by_path: std::collections::HashMap<PathBuf, Sha256> = outside
                .iter()
                .map(|(_, source, sha256)| (source.clone(), *sha256))
                .collect();
            let mut files = outside
                .into_iter()
                .map(|(path, source, _)| (path, Source::Link(source)));
            let renew = |source: &std::path::Path| -> std::io::Result<()> {
                match by_path.get(source) {
                    Some(sha256) => pool
                        .second_inode(sha256)
                        .map_err(|error| std::io::Error::other(error.to_string())),
                    None => Err(std::io::Error::other("not a blob of the pool")),
                }
            };
            let added = site
                .add(&tree, &mut files, &renew, &|| progress.advance(Step::Add, 1))
                .map_err(|source| EngineError::Publish { path: shown, source })?;
            Ok(added.linked + added.replaced)
        })
        .await?;
        self.progress.end(Step::Add);
        Ok(linked)
    }

    /// Stages the entry directory, verifies it, notes it, exchanges it, and records what is served now.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; the values have no other common owner"
    )]
    async fn switch_to(
        &self,
        place: &Place,
        format: &'static dyn Format,
        entry_dir: &RelPath,
        state: &State,
        metadata: &[StateFile],
        lease: &Lease,
        generation: i64,
    ) -> Result<(), EngineError> {
        self.progress.begin(Step::Switch, 1);
        let now = self.clock.now().as_second();
        let carried = self.carried(place, format, entry_dir, now).await?;
        let staged: Vec<Staged> = metadata
            .iter()
            .filter(|file| file.path.parent().as_ref() == Some(entry_dir))
            .map(|file| Staged {
                name: file.path.file_name().to_owned(),
                source: Source::Link(self.pool.path(&file.sha256)),
                rank: format.entry_rank(file.path.file_name()),
            })
            .collect();
        let sizes: Vec<(String, u64)> = metadata
            .iter()
            .filter(|f| f.path.parent().as_ref() == Some(entry_dir))
            .map(|f| (f.path.file_name().to_owned(), f.size))
            .collect();
        let entry = entry_path(format)?;
        let entry_sha256 = metadata.iter().find(|file| file.path == entry).map(|file| file.sha256);
        let (site, tree, dir, shown) = (place.site.clone(), place.tree.clone(), entry_dir.clone(), place.key());
        let stage = blocking({
            let (site, tree, dir, shown) = (site.clone(), tree.clone(), dir.clone(), shown.clone());
            move || {
                let wrap = |source| EngineError::Publish {
                    path: shown.clone(),
                    source,
                };
                let stage = site
                    .stage(&tree, &dir, staged, &|name| carried.contains(name))
                    .map_err(wrap)?;
                stage.verify(&|directory| complete(directory, &sizes)).map_err(wrap)?;
                Ok(stage)
            }
        })
        .await?;
        let id = self
            .catalog
            .stage_state(
                lease,
                &shown,
                state.line,
                state.revision,
                &state.render_key,
                generation,
                entry_sha256,
                now,
            )
            .await
            .doing("note the state to be served")?;
        blocking(move || {
            site.switch(stage)
                .map_err(|source| EngineError::Publish { path: shown, source })
        })
        .await?;
        self.catalog
            .make_live(lease, &place.key(), id, now)
            .await
            .doing("record what is served")?;
        self.progress.end(Step::Switch);
        Ok(())
    }

    /// Names in the entry directory that recently served states still need.
    async fn carried(
        &self,
        place: &Place,
        format: &dyn Format,
        entry_dir: &RelPath,
        now: i64,
    ) -> Result<HashSet<String>, EngineError> {
        let mut carried = HashSet::new();
        let mut seen = HashSet::new();
        for state in self.catalog.states(&place.key()).await.doing("read publications")? {
            if state
                .served_until
                .is_some_and(|until| until + place.metadata_grace_seconds < now)
            {
                continue;
            }
            if !seen.insert((state.line, state.revision, state.render_key.clone())) {
                continue;
            }
            for file in self.metadata_of(&state).await? {
                // A file of fixed name belongs to one state alone: an old signature must not stay beside a new entry.
                let is_fixed = format.entry_rank(file.path.file_name()).is_some();
                if !is_fixed && file.path.parent().as_ref() == Some(entry_dir) {
                    carried.insert(file.path.file_name().to_owned());
                }
            }
        }
        Ok(carried)
    }

    /// Removes files whose grace is over. A file that no recorded state ever named is noted when it is first seen and
    /// removed one package grace later, so that a lost record never breaks a client.
    async fn prune(&self, place: &Place, entry_dir: &RelPath, lease: &Lease) -> Result<u64, EngineError> {
        let now = self.clock.now().as_second();
        let mut keep: HashSet<RelPath> = HashSet::new();
        let mut retired: HashSet<RelPath> = HashSet::new();
        let mut over = Vec::new();
        let mut generations = HashSet::new();
        let mut seen = HashSet::new();
        for state in self.catalog.states(&place.key()).await.doing("read publications")? {
            let retired_for = state.served_until.map_or(0, |until| now - until);
            let metadata_over = retired_for > place.metadata_grace_seconds;
            let packages_over = retired_for > place.package_grace_seconds;
            if !packages_over {
                generations.insert(state.generation);
            }
            if metadata_over && packages_over {
                over.push(state.id);
            }
            // A state that was served often is looked up once for each answer to "is its grace over".
            if !seen.insert((
                state.line,
                state.revision,
                state.render_key.clone(),
                metadata_over,
                packages_over,
            )) {
                continue;
            }
            for file in self.metadata_of(&state).await? {
                let in_entry_dir = file.path.parent().as_ref() == Some(entry_dir);
                let is_over = if in_entry_dir { metadata_over } else { packages_over };
                if is_over { &mut retired } else { &mut keep }.insert(file.path);
            }
            let packages = self.package_paths(&state).await?;
            if packages_over { &mut retired } else { &mut keep }.extend(packages);
        }
        let strays = self.catalog.strays(&place.key()).await.doing("read publications")?;
        let is_expired = |path: &RelPath| {
            strays
                .get(path.as_str())
                .is_some_and(|seen| now - seen > place.package_grace_seconds)
        };
        let expired: HashSet<RelPath> = strays
            .keys()
            .filter_map(|path| RelPath::parse(path).ok())
            .filter(is_expired)
            .collect();
        let (site, tree, shown, key) = (place.site.clone(), place.tree.clone(), place.key(), place.key());
        self.progress.begin(Step::Prune, 0);
        let (pruned, unknown) = blocking(move || {
            let mut unknown = Vec::new();
            let pruned = site
                .prune(&tree, &mut |path| {
                    if keep.contains(path) {
                        return true;
                    }
                    let known = retired.contains(path) || expired.contains(path);
                    if !known {
                        unknown.push(path.to_string());
                    }
                    !known
                })
                .map_err(|source| EngineError::Publish { path: shown, source })?;
            // A client keeps the base URL that it was told as long as its metadata.
            site.prune_generations(&tree, &|number| generations.contains(&number))
                .map_err(|source| EngineError::Publish { path: key, source })?;
            Ok((pruned, unknown))
        })
        .await?;
        self.catalog
            .save_strays(lease, &place.key(), &unknown, now)
            .await
            .doing("note unknown files")?;
        for state in over {
            self.catalog
                .drop_state(lease, state)
                .await
                .doing("forget a served state")?;
        }
        self.progress.end(Step::Prune);
        Ok(pruned.removed)
    }

    /// Client file, mirrorlist and generation.
    fn write_beside(
        &self,
        repo: &Repository,
        format: &dyn Format,
        place: &Place,
        entry_dir: &RelPath,
        generation: i64,
    ) -> Result<(), EngineError> {
        let Some(url) = &place.url else { return Ok(()) };
        let wrap = |e| publishing(place, e);
        if place.has_generations() {
            let directory = place
                .site
                .generation(&place.tree, entry_dir, generation)
                .map_err(wrap)?;
            let base = url
                .trim_end_matches('/')
                .rsplit_once('/')
                .map_or(url.as_str(), |(parent, _)| parent);
            let line = format!("{base}/gen/{generation}/\n");
            let list = directory.parent().and_then(|gen_dir| gen_dir.parent());
            let list = match list {
                Some(parent) => RelPath::parse(&format!("{parent}/mirrorlist")),
                None => RelPath::parse("mirrorlist"),
            }
            .expect("the parent of a generation is a safe path");
            place.site.write_file(&list, line.as_bytes()).map_err(wrap)?;
        }
        let (path, text) = client_file(repo, format, place, url);
        place.site.write_file(&path, text.as_bytes()).map_err(wrap)
    }
}

fn switch_target(id: &RepoId, snapshot: Option<&SnapshotName>) -> Target {
    match snapshot {
        Some(name) => Target::Snapshot(id.clone(), name.clone()),
        None => Target::Repository(id.clone()),
    }
}
