//! A good feed whose files and promises can be changed one by one.

use std::fmt::Write as _;
use std::sync::OnceLock;

use chantal_model::{Compression, Sha256};

use super::Draw;
use crate::compress::{compress, decompress};
use crate::repository::{Names, Repository};
use crate::tree::Tree;
use crate::upstream::{Body, Site};

/// A metadata file and what the entry point says about it. Fields are text, so that they can be wrong.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its type.
    pub kind: String,
    /// Its location, escaped for XML.
    pub href: String,
    /// The file as it is served.
    pub stored: Vec<u8>,
    /// Type and digits of its checksum.
    pub checksum: (String, String),
    /// Its size.
    pub size: Option<String>,
    /// SHA-256 of the file once it is decompressed.
    pub open_checksum: Option<String>,
    /// Its size once it is decompressed.
    pub open_size: Option<String>,
}

impl Document {
    /// A compressed file with true promises.
    pub fn new(kind: &str, name: &str, open: &[u8], compression: Compression) -> Self {
        let stored = compress(open, compression);
        let mut document = Self {
            kind: kind.into(),
            href: format!("repodata/{name}"),
            checksum: ("sha256".into(), String::new()),
            stored: Vec::new(),
            size: None,
            open_checksum: Some(Sha256::of(open).hex()),
            open_size: Some(open.len().to_string()),
        };
        document.store(stored);
        document
    }

    /// Serves other bytes, with true promises about these.
    pub fn store(&mut self, stored: Vec<u8>) {
        self.checksum.1 = Sha256::of(&stored).hex();
        self.size = Some(stored.len().to_string());
        self.stored = stored;
    }

    /// Promises nothing about the open bytes.
    pub fn promise_nothing(&mut self) {
        self.open_checksum = None;
        self.open_size = None;
    }

    fn entry(&self) -> String {
        let mut out = format!(
            "  <data type=\"{}\">\n    <checksum type=\"{}\">{}</checksum>\n",
            self.kind, self.checksum.0, self.checksum.1
        );
        if let Some(digest) = &self.open_checksum {
            let _ = writeln!(out, "    <open-checksum type=\"sha256\">{digest}</open-checksum>");
        }
        let _ = writeln!(out, "    <location href=\"{}\"/>", self.href);
        out.push_str("    <timestamp>1700200000</timestamp>\n");
        for (name, value) in [("size", &self.size), ("open-size", &self.open_size)] {
            if let Some(value) = value {
                let _ = writeln!(out, "    <{name}>{value}</{name}>");
            }
        }
        out + "  </data>\n"
    }
}

/// A feed: metadata files with their promises, and packages.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The metadata files in the order of the entry point.
    pub documents: Vec<Document>,
    /// What is served beside them.
    pub tree: Tree,
    /// Upstream's revision.
    pub revision: String,
}

impl Feed {
    /// The state that is served before anything bad comes.
    pub fn good() -> Repository {
        Repository::sample().names(Names::Plain)
    }

    /// A good feed, newer than [`Feed::good`]: what a variant starts from.
    pub fn next() -> Self {
        static NEXT: OnceLock<Feed> = OnceLock::new();
        NEXT.get_or_init(|| {
            let repository = Repository::sample_v2().names(Names::Plain);
            Self::of(repository.build())
        })
        .clone()
    }

    /// A feed of a built tree with plain names.
    fn of(mut tree: Tree) -> Self {
        let kinds = [
            "primary",
            "filelists",
            "other",
            "group",
            "updateinfo",
            "modules",
            "prestodelta",
        ];
        let mut documents = Vec::new();
        for kind in kinds {
            let stem = if kind == "group" { "comps" } else { kind };
            let suffix = if kind == "modules" { ".yaml" } else { ".xml" };
            let path = format!("repodata/{stem}{suffix}.gz");
            let open = decompress(&tree.bytes(&path));
            let name = format!("{stem}{suffix}.gz");
            documents.push(Document::new(kind, &name, &open, Compression::Gzip));
        }
        let metadata: Vec<String> = tree
            .paths()
            .filter(|path| path.starts_with("repodata/"))
            .map(str::to_owned)
            .collect();
        for path in metadata {
            tree.remove(&path);
        }
        Self {
            documents,
            tree,
            revision: "1700200000".into(),
        }
    }

    /// A document by its type.
    ///
    /// # Panics
    ///
    /// If there is none: a row that asks for it is wrong.
    pub fn document(&mut self, kind: &str) -> &mut Document {
        self.documents
            .iter_mut()
            .find(|document| document.kind == kind)
            .unwrap_or_else(|| panic!("no document {kind:?}"))
    }

    /// The text of a document.
    pub fn text(&mut self, kind: &str) -> String {
        let open = decompress(&self.document(kind).stored);
        String::from_utf8(open).expect("good documents are text")
    }

    /// Replaces a document; all promises about it are true.
    pub fn set(&mut self, kind: &str, open: &[u8]) {
        let document = self.document(kind);
        document.open_checksum = Some(Sha256::of(open).hex());
        document.open_size = Some(open.len().to_string());
        document.store(compress(open, Compression::Gzip));
    }

    /// Changes the text of a document; all promises about it are true.
    ///
    /// # Panics
    ///
    /// If nothing changes: a row that says so is wrong.
    pub fn edit(&mut self, kind: &str, change: impl FnOnce(String) -> String) {
        let before = self.text(kind);
        let after = change(before.clone());
        assert_ne!(before, after, "{kind} must change");
        self.set(kind, after.as_bytes());
    }

    /// The entry point.
    pub fn entry(&self) -> String {
        let entries: String = self.documents.iter().map(Document::entry).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n  \
             <revision>{}</revision>\n{entries}</repomd>\n",
            self.revision
        )
    }

    /// What a server serves.
    pub fn site(&self) -> Site {
        self.site_with_entry(self.entry().into_bytes())
    }

    /// The same with an entry point of one's own.
    pub fn site_with_entry(&self, entry: Vec<u8>) -> Site {
        let mut site = self.tree.site();
        for document in &self.documents {
            // Whatever the location says, the file is at its usual place, and below the root of the server.
            let name = document.href.rsplit('/').next().unwrap_or_default();
            let body = Body::Bytes(document.stored.clone().into());
            site.put(&format!("/repodata/{name}"), body.clone());
            site.put(&format!("/{}", document.href.replace("../", "")), body);
        }
        site.put("/repodata/repomd.xml", Body::Bytes(entry.into()));
        site
    }

    /// As [`Feed::next`], with bytes that no run before can have had.
    pub fn fresh(draw: &mut Draw) -> Self {
        let mut feed = Self::next();
        let word = draw.word(16);
        let path = feed.newcomer();
        let mut bytes = feed.tree.bytes(&path).to_vec();
        bytes.extend(word.as_bytes());
        feed.replace_package(&path, bytes);
        for kind in ["group", "updateinfo"] {
            feed.edit(kind, |text| format!("{text}<!-- {word} -->"));
        }
        feed.edit("modules", |text| format!("{text}# {word}\n"));
        feed
    }

    /// The path of the package that only the next state has.
    ///
    /// # Panics
    ///
    /// If it was taken out.
    pub fn newcomer(&self) -> String {
        let mut packages = self.packages().into_iter();
        packages
            .find(|path| path.contains("newcomer"))
            .expect("it is in the next state")
    }

    /// Replaces the bytes of a package; metadata tell the truth about them.
    pub fn replace_package(&mut self, path: &str, bytes: Vec<u8>) {
        let good = self.tree.bytes(path).to_vec();
        let (old, new) = (Sha256::of(&good).hex(), Sha256::of(&bytes).hex());
        for part in ["primary", "filelists", "other"] {
            let text = self.text(part).replace(&old, &new);
            self.set(part, text.as_bytes());
        }
        let (was, is) = (
            format!("package=\"{}\"", good.len()),
            format!("package=\"{}\"", bytes.len()),
        );
        let text = self.text("primary");
        let start = text.find(&new).expect("the package is listed");
        let text = format!("{}{}", &text[..start], text[start..].replacen(&was, &is, 1));
        self.set("primary", text.as_bytes());
        self.tree.put(path, bytes);
    }

    /// Paths of all packages.
    pub fn packages(&self) -> Vec<String> {
        let paths = self.tree.paths().filter(|path| path.starts_with("Packages/"));
        paths.map(str::to_owned).collect()
    }
}

/// Replaces the n-th of all places where a text stands.
///
/// # Panics
///
/// If it stands nowhere.
pub fn replace_nth(text: &str, from: &str, to: &str, n: usize) -> String {
    let places: Vec<usize> = text.match_indices(from).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "no {from:?} in the document");
    let at = places[n % places.len()];
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

/// Start and end of the n-th `<element …>…</element>`.
///
/// # Panics
///
/// If there is none.
pub fn nth_element(text: &str, element: &str, n: usize) -> std::ops::Range<usize> {
    let open = format!("<{element}");
    let close = format!("</{element}>");
    let starts: Vec<usize> = text
        .match_indices(&open)
        .map(|(at, _)| at)
        .filter(|at| text[at + open.len()..].starts_with([' ', '>', '/']))
        .collect();
    assert!(!starts.is_empty(), "no <{element}> in the document");
    let start = starts[n % starts.len()];
    let rest = &text[start..];
    let end = match (rest.find("/>"), rest.find('>'), rest.find(&close)) {
        (Some(empty), Some(tag), _) if empty + 1 == tag => empty + 2,
        (_, _, Some(end)) => end + close.len(),
        _ => panic!("<{element}> is not closed"),
    };
    start..start + end
}
