//! Immutable generations beside a tree: a client that was told one base URL makes all its requests in one state.

use std::path::Path;

use chantal_model::{RelPath, faulty};

use crate::Site;
use crate::dir::Dir;
use crate::error::PublishError;
use crate::files::{is_unfinished, stage_name};
use crate::recover::remove_unfinished;
use crate::site::{is_own, joined};

const GENERATIONS: &str = "gen";
const LIST: &str = "mirrorlist";

impl Site {
    /// Makes `gen/<number>` beside a tree: links to the live entry directory's files, and a symbolic link for each other
    /// top-level entry of the tree. One that is there is left as it is. Gives its path below the root.
    ///
    /// These are the only symbolic links below a published root, and they are relative.
    pub fn generation(&self, tree: &RelPath, entry_dir: &RelPath, number: i64) -> Result<RelPath, PublishError> {
        let all = beside(tree, GENERATIONS)?;
        let name = number.to_string();
        let path = joined(&all, &RelPath::parse(&name).expect("a number is a safe path"))?;
        let generations = self.make(Some(&all))?;
        if generations.stat(&name)?.is_some() {
            // It may not be durable yet if the run that made it was killed.
            self.sync([Some(all)])?;
            return Ok(path);
        }
        let (Some(tree_dir), Some(live)) = (self.dir(Some(tree))?, self.dir(Some(&joined(tree, entry_dir)?))?) else {
            return Err(PublishError::Incomplete {
                reason: format!("{tree} has no {entry_dir}"),
            });
        };
        let stage_name = stage_name(&name);
        generations.remove_all(&stage_name)?;
        let stage = generations.make_child(&stage_name)?;
        let mut dirs = vec![stage];
        for segment in entry_dir.as_str().split('/') {
            let above = dirs.last().expect("it starts with the stage");
            dirs.push(above.make_child(segment)?);
        }
        let entries = dirs.last().expect("it starts with the stage");
        self.link_all(&live, entries, &|_| true)?;
        link_others(&tree_dir, tree.file_name(), entry_dir, &dirs[0])?;
        dirs.iter().rev().try_for_each(Dir::sync)?;
        generations.rename(&stage_name, &generations, &name)?;
        self.sync([Some(all)])?;
        Ok(path)
    }

    /// Where a generation is, below the root.
    pub fn generation_path(&self, tree: &RelPath, number: i64) -> Result<RelPath, PublishError> {
        let name = RelPath::parse(&number.to_string()).expect("a number is a safe path");
        joined(&beside(tree, GENERATIONS)?, &name)
    }

    /// Removes generations for which `keep` is false; gives how many.
    pub fn prune_generations(&self, tree: &RelPath, keep: &dyn Fn(i64) -> bool) -> Result<u64, PublishError> {
        let Some(generations) = self.dir(Some(&beside(tree, GENERATIONS)?))? else {
            return Ok(0);
        };
        remove_unfinished(&generations)?;
        let mut removed = 0;
        for entry in generations.entries()? {
            let Some(name) = entry.name.to_str() else { continue };
            if name.parse::<i64>().is_ok_and(|number| !keep(number)) {
                generations.discard(name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the list that names the current generation, then all generations.
    pub fn remove_generations(&self, tree: &RelPath) -> Result<(), PublishError> {
        self.remove_file(&beside(tree, LIST)?)?;
        match self.dir(tree.parent().as_ref())? {
            Some(dir) => dir.discard(GENERATIONS),
            None => Ok(()),
        }
    }
}

/// A path in the directory that holds a tree.
fn beside(tree: &RelPath, name: &'static str) -> Result<RelPath, PublishError> {
    let name = RelPath::parse(name).expect("the constants above are safe paths");
    match tree.parent() {
        Some(parent) => joined(&parent, &name),
        None => Ok(name),
    }
}

/// Links each top-level entry of the tree, but for the entry directory, into a generation's stage.
fn link_others(tree: &Dir, tree_name: &str, entry_dir: &RelPath, stage: &Dir) -> Result<(), PublishError> {
    for entry in tree.entries()? {
        let Some(name) = entry.name.to_str() else { continue };
        if is_own(name) || is_unfinished(name) || name == entry_dir.top() {
            continue;
        }
        let target = Path::new("../..").join(tree_name).join(name);
        let linked = || rustix::fs::symlinkat(&target, stage.fd(), name).map_err(std::io::Error::from);
        faulty!("publish::symlink", linked()).map_err(|error| PublishError::io("create", &stage.at(name), error))?;
    }
    Ok(())
}
