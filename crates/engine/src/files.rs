//! The metadata files of one sync: where their verified bytes are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use chantal_formats::{Fetched, Got, Wanted};
use chantal_model::{RelPath, Sha256};

/// A metadata file whose bytes are in the pool.
#[derive(Clone, Debug)]
pub(crate) struct Had {
    pub(crate) wanted: Wanted,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
}

/// Answers a format's questions from the pool.
#[derive(Clone, Default)]
pub(crate) struct Files {
    by_id: BTreeMap<String, Option<Had>>,
    /// Files that nobody reads and that the pool lacks.
    ordered: BTreeMap<String, Wanted>,
}

impl Files {
    pub(crate) fn put(&mut self, had: Had) {
        self.ordered.remove(&had.wanted.id);
        self.by_id.insert(had.wanted.id.clone(), Some(had));
    }

    pub(crate) fn put_absent(&mut self, id: &str) {
        self.by_id.insert(id.to_owned(), None);
    }

    /// Notes a file that is fetched later, with the packages.
    pub(crate) fn order(&mut self, wanted: Wanted) {
        self.by_id.insert(wanted.id.clone(), None);
        self.ordered.insert(wanted.id.clone(), wanted);
    }

    /// The files that are still to be fetched, in the order of ids.
    pub(crate) fn ordered(&self) -> impl Iterator<Item = &Wanted> {
        self.ordered.values()
    }

    /// Bytes of the files that are still to be fetched, as far as they are promised.
    pub(crate) fn ordered_bytes(&self) -> u64 {
        self.ordered().filter_map(|wanted| wanted.promise.as_ref()?.size).sum()
    }

    /// Where files are published that are handed on as they came, once they are all there.
    pub(crate) fn published(&self) -> impl Iterator<Item = &RelPath> {
        let there = self.all().map(|had| &had.wanted);
        there
            .chain(self.ordered())
            .filter(|wanted| wanted.verbatim)
            .map(|wanted| &wanted.path)
    }

    /// Every file that is there, in the order of ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Had> {
        self.by_id.values().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Fetched for Files {
    fn get(&self, id: &str) -> Got<'_> {
        match self.by_id.get(id) {
            None => Got::NotAsked,
            Some(None) => Got::Absent,
            Some(Some(had)) => match File::open(&had.path) {
                Ok(file) => Got::Here(Box::new(BufReader::with_capacity(128 * 1024, file))),
                Err(error) => Got::Here(Box::new(BufReader::with_capacity(16, Unreadable(error)))),
            },
        }
    }
}

/// A file that cannot be opened: whoever reads it is told why.
struct Unreadable(io::Error);

impl io::Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}
