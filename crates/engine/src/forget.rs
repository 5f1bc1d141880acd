//! Deleting a repository that is no longer wanted: published trees first, then its rows in one transaction.
//!
//! Blobs stay in the pool, and what describes them in the catalog: others may share both, and collection removes what
//! nobody does. A run that was killed is finished by the next one.

use std::path::PathBuf;

use chantal_catalog::{Allowed, Forgotten, Held, Lease, Repository as Row};
use chantal_formats::ClientFile;
use chantal_model::{RelPath, RepoId, SnapshotName, fault};
use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};

/// How to delete a repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    /// Delete its snapshots too, and forget trees that are not taken down.
    pub force: bool,
    /// Take its published trees down.
    pub unpublish: bool,
    /// Wait for so long when another process holds it; `None` fails at once.
    pub wait: Option<std::time::Duration>,
}

/// What a repository consists of.
#[derive(Clone, Debug, Serialize)]
pub struct DeletePlan {
    /// The repository.
    pub repo: RepoId,
    /// Whether the configuration still has it.
    pub configured: bool,
    /// Its revisions.
    pub revisions: u64,
    /// Rows that say which package or file was in which revisions.
    pub members: u64,
    /// Runs in its history.
    pub runs: u64,
    /// Its snapshots.
    pub snapshots: Vec<String>,
    /// Directories of its published trees.
    pub published: Vec<String>,
    /// What stands against it, with the options that were given.
    pub obstacles: Vec<Obstacle>,
}

/// Why a repository is not deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    /// What there is.
    pub reason: String,
    /// What can be done about it.
    pub hint: &'static str,
}

impl DeletePlan {
    /// Refuses what something stands against.
    ///
    /// # Errors
    /// The first obstacle.
    pub fn allowed(&self) -> Result<(), EngineError> {
        match self.obstacles.first() {
            Some(first) => Err(EngineError::request(first.reason.clone(), Some(first.hint))),
            None => Ok(()),
        }
    }
}

/// What deleting a repository did.
#[derive(Clone, Debug, Serialize)]
pub struct DeleteReport {
    /// What it consisted of.
    pub plan: DeletePlan,
    /// Directories that were taken down.
    pub taken_down: Vec<String>,
    /// Directories that were left as they are, and that nobody looks after any more.
    pub left: Vec<String>,
}

/// A published tree of a repository.
struct Tree {
    /// How the catalog names it.
    key: String,
    root: PathBuf,
    path: RelPath,
    client: Option<RelPath>,
    has_generations: bool,
}

impl Tree {
    fn directory(&self) -> String {
        self.path.below(&self.root).display().to_string()
    }
}

impl Engine {
    /// What deleting a repository would remove, and what stands against that.
    pub async fn plan_delete(&self, id: &RepoId, options: DeleteOptions) -> Result<DeletePlan, EngineError> {
        let row = self.row_to_delete(id).await?;
        let (plan, _) = self.planned_delete(&row, options).await?;
        Ok(plan)
    }

    /// See [`Engine::delete`].
    pub(crate) async fn delete_now(&self, id: &RepoId, options: DeleteOptions) -> Result<DeleteReport, EngineError> {
        let row = self.row_to_delete(id).await?;
        let lease = self
            .catalog
            .acquire(&format!("sync:{id}"), options.wait)
            .await
            .doing("hold the repository")?;
        let deleted = self.delete_held(&row, options, &lease).await;
        lease.release().await.doing("release the repository")?;
        deleted
    }

    async fn delete_held(&self, row: &Row, options: DeleteOptions, lease: &Lease) -> Result<DeleteReport, EngineError> {
        let (plan, trees) = self.planned_delete(row, options).await?;
        plan.allowed()?;
        let mut held = Vec::with_capacity(trees.len());
        let (mut taken_down, mut left) = (Vec::new(), Vec::new());
        for tree in trees {
            let name = format!("publish:{}", tree.key);
            let lease = self.catalog.acquire(&name, options.wait).await;
            let lease = lease.doing("hold the published path")?;
            let directory = tree.directory();
            if options.unpublish {
                self.take_tree_down(tree, &lease).await?;
                taken_down.push(directory);
            } else {
                left.push(directory);
            }
            held.push(lease);
        }
        fault!("engine::delete::taken_down").doing("forget the repository")?;
        let allowed = Allowed {
            snapshots: options.force,
            publications: options.force && !options.unpublish,
        };
        let forgotten = self.catalog.forget_repository(lease, row.id, allowed).await;
        let forgotten = forgotten.doing("forget the repository")?;
        fault!("engine::delete::forgotten").doing("end the deletion")?;
        for lease in held {
            lease.release().await.doing("release the published path")?;
        }
        match forgotten {
            Forgotten::Gone(_) => {
                self.forget_manifests(row.name.as_str())?;
                Ok(DeleteReport { plan, taken_down, left })
            }
            Forgotten::InUse(_) => Err(EngineError::request(
                format!("repository {} was snapshotted or published meanwhile", row.name),
                Some("`--dry-run` shows what there is now"),
            )),
        }
    }

    async fn row_to_delete(&self, id: &RepoId) -> Result<Row, EngineError> {
        let row = self.catalog.repository(id).await.doing("find the repository")?;
        row.ok_or_else(|| {
            EngineError::request(
                format!("nothing is recorded of repository {id}, so there is nothing to delete"),
                Some("`chantal repo list` shows all"),
            )
        })
    }

    /// Lists what there is, and what forbids that it goes.
    async fn planned_delete(&self, row: &Row, options: DeleteOptions) -> Result<(DeletePlan, Vec<Tree>), EngineError> {
        let held = self.catalog.held(row.id).await.doing("count what there is")?;
        let snapshots = self.catalog.snapshots(row.id).await.doing("read snapshots")?;
        let trees = self.trees(row).await?;
        let mut plan = DeletePlan {
            repo: row.name.clone(),
            configured: self.configured(&row.name).is_ok(),
            revisions: held.revisions as u64,
            members: held.members as u64,
            runs: held.runs as u64,
            snapshots: snapshots.iter().map(|snapshot| snapshot.name.to_string()).collect(),
            published: trees.iter().map(Tree::directory).collect(),
            obstacles: Vec::new(),
        };
        plan.obstacles = obstacles(&plan, held, options);
        Ok((plan, trees))
    }

    async fn trees(&self, row: &Row) -> Result<Vec<Tree>, EngineError> {
        let mut trees = Vec::new();
        for publication in self.catalog.publications().await.doing("read publications")? {
            if publication.repository == row.id {
                let own = publication.kind == chantal_catalog::PublicationKind::Snapshot;
                let snapshot = publication.snapshot.filter(|_| own);
                trees.push(self.tree_at(row, publication.path, snapshot.as_deref()).await?);
            }
        }
        let unrecorded = self.catalog.unrecorded_paths(row.id).await;
        for path in unrecorded.doing("read publications")? {
            trees.push(self.tree_at(row, path, None).await?);
        }
        Ok(trees)
    }

    async fn tree_at(&self, row: &Row, key: String, snapshot: Option<&str>) -> Result<Tree, EngineError> {
        let is_configured = !key.starts_with('/');
        let (root, path) = if is_configured {
            let path = RelPath::parse(&key).map_err(|error| {
                EngineError::request(
                    format!("the database names a published path that is none: {error}"),
                    None,
                )
            })?;
            (self.config.storage.published_path.clone(), path)
        } else {
            crate::site::split(key.as_ref())?
        };
        let states = self.catalog.states(&key).await.doing("read publications")?;
        Ok(Tree {
            client: is_configured.then(|| client_file(row, snapshot, &path)).flatten(),
            has_generations: states.iter().any(|state| state.generation > 0),
            key,
            root,
            path,
        })
    }

    async fn take_tree_down(&self, tree: Tree, lease: &Lease) -> Result<(), EngineError> {
        // A target's parent may be gone with whatever was mounted there.
        if tree.root.is_dir() {
            let site = self.site(&tree.root)?;
            let (key, path) = (tree.key.clone(), tree.path);
            blocking(move || {
                let wrap = |source| EngineError::Publish {
                    path: key.clone(),
                    source,
                };
                let guard = site.lock(&path).map_err(wrap)?;
                // Clients lose the pointers first, then what they point at.
                if let Some(client) = tree.client {
                    site.remove_file(&client).map_err(wrap)?;
                }
                if tree.has_generations {
                    site.remove_generations(&path).map_err(wrap)?;
                }
                fault!("engine::delete::pointers").doing("take the tree down")?;
                site.remove(&path).map_err(wrap)?;
                drop(guard);
                Ok(())
            })
            .await?;
        }
        fault!("engine::delete::tree").doing("forget the publication")?;
        self.catalog
            .delete_publication(lease, &tree.key)
            .await
            .doing("forget the publication")
    }
}

/// The client file beside a tree. The configuration may not have the repository any more, so its format names it.
fn client_file(row: &Row, snapshot: Option<&str>, tree: &RelPath) -> Option<RelPath> {
    let format = chantal_formats::by_name(&row.format)?;
    let snapshot: Option<SnapshotName> = snapshot.and_then(|name| name.parse().ok());
    let id = match &snapshot {
        Some(name) => format!("{}-{name}", row.name),
        None => row.name.to_string(),
    };
    let (file_name, _) = format.client_file(&ClientFile {
        id: &id,
        name: &id,
        base_url: "",
        mirrorlist: None,
        package_key: None,
        metadata_key: None,
    });
    Some(crate::site::client_path(&file_name, snapshot.as_ref(), tree))
}

fn obstacles(plan: &DeletePlan, held: Held, options: DeleteOptions) -> Vec<Obstacle> {
    let id = &plan.repo;
    let mut found = Vec::new();
    let mut add = |reason: String, hint| found.push(Obstacle { reason, hint });
    if held.foreign_pins > 0 {
        add(
            format!(
                "revisions of repository {id} are pinned by {} snapshots of others",
                held.foreign_pins
            ),
            "delete those first",
        );
    }
    if let Some(first) = plan.published.first()
        && !options.unpublish
        && !options.force
    {
        add(
            format!("repository {id} is published at {first}"),
            "`--unpublish` takes its trees down; `--force` leaves them there, and nobody looks after them",
        );
    }
    if let Some(first) = plan.snapshots.first()
        && !options.force
    {
        add(
            format!(
                "repository {id} has {} snapshots, such as {first}",
                plan.snapshots.len()
            ),
            "`--force` deletes them too",
        );
    }
    found
}
