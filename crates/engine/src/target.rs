//! Directories that `--target` may name: none where something else lives, since a tree owns all that is in it.

use std::path::{Path, PathBuf};

use chantal_config::Repository;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::site::{Place, tree};

impl Engine {
    /// Refuses a target that is, holds or lies in another tree or the store itself: publishing would overwrite it, or
    /// remove it as files that nobody named.
    pub(crate) async fn refuse_target(&self, repo: &Repository, place: &Place) -> Result<(), EngineError> {
        if place.is_configured {
            return Ok(());
        }
        let target = real(&place.directory());
        let refuse = |what: &str, other: &Path| {
            Err(EngineError::request(
                format!("{} cannot be a target: {what} {}", target.display(), other.display()),
                Some("give a directory of its own; with several repositories, each gets one below it"),
            ))
        };
        let storage = &self.config.storage;
        for own in [&storage.pool_path, &storage.temp_path] {
            if overlap(&target, &real(own)) {
                return refuse("it overlaps with the store in", own);
            }
        }
        for own in [&storage.base_path, &storage.published_path] {
            if real(own).starts_with(&target) {
                return refuse("it holds", own);
            }
        }
        for other in &self.config.repositories {
            let latest = tree(other, None);
            let snapshots = tree(other, Some(&"x".parse().expect("a letter is a name"))).parent();
            for path in [Some(latest), snapshots].into_iter().flatten() {
                let path = path.below(&storage.published_path);
                if overlap(&target, &real(&path)) {
                    return refuse(&format!("it overlaps with the trees of {} in", other.id), &path);
                }
            }
        }
        let known = self.catalog.repositories().await.doing("read repositories")?;
        for publication in self.catalog.publications().await.doing("read publications")? {
            let owner = known.iter().find(|row| row.id == publication.repository);
            let name = owner.map(|row| row.name.as_str()).unwrap_or_default();
            let path = storage.published_path.join(&publication.path);
            let there = real(&path);
            if overlap(&target, &there) && (there != target || name != repo.id.as_str()) {
                return refuse(&format!("a tree of {name} is in"), &path);
            }
        }
        Ok(())
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A path without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    for there in path.ancestors() {
        if let Ok(found) = there.canonicalize() {
            return missing.iter().rev().fold(found, |path, name| path.join(name));
        }
        missing.extend(there.file_name());
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_far_as_a_path_exists() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("there")).unwrap();
        std::os::unix::fs::symlink("there", root.join("link")).unwrap();
        assert_eq!(real(&root.join("link/a/b")), root.join("there/a/b"));
        assert_eq!(real(&root.join("link")), root.join("there"));
    }

    #[test]
    fn directories_overlap_when_one_holds_the_other() {
        for (one, other, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a/b", "/a", true),
            ("/a/b", "/a/c", false),
            ("/a", "/ab", false),
        ] {
            assert_eq!(overlap(one.as_ref(), other.as_ref()), expected, "{one} {other}");
        }
    }
}
