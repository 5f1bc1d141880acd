//! Made repositories in two states, kept below the data directory for the next run.

mod random;
mod shape;

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use chantal_model::Compression;
use chantal_testkit::repository::{Fragments, WrittenRepository, href};
use chantal_testkit::rpm::Rpm;

pub(crate) use shape::{CHANGED_OF, HALF, Shape};

/// Counts up when the same seed gives other packages than before, so that old ones are not taken for new ones.
const EDITION: u32 = 1;
/// Packages made at once by each thread.
const CHUNK: usize = 256;

/// A repository in two states, `one` and `two`, of which the second differs in one package of a hundred.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    pub(crate) directory: PathBuf,
    pub(crate) packages: usize,
}

/// A state of a [`DataSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    One,
    Two,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Two => "two",
        }
    }
}

impl DataSet {
    /// Takes the data set from an earlier run, or makes it.
    pub(crate) fn prepare(parent: &Path, shape: Shape, packages: usize, seed: u64) -> Result<Self> {
        let directory = parent.join(format!("{}-{packages}-seed{seed}-v{EDITION}", shape.name()));
        let set = Self { directory, packages };
        if set.directory.exists() {
            return Ok(set);
        }
        let start = Instant::now();
        let unfinished = set.directory.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| format!("delete {}", unfinished.display()))?;
        }
        for state in [State::One, State::Two] {
            write_state(&unfinished, state, shape, packages, seed)?;
        }
        fs::rename(&unfinished, &set.directory).with_context(|| format!("rename {}", unfinished.display()))?;
        eprintln!(
            "made {} packages, {}, in {:.1} s",
            packages,
            shape.name(),
            start.elapsed().as_secs_f64()
        );
        Ok(set)
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        self.directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Number, bytes and metadata in words.
    pub(crate) fn describe(&self) -> Result<String> {
        let files = self.files(State::One)?;
        let bytes = self.bytes(State::One, &files)?;
        let entry = self.state(State::One).join("repodata/repomd.xml");
        let text = fs::read_to_string(&entry).with_context(|| format!("read {}", entry.display()))?;
        let open: u64 = text
            .split("<open-size>")
            .skip(1)
            .filter_map(|rest| rest.split_once('<')?.0.parse::<u64>().ok())
            .sum();
        Ok(format!(
            "`{}`: {} packages of {:.0} MB together, {:.0} MB of open metadata; the second state differs in one \
             package of {CHANGED_OF}",
            self.name(),
            files.len(),
            bytes as f64 / 1e6,
            open as f64 / 1e6
        ))
    }

    /// The directory of a state.
    pub(crate) fn state(&self, state: State) -> PathBuf {
        self.directory.join(state.name())
    }

    /// Paths of the packages of a state, sorted.
    pub(crate) fn files(&self, state: State) -> Result<Vec<String>> {
        let root = self.state(state);
        let mut files = Vec::new();
        for letter in entries(&root.join("Packages"))? {
            for file in entries(&root.join("Packages").join(&letter))? {
                files.push(format!("Packages/{letter}/{file}"));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Packages of the second state that the first does not have.
    pub(crate) fn changed(&self) -> Result<Vec<String>> {
        let old: std::collections::HashSet<_> = self.files(State::One)?.into_iter().collect();
        Ok(self
            .files(State::Two)?
            .into_iter()
            .filter(|file| !old.contains(file))
            .collect())
    }

    /// Packages whose name [`HALF`] matches.
    pub(crate) fn half(&self, state: State) -> Result<Vec<String>> {
        let base = |file: &str| file.rsplit('/').next().is_some_and(shape::is_half);
        Ok(self.files(state)?.into_iter().filter(|file| base(file)).collect())
    }

    /// Bytes of some files of a state.
    pub(crate) fn bytes(&self, state: State, files: &[String]) -> Result<u64> {
        let root = self.state(state);
        files.iter().map(|file| Ok(fs::metadata(root.join(file))?.len())).sum()
    }
}

/// Names in a directory.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let context = || format!("read {}", directory.display());
    let names = fs::read_dir(directory).with_context(context)?;
    names
        .map(|entry| Ok(entry.with_context(context)?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// A package that is ready to be written.
struct Ready {
    path: String,
    /// Nothing where the first state has the same file.
    body: Option<Vec<u8>>,
    built: u32,
    fragments: Fragments,
}

fn make(shape: Shape, seed: u64, number: usize, state: State) -> Ready {
    let made = shape::package(shape, seed, number, state == State::Two);
    let file = made.body.as_ref().unwrap_or(&made.described).build();
    let fragments = Fragments::describe(&made.described, &file);
    let is_new = state == State::One || shape::changes(number);
    let rpm: &Rpm = &made.described;
    Ready {
        path: href(rpm),
        body: is_new.then_some(file.bytes),
        built: rpm.build_time,
        fragments,
    }
}

fn write_state(directory: &Path, state: State, shape: Shape, packages: usize, seed: u64) -> Result<()> {
    let root = directory.join(state.name());
    let first = directory.join(State::One.name());
    for letter in 'a'..='z' {
        fs::create_dir_all(root.join(format!("Packages/{letter}")))
            .with_context(|| format!("make directories in {}", root.display()))?;
    }
    let mut repository = WrittenRepository::create(&root, packages, Compression::Gzip)?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for start in (0..packages).step_by(CHUNK * threads) {
        let ready: Vec<Vec<Ready>> = std::thread::scope(|scope| {
            let chunk = |part: usize| {
                let begin = (start + part * CHUNK).min(packages);
                let end = (begin + CHUNK).min(packages);
                scope.spawn(move || (begin..end).map(|number| make(shape, seed, number, state)).collect())
            };
            let running: Vec<_> = (0..threads).map(chunk).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("making has no panic");
            running.into_iter().map(join).collect()
        });
        for ready in ready.into_iter().flatten() {
            repository.add(&ready.fragments)?;
            write_body(&root, &first, &ready)?;
        }
    }
    for letter in 'a'..='z' {
        let _ = fs::remove_dir(root.join(format!("Packages/{letter}")));
    }
    repository.finish(if state == State::Two { 86_400 } else { 0 })
}

fn write_body(root: &Path, first: &Path, ready: &Ready) -> Result<()> {
    let path = root.join(&ready.path);
    let context = || format!("write {}", path.display());
    let Some(body) = &ready.body else {
        return fs::hard_link(first.join(&ready.path), &path).with_context(context);
    };
    fs::write(&path, body).with_context(context)?;
    // createrepo_c takes a package for unchanged when its time is that of the metadata.
    let built = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(ready.built));
    let file = File::options().append(true).open(&path).with_context(context)?;
    file.set_times(FileTimes::new().set_modified(built))
        .with_context(context)
}
