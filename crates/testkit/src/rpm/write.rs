//! Lead, signature header, main header and payload, put together.

use chantal_model::{Algorithm, Digest, Digester, Sha256};

use super::header::{REGION_IMMUTABLE, REGION_SIGNATURE, Value, header, pad};
use super::payload::{archive, compress, content, mode};
use super::{Dependency, FileKind, PackedFile, Payload, Rpm};

/// A package as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpmFile {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Where the main header begins.
    pub header_start: u64,
    /// Where the main header ends and the payload begins.
    pub header_end: u64,
    /// Size of the archive before compression.
    pub archive_bytes: u64,
    /// Sum of the files' sizes.
    pub installed_bytes: u64,
}

const SHA256_IN_PGP: u32 = 8;
const LEAD_BYTES: usize = 96;
const DIRECTORY_BYTES: u32 = 4096;

pub(super) fn write(rpm: &Rpm) -> RpmFile {
    let archive = archive(rpm);
    let payload = compress(&archive, rpm.payload);
    let files = rpm.sorted_files();
    let installed: u32 = files.iter().map(|file| size(file)).sum();

    let mut tags = texts(rpm, installed, &payload);
    tags.extend(dependencies(rpm));
    tags.extend(file_tags(rpm, &files));
    let main = header(tags, REGION_IMMUTABLE);
    let signature = signature(&main, &payload, archive.len() as u32);

    let mut bytes = lead(rpm);
    bytes.extend(&signature);
    pad(&mut bytes, 8);
    let header_start = bytes.len() as u64;
    bytes.extend(&main);
    let header_end = bytes.len() as u64;
    bytes.extend(&payload);
    RpmFile {
        bytes,
        header_start,
        header_end,
        archive_bytes: archive.len() as u64,
        installed_bytes: u64::from(installed),
    }
}

fn size(file: &PackedFile) -> u32 {
    match &file.kind {
        FileKind::Regular(content) => content.len() as u32,
        FileKind::Directory => DIRECTORY_BYTES,
        FileKind::Ghost => 0,
    }
}

fn lead(rpm: &Rpm) -> Vec<u8> {
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0];
    lead.extend(u16::from(rpm.is_source()).to_be_bytes());
    lead.extend(1u16.to_be_bytes());
    let mut name = rpm.nvra().into_bytes();
    name.truncate(65);
    name.resize(66, 0);
    lead.extend(name);
    lead.extend(1u16.to_be_bytes());
    lead.extend(5u16.to_be_bytes());
    lead.resize(LEAD_BYTES, 0);
    lead
}

fn signature(main: &[u8], payload: &[u8], archive_bytes: u32) -> Vec<u8> {
    let of_header = digests(&[main], [Algorithm::Sha1]);
    let of_both = digests(&[main, payload], [Algorithm::Md5]);
    header(
        vec![
            (269, Value::Text(of_header.1[0].hex())),
            (273, Value::Text(of_header.0.hex())),
            (1000, Value::Int32(vec![(main.len() + payload.len()) as u32])),
            (1004, Value::Bytes(of_both.1[0].bytes().to_vec())),
            (1007, Value::Int32(vec![archive_bytes])),
        ],
        REGION_SIGNATURE,
    )
}

fn digests(chunks: &[&[u8]], algorithms: [Algorithm; 1]) -> (Sha256, Vec<Digest>) {
    let mut digester = Digester::new(algorithms);
    for chunk in chunks {
        digester.update(chunk);
    }
    digester.finish()
}

fn texts(rpm: &Rpm, installed: u32, payload: &[u8]) -> Vec<(u32, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let (compressor, level) = match rpm.payload {
        Payload::Gzip => ("gzip", "9"),
        Payload::Zstd => ("zstd", "3"),
    };
    let arch = if rpm.is_source() { "x86_64" } else { &rpm.arch };
    let mut tags = vec![
        (100, Value::texts(["C"])),
        (1000, text(&rpm.name)),
        (1001, text(&rpm.version)),
        (1002, text(&rpm.release)),
        (1004, Value::Translated(rpm.summary.clone())),
        (1005, Value::Translated(rpm.description.clone())),
        (1006, Value::Int32(vec![rpm.build_time])),
        (1009, Value::Int32(vec![installed])),
        (1014, text(&rpm.license)),
        (1021, text("linux")),
        (1022, text(arch)),
        (1064, text("4.18.0")),
        (1124, text("cpio")),
        (1125, text(compressor)),
        (1126, text(level)),
        (1132, Value::Text(format!("{arch}-redhat-linux-gnu"))),
        (5062, text("utf-8")),
        (5092, Value::texts([Sha256::of(payload).hex()])),
        (5093, Value::Int32(vec![SHA256_IN_PGP])),
    ];
    let optional = [
        (1007, &rpm.buildhost),
        (1011, &rpm.vendor),
        (1015, &rpm.packager),
        (1020, &rpm.url),
        (1044, &rpm.source),
    ];
    tags.extend(
        optional
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(tag, value)| (tag, text(value))),
    );
    if !rpm.group.is_empty() {
        tags.push((1016, Value::Translated(rpm.group.clone())));
    }
    if rpm.epoch > 0 {
        tags.push((1003, Value::Int32(vec![rpm.epoch])));
    }
    if let Some(module) = &rpm.module {
        tags.push((5096, text(module)));
    }
    if rpm.is_source() {
        tags.push((1106, Value::Int32(vec![1])));
    }
    tags.push((
        1080,
        Value::Int32(rpm.changelog.iter().map(|change| change.time).collect()),
    ));
    tags.push((1081, Value::texts(rpm.changelog.iter().map(|change| &change.author))));
    tags.push((1082, Value::texts(rpm.changelog.iter().map(|change| &change.text))));
    tags
}

/// Tags of names, flags and versions of each kind of dependency.
fn dependencies(rpm: &Rpm) -> Vec<(u32, Value)> {
    let kinds: [([u32; 3], Vec<Dependency>); 8] = [
        ([1047, 1112, 1113], rpm.all_provides()),
        ([1049, 1048, 1050], rpm.all_requires()),
        ([1054, 1053, 1055], rpm.conflicts.clone()),
        ([1090, 1114, 1115], rpm.obsoletes.clone()),
        ([5046, 5048, 5047], rpm.recommends.clone()),
        ([5049, 5051, 5050], rpm.suggests.clone()),
        ([5052, 5054, 5053], rpm.supplements.clone()),
        ([5055, 5057, 5056], rpm.enhances.clone()),
    ];
    let mut tags = Vec::new();
    for ([name, flags, version], dependencies) in kinds {
        let versions = dependencies
            .iter()
            .map(|one| one.version.as_ref().map_or("", |(_, evr)| evr.as_str()));
        tags.push((version, Value::texts(versions)));
        tags.push((name, Value::texts(dependencies.iter().map(|one| &one.name))));
        tags.push((
            flags,
            Value::Int32(dependencies.iter().map(Dependency::sense).collect()),
        ));
    }
    tags
}

fn file_tags(rpm: &Rpm, files: &[&PackedFile]) -> Vec<(u32, Value)> {
    let split = |file: &PackedFile| match file.path.rsplit_once('/') {
        Some((directory, base)) => (format!("{directory}/"), base.to_owned()),
        None => (String::new(), file.path.clone()),
    };
    let (parents, bases): (Vec<String>, Vec<String>) = files.iter().map(|file| split(file)).unzip();
    let mut directories = parents.clone();
    directories.sort();
    directories.dedup();
    let place = |parent: &String| directories.binary_search(parent).expect("made of the same parents") as u32;
    let digest = |file: &&PackedFile| match &file.kind {
        FileKind::Regular(_) => Sha256::of(content(file)).hex(),
        FileKind::Directory | FileKind::Ghost => String::new(),
    };
    let flags = |file: &&PackedFile| if file.kind == FileKind::Ghost { 1 << 6 } else { 0 };
    let all = |value: u32| Value::Int32(vec![value; files.len()]);
    let same = |text: &str| Value::texts(vec![text; files.len()]);
    vec![
        (1028, Value::Int32(files.iter().map(|file| size(file)).collect())),
        (1030, Value::Int16(files.iter().map(|file| mode(file)).collect())),
        (1033, Value::Int16(vec![0; files.len()])),
        (1034, all(rpm.build_time)),
        (1035, Value::texts(files.iter().map(digest))),
        (1036, same("")),
        (1037, Value::Int32(files.iter().map(flags).collect())),
        (1039, same("root")),
        (1040, same("root")),
        (1045, all(u32::MAX)),
        (1095, all(1)),
        (1096, Value::Int32((1..=files.len() as u32).collect())),
        (1097, same("")),
        (1116, Value::Int32(parents.iter().map(place).collect())),
        (1117, Value::Texts(bases)),
        (1118, Value::Texts(directories.clone())),
        (5011, Value::Int32(vec![SHA256_IN_PGP])),
    ]
}
