//! `primary.xml`: one `<package>` per package.
//!
//! A stream: no more than one package is held at a time. What cannot be a package (no name, architecture, version,
//! checksum or location) is [`Bad`] and the rest goes on; what is not XML ends the reading.

use std::collections::HashMap;
use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use chantal_model::{Algorithm, Digest, ItemKind, Package, Promise, Sha256, Version};

use super::list::PARTS;
use super::xml::{Doctype, Node, Xml, cut, has_control};
use super::{record, version};
use crate::error::{Bad, FormatError};
use crate::read::{Flow, ReadRequest};

/// The most bytes of a name, and of an architecture or version.
const MAX_WORD_BYTES: usize = 200;
const MAX_SUMMARY_BYTES: usize = 4096;
/// The most bytes of a licence, vendor or group.
const MAX_FACT_BYTES: usize = 4096;

/// What a pass over primary comes upon, in the order of the document.
pub(super) enum Found<'a> {
    /// The root's start tag as it came.
    Root(&'a str),
    /// A package with its record.
    Package(Box<Package>, &'a [u8]),
    /// An element that is no package.
    Bad(Bad),
}

/// Passes over a primary document.
///
/// # Errors
/// [`FormatError::Malformed`] for what is not XML, for a count that is wrong and for one location with two checksums;
/// [`FormatError::Weak`] for a package of which only a weak digest is promised that is not allowed.
pub(super) fn read(
    input: impl BufRead,
    file: &str,
    request: &ReadRequest,
    take: &mut dyn FnMut(Found<'_>) -> Flow,
) -> Result<(), FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Refused);
    let root = xml.root("metadata")?;
    let promised = xml.attribute("packages");
    take(Found::Root(&root)).map_err(|_| FormatError::Stopped)?;
    let mut seen = Seen::default();
    let mut arches = Arches::default();
    let mut count = 0_u64;
    while let Some(start) = xml.next_child()? {
        if xml.local_name() != "package" {
            xml.skip(2)?;
            continue;
        }
        let fields = fields(&mut xml, start)?;
        let fragment = &xml.recorded()[start..];
        let made = match package(&fields, fragment, &mut arches) {
            Ok((package, _)) if is_weak(&package, request) => return Err(weak(&package, file)),
            Ok((package, record)) => seen
                .check(&package, file)?
                .map_err(str::to_owned)
                .map(|()| (package, record)),
            Err(reason) => Err(reason),
        };
        match made {
            Ok((package, record)) => take(Found::Package(Box::new(package), &record)),
            Err(reason) => take(Found::Bad(Bad {
                kind: ItemKind::Package,
                file: file.to_owned(),
                index: count,
                name: cut(fields.name.as_deref().or(fields.href.as_deref()).unwrap_or_default()),
                reason,
            })),
        }
        .map_err(|_| FormatError::Stopped)?;
        count += 1;
    }
    match promised.map(|promised| promised.trim().parse::<u64>()) {
        Some(Ok(promised)) if promised != count => {
            let reason = format!("it says that it lists {promised} packages, but lists {count}");
            Err(FormatError::malformed(file, reason))
        }
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Fields {
    name: Option<String>,
    arch: Option<String>,
    version: Option<[Option<String>; 3]>,
    digest_type: Option<String>,
    digest: Option<String>,
    href: Option<String>,
    base: Option<String>,
    location: Option<Range<usize>>,
    second_location: bool,
    size: Option<String>,
    build_time: Option<i64>,
    summary: Option<String>,
    header: Header,
}

/// Tags of the package's header that filters ask for.
#[derive(Default)]
struct Header {
    license: Option<String>,
    vendor: Option<String>,
    group: Option<String>,
}

/// Reads up to the end of the `<package>` that began at `start`; offsets count from there.
fn fields<R: BufRead>(xml: &mut Xml<R>, start: usize) -> Result<Fields, FormatError> {
    let mut fields = Fields::default();
    let mut location_start = 0;
    let mut in_format = false;
    loop {
        match xml.next()? {
            Node::Start if xml.depth() == 3 => {
                location_start = xml.start_offset() - start;
                in_format = xml.name() == "format";
                begin(xml, &mut fields);
            }
            Node::End if xml.depth() == 3 => match xml.name() {
                "name" => fields.name = Some(xml.text().to_owned()),
                "arch" => fields.arch = Some(xml.text().to_owned()),
                "checksum" => fields.digest = Some(xml.text().to_owned()),
                "summary" => fields.summary = Some(xml.text().to_owned()),
                "location" if fields.location.is_none() => {
                    fields.location = Some(location_start..xml.recorded().len() - start);
                }
                "location" => fields.second_location = true,
                _ => {}
            },
            Node::End if xml.depth() == 4 && in_format => fields.header.take(xml.local_name(), xml.text()),
            Node::End if xml.depth() == 2 => return Ok(fields),
            Node::Eof => return Ok(fields),
            _ => {}
        }
    }
}

impl Header {
    fn take(&mut self, tag: &str, text: &str) {
        let field = match tag {
            "license" => &mut self.license,
            "vendor" => &mut self.vendor,
            "group" => &mut self.group,
            _ => return,
        };
        *field = Some(text.to_owned());
    }
}

/// What filters ask for by name; names are those of the configuration's filters.
fn facts(header: &Header, epoch: &str) -> chantal_model::Fields {
    let text = |text: &Option<String>| head(text.as_deref().unwrap_or_default(), MAX_FACT_BYTES).to_owned();
    let (license, vendor, group) = (text(&header.license), text(&header.vendor), text(&header.group));
    // An epoch of leading zeros is the same epoch.
    let epoch = match epoch.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    chantal_model::Fields::new([
        ("license", &*license),
        ("vendor", &vendor),
        ("group", &group),
        ("epoch", epoch),
    ])
}

/// What [`Package::fields`] of a stored record's package was; nothing for bytes that are no record.
pub(super) fn stored_facts(stored: &[u8]) -> chantal_model::Fields {
    let document = [b"<metadata>", record::description(stored), b"</metadata>"].concat();
    let mut xml = Xml::new(document.as_slice(), PARTS[0], Doctype::Refused);
    let read = xml.root("metadata").and_then(|_| match xml.next_child()? {
        Some(start) => fields(&mut xml, start).map(Some),
        None => Ok(None),
    });
    match read {
        Ok(Some(fields)) => facts(&fields.header, &epoch(&fields)),
        Ok(None) | Err(_) => chantal_model::Fields::default(),
    }
}

fn epoch(fields: &Fields) -> String {
    let epoch = fields.version.as_ref().and_then(|[epoch, ..]| epoch.clone());
    epoch
        .filter(|epoch| !epoch.is_empty())
        .unwrap_or_else(|| "0".to_owned())
}

fn begin<R: BufRead>(xml: &Xml<R>, fields: &mut Fields) {
    match xml.name() {
        "version" => fields.version = Some(["epoch", "ver", "rel"].map(|name| xml.attribute(name))),
        "checksum" => fields.digest_type = xml.attribute("type"),
        "size" => fields.size = xml.attribute("package"),
        "time" => fields.build_time = xml.attribute("build").and_then(|time| time.parse().ok()),
        "location" if fields.location.is_none() => {
            fields.href = xml.attribute("href");
            fields.base = xml.attribute("xml:base").filter(|base| !base.is_empty());
        }
        _ => {}
    }
}

fn package(fields: &Fields, fragment: &[u8], arches: &mut Arches) -> Result<(Package, Vec<u8>), String> {
    if has_control(fragment) {
        return Err("it holds a control character".to_owned());
    }
    let name = word("name", fields.name.as_deref())?;
    let arch = word("architecture", fields.arch.as_deref())?;
    let [_, ver, release] = fields.version.as_ref().ok_or("it has no version")?;
    let epoch = &*epoch(fields);
    if !version::is_epoch(epoch) {
        return Err(format!("its epoch {:?} is not a number", cut(epoch)));
    }
    let ver = word("version", ver.as_deref())?;
    let release = word("release", release.as_deref())?;
    let digest = digest(fields)?;
    let href = fields.href.as_deref().filter(|href| !href.is_empty());
    let (Some(href), Some(location)) = (href, &fields.location) else {
        return Err("it has no location".to_owned());
    };
    if fields.second_location {
        return Err("it has two locations".to_owned());
    }
    let size = match fields.size.as_deref().map(str::parse::<u64>) {
        None => None,
        Some(Ok(size)) => Some(size),
        Some(Err(_)) => return Err("its size is not a number".to_owned()),
    };
    let record = record::cut_location(fragment, location.clone()).ok_or("its location is out of reach")?;
    let text = version::text(epoch, ver, release);
    let package = Package {
        name: name.into(),
        version: Version {
            key: version::key(&text),
            text: text.into(),
        },
        arch: arches.shared(arch),
        href: super::href::reference(href).into(),
        base: fields.base.as_deref().map(Into::into),
        part_key: fields.digest.as_deref().unwrap_or_default().into(),
        promise: Promise {
            size,
            digests: vec![digest],
        },
        description: Sha256::of(record::description(&record)),
        label: version::label(name, epoch, ver, release, arch).into(),
        is_source: is_source(arch),
        build_time: fields.build_time,
        summary: summary(fields.summary.as_deref().unwrap_or_default()).into(),
        fields: facts(&fields.header, epoch),
    };
    Ok((package, record))
}

/// Whether packages of an architecture are sources, which are built and not installed.
pub(super) fn is_source(arch: &str) -> bool {
    matches!(arch, "src" | "nosrc")
}

/// A name, architecture or part of a version: such text becomes file names, ids and lines of reports.
fn word<'a>(what: &str, text: Option<&'a str>) -> Result<&'a str, String> {
    match text {
        None | Some("") => Err(format!("it has no {what}")),
        Some(text) if text.len() > MAX_WORD_BYTES => Err(format!("its {what} is longer than {MAX_WORD_BYTES} bytes")),
        Some(text) if text.contains(|c: char| c == '/' || c.is_control() || c.is_whitespace()) => {
            Err(format!("its {what} {:?} is not a word", cut(text)))
        }
        Some(text) => Ok(text),
    }
}

fn digest(fields: &Fields) -> Result<Digest, String> {
    let Some(text) = fields.digest.as_deref() else {
        return Err("it has no checksum".to_owned());
    };
    let algorithm: Algorithm = fields
        .digest_type
        .as_deref()
        .ok_or("its checksum has no type")?
        .parse()
        .map_err(|error| format!("its checksum: {error}"))?;
    Digest::parse(algorithm, text).map_err(|error| format!("its checksum: {error}"))
}

/// Whether nothing that can be relied on is promised about a package.
fn is_weak(package: &Package, request: &ReadRequest) -> bool {
    let mut digests = package.promise.digests.iter().map(Digest::algorithm);
    digests.all(|algorithm| algorithm == Algorithm::Md5 || (algorithm.is_weak() && !request.allow_sha1))
}

fn weak(package: &Package, file: &str) -> FormatError {
    FormatError::Weak {
        file: format!("{file}: package {}", cut(&package.label)),
        algorithm: package.promise.digests.first().map(Digest::algorithm),
    }
}

fn summary(text: &str) -> String {
    let words: Vec<_> = head(text, MAX_SUMMARY_BYTES).split_whitespace().collect();
    words.join(" ")
}

/// No more than so many bytes of a text.
fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The few architectures of a repository, each kept once.
#[derive(Default)]
struct Arches(Vec<Arc<str>>);

impl Arches {
    const MAX: usize = 64;

    fn shared(&mut self, arch: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| &***known == arch) {
            return Arc::clone(known);
        }
        let arch = Arc::<str>::from(arch);
        if self.0.len() < Self::MAX {
            self.0.push(Arc::clone(&arch));
        }
        arch
    }
}

/// Which checksum every location has; digests stand for both, to keep large repositories small in memory.
#[derive(Default)]
struct Seen(HashMap<[u8; 16], [u8; 16]>);

impl Seen {
    /// The inner error is about this package, the outer about the whole document.
    fn check(&mut self, package: &Package, file: &str) -> Result<Result<(), &'static str>, FormatError> {
        let base = package.base.as_deref().unwrap_or_default();
        let location = short(&format!("{base}\n{}", package.href));
        let checksum = short(&package.part_key);
        match self.0.insert(location, checksum) {
            None => Ok(Ok(())),
            Some(before) if before == checksum => Ok(Err("it is listed twice")),
            Some(_) => {
                let reason = format!("conflicting entries: two checksums for {}", cut(&package.href));
                Err(FormatError::malformed(file, reason))
            }
        }
    }
}

fn short(text: &str) -> [u8; 16] {
    let Sha256(digest) = Sha256::of(text.as_bytes());
    let (head, _) = digest.split_first_chunk().expect("32 bytes hold 16");
    *head
}
