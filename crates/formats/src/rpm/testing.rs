//! Small repositories in memory.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use chantal_model::{Compression, Mode, Package, Sha256};

use super::Rpm;
use crate::error::{Bad, FormatError};
use crate::read::{Fetched, Flow, Got, Item, ReadRequest, Sink, Wanted};
use crate::{Effort, Format, encode};

/// What a test says was fetched; anything else was not asked for.
#[derive(Default)]
pub(super) struct Files(pub(super) HashMap<String, Option<Vec<u8>>>);

impl Fetched for Files {
    fn get(&self, id: &str) -> Got<'_> {
        match self.0.get(id) {
            Some(Some(bytes)) => Got::Here(Box::new(Cursor::new(bytes.as_slice()))),
            Some(None) => Got::Absent,
            None => Got::NotAsked,
        }
    }
}

/// A repository whose entry point promises what the files really are.
pub(super) struct Repo {
    files: Files,
    data: String,
}

impl Repo {
    pub(super) fn new(primary: &str) -> Self {
        let repo = Self {
            files: Files::default(),
            data: String::new(),
        };
        repo.with("primary", primary)
    }

    /// Adds a gzip file of a type.
    pub(super) fn with(self, kind: &str, text: &str) -> Self {
        self.with_bytes(kind, text.as_bytes(), Compression::Gzip)
    }

    pub(super) fn with_bytes(mut self, kind: &str, open: &[u8], compression: Compression) -> Self {
        let bytes = compress(open, compression);
        let suffix = compression.suffix();
        write!(
            self.data,
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum>\
             <open-checksum type=\"sha256\">{}</open-checksum><location href=\"repodata/{kind}.xml{suffix}\"/>\
             <timestamp>1700000000</timestamp><size>{}</size><open-size>{}</open-size></data>",
            Sha256::of(&bytes),
            Sha256::of(open),
            bytes.len(),
            open.len()
        )
        .unwrap();
        self.files.0.insert(format!("data/{kind}"), Some(bytes));
        self
    }

    pub(super) fn done(mut self) -> Files {
        let repomd = format!("<repomd><revision>7</revision>{}</repomd>", self.data);
        self.files.0.insert("repomd".to_owned(), Some(repomd.into_bytes()));
        self.files
    }
}

pub(super) fn compress(open: &[u8], compression: Compression) -> Vec<u8> {
    let mut encoder = encode(compression, Effort::Usual, Vec::new()).unwrap();
    encoder.write_all(open).unwrap();
    encoder.finish().unwrap()
}

/// A complete `<package>` of primary.
pub(super) fn package(name: &str, digit: char) -> String {
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>x86_64</arch>\n  \
         <version epoch=\"0\" ver=\"1.0\" rel=\"1.el9\"/>\n  \
         <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>\n  <summary>About {name}</summary>\n  \
         <time file=\"2\" build=\"1\"/>\n  <size package=\"10\" installed=\"20\" archive=\"30\"/>\n  \
         <location href=\"Packages/{name}.rpm\"/>\n  <format><rpm:license>MIT</rpm:license></format>\n</package>",
        digit.to_string().repeat(64)
    )
}

/// A primary document of some packages.
pub(super) fn primary(packages: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n{}\n</metadata>\n",
        packages.len(),
        packages.join("\n")
    )
}

/// Keeps all that a listing finds.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) packages: Vec<(Package, Vec<u8>)>,
    pub(super) items: Vec<Item>,
    pub(super) bad: Vec<Bad>,
}

impl Sink for Kept {
    fn package(&mut self, package: Package, record: &[u8]) -> Flow {
        self.packages.push((package, record.to_vec()));
        Ok(())
    }

    fn item(&mut self, item: Item) -> Flow {
        self.items.push(item);
        Ok(())
    }

    fn bad(&mut self, bad: Bad) -> Flow {
        self.bad.push(bad);
        Ok(())
    }
}

pub(super) fn list(files: &Files) -> Result<Kept, FormatError> {
    let mut kept = Kept::default();
    Rpm.list(files, &request(Mode::Filtered), &mut kept)?;
    Ok(kept)
}

pub(super) fn request(mode: Mode) -> ReadRequest {
    ReadRequest {
        mode,
        allow_sha1: false,
        max_metadata_bytes: 1 << 30,
        max_ratio: 200,
        max_files_per_package: 5_000_000,
        without_trees: false,
    }
}

pub(super) fn wants(files: &Files, mode: Mode) -> Result<Vec<Wanted>, FormatError> {
    Rpm.wants(files, &request(mode))
}
