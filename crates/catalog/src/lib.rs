//! SQL behind one interface: repositories, lines, revisions, members, snapshots, leases.
//!
//! SQLite at run time: write-ahead log, `synchronous=FULL`, foreign keys, one writer connection. Every statement is
//! portable and is also prepared against a real PostgreSQL in the tests. Times are seconds since 1970, sizes bytes.

mod blobs;
mod cleanup;
mod collect;
mod connect;
mod counting;
mod db;
mod dump;
mod error;
mod facts;
mod feeds;
mod forget;
mod gauges;
mod held;
mod history;
mod holder;
mod holds;
mod lease;
mod members;
mod named;
mod packages;
mod process;
mod publications;
mod queries;
mod records;
mod refill;
mod repositories;
mod restore;
mod retire;
mod revisions;
mod schedule;
mod schema;
mod snapshots;
pub mod sql;
mod sqlite;
mod tables;
mod tally;
mod tasks;

pub use blobs::{Blob, NewBlob};
pub use cleanup::{Cleaned, Refused};
pub use collect::{COLLECT, Claim, HeldLease, Intents, Planned, Steps, Waiting};
pub use connect::{Access, Catalog, Location, Server};
pub use counting::{Amount, Dedup, Unreferenced};
pub use dump::{Cell, Dump};
pub use error::CatalogError;
pub use facts::{Closed, Fact, LineMember, PackFact, PackageFact};
pub use feeds::FeedState;
pub use forget::{Allowed, Forgotten, Held};
pub use gauges::{BlobGauges, RepositoryGauges};
pub use held::HeldPackage;
pub use history::{HistoryRow, Outcome, Runs};
pub use holder::{Holder, LeaseProgress};
pub use holds::{Hold, Keeper, Keepers};
pub use lease::Lease;
pub use members::{Member, MemberFile, MemberKey, MemberPackage, NewMember, PackageRow};
pub use packages::{NewPackage, PackageWriter};
pub use publications::{Publication, PublicationKind, PublicationState, StateStatus};
pub use queries::{CatalogStats, FoundPackage};
pub use records::{Pack, RECORDS_PER_PACK, RecordPlace, RecordReader, RecordRows, RecordWriter};
pub use refill::Restoring;
pub use repositories::Repository;
pub use restore::{Restore, files_of};
pub use retire::{Retention, Retired};
pub use revisions::{NewRevision, PendingRevision, Revision};
pub use schedule::ScheduleRow;
pub use schema::{Migration, SchemaStatus};
pub use snapshots::Snapshot;
pub use tables::{Column, ColumnKind, Shape};
pub use tally::{Ended, TallyRow};
pub use tasks::{Cancelled, NewTask, Task, TaskEnd, TaskFilter, TaskHold, TaskLine, TaskState};

/// The name by which this host is known in leases.
pub fn host() -> &'static str {
    &process::Process::own().host
}

/// Number of record columns of a member.
pub const PARTS: usize = 3;

/// The `removed_in` of a member that is still there.
pub const FOREVER: i64 = i64::MAX;

#[cfg(test)]
mod tests;
