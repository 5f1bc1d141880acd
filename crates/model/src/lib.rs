//! The nouns of Chantal and the ports between its stages.
//!
//! Every stage knows this crate and no other stage. A string from outside becomes one of these types at the border,
//! once; after that it needs no more checks.

mod comparison;
mod compression;
mod digest;
pub mod fault;
mod landing;
mod masked;
mod name;
mod package;
mod path;
mod ports;
mod revision;
mod schedule;

pub use comparison::Comparison;
pub use compression::{Compression, ParseCompressionError};
pub use digest::{Algorithm, Digest, Digester, ParseDigestError, Sha256, hex};
pub use landing::{Landing, Memory, Mismatch, Note, Promise};
pub use masked::{is_variable, masked, masked_query};
pub use name::{NameError, RepoId, SnapshotName};
pub use package::{Fields, ItemKind, Package, Version, VersionKey};
pub use path::{PathError, RelPath};
pub use ports::{Clock, NoProgress, Progress, Step, SystemClock};
pub use revision::{Mode, ParseModeError, RevisionNumber};
pub use schedule::{Blackout, Cron, NameTemplate, Schedule, ScheduleError};
