//! Real metadata, which lies beside the checkout where it was fetched; skipped, loudly, where it was not.
#![expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use chantal_model::ItemKind;
use chantal_model::Mode;

use super::super::testing::{Files, Kept, request};
use super::super::{Rpm, comps, modulemd, record, updateinfo};
use crate::Format;
use crate::compress::{OpenLimits, decode};
use crate::error::{Bad, FormatError};
use crate::read::Item;

fn data(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/rpm")
        .join(path);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Fetches all that the format wants; what is not on disk is absent.
fn fetch(root: &Path) -> Result<Files, FormatError> {
    let mut files = Files::default();
    let mut request = request(Mode::Mirror);
    request.allow_sha1 = true;
    loop {
        let wanted = Rpm.wants(&files, &request)?;
        if wanted.is_empty() {
            return Ok(files);
        }
        for wanted in wanted {
            files.0.insert(wanted.id, fs::read(wanted.path.below(root)).ok());
        }
    }
}

fn open(bytes: &[u8]) -> Vec<u8> {
    let mut open = Vec::new();
    decode(Box::new(bytes), OpenLimits::unpromised())
        .unwrap()
        .read_to_end(&mut open)
        .unwrap();
    open
}

/// Takes every fragment out of a document and tells what is left.
fn without<'a>(mut document: &'a [u8], fragments: &[Vec<u8>]) -> Vec<&'a [u8]> {
    let mut rest = Vec::new();
    for fragment in fragments {
        let at = memchr::memmem::find(document, fragment).expect("the fragment is in the document as it is");
        rest.push(&document[..at]);
        document = &document[at + fragment.len()..];
    }
    rest.push(document);
    rest
}

fn fragments_make_up_the_document(root: &Path) -> usize {
    let files = fetch(root).unwrap();
    let mut kept = Kept::default();
    let mut request = request(Mode::Filtered);
    request.allow_sha1 = true;
    Rpm.list(&files, &request, &mut kept).unwrap();
    assert_eq!(kept.bad, [], "{}", root.display());
    let fragments: Vec<Vec<u8>> = kept
        .packages
        .iter()
        .map(|(package, record)| record::insert_location(record, &package.href).unwrap())
        .collect();
    let primary = open(files.0["data/primary"].as_deref().unwrap());
    let rest = without(&primary, &fragments);
    for between in &rest[1..fragments.len().max(1)] {
        assert!(between.trim_ascii().is_empty(), "{}", String::from_utf8_lossy(between));
    }
    fragments.len()
}

#[test]
fn every_package_of_centos_is_found_and_goes_back_together() {
    let Some(root) = data("osbuild-centos-repos/appstream") else {
        return;
    };
    assert_eq!(fragments_make_up_the_document(&root), 17_649);
}

#[test]
fn repositories_of_other_projects_are_read() {
    for (path, packages) in [
        ("osbuild-centos-repos/custom", None),
        ("librepo/repo_yum_01", Some(1)),
        ("librepo/repo_yum_03", None),
        ("createrepo_c/testdata/repo_00", Some(0)),
        ("createrepo_c/testdata/repo_01", Some(1)),
        ("createrepo_c/testdata/repo_02", Some(2)),
        ("createrepo_c/testdata/repo_04", Some(2)),
        ("createrepo_c/testdata/repo_with_additional_metadata", None),
    ] {
        let Some(root) = data(path) else { continue };
        let found = fragments_make_up_the_document(&root);
        assert!(packages.is_none_or(|packages| packages == found), "{path}: {found}");
    }
}

type Reader = fn(&[u8], &mut dyn FnMut(Result<Item, Bad>) -> Result<(), FormatError>) -> Result<(), FormatError>;

fn items(path: &str, read: Reader) -> Option<(Vec<Item>, Vec<Bad>)> {
    let bytes = open(&fs::read(data(path)?).unwrap());
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    read(&bytes, &mut |item| {
        match item {
            Ok(item) => items.push(item),
            Err(one) => bad.push(one),
        }
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{path}: {error}"));
    let fragments: Vec<Vec<u8>> = items.iter().map(|item| as_upstream(&item.record)).collect();
    for between in without(&bytes, &fragments) {
        let text = String::from_utf8_lossy(between);
        assert!(
            !text.contains("<id>") && !text.contains("\ndocument:"),
            "{path}: lost {text}"
        );
    }
    Some((items, bad))
}

/// Records of modules have a marker and a line feed even where upstream left them out.
fn as_upstream(record: &[u8]) -> Vec<u8> {
    record
        .strip_prefix(b"---\n")
        .unwrap_or(record)
        .trim_ascii_end()
        .to_vec()
}

#[test]
fn advisories_of_amazon_are_read() {
    for (path, count) in [
        ("updateinfo_1_item", 1),
        ("updateinfo_2_items", 2),
        ("updateinfo_AL2023", 1),
    ] {
        let path = format!("updateinfo-amazon/{path}.xml.gz");
        let Some((items, bad)) = items(&path, |bytes, take| updateinfo::read(bytes, "u", take)) else {
            return;
        };
        assert_eq!((items.len(), bad.len()), (count, 0), "{path}");
        for item in items {
            assert!(!item.refers.is_empty() && item.attributes["cves"].as_array().is_some_and(|cves| !cves.is_empty()));
        }
    }
}

#[test]
fn groups_of_fedora_are_read() {
    let read: Reader = |bytes, take| comps::read(bytes, "c", take);
    let Some((found, bad)) = items("libcomps/fedora_comps.xml", read) else {
        return;
    };
    assert_eq!(bad, []);
    let of_kind = |kind: &str| found.iter().filter(|item| item.attributes["kind"] == kind).count();
    assert_eq!(
        (of_kind("group"), of_kind("category"), of_kind("environment")),
        (227, 7, 0)
    );
    assert!(found.iter().all(|item| item.kind == ItemKind::Group));
}

#[test]
fn modules_of_fedora_are_read() {
    let read: Reader = |bytes, take| modulemd::read(bytes, "m", take);
    let Some((found, bad)) = items("libmodulemd/f29.yaml", read) else {
        return;
    };
    assert_eq!(bad, []);
    let streams = found.iter().filter(|item| item.series.is_some()).count();
    assert_eq!((found.len(), streams), (55, 48));
}

#[test]
fn metadata_of_dnfs_own_tests_is_read() {
    let Some(root) = data("ci-dnf-stack") else {
        return;
    };
    let mut files = 0;
    for directory in fs::read_dir(root).unwrap() {
        let directory = directory.unwrap().path();
        let readers: [(&str, Reader); 3] = [
            ("modules.yaml", |bytes, take| modulemd::read(bytes, "m", take)),
            ("updateinfo.xml", |bytes, take| updateinfo::read(bytes, "u", take)),
            ("comps.xml", |bytes, take| comps::read(bytes, "c", take)),
        ];
        for (name, read) in readers {
            let path = directory.join(name);
            if path.exists() {
                let (found, bad) = items(path.to_str().unwrap(), read).unwrap();
                assert_eq!(bad, [], "{}", path.display());
                assert!(!found.is_empty(), "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 50, "{files}");
}
