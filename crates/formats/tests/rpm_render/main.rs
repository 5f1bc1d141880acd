//! Generated metadata of RPM repositories: what is in it, and that the reader finds the same again.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod choice;
mod items;
#[path = "../memory/mod.rs"]
mod memory;
mod parts;
mod real;

use std::io::Read;

use chantal_formats::rpm::Rpm;
use chantal_formats::{OpenLimits, RenderSettings, decode};
use chantal_model::{Algorithm, Compression, Sha256};
use memory::{Chosen, Files, Kept, Upstream};

pub(crate) fn settings() -> RenderSettings {
    RenderSettings {
        compression: Compression::None,
        checksum: Algorithm::Sha256,
        revision: "42".to_owned(),
        timestamp: 1_700_000_000,
    }
}

/// `name version release arch`, each with epoch 0.
pub(crate) type Nvra<'a> = (&'a str, &'a str, &'a str, &'a str);

pub(crate) fn package((name, version, release, arch): Nvra<'_>) -> String {
    let pkgid = Sha256::of(format!("{name}-{version}-{release}.{arch}").as_bytes());
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{arch}</arch>\n  <version epoch=\"0\" \
         ver=\"{version}\" rel=\"{release}\"/>\n  <checksum type=\"sha256\" pkgid=\"YES\">{pkgid}</checksum>\n  \
         <summary>R&amp;D</summary>\n  <location href=\"{name}-{version}-{release}.{arch}.rpm\"/>\n</package>"
    )
}

pub(crate) fn primary(packages: &[Nvra<'_>]) -> String {
    let packages: Vec<String> = packages.iter().map(|nvra| package(*nvra)).collect();
    format!("<metadata>\n{}\n</metadata>", packages.join("\n"))
}

pub(crate) fn kept(documents: &[(&str, &str)]) -> Kept {
    let documents: Vec<(&str, &[u8])> = documents.iter().map(|(kind, text)| (*kind, text.as_bytes())).collect();
    let kept = Kept::list(&Rpm, &Upstream::of(&documents)).unwrap();
    assert_eq!(kept.bad, []);
    kept
}

pub(crate) fn open(files: &Files, name: &str) -> Option<String> {
    let (_, bytes) = files.iter().find(|(path, _)| path.contains(name))?;
    let mut text = String::new();
    decode(Box::new(bytes.as_slice()), OpenLimits::unpromised())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    Some(text)
}

pub(crate) fn render(chosen: &Chosen) -> Files {
    chosen.render(&Rpm, &settings()).unwrap()
}

/// Reads generated metadata as any other, its promises checked.
pub(crate) fn again(files: &Files) -> Kept {
    let (upstream, missing) = memory::fetch(&Rpm, files).unwrap();
    assert_eq!(missing, [""; 0]);
    let kept = Kept::list(&Rpm, &upstream).unwrap();
    assert_eq!(kept.bad, []);
    kept
}

pub(crate) const A: Nvra<'_> = ("a", "1", "2.el9", "x86_64");
pub(crate) const B: Nvra<'_> = ("b", "1.0~rc1", "3", "noarch");
