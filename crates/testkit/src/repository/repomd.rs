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
        let checksum = checksum_name(self.algorithm);
        let out = &mut self.entries;
        let _ = writeln!(
            out,
            "  <data type=\"{kind}\">\n    <checksum type=\"{checksum}\">{hex}</checksum>"
        );
        if let Some(open) = open {
            let hex = digest(open, self.algorithm).hex();
            let _ = writeln!(out, "    <open-checksum type=\"{checksum}\">{hex}</open-checksum>");
        }
        let _ = writeln!(out, "    <location href=\"repodata/{name}\"/>");
        let _ = writeln!(
            out,
            "    <timestamp>{}</timestamp>\n    <size>{}</size>",
            self.timestamp,
            bytes.len()
        );
        if let Some(open) = open {
            let _ = writeln!(out, "    <open-size>{}</open-size>", open.len());
        }
        out.push_str("  </data>\n");
        tree.put(format!("{}repodata/{name}", self.root), bytes);
    }

    /// Writes repomd.xml.
    pub(crate) fn finish(self, tree: &mut Tree) {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
             xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  <revision>{}</revision>\n{}</repomd>\n",
            self.revision, self.entries
        );
        tree.put(format!("{}repodata/repomd.xml", self.root), text.into_bytes());
    }
}
