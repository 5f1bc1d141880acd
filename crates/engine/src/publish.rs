//! Publish: make a revision or snapshot the state that clients see at a path.
//!
//! Add, switch, prune, each restartable: packages are linked first, then the entry directory is staged, verified and
//! exchanged, and only what neither the new nor a recently served state names is removed.

use std::collections::HashSet;
use std::time::Instant;

use chantal_catalog::{PublicationState, Revision, StateStatus};
use chantal_config::Repository;
use chantal_model::{Mode, RelPath, RepoId, RevisionNumber, Sha256, SnapshotName};
use tracing::Instrument;

use crate::Engine;
use crate::end::{Facts, Run};
use crate::error::{Doing, EngineError};
use crate::report::{PublishOptions, PublishPlan, PublishReport, Target};
use crate::settings::{RENDERER, Settings};
use crate::site::{Place, publishing};
use crate::state::entry_path;

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

impl State {
    pub(crate) fn of(id: &RepoId, revision: &Revision) -> Result<Self, EngineError> {
        let (render_settings, mode) = Settings::from_json(id.as_str(), &revision.settings)?;
        let key = format!("{}\n{}\n{RENDERER}", revision.fingerprint.hex(), revision.settings);
        Ok(Self {
            line: revision.line,
            revision: revision.number,
            mode,
            render_settings,
            packages: revision.package_count as u64,
            render_key: Sha256::of(key.as_bytes()).hex(),
        })
    }
}

impl Engine {
    /// See [`Engine::publish`].
    pub(crate) async fn publish_now(
        &self,
        target: &Target,
        options: &PublishOptions,
    ) -> Result<PublishReport, EngineError> {
        let (Target::Repository(id) | Target::Snapshot(id, _)) = target;
        let run = self.begun("publish", Some(id));
        let done = Box::pin(self.publish_target(target, options).instrument(run.span())).await;
        self.ended_publishing(run, &done).await;
        done
    }

    async fn ended_publishing(&self, run: Run, done: &Result<PublishReport, EngineError>) {
        let facts = done.as_ref().map(Facts::of_publish).unwrap_or_default();
        self.ended(run.end(done.as_ref().err(), facts)).await;
    }

    async fn publish_target(&self, target: &Target, options: &PublishOptions) -> Result<PublishReport, EngineError> {
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
        self.refuse_target(repo, &place).await?;
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
        self.refuse_target(repo, &place).await?;
        self.plan_state(repo, &place, &state, snapshot.map(|(_, name)| name), options, true)
            .await
    }

    /// See [`Engine::switch`].
    pub(crate) async fn switch_now(
        &self,
        id: &RepoId,
        snapshot: Option<&SnapshotName>,
        options: &PublishOptions,
    ) -> Result<PublishReport, EngineError> {
        let run = self.begun("publish", Some(id));
        let done = Box::pin(self.switch_path(id, snapshot, options).instrument(run.span())).await;
        self.ended_publishing(run, &done).await;
        done
    }

    async fn switch_path(
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
        self.plan_state(repo, &place, &state, snapshot.map(|(_, name)| name), options, true)
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
        Ok((repo, State::of(id, &revision)?, snapshot))
    }

    /// Says what publishing a state would do; files are counted only if `detailed`.
    pub(crate) async fn plan_state(
        &self,
        repo: &Repository,
        place: &Place,
        state: &State,
        snapshot: Option<SnapshotName>,
        options: &PublishOptions,
        detailed: bool,
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
        if unchanged || !detailed {
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
    pub(crate) fn is_served(
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
        let result = match self.still_living(&repo.id, state).await {
            Ok(()) => {
                self.publish_held(repo, place, state, snapshot, pinned, options, &lease)
                    .await
            }
            Err(error) => Err(error),
        };
        let kept = self.keep_publication(repo.id.as_str(), &place.key()).await;
        lease.release().await.doing("release the published path")?;
        self.catalog.tidy().await;
        let report = result?;
        kept?;
        Ok(report)
    }

    /// A revision may have retired before the path was held; from then on it cannot.
    async fn still_living(&self, id: &RepoId, state: &State) -> Result<(), EngineError> {
        let revision = self.catalog.revision(state.line, state.revision).await;
        match revision.doing("read a revision")? {
            Some(revision) => crate::retire::living(id, revision).map(drop),
            None => Ok(()),
        }
    }
}

fn switch_target(id: &RepoId, snapshot: Option<&SnapshotName>) -> Target {
    match snapshot {
        Some(name) => Target::Snapshot(id.clone(), name.clone()),
        None => Target::Repository(id.clone()),
    }
}
