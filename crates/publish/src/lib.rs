//! A tree of links and files that changes while clients read it: add, stage, switch, prune.
//!
//! Nothing that is served disappears before its grace is over, and the entry point changes in one call. The live entry
//! file is the only truth: after a crash the stage is deleted unread and every step can be taken again.
//!
//! This stage knows no pool and no catalog: it gets paths and sources.

mod add;
mod dir;
mod error;
mod files;
mod generation;
mod mend;
mod prune;
mod recover;
mod site;
mod stage;
mod switch;

pub use add::{Added, unpublishable};
pub use error::PublishError;
pub use files::is_unfinished;
pub use mend::{Due, Flaw};
pub use prune::Pruned;
pub use site::{LinkMode, LiveEntry, Lock, Site, SiteOptions, SwitchMode};
pub use stage::{Stage, Staged};

use std::path::PathBuf;

/// Where a published file's bytes come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file that is linked, or cloned or copied where the link mode says so.
    Link(PathBuf),
    /// The same, of which device and inode are known: where one file is a link, so is often the next, and is not asked for.
    Seen(PathBuf, (u64, u64)),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}
