//! The staged entry directory, beside the live one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chantal_model::{RelPath, fault};

use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{Origin, is_unfinished, later_than, put, stage_name, write_fresh};
use crate::site::joined;
use crate::{Site, Source};

/// A file of the entry directory.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub source: Source,
    /// For files of a fixed name the order in which they are replaced where directories cannot be exchanged, the
    /// highest last; `None` for files whose name changes with their content.
    pub rank: Option<u8>,
}

/// A complete entry directory that is not served yet. Dropped, it stays on disk until the next [`Site::recover`].
#[derive(Debug)]
pub struct Stage {
    pub(crate) path: PathBuf,
    pub(crate) home: Home,
    /// Names of fixed files in the order of their ranks.
    pub(crate) fixed: Vec<String>,
    /// Names of the other files of the new state.
    pub(crate) digest_named: Vec<String>,
}

/// Where an entry directory and its stage are: side by side, so that one `fsync` makes their exchange durable.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) parent: Dir,
    pub(crate) live: String,
    pub(crate) stage: String,
}

impl Stage {
    /// Runs a check over the staged directory; the last point at which publishing can stop.
    pub fn verify(&self, check: &dyn Fn(&Path) -> Result<(), String>) -> Result<(), PublishError> {
        fault!("publish::verify").map_err(|error| PublishError::io("look at", &self.path, error))?;
        check(&self.path).map_err(|reason| PublishError::Incomplete { reason })
    }
}

impl Site {
    /// `None` if there is no tree yet.
    pub(crate) fn home(&self, tree: &RelPath, entry_dir: &RelPath) -> Result<Option<Home>, PublishError> {
        let parent = joined(tree, entry_dir)?.parent();
        Ok(self.dir(parent.as_ref())?.map(|parent| Home {
            parent,
            live: entry_dir.file_name().to_owned(),
            stage: stage_name(entry_dir.file_name()),
        }))
    }

    /// Builds the new entry directory and makes it durable. Files of the live one for which `carry` is true stay
    /// reachable in it: that must be true only for names that change with their content, since a signature that is
    /// carried would stand beside another state's entry.
    ///
    /// Entry files become fresh inodes whose mtime is newer, in whole seconds, than that of the file they replace.
    pub fn stage(
        &self,
        tree: &RelPath,
        entry_dir: &RelPath,
        files: Vec<Staged>,
        carry: &dyn Fn(&str) -> bool,
    ) -> Result<Stage, PublishError> {
        let path = joined(tree, entry_dir)?;
        self.make(path.parent().as_ref())?;
        let home = self.home(tree, entry_dir)?.expect("the directory was made above");
        Self::finish_renames(&home)?;
        home.parent.discard(&home.stage)?;
        let live = home.parent.child(&home.live)?;
        let dir = home.parent.make_child(&home.stage)?;
        let mut fixed: Vec<(u8, String)> = Vec::new();
        let mut digest_named = Vec::new();
        for file in files {
            check(&file.name)?;
            if let Some(rank) = file.rank {
                let previous = live.as_ref().map(|live| live.stat(&file.name)).transpose()?.flatten();
                let mtime = later_than(previous.map_or(0, |previous| previous.st_mtime));
                write_fresh(&file.source, &dir, &file.name, Some(mtime))?;
                fixed.push((rank, file.name));
            } else {
                match &file.source {
                    Source::Link(source) | Source::Seen(source, _) => {
                        put(self.link_mode(), Origin::Path(source), &dir, &file.name, None)?;
                    }
                    Source::Bytes(_) => write_fresh(&file.source, &dir, &file.name, None)?,
                }
                digest_named.push(file.name);
            }
        }
        fixed.sort();
        let fixed: Vec<String> = fixed.into_iter().map(|(_, name)| name).collect();
        if let Some(live) = &live {
            let new: HashSet<&str> = fixed.iter().chain(&digest_named).map(String::as_str).collect();
            self.link_all(live, &dir, &|name| !new.contains(name) && carry(name))?;
        }
        dir.sync()?;
        self.sync([path.parent()])?;
        Ok(Stage {
            path: dir.path().to_owned(),
            home,
            fixed,
            digest_named,
        })
    }

    /// Gives files of one directory the same names in another one.
    pub(crate) fn link_all(&self, from: &Dir, to: &Dir, wanted: &dyn Fn(&str) -> bool) -> Result<(), PublishError> {
        for entry in from.entries()? {
            if let Some(name) = entry.file().filter(|name| !is_unfinished(name) && wanted(name)) {
                put(self.link_mode(), Origin::In(from, name), to, name, None)?;
            }
        }
        Ok(())
    }
}

/// Refuses what is no single file name, or one of unfinished work.
fn check(name: &str) -> Result<(), PublishError> {
    let reason = match RelPath::parse(name) {
        Err(error) => error.reason,
        Ok(_) if name.contains('/') => "the entry directory holds no directories",
        Ok(_) if is_unfinished(name) => "its name is reserved for unfinished work",
        Ok(_) => return Ok(()),
    };
    Err(PublishError::BadName {
        path: name.chars().take(200).collect(),
        reason,
    })
}
