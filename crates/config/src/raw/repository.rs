//! A repository.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filters::{Filters, WordChoice};
use super::network::{Auth, Download, Limits, Proxy, Ssl};
use super::serving::Publish;
use super::time::Schedule;
use super::trust::{Gpg, Verify};
use super::{Quantity, block};
use crate::formats;

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

/// Values for every repository that does not set them, put together key by key; `null` in a repository leaves one out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false), transform = without_own)]
pub(crate) struct Defaults {
    #[serde(flatten)]
    pub(crate) settings: RepositorySettings,
}

/// What each repository has for itself.
const OWN: [&str; 8] = [
    "name",
    "feed",
    "feeds",
    "mirrorlist",
    "metalink",
    "matrix",
    "latest_path",
    "snapshots_path",
];

fn without_own(schema: &mut schemars::Schema) {
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.retain(|key, _| !OWN.contains(&key.as_str()));
    }
}

/// What a repository sets beside its id and type.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RepositorySettings {
    /// Display name.
    pub(crate) name: Option<String>,
    /// URL of the directory that upstream serves: http, https or file. Also `upstream`.
    pub(crate) feed: Option<String>,
    /// Several URLs of the same content, best first; each file comes from the first that gives it as promised.
    pub(crate) feeds: Option<Vec<String>>,
    /// URL of a list of mirrors: one URL on each line, or a metalink.
    pub(crate) mirrorlist: Option<String>,
    /// URL of a metalink: mirrors with their order, size and digests of the entry point.
    pub(crate) metalink: Option<String>,
    /// Whether `--all` includes it.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Option<bool>,
    /// `mirror`: upstream's metadata byte for byte; `filtered`: what filters choose; `hosted`: uploads.
    #[schemars(extend("default" = "filtered"))]
    pub(crate) mode: Option<Mode>,
    /// Words that `--tag` selects by.
    pub(crate) tags: Option<Vec<String>>,
    /// Placeholders with their values: `{releasever: [8, 9], basearch: [x86_64, aarch64]}` makes four entries of this
    /// one, with `{releasever}` and `{basearch}` replaced in every text; `id` holds each of them.
    pub(crate) matrix: Option<Matrix>,
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
    /// Module streams by name (`nodejs`), name and stream (`nodejs:20`) or with the architecture (`nodejs:20:x86_64`),
    /// beside the filters; a stream stays whole or goes whole.
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
    /// Share of packages in percent that upstream may drop before a sync stops (exit 6); `--force-removals` goes on.
    /// Where the configuration selects otherwise than before, only packages count of which upstream has no version any
    /// more; but unless this is 100, something has to stay.
    #[schemars(extend("default" = 50))]
    #[schemars(range(min = 0, max = 100))]
    pub(crate) max_removed_percent: Option<u32>,
    /// Accept an entry point older than the last one.
    #[schemars(extend("default" = false))]
    pub(crate) allow_rollback: Option<bool>,
    /// Warn when what the feed says of its age is older than this.
    pub(crate) max_age: Option<Quantity>,
    /// Named weaknesses to accept, each a standing warning. MD5 is never accepted.
    pub(crate) allow_weak: Option<Vec<Weakness>>,
}

/// Names of placeholders with their values.
pub(crate) type Matrix = BTreeMap<String, Vec<serde_json::Value>>;

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
    /// A feed that is dated more than a day after this machine's clock.
    FutureDate,
}

impl Weakness {
    /// The word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
            Self::UnsignedDowngrade => "unsigned_downgrade",
            Self::FutureDate => "future_date",
        }
    }
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
    /// Which versions stay when upstream drops them.
    Retention {
        /// `mirror`: what upstream has; in mode `mirror` there is no other. The others keep what passes the filters:
        /// `newest-only` the newest version of each name and architecture, `keep-last-n` the newest `keep_count`,
        /// `keep-all` every one that was ever there; versions that upstream dropped count while this repository has
        /// them.
        #[schemars(extend("default" = "mirror"))]
        policy: RetentionPolicy,
        /// `keep-last-n`: how many. Also `keep_versions`.
        #[schemars(range(min = 1))]
        keep_count: u32,
        /// What to do about names that upstream dropped altogether. Default `remove` for `mirror` and `newest-only`,
        /// `keep` for the others.
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
    /// Generated metadata.
    Metadata {
        /// `auto`: as upstream does, else `zstd`. Not in mode `mirror`.
        #[schemars(extend("default" = "auto"))]
        compression: CompressionName,
        /// Digests in generated metadata; not in mode `mirror`.
        #[schemars(extend("default" = "sha256"))]
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
