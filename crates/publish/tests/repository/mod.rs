//! A made-up repository whose states can be published and checked: the entry file names every other file with its
//! digest, and the signature names the entry.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails where it stands; no test uses all of it"
)]

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chantal_model::{RelPath, Sha256};
use chantal_publish::{PublishError, Site, SiteOptions, Source, Stage, Staged, SwitchMode};

pub(crate) const ENTRY: &str = "repodata/repomd.xml";

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

pub(crate) fn tree() -> RelPath {
    path("repo/latest")
}

pub(crate) fn entry_dir() -> RelPath {
    path("repodata")
}

/// What a state consists of.
pub(crate) struct State {
    pub(crate) number: u32,
    pub(crate) packages: BTreeMap<String, Vec<u8>>,
    pub(crate) digest_named: BTreeMap<String, Vec<u8>>,
    pub(crate) entry: Vec<u8>,
    pub(crate) signature: Option<Vec<u8>>,
}

impl State {
    /// State `number` shares all but one package with its neighbours.
    pub(crate) fn new(number: u32) -> Self {
        let packages = (number..number + 4)
            .map(|i| {
                (
                    format!("Packages/{}/package-{i}.rpm", i % 3),
                    format!("package {i}").into_bytes(),
                )
            })
            .collect();
        let digest_named = ["primary", "filelists"]
            .into_iter()
            .map(|kind| {
                let bytes = format!("{kind} of {number}").into_bytes();
                (format!("{}-{kind}.xml", Sha256::of(&bytes)), bytes)
            })
            .collect();
        let mut state = Self {
            number,
            packages,
            digest_named,
            entry: Vec::new(),
            signature: None,
        };
        let named = state.packages.iter().map(|(path, bytes)| (path.clone(), bytes));
        let metadata = state
            .digest_named
            .iter()
            .map(|(name, bytes)| (format!("repodata/{name}"), bytes));
        let lines: Vec<String> = named
            .chain(metadata)
            .map(|(path, bytes)| format!("{path} {}", Sha256::of(bytes)))
            .collect();
        state.entry = lines.join("\n").into_bytes();
        state.signature = Some(Sha256::of(&state.entry).hex().into_bytes());
        state
    }

    pub(crate) fn unsigned(mut self) -> Self {
        self.signature = None;
        self
    }

    /// Every path that it needs in the tree.
    pub(crate) fn paths(&self) -> HashSet<RelPath> {
        let fixed = self.signature.iter().map(|_| "repodata/repomd.xml.asc".to_owned());
        let metadata = self.digest_named.keys().map(|name| format!("repodata/{name}"));
        let all = self
            .packages
            .keys()
            .cloned()
            .chain(metadata)
            .chain(fixed)
            .chain([ENTRY.to_owned()]);
        all.map(|text| path(&text)).collect()
    }
}

/// A pool, a published root, and the steps.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) site: Site,
}

impl Bench {
    pub(crate) fn new(options: SiteOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let site = Site::open(&directory.path().join("published"), options).unwrap();
        Self { directory, site }
    }

    /// In memory, where a barrier costs nothing, if there is such a place.
    pub(crate) fn quick(switch: SwitchMode) -> Self {
        let memory = Path::new("/dev/shm");
        let directory = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let options = SiteOptions {
            switch,
            ..SiteOptions::default()
        };
        let site = Site::open(&directory.path().join("published"), options).unwrap();
        Self { directory, site }
    }

    pub(crate) fn with_switch(switch: SwitchMode) -> Self {
        Self::new(SiteOptions {
            switch,
            ..SiteOptions::default()
        })
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.site.root().join("repo/latest")
    }

    pub(crate) fn publisher(&self) -> Publisher<'_> {
        Publisher {
            site: &self.site,
            pool: self.directory.path(),
        }
    }

    pub(crate) fn publish(&self, state: &State, recent: &[&State]) {
        self.publisher().publish(state, recent).unwrap();
    }
}

/// The steps, for a test that has the directories from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) site: &'a Site,
    pub(crate) pool: &'a Path,
}

/// The same file by its inode, too.
fn seen(source: Source) -> Source {
    match source {
        Source::Link(path) => {
            let meta = std::fs::metadata(&path).unwrap();
            Source::Seen(path, (meta.dev(), meta.ino()))
        }
        other => other,
    }
}

impl Publisher<'_> {
    /// A file as a pool has it.
    pub(crate) fn blob(&self, bytes: &[u8]) -> Source {
        let path = self.pool.join(Sha256::of(bytes).hex());
        if !path.exists() {
            let temporary = self.pool.join(format!("{}.tmp", Sha256::of(bytes)));
            std::fs::write(&temporary, bytes).unwrap();
            std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o444)).unwrap();
            std::fs::rename(&temporary, &path).unwrap();
        }
        Source::Link(path)
    }

    pub(crate) fn add(&self, state: &State) -> Result<chantal_publish::Added, PublishError> {
        let mut files = state
            .packages
            .iter()
            .map(|(name, bytes)| (path(name), seen(self.blob(bytes))));
        self.site
            .add(&tree(), &mut files, &|_| panic!("no file has so many links"), &|| {})
    }

    pub(crate) fn stage(&self, state: &State, recent: &[&State]) -> Result<Stage, PublishError> {
        let digest_named = state.digest_named.iter().map(|(name, bytes)| Staged {
            name: name.clone(),
            source: self.blob(bytes),
            rank: None,
        });
        let signature = state.signature.iter().map(|bytes| Staged {
            name: "repomd.xml.asc".into(),
            source: self.blob(bytes),
            rank: Some(0),
        });
        let entry = Staged {
            name: "repomd.xml".into(),
            source: Source::Bytes(state.entry.clone()),
            rank: Some(9),
        };
        let carried: HashSet<&String> = recent.iter().flat_map(|state| state.digest_named.keys()).collect();
        let files = digest_named.chain(signature).chain([entry]).collect();
        self.site
            .stage(&tree(), &entry_dir(), files, &|name| carried.contains(&name.to_owned()))
    }

    pub(crate) fn prune(&self, state: &State, recent: &[&State]) -> Result<chantal_publish::Pruned, PublishError> {
        let keep: HashSet<RelPath> = recent.iter().copied().chain([state]).flat_map(State::paths).collect();
        self.site.prune(&tree(), &mut |path| keep.contains(path))
    }

    /// The whole procedure.
    pub(crate) fn publish(&self, state: &State, recent: &[&State]) -> Result<(), PublishError> {
        let lock = self.site.lock(&tree())?;
        self.site.recover(&tree(), &entry_dir())?;
        self.add(state)?;
        let next = self.stage(state, recent)?;
        next.verify(&|directory| {
            directory
                .join("repomd.xml")
                .is_file()
                .then_some(())
                .ok_or("no entry".into())
        })?;
        self.site.switch(next)?;
        self.prune(state, recent)?;
        drop(lock);
        Ok(())
    }
}

/// Whether a signature belongs to the entry beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Checked,
    NotChecked,
}

/// Reads a tree as a client does; says what is wrong. `None` if nothing is served.
pub(crate) fn read_as_client(tree: &Path, pair: Pair) -> Option<Result<(), String>> {
    let entry = std::fs::read(tree.join(ENTRY)).ok()?;
    Some(check(tree, &entry, pair))
}

fn check(tree: &Path, entry: &[u8], pair: Pair) -> Result<(), String> {
    let text = String::from_utf8(entry.to_vec()).map_err(|error| error.to_string())?;
    if text.is_empty() {
        return Err("the entry is empty".into());
    }
    for line in text.lines() {
        let (name, digest) = line.split_once(' ').ok_or_else(|| format!("torn line {line:?}"))?;
        let bytes = std::fs::read(tree.join(name)).map_err(|error| format!("{name}: {error}"))?;
        if Sha256::of(&bytes).hex() != digest {
            return Err(format!("{name} is {:?}", String::from_utf8_lossy(&bytes)));
        }
    }
    if pair == Pair::Checked
        && let Ok(signature) = std::fs::read(tree.join("repodata/repomd.xml.asc"))
        && signature != Sha256::of(entry).hex().into_bytes()
    {
        return Err("the signature is another state's".into());
    }
    Ok(())
}

/// Every file below a directory, dot files included.
pub(crate) fn all_files(directory: &Path) -> HashSet<String> {
    let mut files = HashSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                files.insert(
                    entry
                        .path()
                        .strip_prefix(directory)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    files
}

/// Asserts that a tree is exactly one state and nothing else.
pub(crate) fn assert_exactly(tree: &Path, state: &State) {
    assert_eq!(read_as_client(tree, Pair::Checked), Some(Ok(())));
    assert_eq!(std::fs::read(tree.join(ENTRY)).unwrap(), state.entry);
    let mut expected: HashSet<String> = state.paths().iter().map(ToString::to_string).collect();
    expected.insert(".lock".into());
    assert_eq!(all_files(tree), expected);
    assert_eq!(
        std::fs::read_dir(tree.parent().unwrap()).unwrap().count(),
        1,
        "debris beside the tree"
    );
}
