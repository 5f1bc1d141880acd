//! The entry point, `repodata/repomd.xml`.
//!
//! Departures from what createrepo_c writes that are read all the same: fractions in timestamps, several entries of one
//! type, unknown types and elements. An entry without a type, location or checksum is refused.

use std::io::BufRead;

use chantal_model::{Algorithm, Digest, RelPath};

use super::href;
use super::xml::{Doctype, Node, Xml, cut, has_control};
use crate::compress::{Decoder, OpenLimits, decode, plain, read_error};
use crate::error::FormatError;
use crate::read::{Fetched, Got, ReadRequest};

/// The id of the entry point for [`Fetched::get`].
pub(super) const ENTRY: &str = "repomd";
/// Its path, and its name in errors.
pub(super) const ENTRY_PATH: &str = "repodata/repomd.xml";
/// The most bytes that it may have.
pub(super) const ENTRY_BYTES: u64 = 10 << 20;

/// What the entry point says.
#[derive(Debug, Default)]
pub(super) struct Repomd {
    /// Upstream's revision, as it writes it.
    pub(super) revision: Option<String>,
    /// The metadata files, in upstream's order.
    pub(super) data: Vec<Data>,
}

/// One `<data>` element.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// Id for [`Fetched::get`]: `data/<type>`, the second of a type `data/<type>#2`; entries that name one
    /// file share the id of the first.
    pub(super) id: String,
    /// Its type.
    pub(super) kind: String,
    /// Its location as upstream writes it.
    pub(super) href: String,
    /// Its safe path.
    pub(super) path: RelPath,
    /// Digest of the file as it is transferred.
    pub(super) digest: Digest,
    /// Size of the file as it is transferred.
    pub(super) size: Option<u64>,
    /// Digest of the decompressed bytes; an MD5 is not kept, for it adds nothing.
    pub(super) open_digest: Option<Digest>,
    /// Number of decompressed bytes.
    pub(super) open_size: Option<u64>,
    /// Seconds since 1970.
    pub(super) timestamp: Option<i64>,
    /// The element as it came.
    pub(super) raw: Vec<u8>,
}

impl Repomd {
    /// The first entry of a type.
    pub(super) fn first(&self, kind: &str) -> Option<&Data> {
        self.data.iter().find(|data| data.kind == kind)
    }

    /// The entry from which groups are read; one variant of several is enough.
    pub(super) fn groups(&self) -> Option<&Data> {
        self.first("group")
            .or_else(|| self.first("group_gz"))
            .or_else(|| self.data.iter().find(|data| is_group(&data.kind)))
    }
}

/// Whether a type names comps in some compression that [`decode`] reads.
pub(super) fn is_group(kind: &str) -> bool {
    kind == "group" || (kind.starts_with("group_") && !kind.ends_with("_zck"))
}

/// Reads the entry point out of what was fetched.
///
/// # Errors
/// [`FormatError::Missing`] if it was not fetched.
pub(super) fn fetched(have: &dyn Fetched) -> Result<Repomd, FormatError> {
    match have.get(ENTRY) {
        Got::Here(input) => {
            let limits = OpenLimits {
                max_bytes: ENTRY_BYTES,
                ..OpenLimits::unpromised()
            };
            read(plain(input, limits).map_err(|error| read_error(ENTRY_PATH, error))?)
        }
        Got::Absent | Got::NotAsked => Err(FormatError::Missing {
            file: ENTRY_PATH.to_owned(),
        }),
    }
}

/// Opens a metadata file, to be verified against what the entry point promises about its decompressed bytes.
///
/// `None` if upstream has none.
///
/// # Errors
/// [`FormatError::Missing`] if it was not asked for.
pub(super) fn open<'a>(
    have: &'a dyn Fetched,
    data: &Data,
    request: &ReadRequest,
) -> Result<Option<Decoder<'a>>, FormatError> {
    match have.get(&data.id) {
        Got::Here(input) => {
            let limits = OpenLimits {
                max_ratio: request.max_ratio,
                ..OpenLimits::promised(data.open_size, data.open_digest.clone())
            };
            let decoder = decode(input, limits).map_err(|error| read_error(&data.href, error))?;
            Ok(Some(decoder))
        }
        Got::Absent => Ok(None),
        Got::NotAsked => Err(FormatError::Missing {
            file: data.href.clone(),
        }),
    }
}

/// Reads an entry point.
///
/// # Errors
/// [`FormatError::Malformed`] for anything but a repomd document whose locations are safe.
pub(super) fn read(mut input: impl BufRead) -> Result<Repomd, FormatError> {
    refuse_html(&mut input)?;
    let mut xml = Xml::new(input, ENTRY_PATH, Doctype::Refused);
    xml.root("repomd")?;
    let mut repomd = Repomd::default();
    while let Some(start) = xml.next_child()? {
        match xml.local_name() {
            "data" => {
                let data = data(&mut xml, start, &repomd)?;
                repomd.data.push(data);
            }
            "revision" => {
                xml.skip(2)?;
                repomd.revision = Some(xml.text().to_owned()).filter(|text| !text.is_empty());
            }
            _ => xml.skip(2)?,
        }
        if has_control(&xml.recorded()[start..]) {
            return Err(xml.malformed("a control character that XML does not allow"));
        }
    }
    if repomd.first("primary").is_none() {
        return Err(FormatError::malformed(ENTRY_PATH, "it names no primary"));
    }
    Ok(repomd)
}

/// Captive portals and login pages answer 200 with a page.
fn refuse_html(input: &mut impl BufRead) -> Result<(), FormatError> {
    let head = input.fill_buf().map_err(|error| read_error(ENTRY_PATH, error))?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_html = [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| head.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag)));
    if is_html {
        let reason = "got an HTML page; captive portal or login?";
        return Err(FormatError::malformed(ENTRY_PATH, reason));
    }
    Ok(())
}

#[derive(Default)]
struct Fields {
    href: Option<String>,
    base: Option<String>,
    digest_type: Option<String>,
    digest: Option<Digest>,
    open_digest: Option<Digest>,
    size: Option<u64>,
    open_size: Option<u64>,
    timestamp: Option<i64>,
}

fn data<R: BufRead>(xml: &mut Xml<R>, start: usize, before: &Repomd) -> Result<Data, FormatError> {
    let Some(kind) = xml.attribute("type").filter(|kind| is_kind(kind)) else {
        return Err(xml.malformed("a data element has no type"));
    };
    let mut fields = Fields::default();
    loop {
        match xml.next()? {
            Node::Start if xml.depth() == 3 => match xml.local_name() {
                "location" => {
                    fields.href = xml.attribute("href");
                    fields.base = xml.attribute("xml:base").filter(|base| !base.is_empty());
                }
                "checksum" | "open-checksum" => fields.digest_type = xml.attribute("type"),
                _ => {}
            },
            Node::End if xml.depth() == 3 => field(xml, &kind, &mut fields)?,
            Node::End if xml.depth() == 2 => break,
            _ => {}
        }
    }
    let raw = xml.recorded()[start..].to_vec();
    finish(xml, kind, fields, raw, before)
}

/// Types become ids and parts of messages.
fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.len() <= 200 && !kind.chars().any(|c| c.is_control() || c == '#' || c == '/')
}

fn field<R: BufRead>(xml: &Xml<R>, kind: &str, fields: &mut Fields) -> Result<(), FormatError> {
    let number = |xml: &Xml<R>| {
        let wrong = || xml.malformed(format!("{kind}: {:?} is not a {}", cut(xml.text()), cut(xml.name())));
        xml.text().parse::<u64>().map(Some).map_err(|_| wrong())
    };
    match xml.local_name() {
        "size" => fields.size = number(xml)?,
        "open-size" => fields.open_size = number(xml)?,
        "timestamp" => {
            let whole = xml.text().split('.').next().unwrap_or_default();
            fields.timestamp = whole.parse().ok();
        }
        "checksum" => fields.digest = Some(digest(xml, kind, fields)?),
        "open-checksum" => {
            fields.open_digest = Some(digest(xml, kind, fields)?).filter(|open| open.algorithm() != Algorithm::Md5);
        }
        _ => {}
    }
    Ok(())
}

fn digest<R: BufRead>(xml: &Xml<R>, kind: &str, fields: &Fields) -> Result<Digest, FormatError> {
    let name = fields.digest_type.as_deref().unwrap_or_default();
    name.parse::<Algorithm>()
        .and_then(|algorithm| Digest::parse(algorithm, xml.text()))
        .map_err(|error| xml.malformed(format!("{kind}: {error}")))
}

fn finish<R: BufRead>(
    xml: &Xml<R>,
    kind: String,
    fields: Fields,
    raw: Vec<u8>,
    before: &Repomd,
) -> Result<Data, FormatError> {
    let Some(href) = fields.href else {
        return Err(xml.malformed(format!("{kind}: no location")));
    };
    let Some(digest) = fields.digest else {
        return Err(xml.malformed(format!("{kind}: no checksum")));
    };
    if let Some(base) = fields.base {
        return Err(xml.malformed(format!("{kind}: unsafe path {:?}: it has its own base URL", cut(&base))));
    }
    let path = href::path(&href).map_err(|error| xml.malformed(format!("{kind}: {error}")))?;
    if path.as_str().starts_with(ENTRY_PATH) {
        return Err(xml.malformed(format!("{kind}: unsafe path {href:?}: it is the entry point's")));
    }
    let twin = before.data.iter().find(|other| other.path == path);
    if let Some(other) = twin.filter(|other| other.digest != digest) {
        return Err(xml.malformed(format!("{kind} and {}: two digests for {href:?}", other.kind)));
    }
    if kind == "primary" && before.first(&kind).is_some_and(|first| first.href != href) {
        return Err(xml.malformed("it names two different primary files"));
    }
    let same = before.data.iter().filter(|data| data.kind == kind).count();
    let id = match (twin, same) {
        (Some(twin), _) => twin.id.clone(),
        (None, 0) => format!("data/{kind}"),
        (None, _) => format!("data/{kind}#{}", same + 1),
    };
    Ok(Data {
        id,
        kind,
        href,
        path,
        digest,
        size: fields.size,
        open_digest: fields.open_digest,
        open_size: fields.open_size,
        timestamp: fields.timestamp,
        raw,
    })
}
