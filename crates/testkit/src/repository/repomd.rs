//! Metadata files with their entries in repomd.xml.

use std::fmt::Write as _;

use chantal_model::{Algorithm, Compression, Digest, Digester};

use super::xml::checksum_name;
use crate::compress::compress;
use crate::tree::Tree;

/// How metadata files are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `<digest>-primary.xml.gz`.
    Digest,
    /// `primary.xml.gz`.
    Plain,
}

/// One digest of some bytes.
pub(crate) fn digest(bytes: &[u8], algorithm: Algorithm) -> Digest {
    let mut digester = Digester::new([algorithm]);
    digester.update(bytes);
    let (sha256, others) = digester.finish();
    others.into_iter().next().unwrap_or_else(|| sha256.into())
}

/// A metadata file as repomd.xml names it.
pub(crate) struct Record {
    pub(crate) kind: String,
    pub(crate) hex: String,
    pub(crate) bytes: u64,
    /// Digest and size before compression, if it is compressed.
    pub(crate) open: Option<(String, u64)>,
}

/// Collects metadata files and writes repomd.xml at the end.
pub(crate) struct Repomd {
    pub(crate) compression: Compression,
    pub(crate) algorithm: Algorithm,
    pub(crate) names: Names,
    pub(crate) revision: String,
    pub(crate) timestamp: u64,
    /// Where `repodata/` is in the tree: empty, or ends in a slash.
    pub(crate) root: String,
    pub(crate) entries: String,
}

impl Repomd {
    /// Compresses a file and adds it.
    pub(crate) fn add(&mut self, tree: &mut Tree, kind: &str, name: &str, open: &[u8]) {
        let bytes = compress(open, self.compression);
        let name = format!("{name}{}", self.compression.suffix());
        let opened = (self.compression != Compression::None).then_some(open);
        self.add_as_is(tree, kind, &name, bytes, opened);
    }

    /// Adds a file as it is; `open` are its bytes before compression, if it is compressed.
    pub(crate) fn add_as_is(&mut self, tree: &mut Tree, kind: &str, name: &str, bytes: Vec<u8>, open: Option<&[u8]>) {
        let hex = digest(&bytes, self.algorithm).hex();
        let name = match self.names {
            Names::Digest => format!("{hex}-{name}"),
            Names::Plain => name.to_owned(),
        };
        let record = Record {
            kind: kind.to_owned(),
            hex,
            bytes: bytes.len() as u64,
            open: open.map(|open| (digest(open, self.algorithm).hex(), open.len() as u64)),
        };
        self.entry(&record, &name);
        tree.put(format!("{}repodata/{name}", self.root), bytes);
    }

    /// Adds the entry of a file called so.
    pub(crate) fn entry(&mut self, record: &Record, name: &str) {
        let checksum = checksum_name(self.algorithm);
        let Record { kind, hex, bytes, open } = record;
        let out = &mut self.entries;
        let _ = writeln!(
            out,
            "  <data type=\"{kind}\">\n    <checksum type=\"{checksum}\">{hex}</checksum>"
        );
        if let Some((hex, _)) = open {
            let _ = writeln!(out, "    <open-checksum type=\"{checksum}\">{hex}</open-checksum>");
        }
        let _ = writeln!(out, "    <location href=\"repodata/{name}\"/>");
        let _ = writeln!(
            out,
            "    <timestamp>{}</timestamp>\n    <size>{bytes}</size>",
            self.timestamp
        );
        if let Some((_, bytes)) = open {
            let _ = writeln!(out, "    <open-size>{bytes}</open-size>");
        }
        out.push_str("  </data>\n");
    }

    /// The text of repomd.xml.
    pub(crate) fn text(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
             xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  <revision>{}</revision>\n{}</repomd>\n",
            self.revision, self.entries
        )
    }

    /// Writes repomd.xml.
    pub(crate) fn finish(self, tree: &mut Tree) {
        tree.put(format!("{}repodata/repomd.xml", self.root), self.text().into_bytes());
    }
}
