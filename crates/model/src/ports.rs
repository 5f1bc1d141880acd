//! Ports: what a stage needs from outside and does not choose itself.

use std::sync::Arc;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> jiff::Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// A part of a task that is worth a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Reading the feed's metadata. Unit: bytes.
    Metadata,
    /// Parsing and choosing. Unit: packages.
    Select,
    /// Fetching packages. Unit: bytes.
    Download,
    /// Writing the catalog. Unit: packages.
    Record,
    /// Generating metadata. Unit: packages.
    Render,
    /// Linking files into the published tree. Unit: files.
    Add,
    /// Making the new state the served one.
    Switch,
    /// Removing what no served state names. Unit: files.
    Prune,
    /// Reading files of another tree. Unit: bytes.
    Adopt,
    /// Removing what nothing needs. Unit: blobs.
    Collect,
    /// Reading blobs to compare them with their names. Unit: bytes.
    Verify,
}

impl Step {
    /// All steps, in the order in which a task goes through them.
    pub const ALL: [Self; 11] = [
        Self::Metadata,
        Self::Select,
        Self::Download,
        Self::Record,
        Self::Render,
        Self::Add,
        Self::Switch,
        Self::Prune,
        Self::Adopt,
        Self::Collect,
        Self::Verify,
    ];

    /// Its word, as the database and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Select => "select",
            Self::Download => "download",
            Self::Record => "record",
            Self::Render => "render",
            Self::Add => "add",
            Self::Switch => "switch",
            Self::Prune => "prune",
            Self::Adopt => "adopt",
            Self::Collect => "collect",
            Self::Verify => "verify",
        }
    }

    /// The step of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// Takes reports on how far a task is. Calls come from any thread and must be cheap.
pub trait Progress: Send + Sync {
    /// A step begins; `total` is in the step's unit, 0 if not known.
    fn begin(&self, step: Step, total: u64);
    /// The step went on by `by` units.
    fn advance(&self, step: Step, by: u64);
    /// The step is over.
    fn end(&self, step: Step);
    /// A line that the user should see.
    fn say(&self, line: &str);
}

/// Reports that nobody reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _: Step, _: u64) {}
    fn advance(&self, _: Step, _: u64) {}
    fn end(&self, _: Step) {}
    fn say(&self, _: &str) {}
}

impl<P: Progress + ?Sized> Progress for Arc<P> {
    fn begin(&self, step: Step, total: u64) {
        (**self).begin(step, total);
    }
    fn advance(&self, step: Step, by: u64) {
        (**self).advance(step, by);
    }
    fn end(&self, step: Step) {
        (**self).end(step);
    }
    fn say(&self, line: &str) {
        (**self).say(line);
    }
}
