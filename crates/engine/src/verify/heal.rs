//! Repair: blobs get their bytes back, and published trees the links to them.
//!
//! A blob's bytes come from a published tree that has them whole, from a feed, or from rendering again. The file with the
//! right bytes takes the name in the pool by rename; then every tree that linked the old one is linked anew. A repair
//! that was killed is finished by the next one: what is damaged by then is found again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use chantal_catalog::{Intents, Keepers, Lease};
use chantal_model::{RelPath, Sha256};
use chantal_pool::{Aside, DamageKind, Fixed, Pool, PoolError, Turn, Way};
use chantal_publish::{Due, Flaw};

use super::trees::{Flawed, Spot};
use super::{Kind, Problem, Scan, VerifyOptions};
use crate::Engine;
use crate::error::{Doing, EngineError, ExitClass, blocking, chain};
use crate::publish::State;
use crate::serve::renew;
use crate::site::{Place, publishing};

/// Files that are settled together.
const CHUNK: usize = 128;

/// A blob that is to get its bytes back.
pub(super) struct Sick {
    pub(super) sha256: Sha256,
    pub(super) size: u64,
    pub(super) keepers: Keepers,
    /// What lay under its name.
    aside: Option<Aside>,
    /// How it got its bytes back.
    pub(super) cure: Option<String>,
    /// Why it did not, so far.
    pub(super) reasons: Vec<String>,
}

impl Sick {
    pub(super) fn is_sick(&self) -> bool {
        self.cure.is_none()
    }
}

impl Engine {
    pub(super) async fn repair(&self, options: VerifyOptions, lease: &Lease) -> Result<Scan, EngineError> {
        let mut scan = self.scan(options.share).await?;
        for problem in &mut scan.problems {
            self.put_right(problem)?;
        }
        let mut sick = self.put_aside(&mut scan, lease).await?;
        self.cure_from_trees(&mut sick).await?;
        self.cure_from_feeds(&mut sick, lease).await?;
        self.cure_by_rendering(&mut sick, lease).await?;
        self.finish(&sick, &mut scan)?;
        self.mend_trees(&sick, &mut scan, options).await?;
        self.mend_manifests(&mut scan, options).await?;
        Ok(scan)
    }

    /// Puts aside what nothing names, and gives modes and owners back.
    fn put_right(&self, problem: &mut Problem) -> Result<(), EngineError> {
        let Kind::Damaged(kind) = problem.kind else {
            return Ok(());
        };
        match (kind, problem.sha256) {
            (DamageKind::Mode | DamageKind::Owner, Some(sha256)) => match self.pool.fix_blob(&sha256) {
                Ok(Fixed::Set) => problem.settle(true, "mode and owner set"),
                Ok(Fixed::Copied) => problem.settle(true, "copied to a file of its own"),
                Err(PoolError::Altered { .. }) => problem.kind = Kind::Damaged(DamageKind::Altered),
                Err(error) => problem.settle(false, error.to_string()),
            },
            (_, Some(sha256)) if !problem.is_known => {
                let aside = self.pool.put_blob_aside(&sha256).doing("put a file aside")?;
                self.pool.remove(&sha256).doing("put a file aside")?;
                let place = aside.map(|aside| shown(&aside.path)).unwrap_or_default();
                problem.settle(true, format!("moved to {place}: nothing names it"));
            }
            (_, Some(_)) => {}
            (_, None) => {
                let place = self.pool.put_foreign_aside(&problem.name).doing("put a file aside")?;
                problem.settle(true, format!("moved to {}", shown(&place)));
            }
        }
        Ok(())
    }

    /// Puts damaged blobs aside; forgets those that nothing needs.
    async fn put_aside(&self, scan: &mut Scan, lease: &Lease) -> Result<Vec<Sick>, EngineError> {
        let unused: HashSet<Sha256> = self.unused_blobs().await?;
        let mut intents = Intents::default();
        let mut sick = Vec::new();
        for problem in &mut scan.problems {
            let is_of_pool = !matches!(problem.kind, Kind::Published(_) | Kind::Manifest);
            let (Some(sha256), None, true) = (problem.sha256, &problem.outcome, is_of_pool) else {
                continue;
            };
            let Some(size) = scan.named.get(&sha256).copied() else {
                continue;
            };
            let pool = self.pool.clone();
            let aside = blocking(move || pool.put_blob_aside(&sha256).doing("put a blob aside")).await?;
            let unneeded = unused.contains(&sha256)
                && !self
                    .catalog
                    .drop_blobs(lease, &mut intents, &[sha256])
                    .await
                    .doing("forget a blob")?
                    .is_empty();
            if unneeded {
                self.pool.remove(&sha256).doing("put a blob aside")?;
                problem.settle(true, "forgotten: nothing needed it");
                continue;
            }
            sick.push(Sick {
                sha256,
                size,
                keepers: self.catalog.keepers(&sha256).await.doing("find what keeps a blob")?,
                aside,
                cure: None,
                reasons: Vec::new(),
            });
        }
        Ok(sick)
    }

    /// Takes bytes from published trees that have them whole in another file.
    async fn cure_from_trees(&self, sick: &mut [Sick]) -> Result<(), EngineError> {
        for chunk in sick.chunks_mut(CHUNK) {
            let wanted: Vec<(Sha256, u64, Vec<PathBuf>)> = chunk
                .iter()
                .map(|one| (one.sha256, one.size, self.copies(&one.keepers)))
                .collect();
            let pool = self.pool.clone();
            let found = blocking(move || take_copies(&pool, wanted).doing("take bytes from a published tree")).await?;
            for one in chunk {
                if let Some(from) = found.get(&one.sha256) {
                    one.cure = Some(format!("taken from {}", from.display()));
                }
            }
        }
        Ok(())
    }

    /// Where published trees have a blob.
    fn copies(&self, keepers: &Keepers) -> Vec<PathBuf> {
        let root = &self.config.storage.published_path;
        let mut paths = Vec::new();
        for keeper in &keepers.content {
            // An absolute path of a tree takes the root's place.
            paths.extend(
                keeper
                    .published
                    .iter()
                    .map(|(tree, _)| root.join(tree).join(&keeper.path)),
            );
        }
        for (file, tree) in &keepers.rendered {
            paths.extend(tree.iter().map(|tree| root.join(tree).join(file)));
        }
        paths.sort();
        paths.dedup();
        paths
    }

    /// Generates metadata again of which a file is damaged.
    async fn cure_by_rendering(&self, sick: &mut [Sick], lease: &Lease) -> Result<(), EngineError> {
        if !sick.iter().any(|one| one.is_sick() && !one.keepers.rendered.is_empty()) {
            return Ok(());
        }
        let mut states = HashMap::new();
        for row in self.catalog.repositories().await.doing("read repositories")? {
            let Ok(repo) = self.configured(&row.name) else { continue };
            for revision in self.catalog.revisions(row.line).await.doing("read revisions")? {
                let state = State::of(&row.name, &revision)?;
                states.insert(state.render_key.clone(), (repo, state));
            }
        }
        for one in sick
            .iter_mut()
            .filter(|one| one.is_sick() && !one.keepers.rendered.is_empty())
        {
            // Metadata counts as there when its files have their sizes.
            self.pool.remove(&one.sha256).doing("put a blob aside")?;
            for key in self
                .catalog
                .renders_of(&one.sha256)
                .await
                .doing("look up rendered metadata")?
            {
                let Some((repo, state)) = states.get(&key) else {
                    one.reasons
                        .push("what it was generated from is not there any more".into());
                    continue;
                };
                let rendered = self.rendered(repo, self.format(repo)?, state, lease).await;
                if let Err(error) = rendered {
                    one.reasons.push(chain(&error));
                }
                if self.pool.contains(&one.sha256, one.size) {
                    one.cure = Some(format!("generated again from {} {}", repo.id, state.revision));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Says of each blob what became of it. One that stays damaged loses its name, so that nothing takes it for whole.
    fn finish(&self, sick: &[Sick], scan: &mut Scan) -> Result<(), EngineError> {
        let by_name: HashMap<Sha256, &Sick> = sick.iter().map(|one| (one.sha256, one)).collect();
        for one in sick {
            let modified = one.aside.as_ref().and_then(|aside| aside.modified);
            match (&one.cure, modified) {
                (Some(_), Some(modified)) => {
                    // Only web servers look at it.
                    if let Err(error) = self.pool.set_modified(&one.sha256, modified) {
                        tracing::debug!(%error, "a repaired blob keeps its new time");
                    }
                }
                (Some(_), None) => {}
                (None, _) => self.pool.remove(&one.sha256).doing("put a blob aside")?,
            }
        }
        for problem in &mut scan.problems {
            let found = problem.sha256.and_then(|sha256| by_name.get(&sha256));
            let (Some(one), None, None) = (found, &problem.outcome, &problem.published) else {
                continue;
            };
            let place = one
                .aside
                .as_ref()
                .map(|aside| format!(", the old file is {}", shown(&aside.path)));
            let place = place.unwrap_or_default();
            match &one.cure {
                Some(cure) => problem.settle(true, format!("{cure}{place}")),
                None if one.reasons.is_empty() => problem.settle(false, format!("no feed lists it{place}")),
                None => problem.settle(false, format!("{}{place}", one.reasons.join("; "))),
            }
        }
        Ok(())
    }

    /// Links trees anew to blobs that were repaired, and mends what else was found in them.
    async fn mend_trees(&self, sick: &[Sick], scan: &mut Scan, options: VerifyOptions) -> Result<(), EngineError> {
        let has_flaws = scan.problems.iter().any(|problem| problem.published.is_some());
        if sick.is_empty() && !has_flaws {
            return Ok(());
        }
        let cured: HashSet<Sha256> = sick.iter().filter(|one| !one.is_sick()).map(|one| one.sha256).collect();
        let mut mending = Mending {
            sick: sick.iter().filter(|one| one.is_sick()).map(|one| one.sha256).collect(),
            inodes: sick
                .iter()
                .filter(|one| !one.is_sick())
                .filter_map(|one| Some((one.aside.as_ref()?.inode?, one.sha256)))
                .collect(),
            cured,
            flawed: HashSet::new(),
        };
        let places = self.published_places(&mut Vec::new()).await?;
        for (number, (place, entry_dir)) in places.iter().enumerate() {
            let own = |problem: &Problem| problem.published.as_ref().is_some_and(|(at, _)| *at == number);
            mending.flawed = scan
                .problems
                .iter()
                .filter(|problem| own(problem))
                .filter_map(|problem| problem.published.as_ref())
                .map(|(_, flawed)| (flawed.tree.clone(), flawed.due.path.clone()))
                .collect();
            let result = self.mend_place(place, entry_dir, &mending, options).await;
            let mended = match result {
                Ok(mended) => mended,
                Err(error) => {
                    let told = chain(&error);
                    scan.report.failed |= error.class() != ExitClass::Busy;
                    scan.report.left.push(format!("the tree {}: {told}", place.key()));
                    for problem in scan.problems.iter_mut().filter(|problem| own(problem)) {
                        problem.settle(false, told.clone());
                    }
                    continue;
                }
            };
            for problem in scan.problems.iter_mut().filter(|problem| own(problem)) {
                let path = problem
                    .published
                    .as_ref()
                    .map(|(_, flawed)| (&flawed.tree, &flawed.due.path));
                let failed = path.and_then(|(tree, path)| mended.get(&(tree.clone(), path.clone())));
                match failed {
                    None => problem.settle(true, "put in place again"),
                    Some(reason) => problem.settle(false, reason.clone()),
                }
            }
        }
        Ok(())
    }

    /// Mends one tree; gives the files that could not be put right, and why.
    async fn mend_place(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        mending: &Mending,
        options: VerifyOptions,
    ) -> Result<Failed, EngineError> {
        let name = format!("publish:{}", place.key());
        let lease = self.catalog.acquire(&name, options.wait).await;
        let lease = lease.doing("hold the published path")?;
        let result = self.mend_held(place, entry_dir, mending).await;
        lease.release().await.doing("release the published path")?;
        result
    }

    async fn mend_held(&self, place: &Place, entry_dir: &RelPath, mending: &Mending) -> Result<Failed, EngineError> {
        let guard = place.site.lock(&place.tree).map_err(|e| publishing(place, e))?;
        let recovered = place.site.recover(&place.tree, entry_dir);
        recovered.map_err(|e| publishing(place, e))?;
        let states = self.catalog.states(&place.key()).await.doing("read publications")?;
        let mut failed = Failed::new();
        let mut trees = Vec::new();
        for spot in self.spots(place, entry_dir, &states).await? {
            trees.push(spot.tree.clone());
            let spot = Spot {
                dues: spot
                    .dues
                    .into_iter()
                    .filter(|due| mending.concerns(&spot.tree, due))
                    .collect(),
                ..spot
            };
            let flaws = self.inspect(place, spot, Turn::All).await?;
            self.mend_files(place, flaws, mending, &mut failed).await?;
        }
        trees.sort();
        trees.dedup();
        for tree in trees {
            self.link_strays(place, &tree, mending, &mut failed).await?;
        }
        drop(guard);
        Ok(failed)
    }

    async fn mend_files(
        &self,
        place: &Place,
        flaws: Vec<(Flawed, Flaw)>,
        mending: &Mending,
        failed: &mut Failed,
    ) -> Result<(), EngineError> {
        let mut by_tree: HashMap<RelPath, Vec<Due>> = HashMap::new();
        for (Flawed { tree, due, .. }, _) in flaws {
            if mending.sick.contains(&due.sha256) || !self.pool.contains(&due.sha256, due.size) {
                failed.insert((tree, due.path), "its blob could not be repaired".into());
            } else {
                by_tree.entry(tree).or_default().push(due);
            }
        }
        for (tree, dues) in by_tree {
            self.mend(place, tree, dues, failed).await?;
        }
        Ok(())
    }

    async fn mend(&self, place: &Place, tree: RelPath, dues: Vec<Due>, failed: &mut Failed) -> Result<(), EngineError> {
        let (site, pool, key) = (place.site.clone(), self.pool.clone(), place.key());
        let refused = blocking(move || {
            let refused = site.mend(&tree, dues, &|source| renew(&pool, source));
            let refused = refused.map_err(|source| EngineError::Publish { path: key, source })?;
            let refused = refused.into_iter();
            Ok(refused
                .map(|(due, error)| ((tree.clone(), due.path), error.to_string()))
                .collect::<Vec<_>>())
        })
        .await?;
        failed.extend(refused);
        Ok(())
    }

    /// Links files anew that no recorded state names, but that are other names of a damaged file.
    async fn link_strays(
        &self,
        place: &Place,
        tree: &RelPath,
        mending: &Mending,
        failed: &mut Failed,
    ) -> Result<(), EngineError> {
        if mending.inodes.is_empty() {
            return Ok(());
        }
        let (site, inodes, tree_of, key) = (place.site.clone(), mending.inodes.clone(), tree.clone(), place.key());
        let found = blocking(move || {
            let found = site.names_of(&tree_of, &inodes);
            found.map_err(|source| EngineError::Publish { path: key, source })
        })
        .await?;
        let dues = found.into_iter().map(|(path, sha256)| Due {
            path,
            sha256,
            size: 0,
            source: self.pool.path(&sha256),
            is_own: false,
        });
        self.mend(place, tree.clone(), dues.collect(), failed).await
    }
}

/// Files of a tree that could not be put right, and why: directory below the root, path in it.
type Failed = HashMap<(RelPath, RelPath), String>;

/// What is to be mended in a tree.
struct Mending {
    /// Blobs that stay damaged.
    sick: HashSet<Sha256>,
    cured: HashSet<Sha256>,
    /// The damaged files whose blobs are whole again.
    inodes: HashMap<(u64, u64), Sha256>,
    /// Files that were found flawed in the tree that is at hand.
    flawed: HashSet<(RelPath, RelPath)>,
}

impl Mending {
    fn concerns(&self, tree: &RelPath, due: &Due) -> bool {
        self.cured.contains(&due.sha256) || self.flawed.contains(&(tree.clone(), due.path.clone()))
    }
}

/// A path of the quarantine for people.
fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// Settles blobs of which one of some files has the bytes; gives which.
fn take_copies(pool: &Pool, wanted: Vec<(Sha256, u64, Vec<PathBuf>)>) -> Result<HashMap<Sha256, PathBuf>, PoolError> {
    let adoption = pool.adoption()?;
    let mut found = HashMap::new();
    let mut sealed = Vec::new();
    for (sha256, size, paths) in wanted {
        for path in paths {
            let meta = std::fs::symlink_metadata(&path);
            if !meta.is_ok_and(|meta| meta.is_file() && meta.len() == size) {
                continue;
            }
            let Ok(read) = adoption.read(&path, false, &[], &|_| {}) else {
                continue;
            };
            if read.sha256 != sha256 {
                continue;
            }
            if let Ok((one, _)) = adoption.take(&path, read, Way::Link)? {
                sealed.push(one);
                found.insert(sha256, path);
                break;
            }
        }
    }
    pool.settle(sealed)?;
    Ok(found)
}
