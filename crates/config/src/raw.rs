//! The configuration as it is written. These types make the JSON Schema; every doc comment is its description.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::formats;

/// A number or text with a unit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Quantity {
    /// A bare number: seconds or bytes.
    Number(u64),
    /// A number with a unit.
    Text(String),
}

impl Quantity {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[allow(clippy::struct_field_names, reason = "keys are named by the configuration")]
        pub(crate) struct $name {
            $($(#[$field_doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub(crate) $field: Option<$type>,)*
        }
    };
}
pub(crate) use block;

block! {
    /// Everything.
    File {
        /// Where the catalog is.
        database: Database,
        /// Directories and how files get into published trees.
        storage: Storage,
        /// Cache of parsed metadata of the reference system.
        cache: Cache,
        /// Proxy for repositories without their own.
        proxy: Proxy,
        /// TLS for repositories without their own.
        ssl: Ssl,
        /// Limits of fetching for repositories without their own.
        download: Download,
        /// Caps on what upstream may send, for repositories without their own.
        limits: Limits,
        /// How repositories without their own settings are published.
        publish: Publish,
        /// Key for signing.
        gpg: Gpg,
        /// Checks of upstream's signatures.
        verify: Verify,
        /// Values for every repository that does not set them.
        defaults: BTreeMap<String, serde_json::Value>,
        /// The repositories.
        repositories: Vec<Repository>,
        /// Several repositories shown as one.
        views: Vec<View>,
        /// A file or glob whose `repositories` and `views` are added; relative to this file.
        include: String,
        /// Stable paths in the order in which states are promoted.
        environments: Vec<Environment>,
        /// Retention of revisions.
        revisions: Revisions,
        /// Retention of snapshots.
        snapshots: SnapshotRetention,
        /// The scheduler process.
        scheduler: Scheduler,
        /// Whom to tell when a task ends.
        notify: Vec<Notify>,
        /// What is logged, and how.
        log: Log,
    }
}

block! {
    /// Where the catalog is.
    Database {
        /// `sqlite:///path`; default `<base_path>/chantal.db`. A `+driver` is dropped.
        url: String,
        /// Connections of PostgreSQL.
        #[schemars(range(min = 1, max = 100))]
        pool_size: u32,
        /// Further connections of PostgreSQL.
        #[schemars(range(min = 0, max = 100))]
        max_overflow: u32,
        /// Log every statement.
        echo: bool,
    }
}

block! {
    /// Directories and how files get into published trees.
    Storage {
        /// Root of everything that has no path of its own. Default `/var/lib/chantal`.
        base_path: String,
        /// The pool. Default `<base_path>/pool`.
        pool_path: String,
        /// Root of published trees. Default `/var/www/repos`.
        published_path: String,
        /// Work files of running tasks. Default `<base_path>/tmp`.
        temp_path: String,
        /// Cache directory of the reference system.
        cache_path: String,
        /// How files get from the pool into trees. Default `hardlink`.
        link_mode: LinkMode,
        /// How blobs are made durable: `batch` (one barrier for many files, default) or `fsync` (each file).
        durability: Durability,
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
        enabled: bool,
        /// How long entries live.
        #[schemars(range(min = 1))]
        max_age_hours: u64,
    }
}

block! {
    /// A proxy. A repository's block replaces the global one as a whole.
    Proxy {
        /// URL of the proxy for http feeds.
        http_proxy: String,
        /// URL of the proxy for https feeds.
        https_proxy: String,
        /// Hosts that are asked directly: a list separated by commas, or a list. `.example.org` means all below it.
        no_proxy: Words,
        /// User name at the proxy.
        username: String,
        /// Password at the proxy; `env:NAME` or `file:PATH` reads it from there.
        password: String,
    }
}

/// Words, as a list or separated by commas.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Words {
    /// Separated by commas.
    Text(String),
    /// As a list.
    List(Vec<String>),
}

impl Words {
    pub(crate) fn list(&self) -> Vec<String> {
        let split = |text: &String| -> Vec<String> {
            text.split(',')
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect()
        };
        match self {
            Self::Text(text) => split(text),
            Self::List(words) => words.iter().flat_map(split).collect(),
        }
    }
}

block! {
    /// TLS. A repository's block replaces the global one as a whole.
    Ssl {
        /// File with the authorities to trust in place of the system's.
        ca_bundle: String,
        /// The same, in PEM, in the configuration itself. Wins over `ca_bundle`.
        ca_cert: String,
        /// Check the server's certificate. Default true.
        verify: bool,
        /// File with a client certificate.
        client_cert: String,
        /// File with its key, not encrypted.
        client_key: String,
    }
}

block! {
    /// Limits of fetching.
    Download {
        /// Backend of the reference system; only `requests`, which means the built-in one, is accepted.
        backend: Backend,
        /// Packages fetched at the same time. Default 16.
        #[schemars(range(min = 1, max = 100))]
        parallel: u32,
        /// Connections to one host. Default 8.
        #[schemars(range(min = 1, max = 32))]
        per_host: u32,
        /// How long one file may take until its first byte. Default 300s.
        timeout: Quantity,
        /// How long a transfer may stand still. Default 30s.
        idle_timeout: Quantity,
        /// Least speed over a minute.
        min_speed: Quantity,
        /// Further tries after a failure that may pass. Default 3.
        #[schemars(range(min = 0, max = 10))]
        retry_attempts: u32,
        /// Most bytes per second.
        bandwidth: Quantity,
        /// Compare digests; cannot be switched off.
        verify_checksum: bool,
    }
}

/// Backend of the reference system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// The built-in one.
    Requests,
    /// Not offered.
    Aria2c,
}

block! {
    /// Caps on what upstream may send.
    Limits {
        /// Largest metadata file as it is transferred. Default 4GiB.
        metadata: Quantity,
        /// Largest package whose size is not promised. Default 64GiB.
        package: Quantity,
        /// Largest ratio of open to compressed bytes where the open size is not promised.
        #[schemars(range(min = 1))]
        ratio: u64,
        /// Most files of one package.
        #[schemars(range(min = 1))]
        files_per_package: u64,
    }
}

block! {
    /// How a repository is published.
    Publish {
        /// Publish after each sync that recorded something. Default false.
        auto: bool,
        /// URL of the published root as clients reach it; needed for client files and mirrorlists.
        base_url: String,
        /// How long metadata of earlier states stay reachable. Default 24h.
        metadata_grace: Quantity,
        /// How long packages of earlier states stay reachable. Default 72h.
        package_grace: Quantity,
        /// Check dependencies before publishing.
        require_closure: Closure,
    }
}

/// What to do about packages whose dependencies are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Closure {
    /// Nothing.
    Off,
    /// Say so.
    Warn,
    /// Do not publish.
    Fail,
}

block! {
    /// Key for signing.
    Gpg {
        /// Whether to sign. Default true.
        enabled: bool,
        /// File with the key.
        key_file: String,
        /// Id of a key in `gnupg_home`.
        key_id: String,
        /// Make a key.
        generate_key: bool,
        /// Passphrase; `env:NAME` or `file:PATH` reads it from there.
        passphrase: String,
        /// File with the passphrase.
        passphrase_file: String,
        /// Keyring directory.
        gnupg_home: String,
        /// File with the public key.
        public_key_file: String,
        /// Name under which the public key is published. Default `key.gpg`.
        public_key_name: String,
        /// Name in a new key.
        key_name: String,
        /// Address in a new key.
        key_email: String,
    }
}

block! {
    /// Checks of upstream's signatures.
    Verify {
        /// Whether to check. Default false.
        enabled: bool,
        /// Check the metadata's signature. Default true.
        repo_gpgcheck: bool,
        /// Check packages' signatures. Default true.
        gpgcheck: bool,
        /// Files with trusted keys.
        key_files: Vec<String>,
        /// Trusted keys in the configuration itself.
        keys: Vec<String>,
        /// Fingerprints that must have signed.
        trusted_fingerprints: Vec<String>,
        /// Name under which the trusted key is published.
        client_key_name: String,
        /// Keyring directory.
        gnupg_home: String,
        /// What to do about a missing signature. Default `fail`.
        on_missing_signature: SignaturePolicy,
        /// What to do about an invalid signature. Default `fail`.
        on_invalid_signature: SignaturePolicy,
    }
}

/// What to do about a signature that is missing or invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignaturePolicy {
    /// Stop.
    Fail,
    /// Say so.
    Warn,
    /// Leave the package out.
    Skip,
}

/// A repository.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct Repository {
    /// Name in commands, paths and URLs: 1 to 64 letters, digits, `-`, `_`, `.`.
    pub(crate) id: String,
    /// Format of its packages.
    #[serde(rename = "type")]
    pub(crate) format: formats::FormatName,
    #[serde(flatten)]
    pub(crate) settings: RepositorySettings,
    #[serde(flatten)]
    pub(crate) blocks: formats::RepositoryBlocks,
}

/// What a repository sets beside its id and type.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RepositorySettings {
    /// Display name.
    pub(crate) name: Option<String>,
    /// URL of the directory that upstream serves: http, https or file. Also `upstream`.
    pub(crate) feed: Option<String>,
    /// Several URLs of the same content, best first.
    pub(crate) feeds: Option<Vec<String>>,
    /// URL of a list of mirrors.
    pub(crate) mirrorlist: Option<String>,
    /// URL of a metalink.
    pub(crate) metalink: Option<String>,
    /// Whether `--all` includes it. Default true.
    pub(crate) enabled: Option<bool>,
    /// `mirror`: upstream's metadata byte for byte; `filtered` (default): what filters choose; `hosted`: uploads.
    pub(crate) mode: Option<Mode>,
    /// Words that `--tag` selects by.
    pub(crate) tags: Option<Vec<String>>,
    /// Expands this entry into several.
    pub(crate) matrix: Option<BTreeMap<String, Vec<serde_json::Value>>>,
    /// How to authenticate at the feed.
    pub(crate) auth: Option<Auth>,
    /// Tree of the newest state below the published root. Default `<id>/latest`.
    pub(crate) latest_path: Option<String>,
    /// Directory of snapshots' trees below the published root. Default `<id>/snapshots`.
    pub(crate) snapshots_path: Option<String>,
    /// Which versions stay when upstream drops them.
    pub(crate) retention: Option<Retention>,
    /// When to sync by itself.
    pub(crate) schedule: Option<Schedule>,
    /// Which packages to take; not in mode `mirror`.
    pub(crate) filters: Option<Filters>,
    /// Whole module streams.
    pub(crate) modules: Option<WordChoice>,
    /// Proxy in place of the global one.
    pub(crate) proxy: Option<Proxy>,
    /// TLS in place of the global one.
    pub(crate) ssl: Option<Ssl>,
    /// Limits of fetching; keys that are not set come from the global block.
    pub(crate) download: Option<Download>,
    /// Caps; keys that are not set come from the global block.
    pub(crate) limits: Option<Limits>,
    /// How it is published; keys that are not set come from the global block.
    pub(crate) publish: Option<Publish>,
    /// Generated metadata.
    pub(crate) metadata: Option<Metadata>,
    /// Cache of the reference system.
    pub(crate) cache_enabled: Option<bool>,
    /// Key for signing in place of the global one.
    pub(crate) gpg: Option<Gpg>,
    /// Checks of signatures in place of the global ones.
    pub(crate) verify: Option<Verify>,
    /// What to do about a package that cannot be had. Default `fail` in mode `mirror`, else `skip`.
    pub(crate) on_package_error: Option<OnPackageError>,
    /// Share of packages that a sync may remove without being forced, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) max_removed_percent: Option<u32>,
    /// Accept an entry point older than the last one.
    pub(crate) allow_rollback: Option<bool>,
    /// Warn when the feed has not changed for so long.
    pub(crate) max_age: Option<Quantity>,
    /// Named weaknesses to accept, each a standing warning.
    pub(crate) allow_weak: Option<Vec<Weakness>>,
}

/// A weakness that can be accepted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weakness {
    /// SHA-1 digests.
    Sha1,
    /// MD5 digests.
    Md5,
    /// A signed feed that is not signed any more.
    UnsignedDowngrade,
}

/// How a repository's content comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// All that upstream lists, upstream's metadata byte for byte.
    Mirror,
    /// What filters choose, metadata generated.
    Filtered,
    /// Uploads, metadata generated.
    Hosted,
}

/// What to do about a package that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnPackageError {
    /// Record nothing.
    Fail,
    /// Leave it out of the metadata and name it; exit 9.
    Skip,
    /// Accept that upstream does not have it (404 or 410) and name it; exit 9.
    AcceptMissing,
}

block! {
    /// How to authenticate.
    Auth {
        /// Which way; the keys below belong to one each.
        r#type: AuthKind,
        /// `client_cert`: file with the certificate.
        cert_file: String,
        /// `client_cert`: file with its key.
        key_file: String,
        /// `client_cert`: directory with pairs `X.pem` and `X-key.pem`.
        cert_dir: String,
        /// `basic`: user name.
        username: String,
        /// `basic`: password; `env:NAME` or `file:PATH` reads it from there.
        password: String,
        /// `bearer`: token; `env:NAME` or `file:PATH` reads it from there.
        token: String,
        /// `custom`: header names with their values, which may be references too.
        headers: BTreeMap<String, String>,
    }
}

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthKind {
    /// A TLS certificate.
    ClientCert,
    /// User name and password.
    Basic,
    /// A token in the Authorization header.
    Bearer,
    /// Any headers.
    Custom,
}

block! {
    /// Which versions stay when upstream drops them.
    Retention {
        /// Default `mirror`: what upstream has.
        policy: RetentionPolicy,
        /// `keep-last-n`: how many. Also `keep_versions`.
        #[schemars(range(min = 1))]
        keep_count: u32,
        /// What to do about names that upstream dropped altogether.
        deleted_packages: DeletedPackages,
    }
}

/// Which versions stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RetentionPolicy {
    /// What upstream has.
    Mirror,
    /// The newest of each name and architecture.
    NewestOnly,
    /// Everything ever seen.
    KeepAll,
    /// The newest so many of each name and architecture.
    KeepLastN,
}

/// Names that upstream dropped altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeletedPackages {
    /// They stay.
    Keep,
    /// They go.
    Remove,
}

block! {
    /// When to sync by itself.
    Schedule {
        /// Whether to. Default false.
        enabled: bool,
        /// Five fields, or `@daily` and the like. Default `0 2 * * *`.
        cron: String,
        /// Make a snapshot afterwards.
        create_snapshot: bool,
        /// Name of that snapshot. Default `{repo_id}-{date}`.
        snapshot_name_template: String,
        /// Time zone of `cron`.
        time_zone: String,
        /// Random delay.
        #[schemars(range(min = 0, max = 3600))]
        jitter_seconds: u32,
        /// Times at which nothing starts.
        blackout: Vec<String>,
        /// What to do after the sync.
        chain: Vec<String>,
    }
}

/// Which packages to take.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct Filters {
    /// Regular expressions, searched in the name and in the full name.
    pub(crate) patterns: Option<WordChoice>,
    /// By what metadata says.
    pub(crate) metadata: Option<MetadataFilters>,
    /// After all other filters.
    pub(crate) post_processing: Option<PostProcessing>,
    /// Add what the chosen packages need.
    pub(crate) with_dependencies: Option<bool>,
    /// Repositories that are searched for that.
    pub(crate) dependency_repositories: Option<Vec<String>>,
    /// Also what they only recommend.
    pub(crate) weak_dependencies: Option<bool>,
    #[serde(flatten)]
    pub(crate) blocks: formats::FilterBlocks,
}

block! {
    /// Include and exclude lists. An empty include list lets everything in.
    WordChoice {
        /// Only these.
        include: Vec<String>,
        /// Never these.
        exclude: Vec<String>,
    }
}

block! {
    /// Filters by what metadata says.
    MetadataFilters {
        /// Size in bytes.
        size_bytes: SizeRange,
        /// When it was built.
        build_time: BuildTime,
        /// Architectures.
        architectures: WordChoice,
    }
}

block! {
    /// A range of sizes in bytes.
    SizeRange {
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    }
}

block! {
    /// A range of times.
    BuildTime {
        /// After this time.
        newer_than: String,
        /// Before this time.
        older_than: String,
        /// Within so many days.
        #[schemars(range(min = 1))]
        last_n_days: u32,
    }
}

block! {
    /// After all other filters.
    PostProcessing {
        /// Only the newest version of each name and architecture. Default false.
        only_latest_version: bool,
        /// Only so many versions.
        #[schemars(range(min = 1))]
        only_latest_n_versions: u32,
    }
}

block! {
    /// Generated metadata.
    Metadata {
        /// Default `auto`: as upstream does, else `zstd`.
        compression: CompressionName,
        /// Default `sha256`.
        checksum: ChecksumName,
    }
}

/// Compression of generated metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CompressionName {
    /// As upstream does.
    Auto,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.zst`
    Zstandard,
    /// `.xz`
    Xz,
    /// `.bz2`
    Bzip2,
    /// Not compressed.
    None,
}

/// Digests of generated metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChecksumName {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

/// Several repositories shown as one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct View {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Ids of its repositories, in order.
    pub(crate) repos: Vec<String>,
    /// Its tree below the published root.
    pub(crate) publish_path: Option<String>,
    /// What to do about a package that several have.
    pub(crate) collision: Option<Collision>,
    /// When to publish by itself.
    pub(crate) schedule: Option<Schedule>,
}

/// What to do about a package that several repositories of a view have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Collision {
    /// Show all.
    KeepAll,
    /// Show the newest.
    Newest,
    /// Show the first repository's.
    Priority,
    /// Do not publish.
    Deny,
}

block! {
    /// A stable path.
    Environment {
        /// Its name.
        name: String,
        /// Its path.
        path: String,
    }
}

block! {
    /// Retention of revisions.
    Revisions {
        /// The last so many stay. Default 30.
        keep_last: u32,
        /// Those of so many days stay. Default 90.
        keep_days: u32,
    }
}

block! {
    /// Retention of snapshots.
    SnapshotRetention {
        /// The last so many stay.
        keep_last: u32,
        /// One of each of so many months stays.
        keep_monthly: u32,
        /// Published ones stay. Default true.
        keep_published: bool,
    }
}

block! {
    /// The scheduler process.
    Scheduler {
        /// Address of its metrics.
        listen: String,
        /// How long a worker that does not answer keeps its tasks. Default 60.
        lease_seconds: u32,
    }
}

block! {
    /// Whom to tell when a task ends.
    Notify {
        /// Which ends.
        on: Vec<String>,
        /// URL to call.
        webhook: String,
        /// Command to run.
        command: String,
    }
}

block! {
    /// What is logged, and how.
    Log {
        /// Default `warn`.
        level: LogLevel,
        /// Default `text`.
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
