//! Real metadata over made packages, judged by createrepo_c's parser and by the promises in the metadata itself.

use chantal_model::Sha256;
use chantal_testkit::clients::Createrepo;
use chantal_testkit::needs::need;
use chantal_testkit::rebody::RealMetadata;

#[test]
fn every_package_of_appstream_has_the_body_that_primary_promises() {
    let Some(real) = RealMetadata::appstream() else { return };
    let made = real.build();
    assert_eq!(made.packages.len(), 17_649);
    for package in &made.packages {
        let body = made.tree.bytes(&package.href);
        assert_eq!(Sha256::of(&body).hex(), package.pkgid, "{}", package.label);
        assert!(
            package.primary.contains(&format!("<size package=\"{}\"", body.len())),
            "{}",
            package.primary
        );
        assert!(package.primary.contains(&package.pkgid) && package.filelists.contains(&package.pkgid));
    }
    for kind in [
        "-modules.yaml.xz",
        "-AppStream.x86_64.xml",
        "-primary.xml.gz",
        "repodata/repomd.xml",
    ] {
        assert!(made.tree.find(kind).is_some(), "{kind}");
    }
}

#[test]
fn createrepo_c_reads_real_metadata_after_the_swap() {
    if !need(Createrepo::available(), "createrepo_c") {
        return;
    }
    for real in [RealMetadata::appstream(), RealMetadata::baseos()]
        .into_iter()
        .flatten()
    {
        let made = real.limit(400).build();
        let directory = tempfile::tempdir().unwrap();
        made.tree.write_to(directory.path()).unwrap();
        let parsed = Createrepo::parse(directory.path());
        let mut read: Vec<&str> = parsed["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["pkgId"].as_str().unwrap())
            .collect();
        let mut expected: Vec<&str> = made.packages.iter().map(|package| package.pkgid.as_str()).collect();
        read.sort_unstable();
        expected.sort_unstable();
        assert_eq!(read, expected);
    }
}

#[test]
fn file_lists_of_baseos_survive_the_swap() {
    let Some(real) = RealMetadata::baseos() else { return };
    let made = real.build();
    assert_eq!(made.packages.len(), 4_572);
    let files: usize = made
        .packages
        .iter()
        .map(|package| package.filelists.matches("<file").count())
        .sum();
    assert!(files > 100_000, "only {files} files");
}
