//! Plans and reports: values that `--dry-run`, output and tests all read. Their JSON form is a documented contract.

use std::collections::BTreeMap;

use chantal_model::{Mode, RepoId, RevisionNumber, SnapshotName};
use serde::Serialize;

use crate::diff::{Counts, DiffEntry};
use crate::explain::Explained;

/// How a sync is to run.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Read and compare everything although the feed answers that nothing changed.
    pub force: bool,
    /// Explain why packages of this name, or with this name, version (epoch or not) and architecture, are in or out.
    pub explain: Option<String>,
    /// Go on although more packages are removed than `max_removed_percent` allows.
    pub force_removals: bool,
    /// Publish the new revision at the repository's path.
    pub publish: bool,
    /// Make a snapshot of the revision afterwards.
    pub snapshot: Option<SnapshotName>,
    /// Wait for so long when another process holds the repository; `None` fails at once.
    pub wait: Option<std::time::Duration>,
}

/// What a sync would do, or did.
#[derive(Clone, Debug, Serialize)]
pub struct SyncPlan {
    /// The repository.
    pub repo: RepoId,
    /// Its feed, without credentials.
    pub feed: String,
    /// Its mode.
    pub mode: Mode,
    /// The revision that is recorded now.
    pub current: Option<RevisionNumber>,
    /// Whether the feed answered that nothing changed, so that nothing else was read.
    pub unchanged: bool,
    /// Packages that upstream lists.
    pub listed: u64,
    /// Packages of the new revision.
    pub chosen: u64,
    /// Packages that stay although upstream has dropped them.
    pub retained: u64,
    /// Packages left out, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// What changes against the current revision.
    pub changes: Vec<DiffEntry>,
    /// The same, counted.
    pub counts: Counts,
    /// Files to fetch.
    pub download_files: u64,
    /// Bytes to fetch.
    pub download_bytes: u64,
    /// Bytes that the pool already has.
    pub saved_bytes: u64,
    /// Records of upstream that could not be read, and other things that need attention.
    pub warnings: Vec<String>,
    /// Why packages of the name that was asked about are in or out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<Vec<Explained>>,
}

/// What a sync did.
#[derive(Clone, Debug, Serialize)]
pub struct SyncReport {
    /// What was planned.
    pub plan: SyncPlan,
    /// The revision that is recorded now; `None` while the repository has none.
    pub revision: Option<RevisionNumber>,
    /// Whether this sync recorded it.
    pub recorded: bool,
    /// Older revisions that retired after it.
    pub retired: u64,
    /// Bytes fetched, metadata and failed attempts included.
    pub fetched_bytes: u64,
    /// New advisories by severity.
    pub new_advisories: BTreeMap<String, u64>,
    /// When upstream last changed its metadata, in seconds since 1970.
    pub feed_timestamp: Option<i64>,
    /// How old the feed is, in seconds.
    pub feed_age_seconds: Option<i64>,
    /// Packages that could not be had, each with the reason.
    pub failed: Vec<FailedPackage>,
    /// Parts of upstream that are left out: records that nothing could be made of, and what cannot be verified. The
    /// plan's warnings name each.
    #[serde(skip)]
    pub unread: usize,
    /// The snapshot that was made, if one was asked for.
    pub snapshot: Option<SnapshotName>,
    /// What was published, if that was asked for or configured.
    pub published: Option<PublishReport>,
    /// The revision or snapshot that clients see at the repository's path.
    pub served: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

impl SyncReport {
    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.unread == 0 && self.failed.is_empty()
    }
}

/// What became of the database's size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Vacuumed {
    /// Bytes before, with those of the write-ahead log.
    pub before_bytes: u64,
    /// Bytes now, with those of the write-ahead log.
    pub now_bytes: u64,
}

/// A package that could not be had.
#[derive(Clone, Debug, Serialize)]
pub struct FailedPackage {
    /// Its label.
    pub package: String,
    /// Where it was looked for, without credentials.
    pub url: String,
    /// What went wrong.
    pub reason: String,
}

/// What to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest revision, at the repository's path.
    Repository(RepoId),
    /// A snapshot, at its own path.
    Snapshot(RepoId, SnapshotName),
}

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Publish below this directory instead of the configured one.
    pub target_dir: Option<std::path::PathBuf>,
    /// Do all steps although the state is served already.
    pub force: bool,
    /// Wait for so long when another process publishes there; `None` fails at once.
    pub wait: Option<std::time::Duration>,
}

/// What publishing would do.
#[derive(Clone, Debug, Serialize)]
pub struct PublishPlan {
    /// The repository.
    pub repo: RepoId,
    /// The snapshot, if one is published.
    pub snapshot: Option<SnapshotName>,
    /// The revision.
    pub revision: RevisionNumber,
    /// Directory of the tree.
    pub path: String,
    /// Whether it is served already, so that nothing is to be done.
    pub unchanged: bool,
    /// The revision that is served there now.
    pub served: Option<RevisionNumber>,
    /// Packages of the new state.
    pub packages: u64,
    /// Files that are not in the tree yet.
    pub new_files: u64,
    /// Files in the tree that the new state does not name; removed when their grace is over.
    pub retired_files: u64,
    /// Whether metadata must be generated.
    pub render: bool,
    /// Things that need attention.
    pub warnings: Vec<String>,
}

/// What publishing did.
#[derive(Clone, Debug, Serialize)]
pub struct PublishReport {
    /// What was planned.
    pub plan: PublishPlan,
    /// Files linked into the tree.
    pub linked: u64,
    /// Files removed whose grace was over.
    pub pruned: u64,
    /// Number of the generation that the mirrorlist names, if there is one.
    pub generation: Option<i64>,
    /// URL for clients, if `publish.base_url` is set.
    pub url: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// One published tree.
#[derive(Clone, Debug, Serialize)]
pub struct PublicationRow {
    /// The repository.
    pub repo: String,
    /// `latest` or `snapshot`.
    pub kind: String,
    /// The snapshot that is served, if it is one.
    pub snapshot: Option<String>,
    /// Whether the path is pinned to that snapshot by `publish switch`.
    pub pinned: bool,
    /// The revision that is served.
    pub revision: Option<RevisionNumber>,
    /// Directory of the tree.
    pub path: String,
    /// URL for clients, if `publish.base_url` is set.
    pub url: Option<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

/// One repository in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryRow {
    /// Its id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Its format.
    pub r#type: String,
    /// Its mode.
    pub mode: String,
    /// Its feed, without credentials.
    pub feed: String,
    /// Whether `--all` includes it.
    pub enabled: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Newest revision.
    pub revision: Option<RevisionNumber>,
    /// Packages in it.
    pub packages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Number of snapshots.
    pub snapshots: u64,
    /// When it was last synced or checked with success, RFC 3339.
    pub last_sync: Option<String>,
    /// Its newest run, however that ended.
    pub last: Option<HistoryRow>,
    /// What is served at its path.
    pub served: Option<String>,
    /// Whether the configuration has it.
    pub configured: bool,
}

/// Everything about one repository.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryDetail {
    /// As in listings.
    #[serde(flatten)]
    pub row: RepositoryRow,
    /// Revisions, newest first.
    pub revisions: Vec<RevisionRow>,
    /// Snapshots, newest first.
    pub snapshot_list: Vec<SnapshotRow>,
    /// Publications.
    pub publications: Vec<PublicationRow>,
    /// Things that need attention, such as a client certificate that expires soon.
    pub warnings: Vec<String>,
    /// Configuration that is accepted but not acted on by this version.
    pub unbuilt: Vec<String>,
}

/// One revision in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct RevisionRow {
    /// Its number.
    pub revision: RevisionNumber,
    /// When it was recorded, RFC 3339.
    pub created: String,
    /// Its mode.
    pub mode: String,
    /// Packages in it.
    pub packages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Digest over its content.
    pub fingerprint: String,
}

/// One run in the history of a repository.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryRow {
    /// Its repository.
    pub repo: String,
    /// What was done: `sync`.
    pub verb: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub finished: Option<String>,
    /// `running`, `succeeded`, `partial`, `failed`, or `killed` for a run whose process is gone.
    pub status: String,
    /// Its exit code, once it is over.
    pub exit_code: Option<i64>,
    /// The revision that it recorded.
    pub revision: Option<RevisionNumber>,
    /// Packages added.
    pub added: u64,
    /// Packages removed.
    pub removed: u64,
    /// Packages upgraded.
    pub upgraded: u64,
    /// Bytes fetched.
    pub fetched_bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// One snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotRow {
    /// Its repository.
    pub repo: String,
    /// Its name.
    pub name: String,
    /// What the user said about it.
    pub description: Option<String>,
    /// The revision that it pins.
    pub revision: RevisionNumber,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Packages in it.
    pub packages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Paths at which it is served.
    pub published: Vec<String>,
}

/// What differs between two states of a repository.
#[derive(Clone, Debug, Serialize)]
pub struct DiffReport {
    /// The repository.
    pub repo: RepoId,
    /// The first state as the user named it.
    pub from: String,
    /// The second state as the user named it.
    pub to: String,
    /// The first revision.
    pub from_revision: RevisionNumber,
    /// The second revision.
    pub to_revision: RevisionNumber,
    /// Counted.
    pub counts: Counts,
    /// One by one.
    pub changes: Vec<DiffEntry>,
    /// Advisories of the second state that the first does not have.
    pub new_advisories: Vec<AdvisoryRow>,
}

/// One advisory.
#[derive(Clone, Debug, Serialize)]
pub struct AdvisoryRow {
    /// Its id.
    pub id: String,
    /// `security`, `bugfix`, `enhancement` or another word of upstream's.
    pub r#type: String,
    /// Upstream's word, `None` where it has none.
    pub severity: String,
    /// One line.
    pub title: String,
    /// CVE ids.
    pub cves: Vec<String>,
}

/// One package of a content.
#[derive(Clone, Debug, Serialize)]
pub struct PackageRow {
    /// Its name.
    pub name: String,
    /// Its version as users write it.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its published path.
    pub path: String,
    /// One line about it.
    pub summary: String,
}

/// One package and where it is.
#[derive(Clone, Debug, Serialize)]
pub struct PackageDetail {
    /// The package; its path is the one in the first place that holds it.
    #[serde(flatten)]
    pub row: PackageRow,
    /// Repositories that hold it now.
    pub repositories: Vec<String>,
    /// Snapshots that hold it, as `repository/snapshot`.
    pub snapshots: Vec<String>,
    /// Repositories of which only older revisions hold it.
    pub older: Vec<String>,
}

/// Numbers about everything.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Repositories that the catalog knows.
    pub repositories: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Revisions.
    pub revisions: u64,
    /// Packages in the newest revisions, each repository counted by itself.
    pub packages: u64,
    /// Bytes of those.
    pub logical_bytes: u64,
    /// Blobs that the catalog knows.
    pub blobs: u64,
    /// Bytes of those.
    pub blob_bytes: u64,
    /// Size of the database in bytes.
    pub database_bytes: u64,
}

/// Numbers about the pool.
#[derive(Clone, Debug, Serialize)]
pub struct PoolStats {
    /// Directory.
    pub path: String,
    /// Blobs on disk.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the catalog names.
    pub named: u64,
    /// Blobs on disk that nothing in the catalog names.
    pub orphaned: u64,
    /// Bytes of those.
    pub orphaned_bytes: u64,
    /// Blobs on disk that the catalog names and no content relies on, such as adopted ones before the first sync.
    pub unused: u64,
    /// Bytes of those.
    pub unused_bytes: u64,
    /// Files that are no blobs.
    pub foreign: u64,
    /// Free bytes of the file system.
    pub free_bytes: u64,
    /// Free inodes of the file system.
    pub free_inodes: u64,
}

/// Something wrong in the pool or in a published tree.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PoolProblem {
    /// The blob or file.
    pub blob: String,
    /// `missing`, `truncated`, `altered`, `unreadable`, `not-a-file`, `foreign`, `mode`, `owner`, `published-missing`,
    /// `published-altered`, `published-mode`, `orphaned` or `unused`.
    pub kind: String,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// Repositories and snapshots that name it.
    pub used_by: Vec<String>,
    /// Published trees that serve it.
    pub published: Vec<String>,
    /// The published file, where that is what is wrong.
    pub path: Option<String>,
    /// Whether it was made good; `None` where that was not tried.
    pub repaired: Option<bool>,
    /// What was done, or why nothing could be.
    pub outcome: Option<String>,
}

/// What is remembered about a feed.
#[derive(Clone, Debug, Serialize)]
pub struct CacheRow {
    /// The repository.
    pub repo: String,
    /// URL of the entry point, without credentials.
    pub url: String,
    /// The validator that the next request sends.
    pub etag: Option<String>,
    /// The other validator.
    pub last_modified: Option<String>,
    /// When the feed was last asked, RFC 3339.
    pub checked: String,
    /// Metadata files of the newest revision in the pool.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What `config test` found out about a feed.
#[derive(Clone, Debug, Serialize)]
pub struct FeedCheck {
    /// The repository.
    pub repo: RepoId,
    /// URL of the entry point, without credentials.
    pub url: String,
    /// Upstream's revision.
    pub revision: Option<String>,
    /// When upstream last changed its metadata, RFC 3339.
    pub changed: Option<String>,
    /// Metadata files that the entry point names.
    pub files: Vec<String>,
    /// Things that need attention.
    pub warnings: Vec<String>,
}
