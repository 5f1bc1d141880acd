//! A feed in a directory: a few packages of made-up bytes and metadata that name them.

use std::path::{Path, PathBuf};

use chantal_model::Digester;

const NAMESPACE: &str = "http://linux.duke.edu/metadata";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Writes a feed of `name version` pairs; `revision` is upstream's.
pub fn write(directory: &Path, revision: u64, packages: &[(&str, &str)]) {
    let repodata = directory.join("repodata");
    std::fs::create_dir_all(&repodata).unwrap();
    let mut parts = [String::new(), String::new(), String::new()];
    for (name, version) in packages {
        let body = format!("the bytes of {name} {version}\n").repeat(40);
        std::fs::write(directory.join(file_name(name, version)), &body).unwrap();
        for (part, record) in parts.iter_mut().zip(records(name, version, &body)) {
            part.push_str(&record);
        }
    }
    let count = packages.len();
    let roots = [
        (
            "primary",
            "metadata",
            "common",
            " xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"",
        ),
        ("filelists", "filelists", "filelists", ""),
        ("other", "otherdata", "other", ""),
    ];
    let mut data = String::new();
    for ((kind, root, space, more), records) in roots.into_iter().zip(parts) {
        let open = format!("<{root} xmlns=\"{NAMESPACE}/{space}\"{more} packages=\"{count}\">");
        let text = format!("{DECLARATION}{open}\n{records}</{root}>\n");
        std::fs::write(repodata.join(format!("{kind}.xml")), &text).unwrap();
        data.push_str(&named(kind, &text, revision));
    }
    let repomd = format!(
        "{DECLARATION}<repomd xmlns=\"{NAMESPACE}/repo\">\n  <revision>{revision}</revision>\n{data}</repomd>\n"
    );
    std::fs::write(entry(directory), repomd).unwrap();
}

/// The records of a package in the three files.
fn records(name: &str, version: &str, body: &str) -> [String; 3] {
    let file = file_name(name, version);
    let pkgid = sha256(body.as_bytes());
    let size = body.len();
    let version = format!("<version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>");
    let head = format!("<package pkgid=\"{pkgid}\" name=\"{name}\" arch=\"noarch\">{version}");
    [
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch>{version}\
             <checksum type=\"sha256\" pkgid=\"YES\">{pkgid}</checksum><summary>The package {name}</summary>\
             <description>It does nothing.</description><packager/><url/>\
             <time file=\"1700000000\" build=\"1700000000\"/>\
             <size package=\"{size}\" installed=\"10\" archive=\"20\"/><location href=\"{file}\"/>\
             <format><rpm:license>MIT</rpm:license><rpm:vendor/><rpm:group>Unspecified</rpm:group>\
             <rpm:buildhost>localhost</rpm:buildhost><rpm:sourcerpm>{name}.src.rpm</rpm:sourcerpm>\
             <rpm:header-range start=\"1\" end=\"2\"/></format></package>\n"
        ),
        format!("{head}<file>/usr/share/{name}</file></package>\n"),
        format!("{head}<changelog author=\"a\" date=\"1700000000\">- made</changelog></package>\n"),
    ]
}

/// What the entry file says about a metadata file.
fn named(kind: &str, text: &str, revision: u64) -> String {
    let (sum, size) = (sha256(text.as_bytes()), text.len());
    format!(
        "  <data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum>\
         <open-checksum type=\"sha256\">{sum}</open-checksum><location href=\"repodata/{kind}.xml\"/>\
         <timestamp>{revision}</timestamp><size>{size}</size><open-size>{size}</open-size></data>\n"
    )
}

fn file_name(name: &str, version: &str) -> String {
    format!("{name}-{version}-1.noarch.rpm")
}

/// The file that a feed begins with.
pub fn entry(directory: &Path) -> PathBuf {
    directory.join("repodata/repomd.xml")
}

/// The URL of a directory.
pub fn url(directory: &Path) -> String {
    format!("file://{}/", directory.display())
}

fn sha256(bytes: &[u8]) -> String {
    let mut digester = Digester::new(std::iter::empty());
    digester.update(bytes);
    digester.finish().0.hex()
}
