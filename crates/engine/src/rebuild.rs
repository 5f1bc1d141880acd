//! A catalog made again from the pool's manifests, after the database was lost.
//!
//! Everything is put into one transaction; a file gets its name when it is complete. So a run that is killed leaves
//! nothing behind that counts, and the next one begins anew.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use chantal_catalog::{Access, Catalog, Location, Publication, Restoring, Snapshot};
use chantal_config::Config;
use chantal_model::{Progress, RelPath, RepoId, RevisionNumber, Sha256, Step};
use chantal_pool::Pool;
use serde::Serialize;

use crate::error::{Doing, EngineError, chain};
use crate::manifest::{
    FeedForm, Head, HoldForm, PublicationForm, RenderedForm, Scrolled, SnapshotForm, below, holds, links, next,
    read_all, repositories,
};
use crate::{Ports, location, pool_options};

/// What a rebuild made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RebuildReport {
    /// Repositories.
    pub repositories: u64,
    /// Revisions that are held.
    pub revisions: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Published trees.
    pub publications: u64,
    /// Blobs that the catalog names.
    pub blobs: u64,
    /// Where the database before is now.
    pub kept: Option<String>,
    /// Manifests that could not be believed or used, and what is missing because of that.
    pub problems: Vec<String>,
    /// Blobs that are named and that the pool does not have.
    pub missing: Vec<String>,
}

impl RebuildReport {
    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.missing.is_empty()
    }
}

/// Makes the catalog again from what the pool keeps.
///
/// # Errors
/// Nothing was made. Refused where a database is there, unless it may be `replace`d: then its file stays beside the new
/// one.
pub async fn rebuild(config: &Config, ports: &Ports, replace: bool) -> Result<RebuildReport, EngineError> {
    let pool = Pool::open(&config.storage.pool_path, pool_options(config)).doing("be opened")?;
    let at = location(config);
    let (target, work) = match &at {
        Location::File(path) => {
            refuse_database(path, replace).await?;
            let work = beside(path, ".rebuild");
            for suffix in ["", "-wal", "-shm"] {
                remove(&beside(&work, suffix))?;
            }
            (Some(path.clone()), Location::File(work))
        }
        Location::Server(_) if replace => {
            return Err(EngineError::request(
                "a database on a server is not replaced",
                Some("give an empty schema or database, and name that in `database.url`"),
            ));
        }
        Location::Server(_) => (None, at.clone()),
    };
    let catalog = Catalog::open_at(&work, Access::Create).await.doing("be created")?;
    let mut report = RebuildReport::default();
    ports.progress.begin(Step::Record, 0);
    let mut rebuilding = Rebuilding {
        pool: &pool,
        restoring: catalog.restore().await.doing("be filled")?,
        report: &mut report,
        ports,
    };
    rebuilding.all().await?;
    let Rebuilding { restoring, .. } = rebuilding;
    restoring.commit().await.doing("be filled")?;
    ports.progress.end(Step::Record);
    count(&catalog, &pool, &mut report).await?;
    catalog.close().await;
    if let (Some(target), Location::File(work)) = (target, work) {
        report.kept = put_in_place(&work, &target, ports.clock.now().as_second())?;
    }
    Ok(report)
}

/// Refuses a database that is there, or that somebody uses.
async fn refuse_database(path: &Path, replace: bool) -> Result<(), EngineError> {
    if !path.exists() {
        return Ok(());
    }
    if !replace {
        return Err(EngineError::request(
            format!("there is a database at {}", path.display()),
            Some("`--replace` puts the new one in its place and keeps its file beside it"),
        ));
    }
    // What cannot be opened is nobody's.
    if let Ok(catalog) = Catalog::open_any(&Location::File(path.to_owned())).await
        && let Ok(leases) = catalog.living_leases().await
        && let Some(lease) = leases.first()
    {
        return Err(EngineError::Working {
            who: format!("{} ({})", lease.name, lease.holder),
        });
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<(), EngineError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(EngineError::Io {
            what: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Gives the new database its name; gives where the one before is now.
fn put_in_place(work: &Path, target: &Path, now: i64) -> Result<Option<String>, EngineError> {
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| EngineError::Io { what, path, source }
    };
    let synced = std::fs::File::open(work).and_then(|file| file.sync_all());
    synced.map_err(io("make durable", work))?;
    let mut kept = None;
    if target.exists() {
        let aside = beside(target, &format!(".before-rebuild-{now}"));
        for suffix in ["-wal", "-shm", ""] {
            let from = beside(target, suffix);
            if from.exists() {
                std::fs::rename(&from, beside(&aside, suffix)).map_err(io("rename", &from))?;
            }
        }
        kept = Some(aside.display().to_string());
    }
    std::fs::rename(work, target).map_err(io("rename to", target))?;
    if let Some(parent) = target.parent() {
        let synced = std::fs::File::open(parent).and_then(|directory| directory.sync_all());
        synced.map_err(io("make durable", parent))?;
    }
    Ok(kept)
}

/// Counts what was made, and looks whether its blobs are there.
async fn count(catalog: &Catalog, pool: &Pool, report: &mut RebuildReport) -> Result<(), EngineError> {
    let stats = catalog.stats().await.doing("be counted")?;
    report.repositories = stats.repositories as u64;
    report.revisions = stats.revisions as u64;
    report.snapshots = stats.snapshots as u64;
    report.blobs = stats.blobs as u64;
    let blobs = catalog.all_blobs().await.doing("list its blobs")?;
    let missing = blobs.iter().filter(|(name, size)| !pool.contains(name, *size));
    report.missing = missing.map(|(name, _)| name.hex()).collect();
    report.missing.sort();
    Ok(())
}

struct Rebuilding<'a> {
    pool: &'a Pool,
    restoring: Restoring,
    report: &'a mut RebuildReport,
    ports: &'a Ports,
}

/// A repository that is being made.
struct Made {
    id: RepoId,
    repository: i64,
    line: i64,
}

impl Rebuilding<'_> {
    fn problem(&mut self, what: impl Into<String>) {
        self.report.problems.push(what.into());
    }

    async fn all(&mut self) -> Result<(), EngineError> {
        let names = self.pool.manifests(Some(&repositories())).doing("list manifests")?;
        if names.is_empty() {
            self.problem("the pool has no manifests: nothing could be made");
        }
        for (name, _) in names {
            match name.parse::<RepoId>() {
                Ok(id) => self.one(id).await?,
                Err(error) => self.problem(format!("manifests of {name:?}: {error}")),
            }
        }
        for hold in self.value::<Vec<HoldForm>>(&holds()).unwrap_or_default() {
            if let Ok(name) = hold.sha256.parse() {
                let added = self.restoring.hold(&name, &hold.reason, hold.created_at).await;
                added.doing("hold a blob")?;
            }
        }
        Ok(())
    }

    /// A small manifest, if it is there and whole.
    fn value<T: serde::de::DeserializeOwned>(&mut self, name: &RelPath) -> Option<T> {
        match read_all(self.pool, name) {
            Ok(value) => value,
            Err(error) => {
                self.problem(chain(&error));
                None
            }
        }
    }

    async fn one(&mut self, id: RepoId) -> Result<(), EngineError> {
        let Some((made, reached, is_whole)) = self.series(id).await? else {
            return Ok(());
        };
        let retired: Vec<(i64, i64)> = self.value(&below(made.id.as_str(), "retired")?).unwrap_or_default();
        for (number, at) in retired {
            let done = self.restoring.retire(made.line, number, at).await;
            done.doing("retire a revision")?;
        }
        self.restoring.drop_retired(made.line).await.doing("retire revisions")?;
        let snapshots = self.snapshots(&made).await?;
        self.publications(&made, &snapshots).await?;
        let feed: Option<FeedForm> = self.value(&below(made.id.as_str(), "feed")?);
        // Where revisions are lost, the next sync has to read all of the feed.
        let feed = feed.filter(|feed| is_whole && feed.revision.is_none_or(|number| number == reached));
        if let Some(state) = feed.and_then(FeedForm::into_state) {
            let saved = self.restoring.feed_state(made.repository, &state).await;
            saved.doing("save the feed's state")?;
        }
        Ok(())
    }

    /// Replays a series as far as its files follow each other; gives the newest revision of it, and whether that is all.
    async fn series(&mut self, id: RepoId) -> Result<Option<(Made, i64, bool)>, EngineError> {
        let names = self
            .pool
            .manifests(Some(&below(id.as_str(), "")?))
            .doing("list manifests")?;
        let (chain_of, all) = links(&names);
        let last = all.iter().map(|link| link.number).max();
        let mut made: Option<Made> = None;
        let mut reached = None;
        let mut fingerprint = None;
        for link in &chain_of {
            let name = below(id.as_str(), &link.name)?;
            match self.link(&id, &name, &mut made, fingerprint.as_deref()).await? {
                Ok(head) => {
                    fingerprint = Some(head.fingerprint);
                    reached = Some(head.number);
                }
                Err(why) => {
                    self.problem(why);
                    break;
                }
            }
        }
        if reached < last {
            let have = reached.map_or("nothing".to_owned(), |number| format!("r{number}"));
            self.problem(format!(
                "repository {id}: manifests up to r{} are there, {have} is the last that could be used",
                last.unwrap_or_default()
            ));
        }
        Ok(made.map(|made| (made, reached.unwrap_or(0), reached >= last)))
    }

    /// Replays one file; the inner error is why it cannot be used, and then nothing of it counts.
    async fn link(
        &mut self,
        id: &RepoId,
        name: &RelPath,
        made: &mut Option<Made>,
        parent: Option<&str>,
    ) -> Result<Result<Head, String>, EngineError> {
        let mut reader = match self.pool.read_manifest(name) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(Err(format!("{name} is not there"))),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(Scrolled::Head(head)) = next(&mut reader)? else {
            return Ok(Err(format!("{name} has no head")));
        };
        // A base follows nothing, and neither does the first revision.
        if head.parent.is_some() && head.parent.as_deref() != parent {
            return Ok(Err(format!("{name} follows another history")));
        }
        let made = match made {
            Some(made) => made,
            none => {
                let rows = self.restoring.repository(id, &head.format, head.created_at).await;
                let (repository, line) = rows.doing("make a repository")?;
                none.insert(Made {
                    id: id.clone(),
                    repository,
                    line,
                })
            }
        };
        for form in &head.revisions {
            let Some(revision) = form.clone().into_revision(made.line) else {
                return Err(EngineError::Manifest {
                    message: format!("{name} has a revision that is none"),
                });
            };
            self.restoring.revision(&revision).await.doing("make a revision")?;
        }
        while let Some(chunk) = next(&mut reader)? {
            match chunk {
                Scrolled::Head(_) => Ok(()),
                Scrolled::Closed(closed) => self.restoring.close(made.line, &closed, head.number).await,
                Scrolled::Pack(pack) => self.restoring.pack(&pack).await,
                Scrolled::Members(facts) => {
                    self.ports.progress.advance(Step::Record, facts.len() as u64);
                    self.restoring.members(made.line, &facts).await
                }
                Scrolled::Digests(digests) => self.restoring.digests(&digests).await,
            }
            .doing("be filled")?;
        }
        Ok(Ok(head))
    }

    async fn snapshots(&mut self, made: &Made) -> Result<HashMap<String, i64>, EngineError> {
        let mut rows = HashMap::new();
        let directory = below(made.id.as_str(), "snapshots")?;
        for (file, _) in self.pool.manifests(Some(&directory)).doing("list manifests")? {
            let Some(form) = self.value::<SnapshotForm>(&below(made.id.as_str(), &format!("snapshots/{file}"))?) else {
                continue;
            };
            let living = self.restoring.is_living(made.line, form.revision).await;
            let Ok(name) = form.name.parse() else { continue };
            if !living.doing("read revisions")? {
                let (id, revision) = (&made.id, form.revision);
                self.problem(format!("snapshot {name} of {id}: revision r{revision} is not there"));
                continue;
            }
            let snapshot = Snapshot {
                id: 0,
                repository: made.repository,
                name,
                description: form.description,
                created_at: form.created_at,
                line: made.line,
                revision: RevisionNumber(form.revision),
            };
            let row = self.restoring.snapshot(&snapshot).await.doing("make a snapshot")?;
            rows.insert(form.name, row);
        }
        Ok(rows)
    }

    async fn publications(&mut self, made: &Made, snapshots: &HashMap<String, i64>) -> Result<(), EngineError> {
        let directory = below(made.id.as_str(), "publications")?;
        let mut keys = HashSet::new();
        for (file, _) in self.pool.manifests(Some(&directory)).doing("list manifests")? {
            let name = below(made.id.as_str(), &format!("publications/{file}"))?;
            let Some(form) = self.value::<PublicationForm>(&name) else {
                continue;
            };
            let snapshot_id = form.snapshot.as_ref().and_then(|name| snapshots.get(name)).copied();
            if form.snapshot.is_some() && snapshot_id.is_none() {
                self.problem(format!("the tree {}: its snapshot is not there", form.path));
                continue;
            }
            let mut states = Vec::new();
            for state in form.states.clone() {
                let living = self.restoring.is_living(made.line, state.revision).await;
                if living.doing("read revisions")? {
                    states.extend(state.into_state(&form.path, made.line));
                } else {
                    let revision = state.revision;
                    self.problem(format!("the tree {}: revision r{revision} is not there", form.path));
                }
            }
            let publication = Publication {
                path: form.path.clone(),
                repository: made.repository,
                kind: form.kind(),
                snapshot_id,
                snapshot: None,
                pinned: form.pinned,
                generation: form.generation,
            };
            let saved = self.restoring.publication(&publication, &states).await;
            saved.doing("record a publication")?;
            self.report.publications += 1;
            for (key, files) in form.rendered {
                if keys.insert(key.clone()) {
                    self.rendered(&key, files).await?;
                }
            }
        }
        Ok(())
    }

    /// What rendering gave is used again if all of it is there; else it is rendered again.
    async fn rendered(&mut self, key: &str, files: Vec<RenderedForm>) -> Result<(), EngineError> {
        let mut found: Vec<(String, Sha256, u64)> = Vec::with_capacity(files.len());
        for (path, name, size) in files {
            match name.parse() {
                Ok(name) if self.pool.contains(&name, size) => found.push((path, name, size)),
                _ => return Ok(()),
            }
        }
        self.restoring
            .rendered(key, &found)
            .await
            .doing("record rendered metadata")
    }
}
