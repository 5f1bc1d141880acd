//! The files of a tree, but for those that the pool or clients have.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Candidate, LeftOut};
use crate::Engine;
use crate::error::{Doing, EngineError};

/// A directory that nothing is taken from.
pub(super) struct Own {
    /// Where it is, without symbolic links.
    path: PathBuf,
    /// What it is, for people.
    what: String,
}

impl Own {
    /// `None` if it is not there.
    fn at(path: &Path, what: &str) -> Option<Self> {
        Some(Self {
            path: path.canonicalize().ok()?,
            what: format!("{what} {}", path.display()),
        })
    }

    /// Refuses to take from inside it.
    pub(super) fn refuse(&self, root: &Path) -> Result<(), EngineError> {
        if root.starts_with(&self.path) {
            let message = format!("{} is in {}", root.display(), self.what);
            return Err(EngineError::request(message, Some("name another tree")));
        }
        Ok(())
    }
}

impl Engine {
    /// The pool, and every tree that clients read: its files are links to what the pool has, and are no other mirror's.
    pub(super) async fn own_directories(&self) -> Result<Vec<Own>, EngineError> {
        let mut own = Vec::from_iter(Own::at(self.pool.root(), "the pool"));
        for publication in self.catalog.publications().await.doing("read publications")? {
            let tree = self.config.storage.published_path.join(&publication.path);
            own.extend(Own::at(&tree, "the published tree"));
        }
        Ok(own)
    }
}

/// What is in a tree.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Candidate>,
    pub(super) others: u64,
    pub(super) foreign: u64,
    pub(super) left_out: Vec<LeftOut>,
}

/// Walks a tree but for the directories of our own in it. Symbolic links are not followed.
pub(super) fn walk(root: PathBuf, own: &[Own], names: &dyn Fn(&str) -> bool) -> Walked {
    let mut walked = Walked::default();
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        if own.iter().any(|own| own.path == directory) {
            continue;
        }
        let mut left = |source: &std::io::Error| {
            walked.left_out.push(LeftOut {
                path: directory.display().to_string(),
                reason: source.to_string(),
            });
        };
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                left(&error);
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_name(), entry.metadata()?))) {
                Ok((path, _, meta)) if meta.is_dir() => directories.push(path),
                Ok((path, name, meta)) if meta.is_file() && names(&name.to_string_lossy()) => {
                    walked.found.push(Candidate {
                        path,
                        size: meta.len(),
                        device: meta.dev(),
                        inode: meta.ino(),
                    });
                }
                Ok((_, name, meta)) => {
                    let is_foreign = chantal_formats::is_foreign_package_file(&name.to_string_lossy());
                    walked.others += 1;
                    walked.foreign += u64::from(is_foreign && meta.is_file());
                }
                Err(error) => left(&error),
            }
        }
    }
    walked.found.sort_by(|a, b| a.path.cmp(&b.path));
    walked
}
