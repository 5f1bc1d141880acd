//! Takes published trees down.

use chantal_config::Repository;
use chantal_model::{RepoId, SnapshotName};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::Target;

impl Engine {
    /// See [`Engine::unpublish`].
    pub(crate) async fn unpublish_now(&self, target: &Target) -> Result<String, EngineError> {
        let (Target::Repository(id) | Target::Snapshot(id, _)) = target;
        let repo = self.configured(id)?;
        let name = match target {
            Target::Repository(_) => None,
            Target::Snapshot(_, name) => Some(name),
        };
        let path = crate::site::tree(repo, name).to_string();
        if self
            .catalog
            .publication(&path)
            .await
            .doing("read publications")?
            .is_none()
        {
            return Err(EngineError::request(
                format!("nothing is published at {path}"),
                Some("`chantal publish list` shows what is"),
            ));
        }
        self.take_down(repo, name).await?;
        Ok(self.config.storage.published_path.join(path).display().to_string())
    }

    /// Takes down every tree that serves a snapshot.
    pub(crate) async fn take_down_snapshot(&self, id: &RepoId, name: &SnapshotName) -> Result<(), EngineError> {
        let repo = self.configured(id)?;
        let found = self.find_snapshot(id, name).await?;
        for publication in self.catalog.publications().await.doing("read publications")? {
            if publication.snapshot_id != Some(found.id) {
                continue;
            }
            if publication.pinned {
                return Err(EngineError::Pinned {
                    repo: id.to_string(),
                    snapshot: name.to_string(),
                });
            }
            self.take_down(repo, Some(name)).await?;
        }
        Ok(())
    }

    async fn take_down(&self, repo: &Repository, name: Option<&SnapshotName>) -> Result<(), EngineError> {
        let place = self.place(repo, name, None)?;
        let key = place.key();
        let lease = self
            .catalog
            .acquire(&format!("publish:{key}"), None)
            .await
            .doing("hold the published path")?;
        let format = self.format(repo)?;
        let client = place
            .url
            .as_ref()
            .map(|url| crate::site::client_file(repo, format, &place, url).0);
        let (site, tree, shown) = (place.site.clone(), place.tree.clone(), key.clone());
        let generations = place.has_generations();
        let removed = blocking(move || {
            let wrap = |source| EngineError::Publish {
                path: shown.clone(),
                source,
            };
            let guard = site.lock(&tree).map_err(wrap)?;
            // Clients lose the pointers first, then what they point at.
            if let Some(client) = client {
                site.remove_file(&client).map_err(wrap)?;
            }
            if generations {
                site.remove_generations(&tree).map_err(wrap)?;
            }
            site.remove(&tree).map_err(wrap)?;
            drop(guard);
            Ok(())
        })
        .await;
        if removed.is_ok() {
            self.catalog
                .delete_publication(&lease, &key)
                .await
                .doing("forget the publication")?;
            self.keep_publication(repo.id.as_str(), &key).await?;
        }
        lease.release().await.doing("release the published path")?;
        removed
    }
}
