//! Real tools judge what the testkit makes: a builder of test data that is wrong would prove nothing.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is a failure with a place")]

use std::path::Path;

use chantal_model::{Algorithm, Compression};
use chantal_testkit::clients::{Createrepo, Dnf, Nginx, RpmTool, Zypper};
use chantal_testkit::compress::decompress;
use chantal_testkit::needs::{is_root, need};
use chantal_testkit::repository::{Names, Place, Repository};
use chantal_testkit::tree::Tree;

fn packages(tree: &Tree, directory: &Path) -> Vec<std::path::PathBuf> {
    tree.ending(".rpm").map(|path| directory.join(path)).collect()
}

#[test]
fn rpm_finds_every_digest_of_a_made_package_right() {
    if !need(RpmTool::available(), "rpm") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = Repository::sample().write_to(directory.path()).unwrap();
    let files = packages(&tree, directory.path());
    assert_eq!(files.len(), 7);
    let output = RpmTool::check(directory.path(), &files).ok();
    assert_eq!(
        output
            .stdout
            .lines()
            .filter(|line| line.ends_with(": digests OK"))
            .count(),
        7,
        "{}",
        output.stdout
    );

    let damaged = directory.path().join("damaged.rpm");
    let mut bytes = std::fs::read(&files[0]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    assert_ne!(RpmTool::check(directory.path(), &[damaged]).code, 0);
}

#[test]
fn metadata_is_what_createrepo_c_writes_for_the_same_packages() {
    if !need(Createrepo::available(), "createrepo_c") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut repository = Repository::sample().place(Place::Flat);
    repository.packages.sort_by_key(chantal_testkit::rpm::Rpm::file_name);
    let tree = repository.build();
    for rpm in &repository.packages {
        let path = directory.path().join(rpm.file_name());
        std::fs::write(&path, tree.bytes(&rpm.file_name())).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(rpm.build_time));
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    Createrepo::create(
        directory.path(),
        &["--no-database", "--simple-md-filenames", "--workers=1"],
    )
    .ok();
    for part in ["primary", "filelists", "other"] {
        let theirs = std::fs::read(directory.path().join(format!("repodata/{part}.xml.gz"))).unwrap();
        let ours = tree.bytes(tree.find(&format!("-{part}.xml.gz")).unwrap());
        let (theirs, ours) = (decompress(&theirs), decompress(&ours));
        let (theirs, ours) = (String::from_utf8(theirs).unwrap(), String::from_utf8(ours).unwrap());
        for (number, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
            assert_eq!(a, b, "line {} of {part} (ours first)", number + 1);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count(), "lines of {part}");
    }
}

#[test]
fn createrepo_c_reads_every_layout() {
    if !need(Createrepo::available(), "createrepo_c") {
        return;
    }
    let layouts = [
        ("gzip", Repository::sample()),
        (
            "none, sha1",
            Repository::sample()
                .compression(Compression::None)
                .checksum(Algorithm::Sha1),
        ),
        ("xz, sha512, plain names", {
            Repository::sample()
                .compression(Compression::Xz)
                .checksum(Algorithm::Sha512)
                .names(Names::Plain)
        }),
        (
            "bzip2, vendor elements",
            Repository::sample().compression(Compression::Bzip2).vendor_elements(),
        ),
        (
            "v2 with deltas",
            Repository::sample_v2().place(Place::Prefix("some/where/".into())),
        ),
    ];
    for (name, repository) in layouts {
        let directory = tempfile::tempdir().unwrap();
        repository.write_to(directory.path()).unwrap();
        let parsed = parse_despite_vendor_elements(directory.path(), name);
        let packages = parsed["packages"].as_array().unwrap();
        assert_eq!(packages.len(), repository.packages.len(), "{name}");
        for package in packages {
            assert!(
                !package["changelogs"].as_array().unwrap().is_empty(),
                "{name}: {package}"
            );
        }
        assert!(
            parsed["advisories"]["TEST-2024:0001"]["packages"][0].is_string(),
            "{name}: {parsed}"
        );
    }
}

/// The parser warns about elements that it does not know, and rightly so.
fn parse_despite_vendor_elements(directory: &Path, name: &str) -> serde_json::Value {
    if !name.contains("vendor") {
        return Createrepo::parse(directory);
    }
    let script = chantal_testkit::needs::workspace().join("scripts/parse_repodata.py");
    let mut command = std::process::Command::new("/usr/bin/python3");
    let output = chantal_testkit::chantal::finish(command.arg(script).arg(directory)).ok();
    assert!(output.stderr.contains("Unknown element"), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn packages_outside_of_the_repository_are_where_their_href_leads() {
    let tree = Repository::sample()
        .root("el9/repo")
        .place(Place::Prefix("../pool/".into()))
        .build();
    assert!(tree.contains("el9/pool/hello-chantal-1.0-1.el9.x86_64.rpm"));
    assert!(tree.contains("el9/repo/repodata/repomd.xml"));
    let based = Repository::sample()
        .place(Place::Flat)
        .base("http://127.0.0.1:1/other/", "other")
        .build();
    assert!(based.contains("other/hello-chantal-1.0-1.el9.x86_64.rpm"));
    let primary = decompress(&based.bytes(based.find("-primary.xml.gz").unwrap()));
    let primary = String::from_utf8(primary).unwrap();
    assert!(primary.contains("<location xml:base=\"http://127.0.0.1:1/other/\" href=\"hello-chantal-1.0-1"));
}

#[test]
fn a_seed_gives_equal_bytes_and_a_larger_count_a_superset() {
    let (first, again) = (Repository::random(7, 60).build(), Repository::random(7, 60).build());
    let digests = chantal_testkit::tree::tree_digests;
    assert_eq!(digests(&first), digests(&again));
    let (smaller, larger) = (digests(&first), digests(&Repository::random(7, 90).build()));
    for path in first.ending(".rpm") {
        assert_eq!(larger.get(path), smaller.get(path), "{path}");
    }
    assert_ne!(digests(&Repository::random(8, 60).build()), digests(&first));
}

#[test]
fn dnf_reads_and_installs_a_made_repository() {
    let available = Dnf::available() && Nginx::available() && is_root();
    if !need(available, "dnf and nginx, as root") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let served = directory.path().join("served");
    Repository::sample().write_to(&served).unwrap();
    open_to_all(directory.path());
    let nginx = Nginx::serve(&served, directory.path());
    let url = nginx.url("/");
    let dnf = Dnf::new(directory.path());

    dnf.makecache(&url).ok();
    assert_eq!(
        dnf.repoquery(&url, &["--whatprovides", "libgreet.so.1()(64bit)"]),
        ["libgreet-1:1.2-3.el9.x86_64"]
    );
    let modules = dnf.module_list(&url).ok().stdout;
    assert!(modules.contains("greeter") && modules.contains("1 [d]"), "{modules}");
    assert!(dnf.group_list(&url).ok().stdout.contains("Group greeting"));

    let root = directory.path().join("root");
    dnf.install(&url, &root, &["greet-tools", "greeter"]).ok();
    let installed = RpmTool::installed(&root);
    assert_eq!(
        installed,
        [
            "greet-tools-0.9~rc1-1.el9.noarch",
            "greeter-1.5-1.module_el9+1.x86_64",
            "hello-chantal-1.0-1.el9.x86_64",
            "hello-chantal-doc-1.0-1.el9.noarch",
            "libgreet-1.2-3.el9.x86_64"
        ]
    );
    let downloaded = directory.path().join("downloaded");
    dnf.download(&url, &downloaded, &["libgreet"]).ok();
    assert!(downloaded.join("libgreet-1.2-3.el9.x86_64.rpm").is_file());
    let advisories = dnf.updateinfo(&url, &root).ok().stdout;
    assert!(
        advisories.contains("TEST-2024:0001 Important/Sec. hello-chantal-1.0-1.el9.x86_64"),
        "{advisories}"
    );
    let verified = RpmTool::run(&root, &["-Va", "--nodeps"]).ok();
    assert_eq!(verified.stdout, "", "files differ from what the packages say");
    assert!(
        nginx
            .log()
            .iter()
            .any(|(status, path)| *status == 200 && path.ends_with("/repomd.xml"))
    );
}

#[test]
fn dnf_fails_on_a_broken_repository() {
    let available = Dnf::available() && Nginx::available();
    if !need(available, "dnf and nginx") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let served = directory.path().join("served");
    let mut tree = Repository::sample().build();
    let primary = tree.find("-primary.xml.gz").unwrap().to_owned();
    tree.put(primary, b"something else".to_vec());
    tree.write_to(&served).unwrap();
    open_to_all(directory.path());
    let nginx = Nginx::serve(&served, directory.path());
    let output = Dnf::new(directory.path()).makecache(&nginx.url("/")).expect(1);
    assert!(
        output.stderr.contains("-primary.xml.gz - Cannot download"),
        "{}",
        output.stderr
    );
}

#[test]
fn zypper_reads_and_installs_a_made_repository() {
    let available = Zypper::available() && Nginx::available() && is_root();
    if !need(available, "zypper (scripts/install-zypper) and nginx, as root") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let served = directory.path().join("served");
    Repository::sample().write_to(&served).unwrap();
    open_to_all(directory.path());
    let nginx = Nginx::serve(&served, directory.path());
    let zypper = Zypper::new(directory.path());
    zypper.add(&nginx.url("/")).ok();
    let packages = zypper.run(&["packages", "--repo", "bench"]).ok().stdout;
    assert!(
        packages.contains("libgreet") && packages.contains("1:1.2-3.el9"),
        "{packages}"
    );
    zypper.run(&["install", "-y", "libgreet"]).ok();
    let recommended = "hello-chantal-doc-1.0-1.el9.noarch";
    assert_eq!(
        RpmTool::installed(zypper.root()),
        [recommended, "libgreet-1.2-3.el9.x86_64"]
    );
}

/// nginx runs as `nobody`, and temporary directories are closed.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}
