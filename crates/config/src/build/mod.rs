//! From the checked tree to effective values, with everything that only makes sense together checked as well.

mod auth;
mod database;
mod expansions;
mod inherited;
mod keys;
mod local;
mod network;
mod notify;
mod origin;
mod repository;
mod schedule;
mod selection;
mod together;

use std::path::{Path, PathBuf};

use url::Url;

use crate::check::Finding;
use crate::effective::{Config, Log, Revisions, SnapshotRetention};
use crate::inherit::Completed;
use crate::node::{Node, Place};
use crate::raw;

use expansions::Expansions;

/// Builds effective values and gathers what is wrong.
pub(crate) struct Builder<'a> {
    /// What is left of the tree without what the schema refused.
    pub(crate) root: &'a Node,
    /// The tree as it was read.
    pub(crate) whole: &'a Node,
    /// Where the schema refused something.
    pub(crate) refused: &'a [Place],
    pub(crate) files: &'a [(PathBuf, String)],
    pub(crate) base: &'a Path,
    /// What the defaults and matrices could give.
    pub(crate) completed: Completed,
    pub(crate) findings: Vec<Finding>,
    /// What deserves a look and stops nothing.
    pub(crate) warnings: Vec<Finding>,
}

/// The path to a repository's entry in the tree.
type At<'a> = [&'a str; 2];

/// A path that is in no tree: global blocks are read as if by a repository that sets nothing.
const NOBODY: At<'static> = ["repositories", "-"];

impl Builder<'_> {
    /// The effective configuration; meaningless if there are findings.
    pub(crate) fn config(&mut self, file: &raw::File) -> Config {
        let storage = self.storage(file.storage.as_ref());
        let database = self.database(file.database.as_ref(), &storage.base_path);
        let backup = self.backups(file.backup.as_ref(), &storage.base_path);
        self.global_blocks(file);
        self.defaults(file.defaults.as_ref());
        let mut repositories = Vec::new();
        let mut places = Vec::new();
        let mut expansions = Expansions::default();
        for (index, repository) in file.repositories.iter().flatten().enumerate() {
            let number = index.to_string();
            let at = ["repositories", number.as_str()];
            let before = self.findings.len();
            if let Some(built) = self.repository(file, &at, index, repository) {
                places.push(self.place(&[at[0], at[1], "id"]));
                repositories.push(built);
            }
            expansions.add(self.place(&at), &repository.id, self.findings.split_off(before));
        }
        self.findings.extend(expansions.findings());
        self.duplicates(&repositories, &places);
        self.trees(&repositories, &places);
        self.views(file);
        Config {
            database,
            storage,
            backup,
            repositories,
            log: file.log.as_ref().map_or_else(Log::default, |log| Log {
                level: log.level.unwrap_or_default(),
                format: log.format.unwrap_or_default(),
            }),
            bandwidth: self.bandwidth(&["download", "bandwidth"], file.download.as_ref()),
            revisions: revisions(file.revisions.as_ref()),
            snapshots: snapshots(file.snapshots.as_ref()),
            cleanup: self.cleanup(file.scheduler.as_ref()),
            lease_seconds: file.scheduler.as_ref().and_then(|raw| raw.lease_seconds).unwrap_or(60),
            task_days: file.tasks.as_ref().and_then(|raw| raw.keep_days).unwrap_or(90),
            listen: self.listen(file.scheduler.as_ref()),
            textfile: self.textfile(file.metrics.as_ref()),
            notify: self.notify(file.notify.as_deref().unwrap_or_default()),
            proxy: self.proxy(&NOBODY, file.proxy.as_ref()),
            ssl: self.ssl(&NOBODY, file.ssl.as_ref()),
            keys: self.keys(file),
        }
    }

    /// Checks the global blocks even where no repository uses them.
    fn global_blocks(&mut self, file: &raw::File) {
        self.download(&NOBODY, file.download.as_ref(), None);
        self.limits(&NOBODY, file.limits.as_ref(), None);
        self.publish(&NOBODY, file.publish.as_ref(), None);
        self.proxy_password(&NOBODY, file.proxy.as_ref());
    }

    fn place(&self, path: &[&str]) -> Place {
        let mut longest = self.root.place;
        for end in 1..=path.len() {
            match self.root.at(&path[..end]) {
                Some(node) => longest = node.place,
                None => break,
            }
        }
        longest
    }

    fn wrong(&mut self, path: &[&str], message: impl Into<String>, hint: Option<&str>) {
        self.findings.push(Finding {
            place: self.place(path),
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    fn warn(&mut self, path: &[&str], message: String, hint: &str) {
        self.warnings.push(Finding {
            place: self.place(path),
            message,
            hint: Some(hint.to_owned()),
        });
    }

    /// The path of a repository's key, or of the global one where the repository does not have the block.
    fn own_or_global<'p>(&self, own: &'p [&'p str]) -> &'p [&'p str] {
        if self.root.at(&own[..3]).is_some() {
            own
        } else {
            &own[2..]
        }
    }

    /// Whether the schema refused nothing in a repository's entry and in the defaults: a key that is missing may be one
    /// that is misspelt, and that is said already.
    fn is_whole(&self, at: &At) -> bool {
        if !self.completed.has_defaults {
            return false;
        }
        let Some(place) = self.root.at(at).map(|node| node.place) else {
            return true;
        };
        let entries = self.whole.get(at[0]).map(Node::items).unwrap_or_default();
        let mut entries = entries.iter().filter(|entry| entry.place == place);
        !entries.any(|entry| entry.holds(self.refused))
    }

    fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    fn url(&mut self, path: &[&str], text: &str, schemes: &[&str]) -> Option<Url> {
        match Url::parse(text) {
            Ok(url) if schemes.contains(&url.scheme()) && (url.scheme() == "file" || url.has_host()) => Some(url),
            Ok(url) => {
                let message = format!(
                    "scheme {:?} is not supported here: expected {}",
                    url.scheme(),
                    schemes.join(" or ")
                );
                self.wrong(path, message, None);
                None
            }
            Err(error) => {
                self.wrong(path, format!("not a URL: {error}"), Some("`https://host/path/`"));
                None
            }
        }
    }

    /// As [`Self::quantity`], where 0 would let nothing through.
    fn some_quantity<T: Copy + Default + PartialEq>(
        &mut self,
        at: &At,
        names: (&str, &str),
        quantities: (Option<&raw::Quantity>, Option<&raw::Quantity>),
        read: fn(&str) -> Result<T, String>,
        default: T,
    ) -> T {
        let value = self.quantity(at, names, quantities, read, default);
        if value != T::default() {
            return value;
        }
        let own_path = [at[0], at[1], names.0, names.1];
        let path = if quantities.0.is_some() {
            &own_path[..]
        } else {
            &own_path[2..]
        };
        let message = format!("{}.{} of 0 would let nothing through", names.0, names.1);
        self.wrong(path, message, Some("remove the key for the default"));
        default
    }

    /// A quantity of a repository's block, else of the global one, else the default.
    fn quantity<T>(
        &mut self,
        at: &At,
        (block, key): (&str, &str),
        (own, global): (Option<&raw::Quantity>, Option<&raw::Quantity>),
        read: fn(&str) -> Result<T, String>,
        default: T,
    ) -> T {
        let own_path = [at[0], at[1], block, key];
        let (quantity, path): (_, &[&str]) = match (own, global) {
            (Some(own), _) => (own, &own_path),
            (None, Some(global)) => (global, &own_path[2..]),
            (None, None) => return default,
        };
        match read(&quantity.text()) {
            Ok(value) => value,
            Err(message) => {
                self.wrong(path, message, None);
                default
            }
        }
    }
}

fn revisions(raw: Option<&raw::Revisions>) -> Revisions {
    let default = Revisions::default();
    Revisions {
        keep_last: raw.and_then(|raw| raw.keep_last).unwrap_or(default.keep_last),
        keep_days: raw.and_then(|raw| raw.keep_days).unwrap_or(default.keep_days),
    }
}

fn snapshots(raw: Option<&raw::SnapshotRetention>) -> SnapshotRetention {
    let default = SnapshotRetention::default();
    SnapshotRetention {
        keep_last: raw.and_then(|raw| raw.keep_last),
        keep_monthly: raw.and_then(|raw| raw.keep_monthly),
        keep_published: raw.and_then(|raw| raw.keep_published).unwrap_or(default.keep_published),
    }
}
