//! Blocks of Alpine repositories.

use crate::raw::block;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "apk";

block! {
    /// Alpine branch, repository and architecture.
    Apk {
        /// The branch.
        branch: String,
        /// The repository.
        #[schemars(extend("default" = "main"))]
        repository: String,
        /// The architecture.
        #[schemars(extend("default" = "x86_64"))]
        architecture: String,
    }
}
