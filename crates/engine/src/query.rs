//! Listings: what there is, in values that every output format prints.

use chantal_catalog::{PackageRow as Found, PublicationState, StateStatus};
use chantal_config::Repository;
use chantal_model::{RepoId, SnapshotName};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::{
    AdvisoryRow, CacheRow, HistoryRow, PackageDetail, PackageRow, PublicationRow, RepositoryDetail, RepositoryRow,
    RevisionRow, Stats, Target,
};

/// Seconds since 1970 as RFC 3339.
pub(crate) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

pub(crate) fn package_row(package: Found) -> PackageRow {
    PackageRow {
        name: package.name,
        version: package.version,
        arch: package.arch,
        size: package.size,
        sha256: package.sha256.hex(),
        path: package.path,
        summary: package.summary,
    }
}

pub(crate) fn advisory_row(id: String, attributes: Option<&str>) -> AdvisoryRow {
    let attributes: serde_json::Value = attributes
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
    AdvisoryRow {
        r#type: text("type"),
        severity: crate::items::severity(Some(&attributes.to_string())),
        title: text("title"),
        cves: attributes["cves"]
            .as_array()
            .map(|cves| cves.iter().filter_map(|cve| cve.as_str().map(str::to_owned)).collect())
            .unwrap_or_default(),
        id,
    }
}

impl Engine {
    /// Every repository of the configuration, then those that only the catalog knows.
    pub async fn repositories(&self) -> Result<Vec<RepositoryRow>, EngineError> {
        let mut rows = Vec::new();
        for repo in &self.config.repositories {
            rows.push(self.repository_row(repo.id.clone(), Some(repo)).await?);
        }
        for known in self.catalog.repositories().await.doing("read repositories")? {
            if !self.config.repositories.iter().any(|repo| repo.id == known.name) {
                rows.push(self.repository_row(known.name, None).await?);
            }
        }
        Ok(rows)
    }

    async fn repository_row(&self, id: RepoId, repo: Option<&Repository>) -> Result<RepositoryRow, EngineError> {
        let known = self.catalog.repository(&id).await.doing("read repositories")?;
        let (current, snapshots, state) = match &known {
            Some(known) => (
                self.catalog
                    .current(known.line)
                    .await
                    .doing("find the newest revision")?,
                self.catalog.snapshots(known.id).await.doing("read snapshots")?.len() as u64,
                self.catalog.feed_state(known.id).await.doing("read the feed's state")?,
            ),
            None => (None, 0, None),
        };
        let mode = repo
            .map(|repo| repo.mode)
            .or_else(|| current.as_ref().map(|current| current.mode));
        Ok(RepositoryRow {
            name: repo
                .and_then(|repo| repo.name.clone())
                .unwrap_or_else(|| id.to_string()),
            r#type: repo
                .map(|repo| repo.r#type.clone())
                .or(known.map(|known| known.format))
                .unwrap_or_default(),
            mode: mode.map(|mode| mode.name().to_owned()).unwrap_or_default(),
            feed: repo
                .and_then(|repo| self.feed_url(repo).ok())
                .map(|url| crate::feed::masked(&url))
                .unwrap_or_default(),
            enabled: repo.is_some_and(|repo| repo.enabled),
            tags: repo.map(|repo| repo.tags.clone()).unwrap_or_default(),
            revision: current.as_ref().map(|current| current.number),
            packages: current.as_ref().map_or(0, |current| current.package_count as u64),
            bytes: current.as_ref().map_or(0, |current| current.package_bytes as u64),
            snapshots,
            last_sync: state.map(|state| time(state.checked_at)),
            served: match repo {
                Some(_) => self.served_at_latest(&id).await?,
                None => None,
            },
            configured: repo.is_some(),
            id: id.to_string(),
        })
    }

    /// Everything about one repository.
    pub async fn repository(&self, id: &RepoId) -> Result<RepositoryDetail, EngineError> {
        let repo = self.config.repositories.iter().find(|repo| repo.id == *id);
        let known = self.catalog.repository(id).await.doing("read repositories")?;
        if repo.is_none() && known.is_none() {
            self.configured(id)?;
        }
        let revisions = match &known {
            Some(known) => self.catalog.revisions(known.line).await.doing("read revisions")?,
            None => Vec::new(),
        };
        let mut revisions: Vec<RevisionRow> = revisions
            .into_iter()
            .map(|revision| RevisionRow {
                revision: revision.number,
                created: time(revision.created_at),
                mode: revision.mode.name().to_owned(),
                packages: revision.package_count as u64,
                bytes: revision.package_bytes as u64,
                fingerprint: revision.fingerprint.hex(),
            })
            .collect();
        revisions.sort_by_key(|row| std::cmp::Reverse(row.revision));
        let publications = self.publications().await?;
        Ok(RepositoryDetail {
            row: self.repository_row(id.clone(), repo).await?,
            revisions,
            snapshot_list: if known.is_some() {
                self.snapshots(Some(id)).await?
            } else {
                Vec::new()
            },
            publications: publications.into_iter().filter(|row| row.repo == id.as_str()).collect(),
            unbuilt: repo
                .map(|repo| repo.unbuilt.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        })
    }

    /// Runs, newest first.
    pub async fn history(&self, id: Option<&RepoId>, limit: u64) -> Result<Vec<HistoryRow>, EngineError> {
        let repository = match id {
            Some(id) => Some(self.known(id).await?.id),
            None => None,
        };
        let rows = self
            .catalog
            .history(repository, limit as i64)
            .await
            .doing("read the history")?;
        Ok(rows
            .into_iter()
            .map(|row| HistoryRow {
                repo: row.repository,
                started: time(row.started_at),
                finished: row.finished_at.map(time),
                status: row.status,
                revision: row.revision,
                added: row.added as u64,
                removed: row.removed as u64,
                upgraded: row.upgraded as u64,
                fetched_bytes: row.bytes_fetched as u64,
                error: row.error,
            })
            .collect())
    }

    /// Every published tree.
    pub async fn publications(&self) -> Result<Vec<PublicationRow>, EngineError> {
        let repositories = self.catalog.repositories().await.doing("read repositories")?;
        let mut rows = Vec::new();
        for publication in self.catalog.publications().await.doing("read publications")? {
            let live = self.live_state(&publication.path).await?;
            let repo = repositories.iter().find(|repo| repo.id == publication.repository);
            let repo = repo.map(|repo| repo.name.clone());
            let configured = repo.as_ref().and_then(|id| self.configured(id).ok());
            let base = configured.and_then(|repo| repo.publish.base_url.as_ref());
            rows.push(PublicationRow {
                repo: repo.map(|id| id.to_string()).unwrap_or_default(),
                kind: publication.kind.name().to_owned(),
                snapshot: publication.snapshot,
                pinned: publication.pinned,
                revision: live.as_ref().map(|live| live.revision),
                url: base
                    .filter(|_| !publication.path.starts_with('/'))
                    .map(|base| format!("{}/{}/", base.as_str().trim_end_matches('/'), publication.path)),
                path: self
                    .config
                    .storage
                    .published_path
                    .join(&publication.path)
                    .display()
                    .to_string(),
                since: live.map(|live| time(live.served_from)),
            });
        }
        Ok(rows)
    }

    pub(crate) async fn live_state(&self, path: &str) -> Result<Option<PublicationState>, EngineError> {
        let states = self.catalog.states(path).await.doing("read publications")?;
        Ok(states.into_iter().find(|state| state.status == StateStatus::Live))
    }

    /// What clients see at the repository's own path, in words.
    pub(crate) async fn served_at_latest(&self, id: &RepoId) -> Result<Option<String>, EngineError> {
        let path = crate::site::tree(self.configured(id)?, None).to_string();
        let Some(live) = self.live_state(&path).await? else {
            return Ok(None);
        };
        let publication = self.catalog.publication(&path).await.doing("read publications")?;
        Ok(Some(
            match publication.and_then(|publication| publication.snapshot.filter(|_| publication.pinned)) {
                Some(snapshot) => format!("{} (snapshot {snapshot})", live.revision),
                None => live.revision.to_string(),
            },
        ))
    }

    /// Takes a published tree down.
    pub async fn unpublish(&self, target: &Target) -> Result<String, EngineError> {
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
        }
        lease.release().await.doing("release the published path")?;
        removed
    }

    /// Packages of a state, or of the newest revisions of all repositories, whose name or version has a text.
    pub async fn packages(
        &self,
        scope: Option<(&RepoId, &str)>,
        text: Option<&str>,
        limit: u64,
    ) -> Result<Vec<PackageRow>, EngineError> {
        let mut states = Vec::new();
        match scope {
            Some((id, state)) => states.push(self.resolve_state(id, state).await?),
            None => {
                for repository in self.catalog.repositories().await.doing("read repositories")? {
                    if let Some(current) = self
                        .catalog
                        .current(repository.line)
                        .await
                        .doing("find the newest revision")?
                    {
                        states.push((current.line, current.number));
                    }
                }
            }
        }
        let mut rows: Vec<PackageRow> = Vec::new();
        for (line, revision) in states {
            let left = limit.saturating_sub(rows.len() as u64);
            if left == 0 {
                break;
            }
            let found = self
                .catalog
                .search(line, revision, text, left as i64)
                .await
                .doing("search packages")?;
            rows.extend(found.into_iter().map(package_row));
        }
        Ok(rows)
    }

    /// A package by SHA-256, `name` or `name@version`, and where it is.
    pub async fn package(&self, ident: &str) -> Result<Vec<PackageDetail>, EngineError> {
        let found = self.catalog.find_package(ident).await.doing("search packages")?;
        if found.is_empty() {
            return Err(EngineError::request(
                format!("no package {ident}"),
                Some("give a name, `name@version` or a SHA-256"),
            ));
        }
        Ok(found
            .into_iter()
            .map(|found| PackageDetail {
                row: package_row(found.package),
                repositories: found.repositories,
                snapshots: found.snapshots,
            })
            .collect())
    }

    /// Numbers about everything.
    pub async fn stats(&self) -> Result<Stats, EngineError> {
        let stats = self.catalog.stats().await.doing("count")?;
        Ok(Stats {
            repositories: stats.repositories as u64,
            snapshots: stats.snapshots as u64,
            revisions: stats.revisions as u64,
            packages: stats.packages as u64,
            logical_bytes: stats.logical_bytes as u64,
            blobs: stats.blobs as u64,
            blob_bytes: stats.blob_bytes as u64,
            database_bytes: std::fs::metadata(self.config.database.path()).map_or(0, |meta| meta.len()),
        })
    }

    /// What is remembered about feeds.
    pub async fn cache_list(&self) -> Result<Vec<CacheRow>, EngineError> {
        let mut rows = Vec::new();
        for repository in self.catalog.repositories().await.doing("read repositories")? {
            let Some(state) = self
                .catalog
                .feed_state(repository.id)
                .await
                .doing("read the feed's state")?
            else {
                continue;
            };
            let (files, bytes) = self
                .catalog
                .source_files(repository.line)
                .await
                .doing("count metadata files")?;
            let url = url::Url::parse(&state.entry_url).map_or_else(|_| String::new(), |url| crate::feed::masked(&url));
            rows.push(CacheRow {
                repo: repository.name.to_string(),
                url,
                etag: state.etag,
                last_modified: state.last_modified,
                checked: time(state.checked_at),
                files: files as u64,
                bytes: bytes as u64,
            });
        }
        Ok(rows)
    }

    /// Forgets validators, so that the next sync reads the whole feed; gives the number of feeds.
    pub async fn cache_clear(&self, id: Option<&RepoId>) -> Result<u64, EngineError> {
        let mut cleared = 0;
        for repository in self.catalog.repositories().await.doing("read repositories")? {
            if id.is_some_and(|id| *id != repository.name) {
                continue;
            }
            let name = format!("sync:{}", repository.name);
            let lease = self.catalog.acquire(&name, None).await.doing("hold the repository")?;
            let forgotten = self
                .catalog
                .clear_feed_state(&lease, repository.id)
                .await
                .doing("forget validators")?;
            lease.release().await.doing("release the repository")?;
            cleared += u64::from(forgotten);
        }
        Ok(cleared)
    }
}
