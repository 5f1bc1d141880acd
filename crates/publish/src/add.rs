//! ADD: links files into the live tree. Nothing that is served changes.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use chantal_model::RelPath;

use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{Origin, Put, is_link_to, is_unfinished, put, write_over};
use crate::site::{LinkMode, holds, is_own, joined};
use crate::{Site, Source};

/// The deepest path that is published, in segments: every walk over a tree holds one descriptor for each.
const MAX_DEPTH: usize = 64;

/// What adding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Files that were not there.
    pub linked: u64,
    /// Files that were there with the same bytes.
    pub unchanged: u64,
    /// Files that were there with other bytes.
    pub replaced: u64,
}

impl Site {
    /// Links files into a tree; when it returns, names and directories are durable.
    ///
    /// Quickest when paths come in order. `renew` is called with a source of which the file system allows no more links
    /// and must give it a new inode.
    ///
    /// # Errors
    /// What was linked stays; the next run finds it.
    pub fn add(
        &self,
        tree: &RelPath,
        files: &mut dyn Iterator<Item = (RelPath, Source)>,
        renew: &dyn Fn(&Path) -> io::Result<()>,
        on_file: &dyn Fn(),
    ) -> Result<Added, PublishError> {
        let mut added = Added::default();
        let mut directories: HashSet<Option<RelPath>> = HashSet::from([None]);
        let mut current: (Option<RelPath>, Dir) = (None, self.make(Some(tree))?);
        // Where one file was there, the next will be: looking is cheaper than a link that is refused.
        let mut was_there = false;
        for (path, source) in files {
            check(&path)?;
            let parent = path.parent();
            if parent != current.0 {
                current = (parent.clone(), self.make_below(tree, parent.as_ref())?);
                directories.insert(parent);
            }
            let (dir, name) = (&current.1, path.file_name());
            let result = match &source {
                Source::Seen(_, inode)
                    if was_there && self.link_mode() == LinkMode::Hardlink && is_link_to(*inode, dir, name)? =>
                {
                    Put::Same
                }
                Source::Link(source) | Source::Seen(source, _) => {
                    put(self.link_mode(), Origin::Path(source), dir, name, Some(renew))?
                }
                Source::Bytes(bytes) => put_bytes(bytes, dir, name)?,
            };
            was_there = result == Put::Same;
            match result {
                Put::Same => added.unchanged += 1,
                Put::New => added.linked += 1,
                Put::Replaced => added.replaced += 1,
            }
            on_file();
        }
        // Those in which nothing changed too: a run that was killed may have left names that are not durable.
        let paths = directories.into_iter().map(|directory| match directory {
            Some(directory) => joined(tree, &directory).map(Some),
            None => Ok(Some(tree.clone())),
        });
        self.sync(paths.collect::<Result<Vec<_>, _>>()?)?;
        Ok(added)
    }

    /// Opens a directory below a tree; makes it where it is missing, and lets clients in.
    pub(crate) fn make_below(&self, tree: &RelPath, path: Option<&RelPath>) -> Result<Dir, PublishError> {
        let mut dir = self.make(Some(tree))?;
        for segment in path.into_iter().flat_map(|path| path.as_str().split('/')) {
            dir = dir.make_child(segment)?;
            dir.open_to_all()?;
        }
        Ok(dir)
    }
}

/// Why a path is never published: it would be taken for unfinished work, the lock or the program's state, or lies too
/// deep.
pub fn unpublishable(path: &RelPath) -> Option<&'static str> {
    if path.as_str().split('/').any(is_unfinished) {
        Some("its name is reserved for unfinished work")
    } else if is_own(path.top()) {
        Some("its name is that of the tree's lock or of the program's state")
    } else if path.as_str().split('/').count() > MAX_DEPTH {
        Some("it lies too deep")
    } else {
        None
    }
}

fn check(path: &RelPath) -> Result<(), PublishError> {
    match unpublishable(path) {
        None => Ok(()),
        Some(reason) => Err(PublishError::BadName {
            path: path.to_string(),
            reason,
        }),
    }
}

fn put_bytes(bytes: &[u8], dir: &Dir, name: &str) -> Result<Put, PublishError> {
    if holds(dir, name, bytes)? {
        return Ok(Put::Same);
    }
    let was_there = dir.stat(name)?.is_some();
    write_over(bytes, dir, name, None)?;
    Ok(if was_there { Put::Replaced } else { Put::New })
}
