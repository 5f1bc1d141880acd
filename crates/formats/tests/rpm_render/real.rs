//! Half of what real repositories list, rendered and read again; skipped, loudly, where their metadata is not there.
#![expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use chantal_formats::rpm::Rpm;
use chantal_formats::{Item, RenderSettings};
use chantal_model::{Algorithm, Compression, ItemKind, Package, Sha256};

use super::memory::{self, Files, Kept, Upstream};

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

fn settings() -> RenderSettings {
    RenderSettings {
        compression: Compression::Zstd,
        checksum: Algorithm::Sha512,
        revision: "1".to_owned(),
        timestamp: 1,
    }
}

/// Every second text, whatever the order.
fn is_chosen(text: &str) -> bool {
    Sha256::of(text.as_bytes()).0[0] & 1 == 0
}

fn rendered(content: &Kept, choose: impl FnMut(&Package) -> bool) -> Kept {
    let files = content.choose(&Rpm, choose).render(&Rpm, &settings()).unwrap();
    let (upstream, missing) = memory::fetch(&Rpm, &files).unwrap();
    assert_eq!(missing, [""; 0]);
    let found = Kept::list(&Rpm, &upstream).unwrap();
    assert_eq!(found.bad, []);
    found
}

type ByPackage<'a> = BTreeMap<(&'a str, &'a str), &'a memory::Records>;

fn records(kept: &Kept) -> ByPackage<'_> {
    kept.packages
        .iter()
        .map(|(package, records)| ((&*package.label, &*package.part_key), records))
        .collect()
}

#[test]
fn records_of_centos_stay_byte_for_byte() {
    let Some(root) = data("osbuild-centos-repos/appstream") else {
        return;
    };
    let mut files = Files::new();
    for entry in fs::read_dir(root.join("repodata")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("repodata/{}", path.file_name().unwrap().to_str().unwrap());
        files.insert(name, fs::read(path).unwrap());
    }
    // The copy lacks other.xml and has a stub of filelists.xml in place of the one that the entry point names.
    let (mut upstream, _) = memory::fetch(&Rpm, &files).unwrap();
    upstream.0.insert("data/filelists".to_owned(), None);
    let content = Kept::list(&Rpm, &upstream).unwrap();
    let found = rendered(&content, |package| is_chosen(&package.label));

    let mut wanted = records(&content);
    wanted.retain(|(label, _), _| is_chosen(label));
    assert!(wanted.len() > 8_000, "{}", wanted.len());
    let found = records(&found);
    assert!(found.keys().eq(wanted.keys()));
    for (key, records) in wanted {
        // A package without a record gets an empty one.
        for (part, record) in records.iter().enumerate().filter(|(_, record)| record.is_some()) {
            assert!(found[&key][part] == *record, "{key:?} {part}");
        }
    }
}

/// A repository of packages with these labels, and one other document.
fn repository(labels: &BTreeSet<String>, kind: &str, document: &[u8]) -> Upstream {
    let mut primary = "<metadata>".to_owned();
    for label in labels {
        let (rest, arch) = label.rsplit_once('.').unwrap();
        let (rest, release) = rest.rsplit_once('-').unwrap();
        let (rest, version) = rest.rsplit_once(':').unwrap();
        let (name, epoch) = rest.rsplit_once('-').unwrap();
        writeln!(
            primary,
            "<package><name>{name}</name><arch>{arch}</arch><version epoch=\"{epoch}\" ver=\"{version}\" \
             rel=\"{release}\"/><checksum type=\"sha256\">{}</checksum><location href=\"{label}.rpm\"/></package>",
            Sha256::of(label.as_bytes())
        )
        .unwrap();
    }
    primary += "</metadata>";
    Upstream::of(&[("primary", primary.as_bytes()), (kind, document)])
}

fn list(labels: &BTreeSet<String>, kind: &str, document: &[u8]) -> Kept {
    let kept = Kept::list(&Rpm, &repository(labels, kind, document)).unwrap();
    assert_eq!(kept.bad, []);
    kept
}

/// Items of a kind whose packages are named by label: each lists the chosen ones, and is gone if none of them is.
fn half_of_the_references(path: &Path, kind: &str, of: ItemKind) {
    let document = fs::read(path).unwrap();
    let all = list(&BTreeSet::new(), kind, &document);
    let labels: BTreeSet<String> = all
        .of_kind(of)
        .flat_map(|item| &item.refers)
        .map(ToString::to_string)
        .collect();
    let content = list(&labels, kind, &document);
    let found = rendered(&content, |package| is_chosen(&package.label));
    let left =
        |item: &Item| -> Vec<Box<str>> { item.refers.iter().filter(|label| is_chosen(label)).cloned().collect() };
    let in_order = |kept: &Kept, refers: &dyn Fn(&Item) -> Vec<Box<str>>| {
        let mut items: Vec<(String, Vec<Box<str>>)> = kept
            .of_kind(of)
            .filter(|item| !item.refers.is_empty() && !left(item).is_empty())
            .map(|item| (item.attributes.to_string(), refers(item)))
            .collect();
        items.sort();
        items
    };
    let (found, wanted) = (in_order(&found, &|item| item.refers.clone()), in_order(&content, &left));
    assert_eq!(found.len(), wanted.len(), "{}", path.display());
    for (found, wanted) in found.into_iter().zip(wanted) {
        assert_eq!(found, wanted, "{}", path.display());
    }
}

#[test]
fn advisories_list_the_chosen_half() {
    let mut files: Vec<PathBuf> = data("ci-dnf-stack")
        .iter()
        .flat_map(|root| documents(root, "updateinfo"))
        .collect();
    for name in ["1_item", "2_items", "AL2023"] {
        files.extend(data(&format!("updateinfo-amazon/updateinfo_{name}.xml.gz")));
    }
    for file in files {
        half_of_the_references(&file, "updateinfo", ItemKind::Advisory);
    }
}

#[test]
fn module_streams_list_the_chosen_half() {
    let Some(root) = data("ci-dnf-stack") else { return };
    let mut files = documents(&root, "modules.yaml");
    files.extend(data("libmodulemd/f29.yaml"));
    files.extend(data("libmodulemd/f29-updates.yaml"));
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        half_of_the_references(&file, "modules", ItemKind::Module);
    }
}

#[test]
fn groups_list_the_chosen_half() {
    let Some(path) = data("libcomps/fedora_comps.xml") else {
        return;
    };
    let document = fs::read(path).unwrap();
    let words = |item: &Item, name: &str| -> Vec<String> {
        let words = item.attributes[name].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let all = list(&BTreeSet::new(), "group", &document);
    let labels: BTreeSet<String> = all
        .of_kind(ItemKind::Group)
        .flat_map(|item| words(item, "packages"))
        .map(|name| format!("{name}-0:1-1.noarch"))
        .collect();
    let content = list(&labels, "group", &document);
    let found = rendered(&content, |package| is_chosen(&package.name));
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for item in content
        .of_kind(ItemKind::Group)
        .filter(|item| item.attributes["kind"] == "group")
    {
        let mut packages = words(item, "packages");
        let had = !packages.is_empty();
        packages.retain(|name| is_chosen(name));
        if had && packages.is_empty() {
            gone.insert(item.attributes["id"].as_str().unwrap());
        } else {
            wanted.insert(&item.key, packages);
        }
    }
    assert!(!gone.is_empty() && wanted.len() > 100);
    for item in found.of_kind(ItemKind::Group) {
        match item.attributes["kind"].as_str().unwrap() {
            "group" => assert_eq!(Some(words(item, "packages")), wanted.remove(&*item.key), "{}", item.key),
            _ => assert!(
                words(item, "groups").iter().all(|id| !gone.contains(id.as_str())),
                "{}",
                item.key
            ),
        }
    }
    assert_eq!(wanted, BTreeMap::new());
}

/// Files below a directory whose name begins so.
fn documents(root: &Path, start: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(documents(&path, start));
        } else if name.starts_with(start) {
            found.push(path);
        }
    }
    found.sort();
    found
}
