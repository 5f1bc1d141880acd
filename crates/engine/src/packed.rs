//! Listed packages in little memory: encoded, 64 to a compressed block.
//!
//! A feed of a hundred thousand packages takes about a tenth of what it takes as plain values. Everything reads them
//! front to back, so that each block is unpacked once a pass.

use std::collections::HashMap;
use std::sync::Arc;

use chantal_model::{Algorithm, Digest, Fields, Package, Promise, Sha256, Version, VersionKey};
use zstd::bulk::{Compressor, Decompressor};

/// Packages in one block.
const BLOCK: usize = 64;
/// zstd level of blocks: they live as long as one sync.
const LEVEL: i32 = 1;

/// Packages in the order of the listing.
#[derive(Default)]
pub(crate) struct Packed {
    blocks: Vec<Block>,
    /// The block that is being filled.
    open: Vec<u8>,
    compressor: Option<Compressor<'static>>,
    len: u32,
    words: Words,
}

struct Block {
    body: Box<[u8]>,
    plain_len: usize,
}

/// Words that many packages share, such as architectures.
#[derive(Default)]
struct Words {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u64>,
}

impl Words {
    fn number(&mut self, word: &Arc<str>) -> u64 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(word.clone());
        self.numbers.insert(word.clone(), number);
        number
    }
}

impl Packed {
    /// Takes the next package.
    pub(crate) fn push(&mut self, package: &Package) {
        encode(package, &mut self.words, &mut self.open);
        self.len += 1;
        if (self.len as usize).is_multiple_of(BLOCK) {
            let compressor = self
                .compressor
                .get_or_insert_with(|| Compressor::new(LEVEL).expect("there is memory for a compressor"));
            let body = compressor
                .compress(&self.open)
                .expect("compressing into memory succeeds");
            self.blocks.push(Block {
                body: body.into(),
                plain_len: self.open.len(),
            });
            self.open.clear();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// One package. For many, go through [`Packed::iter`].
    pub(crate) fn get(&self, index: u32) -> Package {
        let at = index as usize;
        self.iter_from(at / BLOCK)
            .nth(at % BLOCK)
            .map(|(_, package)| package)
            .expect("an index of the listing is in it")
    }

    /// All packages with their indices, in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    fn iter_from(&self, block: usize) -> Iter<'_> {
        Iter {
            packed: self,
            next: (block * BLOCK) as u32,
            plain: Vec::new(),
            decompressor: None,
            at: 0,
        }
    }
}

/// See [`Packed::iter`].
pub(crate) struct Iter<'a> {
    packed: &'a Packed,
    next: u32,
    plain: Vec<u8>,
    decompressor: Option<Decompressor<'static>>,
    at: usize,
}

impl Iter<'_> {
    fn unpack(&mut self, block: usize) {
        self.plain.clear();
        let Some(block) = self.packed.blocks.get(block) else {
            self.plain.extend_from_slice(&self.packed.open);
            return;
        };
        self.plain.reserve(block.plain_len);
        self.decompressor
            .get_or_insert_with(|| Decompressor::new().expect("there is memory for a decompressor"))
            .decompress_to_buffer(&block.body, &mut self.plain)
            .expect("an own block unpacks");
    }
}

impl Iterator for Iter<'_> {
    type Item = (u32, Package);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        if index >= self.packed.len {
            return None;
        }
        if (index as usize).is_multiple_of(BLOCK) {
            self.unpack(index as usize / BLOCK);
            self.at = 0;
        }
        self.next += 1;
        let mut reader = Reader {
            bytes: &self.plain,
            at: self.at,
        };
        let package = reader.package(&self.packed.words);
        self.at = reader.at;
        Some((index, package))
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// `None` is 0, a number is one more than itself.
fn put_option(number: Option<u64>, out: &mut Vec<u8>) {
    put_number(u64::from(number.is_some()), out);
    if let Some(number) = number {
        put_number(number, out);
    }
}

fn encode(package: &Package, words: &mut Words, out: &mut Vec<u8>) {
    // Taken apart in full, so that a new field cannot be forgotten here.
    let Package {
        name,
        version: Version { text, key },
        arch,
        href,
        base,
        promise: Promise { size, digests },
        description,
        part_key,
        label,
        is_source,
        build_time,
        summary,
        fields,
    } = package;
    put_bytes(name.as_bytes(), out);
    put_bytes(text.as_bytes(), out);
    put_bytes(&key.0, out);
    put_number(words.number(arch), out);
    put_bytes(href.as_bytes(), out);
    put_bytes(base.as_deref().unwrap_or_default().as_bytes(), out);
    put_number(u64::from(base.is_some()), out);
    put_option(*size, out);
    put_number(digests.len() as u64, out);
    for digest in digests {
        let algorithm = Algorithm::ALL.iter().position(|one| *one == digest.algorithm());
        put_number(algorithm.map_or(0, |at| at as u64), out);
        put_bytes(digest.bytes(), out);
    }
    out.extend_from_slice(&description.0);
    let is_digest = promise_names(digests, part_key);
    put_number(u64::from(is_digest), out);
    if !is_digest {
        put_bytes(part_key.as_bytes(), out);
    }
    put_bytes(label.as_bytes(), out);
    put_number(u64::from(*is_source), out);
    put_option(build_time.map(|time| time as u64), out);
    put_bytes(summary.as_bytes(), out);
    put_bytes(fields.as_packed().as_bytes(), out);
}

/// Whether the key is the first digest in hexadecimal, which is the rule.
fn promise_names(digests: &[Digest], key: &str) -> bool {
    digests.first().is_some_and(|digest| digest.hex() == key)
}

/// Reads what [`encode`] wrote.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        taken
    }

    fn slice(&mut self) -> &'a [u8] {
        let len = self.number() as usize;
        self.take(len)
    }

    fn text(&mut self) -> Box<str> {
        std::str::from_utf8(self.slice()).expect("only text was written").into()
    }

    fn option(&mut self) -> Option<u64> {
        (self.number() == 1).then(|| self.number())
    }

    fn package(&mut self, words: &Words) -> Package {
        let name = self.text();
        let version = Version {
            text: self.text(),
            key: VersionKey(self.slice().into()),
        };
        let arch = words.all[self.number() as usize].clone();
        let href = self.text();
        let base = self.text();
        let base = (self.number() == 1).then_some(base);
        let size = self.option();
        let digests: Vec<Digest> = (0..self.number())
            .map(|_| {
                let algorithm = Algorithm::ALL[self.number() as usize];
                Digest::from_bytes(algorithm, self.slice()).expect("only whole digests were written")
            })
            .collect();
        let description = Sha256::from_slice(self.take(32)).expect("a digest has 32 bytes");
        let part_key = match self.number() {
            1 => digests[0].hex().into(),
            _ => self.text(),
        };
        Package {
            name,
            version,
            arch,
            href,
            base,
            promise: Promise { size, digests },
            description,
            part_key,
            label: self.text(),
            is_source: self.number() == 1,
            build_time: self.option().map(|time| time as i64),
            summary: self.text(),
            fields: Fields::from_packed(&self.text()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A package that is like no other.
    pub(crate) fn package(n: u32) -> Package {
        let sha256 = Sha256::of(&n.to_le_bytes());
        let mut digests = vec![Digest::from(sha256)];
        if n.is_multiple_of(3) {
            let sha1 = Digest::from_bytes(Algorithm::Sha1, &[n as u8; 20]).unwrap();
            digests.insert(n as usize % 2, sha1);
        }
        Package {
            name: format!("name{n}").into(),
            version: Version {
                text: format!("{n}-é").into(),
                key: VersionKey(vec![0, n as u8, 255].into()),
            },
            arch: ["x86_64", "noarch"][n as usize % 2].into(),
            href: format!("Packages/{n}.rpm").into(),
            base: n.is_multiple_of(5).then(|| "".into()),
            promise: Promise {
                size: (!n.is_multiple_of(7)).then_some(u64::from(n) << 40),
                digests: if n.is_multiple_of(11) { Vec::new() } else { digests },
            },
            description: Sha256::of(b"description"),
            part_key: if n.is_multiple_of(2) {
                sha256.hex()
            } else {
                format!("key {n}")
            }
            .into(),
            label: format!("name{n}-0:{n}.x").into(),
            is_source: n.is_multiple_of(4),
            build_time: [None, Some(0), Some(-5), Some(i64::MAX)][n as usize % 4],
            summary: "s".repeat(n as usize).into(),
            fields: Fields::new(
                [("license", "MIT"), ("epoch", &*n.to_string())]
                    .into_iter()
                    .take(n as usize % 3),
            ),
        }
    }

    #[test]
    fn packages_come_back_as_they_went_in() {
        let all: Vec<Package> = (0..300).map(package).collect();
        let mut packed = Packed::default();
        for package in &all {
            packed.push(package);
        }
        assert_eq!(packed.len(), all.len());
        let show = |package: &Package| format!("{package:?}");
        for (index, package) in packed.iter() {
            assert_eq!(show(&package), show(&all[index as usize]));
        }
        assert_eq!(packed.iter().count(), all.len());
        for index in [0, 63, 64, 65, 299] {
            assert_eq!(show(&packed.get(index)), show(&all[index as usize]));
        }
    }

    #[test]
    fn whole_blocks_leave_nothing_open() {
        let mut packed = Packed::default();
        assert_eq!(packed.iter().count(), 0);
        (0..128).map(package).for_each(|package| packed.push(&package));
        assert!(packed.open.is_empty());
        assert_eq!(packed.iter().count(), 128);
    }
}
