//! What clients see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Schedule;
use super::{Quantity, block};

block! {
    /// How a repository is published.
    Publish {
        /// Publish after each sync that recorded something.
        #[schemars(extend("default" = false))]
        auto: bool,
        /// URL of the published root as clients reach it; needed for client files and mirrorlists.
        base_url: String,
        /// How long metadata of earlier states stay reachable.
        #[schemars(extend("default" = "24h"))]
        metadata_grace: Quantity,
        /// How long packages of earlier states stay reachable.
        #[schemars(extend("default" = "72h"))]
        package_grace: Quantity,
        /// Check dependencies before publishing.
        #[schemars(extend("default" = "off"))]
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
