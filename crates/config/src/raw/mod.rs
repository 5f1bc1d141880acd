//! The configuration as it is written. These types make the JSON Schema; every doc comment is its description.

mod filters;
mod local;
mod network;
mod repository;
mod serving;
mod time;
mod trust;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use filters::{BuildTime, Filters, WordChoice};
pub(crate) use local::{Backup, Database, Storage};
pub use local::{Durability, LinkMode, LogFormat, LogLevel};
pub(crate) use network::{Auth, AuthKind, Backend, Download, Limits, Proxy, Ssl};
pub use repository::OnPackageError;
pub(crate) use repository::{
    ChecksumName, CompressionName, Defaults, DeletedPackages, Metadata, Mode, Repository, RepositorySettings,
    Retention, RetentionPolicy,
};
pub(crate) use serving::Publish;
pub(crate) use time::{ChainStep, Schedule};

use local::{Cache, Log};
use serving::{Environment, View};
pub use time::NotifyOn;
pub(crate) use time::{Metrics, Notify, Revisions, Scheduler, SnapshotRetention, Tasks};
pub(crate) use trust::{Gpg, Verify};

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

block! {
    /// Everything.
    File {
        /// Where the catalog is.
        database: Database,
        /// Directories and how files get into published trees.
        storage: Storage,
        /// Backups of the catalog and of the configuration.
        backup: Backup,
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
        defaults: Defaults,
        /// The repositories.
        repositories: Vec<Repository>,
        /// Several repositories shown as one.
        views: Vec<View>,
        /// A file or glob whose `repositories` and `views` are added; relative to this file.
        include: String,
        /// Stable paths in the order in which states are promoted.
        environments: Vec<Environment>,
        /// Which revisions stay beside those that a snapshot pins or that are published; `repo retire` and each sync
        /// that records something retire the others.
        revisions: Revisions,
        /// Which snapshots stay; `pool cleanup` deletes the others.
        snapshots: SnapshotRetention,
        /// How long tasks are remembered; `db cleanup` and the scheduler forget older ones.
        tasks: Tasks,
        /// The scheduler process.
        scheduler: Scheduler,
        /// Whom to tell when a run ends.
        notify: Vec<Notify>,
        /// Numbers for Prometheus.
        metrics: Metrics,
        /// What is logged, and how.
        log: Log,
    }
}
