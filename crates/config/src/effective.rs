//! The configuration as the rest of the program reads it: every default filled in, every path absolute.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chantal_model::{Algorithm, Compression, Mode, RelPath, RepoId};
use url::Url;

use crate::raw::{Durability, LinkMode, LogFormat, LogLevel, NotifyOn, OnPackageError};
use crate::secret::Secret;
use crate::unbuilt::Unbuilt;

/// Everything.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the catalog is.
    pub database: Database,
    /// Directories.
    pub storage: Storage,
    /// Where backups are, and how many stay.
    pub backup: Backups,
    /// The repositories, in the order of the files.
    pub repositories: Vec<Repository>,
    /// What is logged, and how.
    pub log: Log,
    /// Most bytes a second of all repositories together.
    pub bandwidth: Option<u64>,
    /// Which revisions stay.
    pub revisions: Revisions,
    /// Which snapshots stay.
    pub snapshots: SnapshotRetention,
    /// When the scheduler collects.
    pub cleanup: Option<chantal_model::Schedule>,
    /// A process that is not heard of for so many seconds loses what it works on.
    pub lease_seconds: u32,
    /// For so many days tasks are remembered.
    pub task_days: u32,
    /// Where the scheduler answers for its metrics.
    pub listen: Option<SocketAddr>,
    /// The file that takes metrics.
    pub textfile: Option<PathBuf>,
    /// Whom to tell when a run ends.
    pub notify: Vec<Notify>,
    /// The proxy of what belongs to no repository.
    pub proxy: Proxy,
    /// The TLS of what belongs to no repository.
    pub ssl: Ssl,
    /// Files with keys that are named anywhere.
    pub keys: Vec<KeyFile>,
}

/// A file with a key, or a directory with several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The key of the configuration that names it.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether only few may read it.
    pub is_secret: bool,
}

/// Whom to tell when a run ends.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Which ends.
    pub on: Vec<NotifyOn>,
    /// Patterns of ids; `None` for all, and for what concerns no single repository.
    pub repositories: Option<globset::GlobSet>,
    /// How.
    pub target: NotifyTarget,
    /// How long one try may take.
    pub timeout: Duration,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum NotifyTarget {
    /// By a request.
    Webhook {
        /// The URL, which may hold a secret anywhere.
        url: Secret,
        /// Further headers.
        headers: Vec<(String, Secret)>,
    },
    /// By a program.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
    },
}

impl Notify {
    /// What may be shown of it: a program, or where a URL leads.
    pub fn shown(&self) -> String {
        match &self.target {
            NotifyTarget::Command { words } => words.first().cloned().unwrap_or_default(),
            NotifyTarget::Webhook { url, .. } => match url.shown() {
                reference if reference != "***" => reference,
                _ => url
                    .reveal()
                    .ok()
                    .and_then(|url| Url::parse(&url).ok())
                    .map_or_else(String::new, |url| url.origin().ascii_serialization()),
            },
        }
    }

    /// Whether it wants to hear of this repository, or of what concerns none.
    pub fn is_about(&self, repo: Option<&RepoId>) -> bool {
        match (&self.repositories, repo) {
            (None, _) => true,
            (Some(patterns), Some(id)) => patterns.is_match(id.as_str()),
            (Some(_), None) => false,
        }
    }
}

/// Which snapshots stay when collection runs; without a number all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRetention {
    /// The last so many of each repository.
    pub keep_last: Option<u32>,
    /// The newest of each of the last so many months that have any.
    pub keep_monthly: Option<u32>,
    /// Published ones; without it they are taken down when they go.
    pub keep_published: bool,
}

impl Default for SnapshotRetention {
    fn default() -> Self {
        Self {
            keep_last: None,
            keep_monthly: None,
            keep_published: true,
        }
    }
}

/// Which revisions stay, beside those that a snapshot pins or that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revisions {
    /// The last so many of each repository.
    pub keep_last: u32,
    /// Those that were the newest within so many days.
    pub keep_days: u32,
}

impl Default for Revisions {
    fn default() -> Self {
        Self {
            keep_last: 30,
            keep_days: 90,
        }
    }
}

/// Where the catalog is.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) path: PathBuf,
    pub(crate) server: Option<DatabaseServer>,
    /// Whether every statement is logged.
    pub echo: bool,
}

/// A database on a PostgreSQL server.
#[derive(Clone)]
pub struct DatabaseServer {
    /// `postgresql://…`, with the password if it has one.
    pub url: String,
    /// The same without the password.
    pub shown: String,
    /// Connections at most.
    pub connections: u32,
    /// Certificates and keys that the URL names.
    pub files: Vec<PathBuf>,
}

impl std::fmt::Debug for DatabaseServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Database {
    /// A SQLite database.
    pub fn sqlite(path: PathBuf) -> Self {
        Self {
            path,
            server: None,
            echo: false,
        }
    }

    /// The database file; where it is on a server, the file that would be used without one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its URL for people: without a password.
    pub fn shown(&self) -> String {
        match &self.server {
            Some(server) => server.shown.clone(),
            None => format!("sqlite:///{}", self.path.display()),
        }
    }

    /// The server that holds it, unless it is a file.
    pub fn server(&self) -> Option<&DatabaseServer> {
        self.server.as_ref()
    }
}

/// Directories and how files get into published trees.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Root of everything that has no path of its own.
    pub base_path: PathBuf,
    /// The pool.
    pub pool_path: PathBuf,
    /// Root of published trees.
    pub published_path: PathBuf,
    /// Work files of running tasks.
    pub temp_path: PathBuf,
    /// How files get from the pool into trees.
    pub link_mode: LinkMode,
    /// How blobs are made durable.
    pub durability: Durability,
}

/// Where backups are, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backups {
    /// The directory of archives without a name of their own.
    pub directory: PathBuf,
    /// How many of those stay; without it all do.
    pub keep_last: Option<u32>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    /// What.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
}

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its id.
    pub id: RepoId,
    /// Display name.
    pub name: Option<String>,
    /// Format of its packages.
    pub r#type: String,
    /// Where its content comes from: the feed, the first of several, or the URL of a list of mirrors.
    pub feed: Option<Url>,
    /// What `feed` is.
    pub feed_kind: FeedKind,
    /// Further feeds of the same content, best first.
    pub other_feeds: Vec<Feed>,
    /// Whether `--all` includes it.
    pub enabled: bool,
    /// Its mode.
    pub mode: Mode,
    /// Words that select it.
    pub tags: Vec<String>,
    /// How to authenticate.
    pub auth: Option<Auth>,
    /// Its proxy.
    pub proxy: Proxy,
    /// Its TLS.
    pub ssl: Ssl,
    /// Limits of fetching.
    pub download: Download,
    /// Caps on what upstream may send.
    pub limits: Limits,
    /// Which packages to take.
    pub filters: Filters,
    /// Whole module streams.
    pub modules: Words,
    /// Which versions stay when upstream drops them.
    pub retention: Retention,
    /// What stops a sync.
    pub guards: Guards,
    /// Generated metadata.
    pub metadata: Metadata,
    /// How it is published.
    pub publish: Publish,
    /// What to do about a package that cannot be had.
    pub on_package_error: OnPackageError,
    /// Weaknesses that are accepted by name.
    pub weaknesses: Vec<String>,
    /// Its tree below the published root.
    pub latest_path: Option<RelPath>,
    /// Its snapshots' trees below the published root.
    pub snapshots_path: Option<RelPath>,
    /// When it is synced by itself.
    pub schedule: Option<Scheduled>,
    /// What is set and not acted on: such a repository is not synced or published.
    pub unbuilt: Vec<Unbuilt>,
    /// Line of its definition.
    pub line: usize,
}

/// What the scheduler does with a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// When.
    pub schedule: chantal_model::Schedule,
    /// Name of the snapshot that follows the sync.
    pub snapshot: Option<chantal_model::NameTemplate>,
    /// Whether a publication follows.
    pub publish: bool,
}

impl Scheduled {
    /// One line that differs where anything differs.
    pub fn spec(&self) -> String {
        let zone = self.schedule.time_zone.iana_name().unwrap_or("local");
        format!(
            "{} {zone} {:?} {} {:?} {}",
            self.schedule.cron.as_str(),
            self.schedule.blackout,
            self.schedule.jitter_seconds,
            self.snapshot,
            self.publish
        )
    }
}

impl Repository {
    /// Whether SHA-1 digests are accepted.
    pub fn allows_sha1(&self) -> bool {
        self.allows("sha1")
    }

    /// Whether a feed may be dated in the future.
    pub fn allows_future_date(&self) -> bool {
        self.allows("future_date")
    }

    fn allows(&self, word: &str) -> bool {
        self.weaknesses.iter().any(|weakness| weakness == word)
    }
}

/// What the URL of a feed names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// The directory that upstream serves.
    Directory,
    /// A list of such directories.
    Mirrorlist,
    /// A list of places of the entry point, with its size and digests.
    Metalink,
}

/// A further feed.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The directory that upstream serves.
    pub url: Url,
    /// How to authenticate there.
    pub auth: Option<Auth>,
}

/// How to authenticate.
#[derive(Clone, Debug)]
pub enum Auth {
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token in the Authorization header.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// Any headers.
    Custom {
        /// Names and values.
        headers: Vec<(String, Secret)>,
    },
    /// A TLS certificate.
    ClientCert {
        /// File with the certificate.
        cert_file: PathBuf,
        /// File with its key.
        key_file: PathBuf,
    },
    /// The best TLS certificate of a directory.
    ClientCertDir {
        /// The directory.
        cert_dir: PathBuf,
    },
}

/// A proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Whether there may be one at all, the environment's included.
    pub enabled: bool,
    /// For http feeds.
    pub http_proxy: Option<Url>,
    /// For https feeds.
    pub https_proxy: Option<Url>,
    /// Hosts that are asked directly.
    pub no_proxy: Vec<String>,
    /// User name at the proxy.
    pub username: Option<String>,
    /// Password at the proxy.
    pub password: Option<Secret>,
}

/// TLS.
#[derive(Clone, Debug)]
pub struct Ssl {
    /// Check the server's certificate.
    pub verify: bool,
    /// File with the authorities to trust.
    pub ca_bundle: Option<PathBuf>,
    /// The same in PEM.
    pub ca_cert: Option<String>,
    /// File with a client certificate.
    pub client_cert: Option<PathBuf>,
    /// File with its key.
    pub client_key: Option<PathBuf>,
}

/// Limits of fetching.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// Packages fetched at the same time.
    pub parallel: usize,
    /// Connections to one host.
    pub per_host: usize,
    /// How long one file may take until its first byte.
    pub timeout: Duration,
    /// How long a transfer may stand still.
    pub idle_timeout: Duration,
    /// Least bytes a second, 0 for any.
    pub min_speed: u64,
    /// Most bytes a second of this repository.
    pub bandwidth: Option<u64>,
    /// Further tries after a failure that may pass.
    pub retry_attempts: u32,
}

/// Caps on what upstream may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest metadata file in bytes, as it is transferred.
    pub metadata_bytes: u64,
    /// Largest package in bytes whose size is not promised.
    pub package_bytes: u64,
    /// Most open bytes per compressed byte where the open size is not promised.
    pub ratio: u64,
    /// Most files of one package.
    pub files_per_package: u64,
}

/// Format-free filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Regular expressions, one of which must match.
    pub patterns_include: Vec<String>,
    /// Regular expressions, none of which may match.
    pub patterns_exclude: Vec<String>,
    /// Architectures.
    pub architectures: Words,
    /// Leave source packages out.
    pub exclude_sources: bool,
    /// Leave installation trees out.
    pub exclude_trees: bool,
    /// Size in bytes, both ends included.
    pub size_bytes: (Option<u64>, Option<u64>),
    /// When it was built.
    pub build_time: BuildTime,
    /// By further facts about packages.
    pub fields: Vec<FieldChoice>,
    /// Only so many newest versions of each name and architecture; 0 takes all.
    pub latest: u32,
}

impl Filters {
    /// Whether what passes changes as time goes by.
    pub fn depends_on_clock(&self) -> bool {
        self.build_time.last_n_days.is_some()
    }
}

/// When a package was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildTime {
    /// From this time on, in seconds since 1970.
    pub newer_than: Option<i64>,
    /// Before this time, in seconds since 1970.
    pub older_than: Option<i64>,
    /// Within so many days.
    pub last_n_days: Option<u32>,
}

/// A choice by one fact about a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The fact, as the package's format names it.
    pub field: String,
    /// Which values pass; a package without the fact does not pass an include list.
    pub words: Words,
}

/// Which versions stay when upstream drops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of names that upstream still has.
    pub keep: Keep,
    /// Whether names stay that upstream dropped altogether.
    pub keep_deleted: bool,
}

/// Which versions stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What upstream has.
    Listed,
    /// The newest so many.
    Newest(u32),
    /// Every one that was ever there.
    All,
}

/// What stops a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Share of packages in percent that it may remove.
    pub max_removed_percent: u32,
    /// Accept an entry point older than the last one.
    pub allow_rollback: bool,
    /// Warn when the feed has not changed for so long.
    pub max_age: Option<Duration>,
}

/// Include and exclude lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Only these, if there are any.
    pub include: Vec<String>,
    /// Never these.
    pub exclude: Vec<String>,
}

/// Generated metadata.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// `None`: as upstream does.
    pub compression: Option<Compression>,
    /// Digests.
    pub checksum: Algorithm,
}

/// How a repository is published.
#[derive(Clone, Debug)]
pub struct Publish {
    /// After each sync that recorded something.
    pub auto: bool,
    /// URL of the published root as clients reach it.
    pub base_url: Option<Url>,
    /// How long metadata of earlier states stay reachable.
    pub metadata_grace: Duration,
    /// How long packages of earlier states stay reachable.
    pub package_grace: Duration,
}
