//! The verbs: sync, snapshot, publish. The flow itself, one file per verb.
//!
//! Plan, then act: [`SyncPlan`] and [`PublishPlan`] are values that a dry run, output and tests all read.

mod adopt;
mod backup;
mod blobs;
mod certificate;
mod choose;
mod client;
mod collect;
mod compare;
mod content;
mod diff;
mod doctor;
mod download;
mod end;
mod error;
mod explain;
mod feed;
mod files;
mod filters;
mod forget;
mod guard;
mod health;
mod held;
mod items;
mod keep;
mod listing;
mod manifest;
mod metrics;
mod noted;
mod notify;
mod packed;
mod parts;
mod paths;
mod payload;
mod plan;
mod proxy;
mod prune;
mod publish;
mod query;
mod reach;
mod rebuild;
mod record;
mod render;
mod report;
mod retain;
mod retire;
mod schedule;
mod serve;
mod settings;
mod site;
mod snapshot;
mod spool;
mod state;
mod status;
mod sync;
mod target;
mod task;
mod task_list;
mod unpublish;
mod updates;
mod upstream_check;
mod verbs;
mod verify;
mod warn;
mod watch;

pub use adopt::{AdoptMode, AdoptOptions, AdoptReport, LeftOut, Names};
pub use backup::{
    BackupCheck, BackupError, BackupFile, BackupInfo, BackupOptions, BackupReport, BackupTable, MissingBlob,
    RestorePlan, RestoreReport, RestoreTable, Secrets, UpgradeReport, back_up, backup_info, backup_list, plan_restore,
    restore, upgrade, verify_backup,
};
pub use chantal_catalog::Runs;
pub use chantal_catalog::{Cleaned, TaskLine, TaskState};
pub use chantal_formats::RelationKind;
pub use collect::{CollectOptions, CollectReport, GoneSnapshot};
pub use diff::{Change, Counts, DiffEntry, Side};
pub use doctor::{Check, CheckStatus, Surroundings, examine};
pub use end::Facts;
pub use error::{EngineError, ExitClass, chain as told};
pub use explain::Explained;
pub use forget::{DeleteOptions, DeletePlan, DeleteReport, Obstacle};
pub use keep::{HoldRow, Reason};
pub use notify::Told;
pub use query::*;
pub use rebuild::{RebuildReport, rebuild};
pub use report::*;
pub use retire::{RetireReport, RetiredRevision};
pub use schedule::{Command, Event, Listen, ScheduleListing, SchedulerRow};
pub use status::{HolderRow, ProgressRow, SyncState, SyncStatus};
pub use task::{TaskReport, hear};
pub use task_list::{TaskDetail, TaskRow, Wish};
pub use updates::Updates;
pub use verify::{Share, VerifyOptions, VerifyReport};

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chantal_catalog::{Catalog, Location, Server};
use chantal_config::{Config, Repository};
use chantal_fetch::{Bandwidth, Hosts};
use chantal_formats::Format;
use chantal_model::{Clock, Progress, RepoId};
use chantal_pool::{Pool, PoolOptions};
use chantal_publish::{Site, SiteOptions};

use crate::error::Doing;

/// Whether a verb changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads; the database must exist.
    Read,
    /// It writes; an empty database is created.
    Write,
}

/// What the engine does not choose itself.
#[derive(Clone)]
pub struct Ports {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Takes reports on how far a task is.
    pub progress: Arc<dyn Progress>,
}

/// The flow, over one configuration, one catalog and one pool. Clones share all of them.
#[derive(Clone)]
pub struct Engine {
    config: Arc<Config>,
    catalog: Catalog,
    pool: Pool,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    sites: Arc<Mutex<HashMap<PathBuf, Site>>>,
    /// Connections to one host are counted over all repositories.
    hosts: Hosts,
    /// What all repositories together may fetch.
    bandwidth: Option<Bandwidth>,
    telling: end::Telling,
}

/// Where the catalog is.
pub fn location(config: &Config) -> Location {
    match config.database.server() {
        Some(server) => Location::Server(Server {
            url: server.url.clone(),
            shown: server.shown.clone(),
            files: server.files.clone(),
            connections: server.connections,
        }),
        None => Location::File(config.database.path().to_owned()),
    }
}

impl Engine {
    /// Makes directories and database where they are missing; gives what it made.
    pub async fn init(config: &Config) -> Result<Vec<String>, EngineError> {
        let mut made = Vec::new();
        let storage = &config.storage;
        for (directory, mode) in [
            (&storage.base_path, 0o755),
            (&storage.pool_path, 0o755),
            (&storage.temp_path, 0o700),
            (&storage.published_path, 0o755),
        ] {
            if make_directory(directory, mode)? {
                made.push(directory.display().to_string());
            }
        }
        let pool = Pool::open(&storage.pool_path, pool_options(config)).doing("be opened")?;
        check_file_systems(config, &pool)?;
        let database = config.database.path();
        let is_new = config.database.server().is_none() && !database.exists();
        let catalog = Catalog::open_at(&location(config), chantal_catalog::Access::Create)
            .await
            .doing("be created")?;
        catalog.close().await;
        if is_new {
            made.push(database.display().to_string());
        }
        Ok(made)
    }

    /// Opens what the configuration names.
    pub async fn open(config: Arc<Config>, access: Access, ports: Ports) -> Result<Self, EngineError> {
        let storage = &config.storage;
        let access = match access {
            Access::Read => chantal_catalog::Access::Read,
            Access::Write => {
                make_directory(&storage.base_path, 0o755)?;
                make_directory(&storage.temp_path, 0o700)?;
                chantal_catalog::Access::Create
            }
        };
        let catalog = Catalog::open_at(&location(&config), access).await.doing("be opened")?;
        let catalog = catalog.with_lease_seconds(config.lease_seconds);
        let pool = Pool::open(&storage.pool_path, pool_options(&config)).doing("be opened")?;
        Ok(Self {
            catalog,
            pool,
            clock: ports.clock,
            progress: ports.progress,
            sites: Arc::default(),
            hosts: Hosts::default(),
            bandwidth: config.bandwidth.map(Bandwidth::new),
            telling: end::Telling::default(),
            config,
        })
    }

    /// The same engine, which reports how far it is elsewhere.
    #[must_use]
    pub fn with_progress(&self, progress: Arc<dyn Progress>) -> Self {
        Self {
            progress,
            ..self.clone()
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The catalog, for the commands that look after the database itself.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A repository of the configuration.
    pub(crate) fn configured(&self, id: &RepoId) -> Result<&Repository, EngineError> {
        self.config
            .repositories
            .iter()
            .find(|repo| repo.id == *id)
            .ok_or_else(|| {
                EngineError::request(
                    format!("no repository {id} in the configuration"),
                    Some("`chantal repo list` shows all"),
                )
            })
    }

    /// A repository of the configuration whose every key this version acts on.
    pub(crate) fn ready(&self, id: &RepoId) -> Result<&Repository, EngineError> {
        let repo = self.configured(id)?;
        match repo.unbuilt.first() {
            None => Ok(repo),
            Some(unbuilt) => Err(EngineError::Configuration {
                repo: id.to_string(),
                message: unbuilt.to_string(),
                hint: unbuilt.hint.clone(),
            }),
        }
    }

    pub(crate) fn format(&self, repo: &Repository) -> Result<&'static dyn Format, EngineError> {
        chantal_formats::by_name(&repo.r#type).ok_or_else(|| EngineError::Configuration {
            repo: repo.id.to_string(),
            message: format!("type {} is not supported by this version", repo.r#type),
            hint: None,
        })
    }

    /// The published root behind a path, probed once.
    pub(crate) fn site(&self, root: &Path) -> Result<Site, EngineError> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.get(root) {
            return Ok(site.clone());
        }
        let site = Site::open(root, site_options(&self.config)).map_err(|source| EngineError::Publish {
            path: root.display().to_string(),
            source,
        })?;
        sites.insert(root.to_owned(), site.clone());
        Ok(site)
    }

    /// What the catalog knows about a repository.
    pub(crate) async fn known(&self, id: &RepoId) -> Result<chantal_catalog::Repository, EngineError> {
        self.catalog
            .repository(id)
            .await
            .doing("find the repository")?
            .ok_or_else(|| {
                EngineError::request(
                    format!("repository {id} was never synced"),
                    Some(&format!("`chantal repo sync {id}`")),
                )
            })
    }
}

fn pool_options(config: &Config) -> PoolOptions {
    PoolOptions {
        durability: match config.storage.durability {
            chantal_config::Durability::Batch => chantal_pool::Durability::Batch,
            chantal_config::Durability::Fsync => chantal_pool::Durability::EachFile,
        },
    }
}

fn site_options(config: &Config) -> SiteOptions {
    SiteOptions {
        link_mode: match config.storage.link_mode {
            chantal_config::LinkMode::Hardlink => chantal_publish::LinkMode::Hardlink,
            chantal_config::LinkMode::Reflink => chantal_publish::LinkMode::Reflink,
            chantal_config::LinkMode::Copy => chantal_publish::LinkMode::Copy,
        },
        switch: chantal_publish::SwitchMode::Probe,
    }
}

/// Pool and published trees share one file system, unless the configuration says how else files get there.
fn check_file_systems(config: &Config, pool: &Pool) -> Result<(), EngineError> {
    if config.storage.link_mode != chantal_config::LinkMode::Hardlink {
        return Ok(());
    }
    let published = &config.storage.published_path;
    match pool
        .shares_file_system(published)
        .doing("be compared with the published root")?
    {
        None => Ok(()),
        Some((pool_mount, published_mount)) => Err(EngineError::request(
            format!(
                "the pool {} (on {}) and the published root {} (on {}) are on two file systems, which hard links \
                 cannot cross",
                config.storage.pool_path.display(),
                pool_mount.display(),
                published.display(),
                published_mount.display()
            ),
            Some("put both on one file system, or set `storage.link_mode: reflink` or `copy`"),
        )),
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<bool, EngineError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if path.is_dir() {
        return Ok(false);
    }
    let io = |source| EngineError::Io {
        what: "create",
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(io)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io)?;
    Ok(true)
}
