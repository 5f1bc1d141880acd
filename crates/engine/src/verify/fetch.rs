//! Damaged blobs from the feeds of the repositories that need them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chantal_catalog::Lease;
use chantal_config::Repository;
use chantal_fetch::Reference;
use chantal_model::{Digest, Promise, RepoId, Sha256};
use chantal_pool::{Pool, PoolOptions};

use super::heal::Sick;
use crate::Engine;
use crate::download::{Downloader, Order, Source};
use crate::error::{Doing, EngineError, blocking, chain};
use crate::feed::{Feed, Reading};
use crate::packed::Packed;
use crate::reach::{Reach, reference};

/// Digests looked up at a time.
const LOOKUP: usize = 1000;

impl Engine {
    /// Fetches what is still sick from the feeds of the repositories that hold it: first from where it is published, which
    /// is nearly always where upstream has it, then from where upstream's metadata says that its bytes are now.
    pub(super) async fn cure_from_feeds(&self, sick: &mut [Sick], lease: &Lease) -> Result<(), EngineError> {
        let mut by_repository: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
        for (at, one) in sick.iter().enumerate() {
            for keeper in &one.keepers.content {
                let wanted = by_repository.entry(keeper.repository.clone()).or_default();
                wanted.push((at, keeper.path.clone()));
            }
        }
        for (name, wanted) in by_repository {
            if !wanted.iter().any(|(at, _)| sick[*at].is_sick()) {
                continue;
            }
            if let Err(error) = self.cure_from_feed(&name, &wanted, sick, lease).await {
                if error.class() == crate::error::ExitClass::Limit {
                    return Err(error);
                }
                let told = chain(&error);
                for (at, _) in wanted {
                    if sick[at].is_sick() && !sick[at].reasons.contains(&told) {
                        sick[at].reasons.push(told.clone());
                    }
                }
            }
        }
        Ok(())
    }

    async fn cure_from_feed(
        &self,
        name: &str,
        wanted: &[(usize, String)],
        sick: &mut [Sick],
        lease: &Lease,
    ) -> Result<(), EngineError> {
        let id: RepoId = name
            .parse()
            .map_err(|error: chantal_model::NameError| EngineError::request(error.to_string(), None))?;
        let repo = self.ready(&id)?;
        let format = self.format(repo)?;
        let reach = self.reach(repo, format).await?;
        let still = |sick: &[Sick]| -> Vec<(usize, String)> {
            let mut still: Vec<_> = wanted.iter().filter(|(at, _)| sick[*at].is_sick()).cloned().collect();
            still.dedup_by_key(|(at, _)| *at);
            still
        };
        let orders = still(sick)
            .into_iter()
            .map(|(at, path)| order(at, &sick[at], located(&path), path))
            .collect();
        self.cure_by(repo, &reach, orders, sick, lease).await?;
        let left = still(sick);
        if left.is_empty() {
            return Ok(());
        }
        for (at, _) in &left {
            sick[*at].reasons.clear();
        }
        let by_name: HashMap<Sha256, usize> = left.iter().map(|(at, _)| (sick[*at].sha256, *at)).collect();
        let orders = self.orders_of_feed(repo, &reach, &by_name, sick).await?;
        self.cure_by(repo, &reach, orders, sick, lease).await?;
        for (at, _) in left {
            if sick[at].is_sick() && sick[at].reasons.is_empty() {
                sick[at]
                    .reasons
                    .push(format!("the feed of {name} does not have it any more"));
            }
        }
        Ok(())
    }

    /// Fetches, and notes what came of it.
    async fn cure_by(
        &self,
        repo: &Repository,
        reach: &Reach,
        orders: Vec<Order>,
        sick: &mut [Sick],
        lease: &Lease,
    ) -> Result<(), EngineError> {
        if orders.is_empty() {
            return Ok(());
        }
        let bytes = orders.iter().filter_map(|order| order.promise.size).sum();
        let downloader = Downloader {
            source: Arc::new(Source {
                repo: repo.id.to_string(),
                reach: reach.clone(),
                pool: self.pool.clone(),
                progress: self.progress.clone(),
                fetched_bytes: Arc::new(AtomicU64::new(0)),
                limit_bytes: repo.limits.package_bytes,
            }),
            catalog: &self.catalog,
            lease,
            parallel: repo.download.parallel,
        };
        let downloaded = downloader.run(orders.into_iter(), bytes).await?;
        for (at, (sha256, _)) in downloaded.blobs.iter() {
            let one = &mut sick[at as usize];
            if one.sha256 == sha256 {
                one.cure = Some(format!("fetched again from {}", repo.id));
            }
        }
        for failure in downloaded.failures {
            let one = &mut sick[failure.package as usize];
            one.reasons
                .push(format!("{}: {}", failure.report.url, failure.report.reason));
        }
        Ok(())
    }

    /// Reads the feed, and orders what it promises of the wanted bytes. Takes metadata files that it reads at once.
    async fn orders_of_feed(
        &self,
        repo: &Repository,
        reach: &Reach,
        wanted: &HashMap<Sha256, usize>,
        sick: &mut [Sick],
    ) -> Result<Vec<Order>, EngineError> {
        let work = &self.config.storage.temp_path;
        let scratch = tempfile::tempdir_in(work).map_err(|source| EngineError::Io {
            what: "create a directory in",
            path: work.clone(),
            source,
        })?;
        let landing = Pool::open(scratch.path(), PoolOptions::default()).doing("make a scratch directory")?;
        let format = self.format(repo)?;
        let feed = Feed {
            repo,
            format,
            reach: reach.clone(),
            pool: &self.pool,
            landing: &landing,
            catalog: &self.catalog,
            progress: self.progress.clone(),
            fetched_bytes: Arc::new(AtomicU64::new(0)),
            lease: None,
        };
        let Reading::Read(upstream) = feed.read(None, "", &|_| Ok(())).await? else {
            return Ok(Vec::new());
        };
        let files = Arc::new(upstream.files);
        for had in files.all() {
            let Some(at) = wanted.get(&had.sha256).copied().filter(|at| sick[*at].is_sick()) else {
                continue;
            };
            let (pool, path) = (self.pool.clone(), had.path.clone());
            blocking(move || copy_in(&pool, &path)).await?;
            if self.pool.contains(&had.sha256, had.size) {
                sick[at].cure = Some(format!("fetched again from {}", repo.id));
            }
        }
        let listing = self.list(repo, format, files.clone()).await?;
        let mut orders = self.orders_of_packages(&listing.packages, wanted, sick).await?;
        for file in files.ordered() {
            let promised = file.promise.as_ref().and_then(Promise::sha256);
            if let Some(at) = promised.and_then(|sha256| wanted.get(&sha256).copied()) {
                orders.push(order(
                    at,
                    &sick[at],
                    crate::feed::reference(file),
                    file.path.to_string(),
                ));
            }
        }
        orders.retain(|order| sick[order.package as usize].is_sick());
        Ok(orders)
    }

    async fn orders_of_packages(
        &self,
        packages: &Packed,
        wanted: &HashMap<Sha256, usize>,
        sick: &[Sick],
    ) -> Result<Vec<Order>, EngineError> {
        let mut orders = Vec::new();
        let mut others: Vec<(u32, Vec<Digest>)> = Vec::new();
        for (index, package) in packages.iter() {
            match package.promise.sha256() {
                Some(sha256) => {
                    if let Some(at) = wanted.get(&sha256) {
                        orders.push(order(*at, &sick[*at], reference(&package), package.label.to_string()));
                    }
                }
                None => others.push((index, package.promise.digests.clone())),
            }
        }
        for chunk in others.chunks(LOOKUP) {
            let digests: Vec<Digest> = chunk.iter().flat_map(|(_, digests)| digests.clone()).collect();
            let known = self.catalog.blobs_by_digest(&digests).await.doing("look up digests")?;
            for (index, digests) in chunk {
                let found = digests.iter().find_map(|digest| known.get(digest));
                if let Some(at) = found.and_then(|(sha256, _)| wanted.get(sha256)) {
                    let package = packages.get(*index);
                    orders.push(order(*at, &sick[*at], reference(&package), package.label.to_string()));
                }
            }
        }
        orders.sort_by_key(|order| order.package);
        orders.dedup_by_key(|order| order.package);
        Ok(orders)
    }
}

/// What it must be is known from when it was fetched first.
fn order(at: usize, one: &Sick, reference: Reference, label: String) -> Order {
    Order {
        package: at as u32,
        reference,
        promise: Promise {
            digests: vec![Digest::from(one.sha256)],
            size: Some(one.size),
        },
        label,
        facts: None,
    }
}

/// A published path as a reference below the feed.
fn located(path: &str) -> Reference {
    let escaped = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Reference {
        base: None,
        // A colon in the first segment would be taken for the end of a scheme.
        href: format!("./{escaped}").into(),
    }
}

fn copy_in(pool: &Pool, path: &std::path::Path) -> Result<(), EngineError> {
    let io = |source| EngineError::Io {
        what: "copy",
        path: path.to_owned(),
        source,
    };
    let mut incoming = pool.incoming(&[]);
    let mut file = std::fs::File::open(path).map_err(io)?;
    std::io::copy(&mut file, &mut incoming).map_err(io)?;
    let sealed = incoming.seal().doing("take a metadata file")?;
    pool.settle(vec![sealed]).doing("store a metadata file")?;
    Ok(())
}
