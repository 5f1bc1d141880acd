//! The chunks of a manifest.

use chantal_catalog::{Closed, Fact, PackFact};
use chantal_model::{RelPath, Sha256};
use chantal_pool::{ManifestReader, ManifestWriter, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::form::Head;
use crate::error::{Doing, EngineError};

/// zstd level of what is not compressed yet: half of it are digests, which no level makes smaller.
const LEVEL: i32 = 1;
/// What is unpacked at once, in bytes: what says that it is larger may be damaged.
const SMALL_BYTES: u64 = 1 << 20;

const HEAD: u8 = b'H';
const CLOSED: u8 = b'C';
/// A pack with the digests of those of its records that count, as it was written before.
const LISTED_PACK: u8 = b'P';
/// A pack of which all records count.
const PACK: u8 = b'Q';
const MEMBERS: u8 = b'M';
const DIGESTS: u8 = b'D';
const VALUE: u8 = b'V';

/// Name of a blob, algorithm, and digest under it.
pub(crate) type OtherDigest = (String, String, String);

/// A manifest that is being written.
pub(crate) struct Scroll(ManifestWriter);

/// A chunk that was read.
pub(crate) enum Scrolled {
    Head(Head),
    Closed(Vec<Closed>),
    Pack(PackFact),
    Members(Vec<Fact>),
    Digests(Vec<OtherDigest>),
}

fn broken(what: impl std::fmt::Display) -> EngineError {
    EngineError::Manifest {
        message: what.to_string(),
    }
}

/// A value as compressed JSON.
pub(crate) fn packed(value: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    let json = serde_json::to_vec(value).map_err(broken)?;
    zstd::bulk::compress(&json, LEVEL).map_err(broken)
}

pub(crate) fn unpacked<T: DeserializeOwned>(body: &[u8]) -> Result<T, EngineError> {
    let json = match zstd::zstd_safe::get_frame_content_size(body) {
        // As it is written. A start that finds nothing to do reads one of a few hundred bytes.
        Ok(Some(bytes)) if bytes <= SMALL_BYTES => zstd::bulk::decompress(body, bytes as usize),
        _ => zstd::stream::decode_all(body),
    };
    let json = json.map_err(broken)?;
    serde_json::from_slice(&json).map_err(broken)
}

impl Scroll {
    pub(crate) fn begin(pool: &Pool, name: &RelPath) -> Result<Self, EngineError> {
        Ok(Self(pool.write_manifest(name).doing("begin a manifest")?))
    }

    fn put(&mut self, kind: u8, value: &impl Serialize) -> Result<(), EngineError> {
        self.0.chunk(kind, &packed(value)?).doing("write a manifest")
    }

    pub(crate) fn head(&mut self, head: &Head) -> Result<(), EngineError> {
        self.put(HEAD, head)
    }

    pub(crate) fn closed(&mut self, closed: &[Closed]) -> Result<(), EngineError> {
        self.put(CLOSED, &closed)
    }

    pub(crate) fn members(&mut self, members: &[Fact]) -> Result<(), EngineError> {
        self.put(MEMBERS, &members)
    }

    pub(crate) fn digests(&mut self, digests: &[OtherDigest]) -> Result<(), EngineError> {
        self.put(DIGESTS, &digests)
    }

    pub(crate) fn value(&mut self, packed: &[u8]) -> Result<(), EngineError> {
        self.0.chunk(VALUE, packed).doing("write a manifest")
    }

    /// The frame goes in as it is; before it stand its part and how many records it was made of. The digests of these
    /// are not written: they come from the records, and so are right.
    pub(crate) fn pack(&mut self, part: i64, body: &[u8], count: i64) -> Result<(), EngineError> {
        let mut chunk = Vec::with_capacity(16 + body.len());
        chunk.extend(part.to_le_bytes());
        chunk.extend(count.to_le_bytes());
        chunk.extend(body);
        self.0.chunk(PACK, &chunk).doing("write a manifest")
    }

    pub(crate) fn finish(self) -> Result<(), EngineError> {
        self.0.finish().doing("make a manifest durable")
    }
}

fn pack(chunk: &[u8]) -> Result<PackFact, EngineError> {
    let short = || broken("a pack without its head");
    let (part, rest) = chunk.split_first_chunk::<8>().ok_or_else(short)?;
    let (count, body) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let whole = PackFact::whole(i64::from_le_bytes(*part), i64::from_le_bytes(*count), body.to_vec());
    whole.doing("read a manifest")
}

fn listed_pack(chunk: &[u8]) -> Result<PackFact, EngineError> {
    let short = || broken("a pack without its index");
    let (len, rest) = chunk.split_first_chunk::<4>().ok_or_else(short)?;
    let (index, body) = rest
        .split_at_checked(u32::from_le_bytes(*len) as usize)
        .ok_or_else(short)?;
    let (part, count, records): (i64, i64, Vec<(String, i64)>) = unpacked(index)?;
    let records = records.into_iter().map(|(digest, slot)| {
        let digest: Sha256 = digest.parse().map_err(|_| broken("a record without a digest"))?;
        Ok((digest, slot))
    });
    Ok(PackFact {
        part,
        count,
        body: body.to_vec(),
        records: records.collect::<Result<_, EngineError>>()?,
    })
}

/// The next chunk of a series' file; `None` after the last.
pub(crate) fn next(reader: &mut ManifestReader) -> Result<Option<Scrolled>, EngineError> {
    let Some((kind, body)) = reader.next_chunk().doing("read a manifest")? else {
        return Ok(None);
    };
    Ok(Some(match kind {
        HEAD => Scrolled::Head(unpacked(&body)?),
        CLOSED => Scrolled::Closed(unpacked(&body)?),
        PACK => Scrolled::Pack(pack(&body)?),
        LISTED_PACK => Scrolled::Pack(listed_pack(&body)?),
        MEMBERS => Scrolled::Members(unpacked(&body)?),
        DIGESTS => Scrolled::Digests(unpacked(&body)?),
        other => return Err(broken(format!("a chunk of kind {other}"))),
    }))
}

/// A small manifest's value; `None` if there is none.
pub(crate) fn read_all<T: DeserializeOwned>(pool: &Pool, name: &RelPath) -> Result<Option<T>, EngineError> {
    let Some(mut reader) = pool.read_manifest(name).doing("read a manifest")? else {
        return Ok(None);
    };
    match reader.next_chunk().doing("read a manifest")? {
        Some((VALUE, body)) => Ok(Some(unpacked(&body)?)),
        _ => Err(broken(format!("{name} has no value"))),
    }
}
