//! What every fuzz target, and the replay test of their corpora, does with an input.
//!
//! Most inputs are read as one metadata document. Whatever is accepted is rendered, once with every package and once with
//! half of them, and what was rendered must be read again without a complaint.

#[path = "../crates/formats/tests/memory/mod.rs"]
mod memory;

use std::cmp::Ordering;
use std::io::Read as _;
use std::path::{Component, Path};

use chantal_formats::rpm::Rpm;
use chantal_formats::{Format, OpenLimits, RenderSettings, decode};
use chantal_model::{Algorithm, Compression, Mode, RelPath};
use memory::{Kept, Upstream};

/// Names of the targets.
pub(crate) const TARGETS: [&str; 14] = [
    "repomd",
    "primary",
    "filelists",
    "other",
    "updateinfo",
    "comps",
    "modulemd",
    "prestodelta",
    "treeinfo",
    "compressed",
    "location",
    "relpath",
    "version",
    "relations",
];

/// Two packages that seeds refer to.
const PRIMARY: &str = r#"<metadata packages="2">
<package><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>
<checksum type="sha256">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum><location href="a.rpm"/></package>
<package><name>b</name><arch>x86_64</arch><version epoch="2" ver="1~rc" rel="1"/>
<checksum type="sha256">bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb</checksum><location href="b.rpm"/></package>
</metadata>"#;

/// Reads an input as one kind of document.
///
/// # Panics
/// A reader accepts what cannot be rendered, or does not accept what was rendered.
pub(crate) fn run(target: &str, bytes: &[u8]) {
    match target {
        "repomd" => {
            let mut upstream = Upstream::default();
            upstream.0.insert("repomd".to_owned(), Some(bytes.to_vec()));
            for mode in [Mode::Mirror, Mode::Filtered] {
                let _ = Rpm.overview(&upstream, &memory::request(mode));
                let _ = Rpm.wants(&upstream, &memory::request(mode));
            }
        }
        "primary" => there_and_back(&[("primary", bytes)]),
        "filelists" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("filelists", bytes)]),
        "other" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("other", bytes)]),
        "updateinfo" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("updateinfo", bytes)]),
        "comps" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("group", bytes)]),
        "modulemd" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("modules", bytes)]),
        "prestodelta" => deltas(bytes),
        "treeinfo" => installation_tree(bytes),
        "compressed" => compressed(bytes),
        "location" => location(bytes),
        "relpath" => relpath(bytes),
        "version" => versions(bytes),
        "relations" => relations(bytes),
        other => panic!("no target {other:?}, only {TARGETS:?}"),
    }
}

/// Every file that delta metadata name has a safe path beside the metadata.
fn deltas(bytes: &[u8]) {
    let mut upstream = Upstream::of(&[("primary", PRIMARY.as_bytes()), ("prestodelta", bytes)]);
    for id in ["repomd.asc", "repomd.key"] {
        upstream.0.insert(id.to_owned(), None);
    }
    let Ok(wanted) = Rpm.wants(&upstream, &memory::request(Mode::Mirror)) else {
        return;
    };
    for wanted in wanted {
        is_below(&wanted.path);
        assert_ne!(wanted.path.top(), Rpm.entry_dir(), "a delta among the metadata");
    }
}

/// Every file of an installation tree has a safe path beside the metadata, and is promised.
fn installation_tree(bytes: &[u8]) {
    for (mode, path) in [(Mode::Mirror, ".treeinfo"), (Mode::Filtered, "treeinfo")] {
        let mut upstream = Upstream::of(&[("primary", PRIMARY.as_bytes())]);
        for id in ["repomd.asc", "repomd.key", ".treeinfo"] {
            upstream.0.insert(id.to_owned(), None);
        }
        upstream.0.insert(path.to_owned(), Some(bytes.to_vec()));
        let request = memory::request(mode);
        let _ = Rpm.overview(&upstream, &request);
        let Ok(wanted) = Rpm.wants(&upstream, &request) else {
            continue;
        };
        for wanted in wanted {
            is_below(&wanted.path);
            assert_ne!(wanted.path.top(), Rpm.entry_dir(), "an image among the metadata");
            assert_ne!(wanted.path.as_str(), path, "the description names itself");
            let promises = wanted.promise.map_or(0, |promise| promise.digests.len());
            assert_eq!(promises, 1, "{} cannot be verified", wanted.path);
        }
    }
}

/// No more comes out than the limits allow.
fn compressed(bytes: &[u8]) {
    const MOST: u64 = 1 << 20;
    for size in [None, Some(1000)] {
        let limits = OpenLimits {
            size,
            digest: None,
            max_bytes: MOST,
            max_ratio: 200,
        };
        let Ok(mut decoder) = decode(Box::new(bytes), limits) else {
            return;
        };
        let (mut buffer, mut total) = ([0; 4096], 0);
        let result = loop {
            match decoder.read(&mut buffer) {
                Ok(0) => break Ok(total),
                Ok(count) => total += count as u64,
                Err(error) => break Err(error),
            }
        };
        assert!(total <= size.unwrap_or(MOST), "{total} bytes came out");
        if let (Ok(total), Some(size)) = (result, size) {
            assert_eq!(total, size, "the promise was not kept, and nobody said so");
        }
    }
}

/// Whatever a location says, a package is published below the root and apart from the metadata.
fn location(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let primary = PRIMARY.replacen("a.rpm", &escaped, 1);
    let Ok(content) = Kept::list(&Rpm, &Upstream::of(&[("primary", primary.as_bytes())])) else {
        return;
    };
    for (package, _) in &content.packages {
        let paths = Rpm.paths(package);
        assert!(!paths.is_empty(), "a package without a path");
        for path in &paths {
            is_below(path);
            assert_ne!(path.top(), Rpm.entry_dir(), "{path} is among the metadata");
        }
        if let Ok(path) = Rpm.upstream_path(package) {
            is_below(&path);
        }
    }
}

/// A record, and a name of a dependency in an otherwise good one.
fn relations(bytes: &[u8]) {
    let _ = Rpm.relations(bytes);
    let text = String::from_utf8_lossy(bytes);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let record = format!(
        "<package><name>a</name><format><rpm:requires><rpm:entry name=\"{escaped}\"/></rpm:requires></format></package>"
    );
    let _ = Rpm.relations(record.as_bytes());
}

fn relpath(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(path) = RelPath::parse(&text) {
        is_below(&path);
        assert_eq!(path.as_str(), text, "a path is what was parsed");
    }
}

/// A path never leaves its root, and is one that file systems take.
fn is_below(path: &RelPath) {
    let whole = path.below(Path::new("/root"));
    let mut components = whole.components().skip(2);
    assert!(
        components.all(|one| matches!(one, Component::Normal(_))),
        "{path} leaves the root"
    );
    assert!(
        path.as_str().split('/').all(|segment| segment.len() <= 255),
        "{path} is too long"
    );
}

/// Keys sort as rpm sorts: whatever is a version is compared with another implementation of its rules.
fn versions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let versions: Vec<&str> = text.split('\n').take(8).collect();
    for one in &versions {
        for other in &versions {
            let order = Rpm.version_key(one).cmp(&Rpm.version_key(other));
            let back = Rpm.version_key(other).cmp(&Rpm.version_key(one));
            assert_eq!(order, back.reverse(), "{one:?} and {other:?}");
            if let (Some(one), Some(other)) = (evr(one), evr(other)) {
                let expected = one.0.cmp(&other.0);
                let expected = expected
                    .then_with(|| rpmvercmp(one.1, other.1))
                    .then_with(|| rpmvercmp(one.2, other.2));
                assert_eq!(order, expected, "{one:?} and {other:?}");
            }
        }
    }
}

/// Epoch, version and release of text that is surely an EVR.
fn evr(text: &str) -> Option<(u32, &str, &str)> {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-')?;
    let is_plain = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^".contains(&byte);
        text.len() <= 40 && text.bytes().all(allowed) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
    };
    let is_number = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && is_plain(version) && is_plain(release)).then_some((epoch.parse().ok()?, version, release))
}

/// `rpmvercmp` of rpm, as its source has it.
fn rpmvercmp(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let is_separator = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'~' && *byte != b'^';
        one = &one[one.iter().take_while(|byte| is_separator(byte)).count()..];
        other = &other[other.iter().take_while(|byte| is_separator(byte)).count()..];
        match (one.first(), other.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => (one, other) = (&one[1..], &other[1..]),
            (Some(b'~'), _) | (None, Some(b'^')) => return Ordering::Less,
            (_, Some(b'~')) | (Some(b'^'), None) => return Ordering::Greater,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(first), Some(_)) => {
                let is_number = first.is_ascii_digit();
                let length = |text: &[u8]| {
                    let same = |byte: &&u8| byte.is_ascii_digit() == is_number && byte.is_ascii_alphanumeric();
                    text.iter().take_while(same).count()
                };
                let (left, right) = (&one[..length(one)], &other[..length(other)]);
                if right.is_empty() {
                    return if is_number { Ordering::Greater } else { Ordering::Less };
                }
                let order = if is_number {
                    numbers(left, right)
                } else {
                    left.cmp(right)
                };
                if order != Ordering::Equal {
                    return order;
                }
                (one, other) = (&one[left.len()..], &other[right.len()..]);
            }
        }
    }
}

fn numbers(one: &[u8], other: &[u8]) -> Ordering {
    let without_zeros = |text: &[u8]| text[text.iter().take_while(|byte| **byte == b'0').count()..].to_vec();
    let (one, other) = (without_zeros(one), without_zeros(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

fn there_and_back(documents: &[(&str, &[u8])]) {
    let Ok(content) = Kept::list(&Rpm, &Upstream::of(documents)) else {
        return;
    };
    let settings = RenderSettings {
        compression: Compression::None,
        checksum: Algorithm::Sha256,
        revision: "1".to_owned(),
        timestamp: 1,
    };
    for every in [1, 2] {
        let mut count = 0;
        let chosen = content.choose(&Rpm, |_| {
            count += 1;
            count % every == 0
        });
        let files = chosen.render(&Rpm, &settings).expect("what was read can be rendered");
        let (again, missing) = memory::fetch(&Rpm, &files).expect("the entry point tells the truth");
        assert!(missing.is_empty(), "missing: {missing:?}");
        let again = Kept::list(&Rpm, &again).expect("what was rendered can be read");
        assert_eq!(again.bad, [], "what was rendered is accepted");
        assert_eq!(
            again.packages.len(),
            chosen.packages.len(),
            "every package is there again"
        );
    }
}
