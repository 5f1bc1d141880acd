//! PRUNE: removes files that no served state needs any more.

use std::collections::HashSet;

use chantal_model::{RelPath, fault};
use rustix::fs::FileType;

use crate::Site;
use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::is_unfinished;
use crate::site::is_own;

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files removed.
    pub removed: u64,
    /// Files kept.
    pub kept: u64,
}

impl Site {
    /// Removes every file of a tree for which `keep` is false, and directories that are empty then, but for those at the
    /// top whose names begin with a dot.
    ///
    /// The tree's lock and the program's state are never touched. Symbolic links are not followed. No barrier is needed: a
    /// file that comes back after a power cut is harmless. The caller holds the tree's lock, so what interrupted runs left
    /// unfinished goes too, and is not counted.
    pub fn prune(&self, tree: &RelPath, keep: &mut dyn FnMut(&RelPath) -> bool) -> Result<Pruned, PublishError> {
        let mut pruned = Pruned::default();
        let Some(dir) = self.dir(Some(tree))? else {
            return Ok(pruned);
        };
        walk(&dir, "", &mut |dir, found| {
            match found {
                Found::File(path) if keep(&path) => pruned.kept += 1,
                Found::File(path) => {
                    fault!("publish::prune")
                        .map_err(|error| PublishError::io("remove", &dir.at(path.file_name()), error))?;
                    dir.remove_file(path.file_name())?;
                    pruned.removed += 1;
                }
                Found::Unfinished(name) => dir.remove_all(name)?,
                // Refused by the system unless it is empty, which is the test.
                Found::Left(name) => drop(dir.remove_empty(name)),
            }
            Ok(())
        })?;
        Ok(pruned)
    }

    /// Every file of a tree.
    pub fn files(&self, tree: &RelPath) -> Result<HashSet<RelPath>, PublishError> {
        let mut files = HashSet::new();
        if let Some(dir) = self.dir(Some(tree))? {
            walk(&dir, "", &mut |_, found| {
                if let Found::File(path) = found {
                    files.insert(path);
                }
                Ok(())
            })?;
        }
        Ok(files)
    }
}

/// What a walk meets.
enum Found<'a> {
    /// A file, or a symbolic link, by its path in the tree.
    File(RelPath),
    /// A name of unfinished work below the tree's top.
    Unfinished(&'a str),
    /// A directory, by name, after all that is in it.
    Left(&'a str),
}

type Visit<'a> = dyn FnMut(&Dir, Found<'_>) -> Result<(), PublishError> + 'a;

fn walk(dir: &Dir, prefix: &str, visit: &mut Visit<'_>) -> Result<(), PublishError> {
    for entry in dir.entries()? {
        let Some(name) = entry.name.to_str() else { continue };
        if prefix.is_empty() && is_own(name) {
            continue;
        }
        if is_unfinished(name) {
            visit(dir, Found::Unfinished(name))?;
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.kind == FileType::Directory {
            if let Some(child) = dir.child(name)? {
                walk(&child, &format!("{path}/"), visit)?;
                // At the top, one with a dot is often somebody's own.
                if !path.starts_with('.') {
                    visit(dir, Found::Left(name))?;
                }
            }
        } else if let Ok(path) = RelPath::parse(&path) {
            visit(dir, Found::File(path))?;
        }
    }
    Ok(())
}
