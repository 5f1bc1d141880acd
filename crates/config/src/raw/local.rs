//! What is on this machine: catalog, directories, log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block;

block! {
    /// Where the catalog is.
    Database {
        /// `sqlite:///path` (three slashes: relative to this file, four: absolute) or
        /// `postgresql://user:password@host:port/database?parameter=value`; default `sqlite:///<base_path>/chantal.db`. A
        /// `+driver` is dropped. Parameters of PostgreSQL: `host` (a directory: its socket), `port`, `user`, `password`,
        /// `dbname`, `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `sslcert`,
        /// `sslkey`, `application_name`, `options`.
        url: String,
        /// Connections to PostgreSQL. SQLite has one that writes and four that read.
        #[schemars(extend("default" = 5))]
        #[schemars(range(min = 1, max = 100))]
        pool_size: u32,
        /// Further connections to PostgreSQL under load.
        #[schemars(extend("default" = 10))]
        #[schemars(range(min = 0, max = 100))]
        max_overflow: u32,
        /// Log every statement, without its values.
        #[schemars(extend("default" = false))]
        echo: bool,
    }
}

block! {
    /// Directories and how files get into published trees.
    Storage {
        /// Root of everything that has no path of its own.
        #[schemars(extend("default" = "/var/lib/chantal"))]
        base_path: String,
        /// The pool. Default `<base_path>/pool`.
        pool_path: String,
        /// Root of published trees.
        #[schemars(extend("default" = "/var/www/repos"))]
        published_path: String,
        /// Work files of running tasks. Default `<base_path>/tmp`.
        temp_path: String,
        /// Cache directory of the reference system.
        cache_path: String,
        /// How files get from the pool into trees.
        #[schemars(extend("default" = "hardlink"))]
        link_mode: LinkMode,
        /// How blobs are made durable: `batch` (one barrier for many files) or `fsync` (each file).
        #[schemars(extend("default" = "batch"))]
        durability: Durability,
    }
}

block! {
    /// Backups of the catalog and of the configuration.
    Backup {
        /// Where `db backup` writes archives without a name, and `db backup-list` looks. Default `<base_path>/backups`.
        directory: String,
        /// After each backup without a name, only the last so many of those stay; without it all do.
        #[schemars(range(min = 1))]
        keep_last: u32,
    }
}

/// How files get from the pool into trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkMode {
    /// One inode with many names; pool and published root share a file system.
    #[default]
    Hardlink,
    /// Clones that share blocks, where the file system can do it.
    Reflink,
    /// Bytes twice on disk.
    Copy,
}

/// How blobs are made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// One barrier for a batch of files; needs Linux 5.8.
    #[default]
    Batch,
    /// `fsync` of each file.
    Fsync,
}

block! {
    /// Cache of parsed metadata of the reference system; here the pool keeps metadata.
    Cache {
        /// Whether it is used.
        #[schemars(extend("default" = false))]
        enabled: bool,
        /// How long entries live.
        #[schemars(range(min = 1))]
        max_age_hours: u64,
    }
}

block! {
    /// What is logged, and how.
    Log {
        /// What is logged: this level and those above it.
        #[schemars(extend("default" = "warn"))]
        level: LogLevel,
        /// How lines look.
        #[schemars(extend("default" = "text"))]
        format: LogFormat,
    }
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what needs attention.
    #[default]
    Warn,
    /// And what is done.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
