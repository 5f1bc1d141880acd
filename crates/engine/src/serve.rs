//! The steps of a publication under its lease: add, stage, switch, then what lies beside the tree.

use std::io;
use std::path::Path;

use chantal_catalog::{Lease, Publication, PublicationKind, StateStatus};
use chantal_config::Repository;
use chantal_formats::Format;
use chantal_model::{RelPath, Sha256, SnapshotName, Step, fault};
use chantal_pool::Pool;
use chantal_publish::{Source, Staged};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::publish::State;
use crate::report::{PublishOptions, PublishReport};
use crate::site::{Place, client_file, publishing};
use crate::state::{StateFile, complete, entry_path};

/// The most packages of a repository whose metadata are rendered while its packages are linked.
const TOGETHER: u64 = 40_000;

impl Engine {
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; the values have no other common owner"
    )]
    pub(crate) async fn publish_held(
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
        let entry_dir = RelPath::parse(format.entry_dir()).expect("a format's entry directory is a safe path");
        place
            .site
            .recover(&place.tree, &entry_dir)
            .map_err(|e| publishing(place, e))?;
        fault!("engine::publish::recovered").doing("publish")?;
        let name = snapshot.map(|(_, name)| name.clone());
        let plan = self.plan_state(repo, place, state, name, options, false).await?;
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
        let newest = self.newest_generation(place, &mut publication).await?;
        let mut named = None;
        if !report.plan.unchanged {
            let known = self.metadata_files(state).await?;
            refuse_missing(&self.pool, known.as_deref().unwrap_or_default())?;
            report.plan.render = known.is_none();
            let gathered = self.gather(repo, format, place, state, lease).await?;
            let (metadata, packages, linked) = gathered;
            fault!("engine::publish::rendered").doing("publish")?;
            named = Some((packages + metadata.len()) as u64);
            report.linked = linked + self.add(place, outside(&metadata, &entry_dir)).await?;
            report.plan.new_files = report.linked;
            fault!("engine::publish::added").doing("publish")?;
            publication.generation = newest + i64::from(place.has_generations());
            let generation = publication.generation;
            self.switch_to(place, format, &entry_dir, state, &metadata, lease, generation)
                .await?;
            report.plan.served = Some(state.revision);
        }
        self.catalog
            .save_publication(lease, &publication)
            .await
            .doing("record the publication")?;
        fault!("engine::publish::saved").doing("end the publication")?;
        let unchanged = report.plan.unchanged;
        let pruned = self.prune_after(place, &entry_dir, lease, unchanged).await?;
        report.pruned = pruned.removed;
        fault!("engine::publish::pruned").doing("end the publication")?;
        report.plan.retired_files = named.map_or(0, |named| (pruned.removed + pruned.kept).saturating_sub(named));
        self.write_beside(repo, format, place, &entry_dir, publication.generation)?;
        report.generation = place.has_generations().then_some(publication.generation);
        drop(guard);
        Ok(report)
    }

    /// Renders what is not rendered yet and links the packages meanwhile: the one reads the catalog, the other the pool.
    /// Each has a list of all packages, so that of a large repository it is one after the other. Gives the metadata, the number of packages, and how many of these were not there.
    async fn gather(
        &self,
        repo: &Repository,
        format: &'static dyn Format,
        place: &Place,
        state: &State,
        lease: &Lease,
    ) -> Result<(Vec<StateFile>, usize, u64), EngineError> {
        let rendering = self.rendered(repo, format, state, lease);
        let linking = async {
            let packages = self.package_files(state).await?;
            let count = packages.len();
            Ok::<_, EngineError>((count, self.add(place, packages).await?))
        };
        let (metadata, linked) = if state.packages <= TOGETHER {
            // Both end before an error of either is told: what links cannot be stopped.
            tokio::join!(rendering, linking)
        } else {
            (Ok(rendering.await?), linking.await)
        };
        let (metadata, (packages, linked)) = (metadata?, linked?);
        Ok((metadata, packages, linked))
    }

    /// The newest generation that any recorded state has; the publication gets that of the live one. The states tell,
    /// not the publication: a killed run may have switched without recording more than that.
    async fn newest_generation(&self, place: &Place, publication: &mut Publication) -> Result<i64, EngineError> {
        let states = self.catalog.states(&place.key()).await.doing("read publications")?;
        if let Some(live) = states.iter().find(|one| one.status == StateStatus::Live) {
            publication.generation = live.generation;
        }
        Ok(states.iter().map(|one| one.generation).max().unwrap_or(0))
    }

    pub(crate) async fn publication_row(
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

    /// Links files that lie outside the entry directory; gives how many were not there.
    pub(crate) async fn add(&self, place: &Place, files: Vec<StateFile>) -> Result<u64, EngineError> {
        if files.is_empty() {
            return Ok(0);
        }
        self.progress.begin(Step::Add, files.len() as u64);
        let (site, tree, pool, progress) = (
            place.site.clone(),
            place.tree.clone(),
            self.pool.clone(),
            self.progress.clone(),
        );
        let shown = place.key();
        let linked = blocking(move || {
            let inodes = files.iter().map(|file| inode(&pool, file));
            let inodes = inodes.collect::<Result<Vec<_>, _>>()?;
            let mut files = files
                .into_iter()
                .zip(inodes)
                .map(|(file, inode)| (file.path, Source::Seen(pool.path(&file.sha256), inode)));
            let added = site
                .add(&tree, &mut files, &|source| renew(&pool, source), &|| {
                    progress.advance(Step::Add, 1);
                })
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
    pub(crate) async fn switch_to(
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
        let (staged, sizes) = self.staged(format, entry_dir, metadata);
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
        fault!("engine::publish::noted").doing("publish")?;
        blocking(move || {
            site.switch(stage)
                .map_err(|source| EngineError::Publish { path: shown, source })
        })
        .await?;
        fault!("engine::publish::switched").doing("end the publication")?;
        self.catalog
            .make_live(lease, &place.key(), id, now)
            .await
            .doing("record what is served")?;
        self.progress.end(Step::Switch);
        Ok(())
    }

    /// The files of the entry directory, and the size in bytes that each must have.
    fn staged(
        &self,
        format: &dyn Format,
        entry_dir: &RelPath,
        metadata: &[StateFile],
    ) -> (Vec<Staged>, Vec<(String, u64)>) {
        metadata
            .iter()
            .filter(|file| file.path.parent().as_ref() == Some(entry_dir))
            .map(|file| {
                let staged = Staged {
                    name: file.path.file_name().to_owned(),
                    source: Source::Link(self.pool.path(&file.sha256)),
                    rank: format.entry_rank(file.path.file_name()),
                };
                (staged, (file.path.file_name().to_owned(), file.size))
            })
            .unzip()
    }

    /// Client file, mirrorlist and generation.
    pub(crate) fn write_beside(
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
            fault!("engine::publish::generation").doing("end the publication")?;
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

/// Refuses files whose blob the pool does not have.
pub(crate) fn refuse_missing(pool: &Pool, files: &[StateFile]) -> Result<(), EngineError> {
    files.iter().try_for_each(|file| inode(pool, file).map(drop))
}

/// Device and inode of a file's blob, which the pool must have.
fn inode(pool: &Pool, file: &StateFile) -> Result<(u64, u64), EngineError> {
    pool.inode(&file.sha256, file.size)
        .ok_or_else(|| EngineError::MissingBlob {
            sha256: file.sha256.hex(),
            what: file.path.to_string(),
        })
}

/// The metadata files that do not lie in the entry directory.
pub(crate) fn outside(metadata: &[StateFile], entry_dir: &RelPath) -> Vec<StateFile> {
    let is_outside = |file: &&StateFile| file.path.parent().as_ref() != Some(entry_dir);
    metadata.iter().filter(is_outside).cloned().collect()
}

/// Gives a blob a second inode, since the file system allows no more links to the first.
pub(crate) fn renew(pool: &Pool, source: &Path) -> io::Result<()> {
    let name = source.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let sha256: Sha256 = name
        .parse()
        .map_err(|_| io::Error::other(format!("{} is no blob of the pool", source.display())))?;
    pool.second_inode(&sha256)
        .map_err(|error| io::Error::other(error.to_string()))
}
