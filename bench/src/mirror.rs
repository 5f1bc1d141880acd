//! A directory with configuration, pool, catalog and published tree, as `chantal` works on it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::measure::run;

/// The one repository of every mirror.
pub(crate) const REPOSITORY: &str = "r";

/// A mirror of one repository.
pub(crate) struct Mirror {
    chantal: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Mirror {
    /// Writes the configuration; `lines` are more keys of the repository, indented by four.
    pub(crate) fn create(chantal: &Path, directory: PathBuf, feed: &str, lines: &[&str]) -> Result<Self> {
        let more: String = lines.iter().flat_map(|line| ["    ", line, "\n"]).collect();
        let text = format!(
            "storage:\n  base_path: data\n  published_path: published\ndownload: {{parallel: 16, per_host: 16}}\nrepositories:\n  \
             - id: {REPOSITORY}\n    type: rpm\n    mode: filtered\n    feed: {feed}\n    allow_rollback: true\n{more}"
        );
        let config = directory.join("config.yaml");
        fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        Ok(Self {
            chantal: chantal.to_owned(),
            directory,
        })
    }

    /// The same mirror in another, empty directory: links to its files, but the database and the configuration copied.
    pub(crate) fn copy(&self, directory: PathBuf) -> Result<Self> {
        link_tree(&self.directory, &directory)?;
        Ok(Self {
            chantal: self.chantal.clone(),
            directory,
        })
    }

    /// A command on it, in a bare environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.chantal);
        command.arg("--config").arg(self.directory.join("config.yaml"));
        command.args(arguments).current_dir(&self.directory);
        for name in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env_remove(name);
        }
        command
            .env_remove("CHANTAL_LOG")
            .env("HOME", &self.directory)
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    /// Runs a command on it, not measured.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.command(arguments))
    }

    pub(crate) fn sync(&self) -> Command {
        self.command(&["--quiet", "repo", "sync", REPOSITORY])
    }

    pub(crate) fn publish(&self) -> Command {
        self.command(&["--quiet", "publish", "repo", REPOSITORY])
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("data/chantal.db")
    }

    pub(crate) fn pool(&self) -> PathBuf {
        self.directory.join("data/pool")
    }

    /// The published repository.
    pub(crate) fn published(&self) -> PathBuf {
        self.directory.join("published").join(REPOSITORY).join("latest")
    }

    /// Inode, size and modification time of every file but the database's.
    pub(crate) fn files(&self) -> Result<BTreeMap<PathBuf, [i128; 4]>> {
        let mut found = BTreeMap::new();
        walk(&self.directory, &mut |path, metadata| {
            if !is_database(path) {
                let time = (i128::from(metadata.mtime()), i128::from(metadata.mtime_nsec()));
                let facts = [metadata.ino().into(), metadata.len().into(), time.0, time.1];
                found.insert(path.to_owned(), facts);
            }
        })?;
        Ok(found)
    }
}

/// Files of `after` that are not in `before`, or are others there.
pub(crate) fn written(before: &BTreeMap<PathBuf, [i128; 4]>, after: &BTreeMap<PathBuf, [i128; 4]>) -> usize {
    after
        .iter()
        .filter(|(path, facts)| before.get(*path) != Some(facts))
        .count()
}

fn is_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("chantal.db")
}

/// Calls for every file and symbolic link below a directory.
pub(crate) fn walk(directory: &Path, take: &mut dyn FnMut(&Path, &fs::Metadata)) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path).with_context(|| format!("look at {}", path.display()))?;
        if metadata.is_dir() {
            walk(&path, take)?;
        } else {
            take(&path, &metadata);
        }
    }
    Ok(())
}

fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        let context = || format!("copy {} to {}", source.display(), target.display());
        if kind.is_dir() {
            link_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target).with_context(context)?;
        } else if is_database(&source) || source.ends_with("config.yaml") {
            fs::copy(&source, &target).with_context(context)?;
        } else {
            fs::hard_link(&source, &target).with_context(context)?;
        }
    }
    Ok(())
}
