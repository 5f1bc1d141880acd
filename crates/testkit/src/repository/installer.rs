//! An installation tree beside a repository: `.treeinfo` and the files that it names.

use std::fmt::Write as _;

use chantal_model::Algorithm;

use super::repomd::digest;
use crate::tree::Tree;

/// Describes an installation tree; [`InstallTree::put_into`] makes it.
#[derive(Clone, Debug)]
pub struct InstallTree {
    sections: Vec<(String, Vec<(String, String)>)>,
    files: Vec<(String, Vec<u8>)>,
    checksums: Vec<(String, String)>,
    algorithm: Algorithm,
}

impl Default for InstallTree {
    fn default() -> Self {
        Self::new()
    }
}

impl InstallTree {
    /// A tree without files.
    pub fn new() -> Self {
        let empty = Self {
            sections: Vec::new(),
            files: Vec::new(),
            checksums: Vec::new(),
            algorithm: Algorithm::Sha256,
        };
        empty
            .line("header", "type", "productmd.treeinfo")
            .line("header", "version", "1.2")
            .line("release", "name", "Chantal Sample")
            .line("release", "short", "CS")
            .line("release", "version", "9.0")
            .line("tree", "arch", "x86_64")
            .line("tree", "build_timestamp", "1700000000")
            .line("tree", "platforms", "x86_64,xen")
            .line("tree", "variants", "BaseOS")
            .line("variant-BaseOS", "id", "BaseOS")
            .line("variant-BaseOS", "uid", "BaseOS")
            .line("variant-BaseOS", "name", "BaseOS")
            .line("variant-BaseOS", "type", "variant")
            .line("variant-BaseOS", "packages", "Packages")
            .line("variant-BaseOS", "repository", ".")
    }

    /// A tree with images of two platforms, a second stage, EFI files and files that only have a checksum.
    pub fn sample() -> Self {
        Self::new()
            .image("images-x86_64", "kernel", "images/pxeboot/vmlinuz", &body(b'k', 3000))
            .image(
                "images-x86_64",
                "initrd",
                "images/pxeboot/initrd.img",
                &body(b'i', 200_000),
            )
            .image("images-x86_64", "boot.iso", "images/boot.iso", &body(b'b', 700_000))
            .line("images-xen", "kernel", "images/pxeboot/vmlinuz")
            .line("images-xen", "initrd", "images/pxeboot/initrd.img")
            .image("stage2", "mainimage", "images/install.img", &body(b's', 400_000))
            .promised("EFI/BOOT/BOOTX64.EFI", &body(b'e', 5000))
            .promised("EFI/BOOT/grub.cfg", b"set default=1\n")
            .promised(".discinfo", b"1700000000.0\nChantal Sample 9.0\nx86_64\n")
            .promised("media.repo", b"[InstallMedia]\nname=Chantal Sample\nmediaid=1\n")
    }

    /// Adds a key to a section.
    #[must_use]
    pub fn line(mut self, section: &str, key: &str, value: &str) -> Self {
        let pair = (key.to_owned(), value.to_owned());
        match self.sections.iter_mut().find(|(name, _)| name == section) {
            Some((_, pairs)) => pairs.push(pair),
            None => self.sections.push((section.to_owned(), vec![pair])),
        }
        self
    }

    /// Adds a file that a section names, with its checksum.
    #[must_use]
    pub fn image(self, section: &str, key: &str, path: &str, bytes: &[u8]) -> Self {
        self.line(section, key, path).promised(path, bytes)
    }

    /// Adds a file that only `[checksums]` names.
    #[must_use]
    pub fn promised(mut self, path: &str, bytes: &[u8]) -> Self {
        let checksum = format!("{}:{}", self.algorithm.name(), digest(bytes, self.algorithm).hex());
        self.checksums.push((path.to_owned(), checksum));
        self.files.push((path.to_owned(), bytes.to_vec()));
        self
    }

    /// Promises the files that follow by digests of this kind.
    #[must_use]
    pub fn checksum(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Takes a file out that a checksum may name.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.files.retain(|(file, _)| file != path);
        self.checksums.retain(|(file, _)| file != path);
        for (_, pairs) in &mut self.sections {
            pairs.retain(|(_, value)| value != path);
        }
        self
    }

    /// Its files.
    pub fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }

    /// The text of `.treeinfo`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let checksums = ("checksums".to_owned(), self.checksums.clone());
        for (name, pairs) in self.sections.iter().chain([&checksums]) {
            let _ = writeln!(text, "[{name}]");
            for (key, value) in pairs {
                let _ = writeln!(text, "{key} = {value}");
            }
            text.push('\n');
        }
        text
    }

    /// Adds `.treeinfo` and the files to a tree.
    pub fn put_into(&self, tree: &mut Tree) {
        tree.put(".treeinfo", self.text().into_bytes());
        for (path, bytes) in &self.files {
            tree.put(path.clone(), bytes.clone());
        }
    }
}

/// Bytes that differ from place to place.
fn body(letter: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| letter ^ (at as u8) ^ ((at >> 8) as u8)).collect()
}
