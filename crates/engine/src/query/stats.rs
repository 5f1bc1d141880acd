//! Numbers.

use std::collections::{BTreeMap, HashMap, HashSet};

use chantal_catalog::PackageRow as Found;
use serde::Serialize;

use super::package_row;
use super::packages::{ListedPackage, Scope};
use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::Stats;

/// What packages take up.
#[derive(Clone, Debug, Serialize)]
pub struct PackageStats {
    /// Packages, each repository counted by itself.
    pub packages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest, by size.
    pub largest: Vec<ListedPackage>,
    /// By architecture, the largest first.
    pub by_arch: Vec<ArchStats>,
    /// By name and architecture, the largest first.
    pub by_series: Vec<SeriesStats>,
}

/// Packages of an architecture.
#[derive(Clone, Debug, Serialize)]
pub struct ArchStats {
    /// The architecture.
    pub arch: String,
    /// How many.
    pub packages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Packages of one name and architecture.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesStats {
    /// The name.
    pub name: String,
    /// The architecture.
    pub arch: String,
    /// Different versions.
    pub versions: u64,
    /// How many.
    pub packages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is kept once and named often.
#[derive(Clone, Debug, Serialize)]
pub struct DedupStats {
    /// Newest revisions and snapshots.
    pub states: u64,
    /// Their packages, each state counted by itself.
    pub logical_packages: u64,
    /// Bytes of those.
    pub logical_bytes: u64,
    /// The blobs of those packages, each counted once.
    pub stored_packages: u64,
    /// Bytes of those.
    pub stored_bytes: u64,
    /// Bytes that one copy for each state would take more.
    pub saved_bytes: u64,
    /// Published trees.
    pub published_trees: u64,
    /// Their packages, each tree counted by itself.
    pub published_packages: u64,
    /// Bytes of those.
    pub published_bytes: u64,
    /// Blobs on disk, metadata and what is orphaned included.
    pub pool_blobs: u64,
    /// Bytes of those.
    pub pool_bytes: u64,
    /// The newest revision of each repository.
    pub repositories: Vec<RepositoryShare>,
}

/// What a repository takes up.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryShare {
    /// The repository.
    pub repo: String,
    /// Packages.
    pub packages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that no other repository's newest revision has.
    pub own_packages: u64,
    /// Bytes of those.
    pub own_bytes: u64,
}

/// Counts packages as they come.
struct Counter {
    limit: usize,
    packages: u64,
    bytes: u64,
    largest: Vec<(usize, Found)>,
    arches: BTreeMap<String, (u64, u64)>,
    series: HashMap<(String, String), (HashSet<String>, u64, u64)>,
}

impl Counter {
    fn add(&mut self, place: usize, package: Found) {
        self.packages += 1;
        self.bytes += package.size;
        let arch = self.arches.entry(package.arch.clone()).or_default();
        *arch = (arch.0 + 1, arch.1 + package.size);
        let series = self
            .series
            .entry((package.name.clone(), package.arch.clone()))
            .or_default();
        series.0.insert(package.version.clone());
        series.1 += 1;
        series.2 += package.size;
        self.largest.push((place, package));
        if self.largest.len() > self.limit.saturating_mul(2).saturating_add(1000) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.largest.sort_by(|(_, a), (_, b)| {
            (std::cmp::Reverse(a.size), &a.name, &a.path).cmp(&(std::cmp::Reverse(b.size), &b.name, &b.path))
        });
        self.largest.truncate(self.limit);
    }

    fn arches(&self) -> Vec<ArchStats> {
        let mut rows: Vec<ArchStats> = self
            .arches
            .iter()
            .map(|(arch, (packages, bytes))| ArchStats {
                arch: arch.clone(),
                packages: *packages,
                bytes: *bytes,
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
        rows
    }

    fn series(&self) -> Vec<SeriesStats> {
        let mut rows: Vec<SeriesStats> = self
            .series
            .iter()
            .map(|((name, arch), (versions, packages, bytes))| SeriesStats {
                name: name.clone(),
                arch: arch.clone(),
                versions: versions.len() as u64,
                packages: *packages,
                bytes: *bytes,
            })
            .collect();
        rows.sort_by(|a, b| {
            (std::cmp::Reverse(a.bytes), &a.name, &a.arch).cmp(&(std::cmp::Reverse(b.bytes), &b.name, &b.arch))
        });
        rows.truncate(self.limit);
        rows
    }
}

impl Engine {
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
            database_bytes: self.catalog.size_bytes().await.doing("measure it")?,
        })
    }

    /// Counts the packages of a scope; at most `limit` in each list.
    pub async fn package_stats(&self, scope: &Scope, limit: u64) -> Result<PackageStats, EngineError> {
        let mut counter = Counter {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            packages: 0,
            bytes: 0,
            largest: Vec::new(),
            arches: BTreeMap::new(),
            series: HashMap::new(),
        };
        let places = self.places(scope).await?;
        for (index, place) in places.iter().enumerate() {
            self.catalog
                .each_package(place.repo.line, place.revision, &mut |package| {
                    counter.add(index, package);
                })
                .await
                .doing("count packages")?;
        }
        counter.settle();
        Ok(PackageStats {
            packages: counter.packages,
            bytes: counter.bytes,
            by_arch: counter.arches(),
            by_series: counter.series(),
            largest: counter
                .largest
                .into_iter()
                .map(|(index, package)| ListedPackage {
                    repo: places[index].repo.name.to_string(),
                    row: package_row(package),
                })
                .collect(),
        })
    }

    /// Compares what states name with what is stored.
    pub async fn dedup(&self) -> Result<DedupStats, EngineError> {
        let dedup = self.catalog.dedup().await.doing("count")?;
        let pool = self.pool.clone();
        let (on_disk, _) = blocking(move || pool.list().doing("be listed")).await?;
        Ok(DedupStats {
            states: dedup.states as u64,
            logical_packages: dedup.logical.count as u64,
            logical_bytes: dedup.logical.bytes as u64,
            stored_packages: dedup.stored.count as u64,
            stored_bytes: dedup.stored.bytes as u64,
            saved_bytes: dedup.logical.bytes.saturating_sub(dedup.stored.bytes).max(0) as u64,
            published_trees: dedup.trees as u64,
            published_packages: dedup.published.count as u64,
            published_bytes: dedup.published.bytes as u64,
            pool_blobs: on_disk.len() as u64,
            pool_bytes: on_disk.iter().map(|(_, size)| size).sum(),
            repositories: dedup
                .repositories
                .into_iter()
                .map(|(repo, all, own)| RepositoryShare {
                    repo,
                    packages: all.count as u64,
                    bytes: all.bytes as u64,
                    own_packages: own.count as u64,
                    own_bytes: own.bytes as u64,
                })
                .collect(),
        })
    }
}
