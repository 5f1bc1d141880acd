//! Why a verb could not do its work, as one family: each variant says what the engine could not do, its source why.

use std::path::PathBuf;

use chantal_formats::FormatError;

/// Which stable exit code an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitClass {
    /// A bug or something unforeseen.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Upstream cannot be reached, or refuses; a later try may help.
    Unreachable = 3,
    /// Digest, size or signature is wrong.
    Refused = 4,
    /// Upstream's data are malformed.
    Malformed = 5,
    /// A limit was hit: disk, inodes, descriptors, a bomb.
    Limit = 6,
    /// Somebody else holds it.
    Busy = 7,
    /// The local store is damaged or only read, or the server of its database is away.
    Damaged = 8,
    /// Finished, but something was left out.
    Partial = 9,
    /// Ended because somebody asked for it, as by SIGTERM.
    Cancelled = 143,
}

/// Why a verb could not do its work. Unless a variant says otherwise, everything is as it was before, apart from
/// blobs that the next try will reuse.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The request itself cannot be carried out.
    #[error("{message}")]
    Request {
        /// What is wrong with it.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Something is at work that this would disturb.
    #[error("rows may be in use: {who} is at work")]
    Working {
        /// Their leases and holders.
        who: String,
    },
    /// Something is at work on a database whose content is to be replaced.
    #[error("the database is in use: {who} is at work")]
    InUse {
        /// Their leases and holders.
        who: String,
    },
    /// A file cannot be used as a backup.
    #[error("the backup {path} cannot be used")]
    Backup {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: crate::backup::BackupError,
    },
    /// Collection was quicker.
    #[error("{what} was collected meanwhile")]
    Collected {
        /// What is gone.
        what: String,
    },
    /// The configuration cannot be acted on.
    #[error("repository {repo}: {message}")]
    Configuration {
        /// The repository.
        repo: String,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A feed could not be read.
    #[error("repository {repo}: cannot fetch {what}")]
    Fetch {
        /// The repository.
        repo: String,
        /// Which file, as metadata names it.
        what: String,
        /// The cause, which names the URL.
        #[source]
        source: chantal_fetch::FetchError,
    },
    /// Upstream lacks a file that it must have.
    #[error("repository {repo}: {url} {}", missing(.url, *.status))]
    Absent {
        /// The repository.
        repo: String,
        /// The URL without credentials.
        url: String,
        /// 404 or 410; of a local file 404.
        status: u16,
        /// What to do.
        hint: Option<String>,
    },
    /// A list of mirrors cannot be used.
    #[error("repository {repo}: the list of mirrors {url} cannot be used: {message}")]
    MirrorList {
        /// The repository.
        repo: String,
        /// The URL without credentials.
        url: String,
        /// Whether it names mirrors, and none that may be used.
        refused: bool,
        /// Why.
        message: String,
    },
    /// Upstream's metadata cannot be used.
    #[error("repository {repo}: upstream's metadata cannot be used")]
    Metadata {
        /// The repository.
        repo: String,
        /// The cause.
        #[source]
        source: FormatError,
    },
    /// A location of upstream is unsafe or cannot be mirrored as it is.
    #[error("repository {repo}: {message}")]
    Location {
        /// The repository.
        repo: String,
        /// Which and why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Upstream changed during every try.
    #[error("repository {repo}: upstream changed while it was read, {tries} times in a row")]
    Unsettled {
        /// The repository.
        repo: String,
        /// How often it was tried.
        tries: u32,
    },
    /// Upstream's entry point is older than the last one.
    #[error("repository {repo}: the feed went back: {told}")]
    Rollback {
        /// The repository.
        repo: String,
        /// Both dates or revisions.
        told: String,
    },
    /// Upstream's entry point is of a day that has not come.
    #[error("repository {repo}: the feed is of {feed}, and this machine's clock says {clock}")]
    Future {
        /// The repository.
        repo: String,
        /// What the feed says of its age.
        feed: String,
        /// What it is compared with.
        clock: String,
    },
    /// Too many packages would go.
    #[error(
        "repository {repo}: {removed} of {total} packages would be removed, more than `max_removed_percent` ({percent}) \
         allows"
    )]
    Removals {
        /// The repository.
        repo: String,
        /// How many would go.
        removed: u64,
        /// Of how many.
        total: u64,
        /// What is allowed.
        percent: u32,
    },
    /// Packages or other files could not be had and the policy does not go on without them.
    #[error("repository {repo}: {count} of {of} {what} could not be had, first {first}")]
    Packages {
        /// The repository.
        repo: String,
        /// How many.
        count: usize,
        /// Of how many that were to be fetched.
        of: usize,
        /// What these are: packages, or files where some come with the repository.
        what: &'static str,
        /// The first one with its reason.
        first: String,
        /// The exit class of the first failure.
        class: ExitClass,
    },
    /// Too little space or too few inodes for what is to be fetched.
    #[error("{what} on {path}: {needed} needed, {free} free")]
    Space {
        /// `not enough space` or `not enough inodes`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Bytes or inodes.
        needed: u64,
        /// Bytes or inodes.
        free: u64,
    },
    /// The catalog failed.
    #[error("the catalog cannot {what}")]
    Catalog {
        /// What it was asked to do.
        what: &'static str,
        /// The cause.
        #[source]
        source: chantal_catalog::CatalogError,
    },
    /// The pool failed.
    #[error("the pool cannot {what}")]
    Pool {
        /// What it was asked to do.
        what: &'static str,
        /// The cause.
        #[source]
        source: chantal_pool::PoolError,
    },
    /// The published tree could not be changed; what was served is still served.
    #[error("cannot publish {path}")]
    Publish {
        /// The tree.
        path: String,
        /// The cause.
        #[source]
        source: chantal_publish::PublishError,
    },
    /// Metadata could not be rendered.
    #[error("cannot render the metadata of {repo}")]
    Render {
        /// The repository.
        repo: String,
        /// The cause.
        #[source]
        source: FormatError,
    },
    /// The path is pinned to a snapshot.
    #[error("{repo} is pinned to snapshot {snapshot}, which clients keep seeing")]
    Pinned {
        /// The repository.
        repo: String,
        /// The snapshot.
        snapshot: String,
    },
    /// A blob that the catalog names is not in the pool.
    #[error("blob {sha256} ({what}) is not in the pool")]
    MissingBlob {
        /// The blob.
        sha256: String,
        /// What it is.
        what: String,
    },
    /// A manifest that is whole does not say what it should.
    #[error("a manifest cannot be used: {message}")]
    Manifest {
        /// Why.
        message: String,
    },
    /// A local file could not be used.
    #[error("cannot {what} {path}")]
    Io {
        /// `read`, `create` and so on.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Somebody asked for the end of the task.
    #[error("task {task} was cancelled")]
    Cancelled {
        /// Its number.
        task: i64,
    },
    /// The task's lease ended before its worker said that it lives.
    #[error("task {task} was taken for dead meanwhile and is somebody else's now")]
    TakenOver {
        /// Its number.
        task: i64,
    },
    /// The scheduler ends before the task does.
    #[error("task {task} waits for another scheduler, since this one ends")]
    Shutdown {
        /// Its number.
        task: i64,
    },
    /// A worker thread died.
    #[error("a worker thread died: {0}")]
    Worker(String),
}

/// That upstream lacks what a URL names; of a local file no server says so.
fn missing(url: &str, status: u16) -> String {
    if url.starts_with("file:") {
        "does not exist".to_owned()
    } else {
        format!("is missing upstream (HTTP {status})")
    }
}

impl EngineError {
    /// The stable exit code.
    pub fn exit_code(&self) -> u8 {
        self.class() as u8
    }

    /// The kind of failure.
    pub fn class(&self) -> ExitClass {
        match self {
            Self::Request { .. } | Self::Configuration { .. } => ExitClass::Usage,
            Self::Fetch { source, .. } => of_fetch(source),
            Self::Absent { .. } => ExitClass::Unreachable,
            Self::Metadata { source, .. } | Self::Render { source, .. } => of_format(source),
            Self::MirrorList { refused: false, .. } | Self::Location { .. } => ExitClass::Malformed,
            Self::MirrorList { refused: true, .. }
            | Self::Unsettled { .. }
            | Self::Rollback { .. }
            | Self::Future { .. } => ExitClass::Refused,
            Self::Packages { class, .. } => *class,
            Self::Space { .. } | Self::Removals { .. } => ExitClass::Limit,
            Self::Catalog { source, .. } => of_code(source.exit_code()),
            Self::Pool { source, .. } => of_code(source.exit_code()),
            Self::Publish { source, .. } => of_code(source.exit_code()),
            Self::Pinned { .. }
            | Self::Working { .. }
            | Self::InUse { .. }
            | Self::Collected { .. }
            | Self::TakenOver { .. } => ExitClass::Busy,
            Self::Cancelled { .. } | Self::Shutdown { .. } => ExitClass::Cancelled,
            Self::Backup { source, .. } => of_backup(source),
            Self::MissingBlob { .. } | Self::Manifest { .. } => ExitClass::Damaged,
            Self::Io { source, .. } => of_io(source),
            Self::Worker(_) => ExitClass::Internal,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Request { hint, .. }
            | Self::Configuration { hint, .. }
            | Self::Absent { hint, .. }
            | Self::Location { hint, .. } => hint.clone(),
            Self::Metadata {
                source: FormatError::Refused { .. },
                ..
            } => Some("the files do not fit each other; upstream may be in the middle of an update, try again".into()),
            Self::Metadata {
                source: FormatError::Weak { algorithm, .. },
                ..
            } => Some(
                match algorithm {
                    Some(chantal_model::Algorithm::Sha1) => "`allow_weak: [sha1]` accepts it, with a standing warning",
                    Some(_) => "upstream must promise a SHA-256 or better",
                    None => "`mode: filtered` leaves out what only comes along and cannot be verified",
                }
                .into(),
            ),
            Self::Metadata {
                source: FormatError::Limit { limit, .. },
                ..
            } if limit.contains('`') => Some("if upstream is right, raise the limit for this repository".into()),
            Self::Unsettled { .. } => Some("try again later".into()),
            Self::Rollback { .. } => Some(
                "nothing was changed; a mirror may be behind or replaying old metadata, `allow_rollback: true` accepts it"
                    .into(),
            ),
            Self::Future { .. } => Some(
                "nothing was changed; if the clock is right, a feed that is taken now would make every later one look \
                 like one that goes back; `allow_weak: [future_date]` accepts it"
                    .into(),
            ),
            Self::Removals { .. } => Some(
                "nothing was changed; `repo sync --dry-run` lists them, `repo sync --force-removals` goes on".into(),
            ),
            Self::Packages { .. } => Some(
                "what was fetched is kept for the next try; `on_package_error` decides whether a sync goes on without \
                 them"
                    .into(),
            ),
            Self::Space { .. } => Some("free some space; nothing was fetched".into()),
            Self::Fetch { source, .. } => source.local().filter(|error| is_full(error)).map(|_| FULL.to_owned()),
            Self::Collected { .. } => Some("run it again; what is gone is fetched anew".into()),
            Self::Working { .. } => Some("try again later, or let `--wait` do so; nothing was changed".into()),
            Self::InUse { .. } => Some("wait until it ends, or stop it; nothing was changed".into()),
            Self::Backup { source, .. } => Some(source.hint().into()),
            Self::Pinned { repo, .. } => Some(format!(
                "`chantal publish switch {repo} --latest` takes the pin away and publishes the newest revision"
            )),
            Self::Cancelled { .. } => Some(
                "what is recorded and served is as it was; what was fetched is kept for the next try".into(),
            ),
            Self::MissingBlob { .. } => Some("`chantal pool verify` lists what is damaged".into()),
            Self::Catalog { source, .. } => source.hint(),
            Self::Publish { source, .. } => source.hint(),
            _ => None,
        }
    }

    pub(crate) fn request(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Request {
            message: message.into(),
            hint: hint.map(str::to_owned),
        }
    }
}

fn of_backup(error: &crate::backup::BackupError) -> ExitClass {
    if error.is_damage() {
        ExitClass::Damaged
    } else {
        ExitClass::Usage
    }
}

pub(crate) fn of_fetch(error: &chantal_fetch::FetchError) -> ExitClass {
    use chantal_fetch::Kind;
    match error.kind() {
        Kind::Unreachable | Kind::Credentials | Kind::NotFound => ExitClass::Unreachable,
        Kind::Refused => ExitClass::Refused,
        Kind::Malformed => ExitClass::Malformed,
        Kind::Limit => ExitClass::Limit,
        Kind::Local => error.local().map_or(ExitClass::Usage, of_io),
    }
}

fn of_format(error: &FormatError) -> ExitClass {
    match error {
        FormatError::Malformed { .. } | FormatError::Missing { .. } => ExitClass::Malformed,
        FormatError::Refused { .. } | FormatError::Weak { .. } => ExitClass::Refused,
        FormatError::Limit { .. } => ExitClass::Limit,
        FormatError::Io { source, .. } => of_io(source),
        FormatError::Stopped => ExitClass::Internal,
    }
}

/// What to do about it.
const FULL: &str = "free some space on the file system of the pool";

/// Whether a disk has no room, or no more for this user.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

pub(crate) fn of_io(error: &std::io::Error) -> ExitClass {
    use std::io::ErrorKind;
    match error.kind() {
        _ if is_full(error) => ExitClass::Limit,
        ErrorKind::FileTooLarge => ExitClass::Limit,
        ErrorKind::ReadOnlyFilesystem => ExitClass::Damaged,
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => ExitClass::Usage,
        _ => match error.raw_os_error() {
            Some(5) => ExitClass::Damaged,
            Some(23 | 24) => ExitClass::Limit,
            _ => ExitClass::Internal,
        },
    }
}

fn of_code(code: u8) -> ExitClass {
    match code {
        2 => ExitClass::Usage,
        3 => ExitClass::Unreachable,
        4 => ExitClass::Refused,
        5 => ExitClass::Malformed,
        6 => ExitClass::Limit,
        7 => ExitClass::Busy,
        8 => ExitClass::Damaged,
        9 => ExitClass::Partial,
        _ => ExitClass::Internal,
    }
}

/// Turns a stage's error into the engine's, with what was being done.
pub(crate) trait Doing<T> {
    /// Says what the stage was asked to do.
    fn doing(self, what: &'static str) -> Result<T, EngineError>;
}

impl<T> Doing<T> for Result<T, chantal_catalog::CatalogError> {
    fn doing(self, what: &'static str) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Catalog { what, source })
    }
}

impl<T> Doing<T> for Result<T, chantal_pool::PoolError> {
    fn doing(self, what: &'static str) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Pool { what, source })
    }
}

/// For the places where tests make something fail, which cannot fail by themselves.
impl Doing<()> for std::io::Result<()> {
    fn doing(self, what: &'static str) -> Result<(), EngineError> {
        self.map_err(|error| EngineError::Worker(format!("cannot {what}: {error}")))
    }
}

/// Runs blocking work on the thread pool for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let thread = crate::task::thread();
    let work = move || {
        let _thread = thread;
        work()
    };
    joined(tokio::task::spawn_blocking(work).await).await?
}

/// What a task of its own gave. One is cancelled only where the process is on its way out: whoever waits for it goes too,
/// and has nothing to tell.
pub(crate) async fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, EngineError> {
    match result {
        Ok(given) => Ok(given),
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => Err(EngineError::Worker(error.to_string())),
    }
}

/// An error and all its causes in one line.
pub fn chain(error: &EngineError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
