//! What every fuzz target, and the replay test of their corpora, does with an input.
//!
//! An input is read as one metadata document. Whatever is accepted is rendered, once with every package and once with
//! half of them, and what was rendered must be read again without a complaint.

#[path = "../crates/formats/tests/memory/mod.rs"]
mod memory;

use chantal_formats::rpm::Rpm;
use chantal_formats::{Format, RenderSettings};
use chantal_model::{Algorithm, Compression, Mode};
use memory::{Kept, Upstream};

/// Names of the targets.
pub(crate) const TARGETS: [&str; 6] = ["repomd", "primary", "filelists", "updateinfo", "comps", "modulemd"];

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
            let _ = Rpm.overview(&upstream);
            for mode in [Mode::Mirror, Mode::Filtered] {
                let _ = Rpm.wants(&upstream, &memory::request(mode));
            }
        }
        "primary" => there_and_back(&[("primary", bytes)]),
        "filelists" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("filelists", bytes)]),
        "updateinfo" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("updateinfo", bytes)]),
        "comps" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("group", bytes)]),
        "modulemd" => there_and_back(&[("primary", PRIMARY.as_bytes()), ("modules", bytes)]),
        other => panic!("no target {other:?}, only {TARGETS:?}"),
    }
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
