//! A tree of files in memory: what a test's upstream serves, what a published directory holds.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chantal_model::Sha256;

use crate::upstream::{Body, Site};

/// The content of one file.
#[derive(Clone)]
pub enum Content {
    /// Kept in memory.
    Bytes(Arc<[u8]>),
    /// Made anew each time, always the same.
    Made(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
}

impl Content {
    /// The bytes.
    pub fn bytes(&self) -> Arc<[u8]> {
        match self {
            Self::Bytes(bytes) => Arc::clone(bytes),
            Self::Made(make) => make().into(),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        match content {
            Content::Bytes(bytes) => Self::Bytes(bytes),
            Content::Made(make) => Self::Made(make),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Made(_) => f.write_str("made"),
        }
    }
}

/// Files by their path, without a slash at its start.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Content>,
}

impl Tree {
    /// Adds a file, or replaces it.
    pub fn put(&mut self, path: impl Into<String>, content: impl Into<Content>) {
        self.files.insert(path.into(), content.into());
    }

    /// Takes a file out.
    pub fn remove(&mut self, path: &str) -> Option<Content> {
        self.files.remove(path)
    }

    /// Adds the files of another tree.
    pub fn extend(&mut self, other: Tree) {
        self.files.extend(other.files);
    }

    /// The same files below a directory.
    #[must_use]
    pub fn below(self, directory: &str) -> Self {
        let directory = directory.trim_matches('/');
        let files = self
            .files
            .into_iter()
            .map(|(path, content)| (format!("{directory}/{path}"), content));
        Self { files: files.collect() }
    }

    /// The bytes of a file.
    ///
    /// # Panics
    ///
    /// If there is no such file: a test that asks for it is wrong.
    pub fn bytes(&self, path: &str) -> Arc<[u8]> {
        match self.files.get(path) {
            Some(content) => content.bytes(),
            None => panic!("no {path:?} among {} files", self.files.len()),
        }
    }

    /// Whether there is such a file.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// All files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// All paths in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The first path that ends so, for names that carry a digest.
    pub fn find(&self, ending: &str) -> Option<&str> {
        self.paths().find(|path| path.ends_with(ending))
    }

    /// All paths that end so.
    pub fn ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths().filter(move |path| path.ends_with(ending))
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A site that serves the files.
    pub fn site(&self) -> Site {
        let mut site = Site::new();
        site.put_all(
            self.files
                .iter()
                .map(|(path, content)| (format!("/{path}"), content.clone().into())),
        );
        site
    }

    /// Writes all files below a directory; files that are there already and not in the tree stay.
    pub fn write_to(&self, directory: &Path) -> Result<()> {
        for (path, content) in &self.files {
            let file = directory.join(path);
            let parent = file.parent().context("a file has a parent")?;
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
            fs::write(&file, content.bytes()).with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }
}

/// SHA-256 of every regular file below a directory, by its path in it. A symbolic link is
/// not followed: where it points at stands for its digest.
pub fn digests(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    walk(directory, "", &mut |path, file| {
        let link = fs::symlink_metadata(file)?.is_symlink();
        let digest = if link {
            format!("link to {}", fs::read_link(file)?.display())
        } else {
            Sha256::of(&fs::read(file)?).hex()
        };
        found.insert(path.to_owned(), digest);
        Ok(())
    })?;
    Ok(found)
}

/// SHA-256 of every file of a tree, by path, to be compared with [`digests`].
pub fn tree_digests(tree: &Tree) -> BTreeMap<String, String> {
    tree.files()
        .map(|(path, content)| (path.to_owned(), Sha256::of(&content.bytes()).hex()))
        .collect()
}

fn walk(directory: &Path, prefix: &str, take: &mut dyn FnMut(&str, &Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let entry = entry.with_context(|| format!("read {}", directory.display()))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), take)?;
        } else {
            take(&path, &entry.path())?;
        }
    }
    Ok(())
}
