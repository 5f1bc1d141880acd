//! The files of a repository without advisories, groups and modules, and its entry point.

use chantal_formats::FormatError;
use chantal_formats::rpm::Rpm;
use chantal_model::{ItemKind, Sha256};

use super::memory::Chosen;
use super::{A, B, kept, open, package, primary, render, settings};

#[test]
fn every_fragment_is_upstreams_own() {
    let vendor = package(A).replace("</package>", "  <v:thing xmlns:w=\"x\">y</v:thing>\n</package>");
    let primary = format!(
        "<?xml version='1.0'?><metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:v=\"urn:v\" \
         packages=\"1\">{vendor}</metadata>"
    );
    let pkgid = Sha256::of(b"a-1-2.el9.x86_64");
    let filelists = format!("<filelists><package pkgid=\"{pkgid}\"><file>/a&#x41;</file></package></filelists>");
    let files = render(&kept(&[("primary", &primary), ("filelists", &filelists)]).choose(&Rpm, |_| true));

    assert_eq!(files.len(), 4);
    insta::assert_snapshot!(open(&files, "primary").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:v="urn:v" packages="1">
    <package type="rpm">
      <name>a</name>
      <arch>x86_64</arch>
      <version epoch="0" ver="1" rel="2.el9"/>
      <checksum type="sha256" pkgid="YES">c3060a64282673610bfa7146967e5b9e129eeb6a9d6a44f090cfd3abaf031c1f</checksum>
      <summary>R&amp;D</summary>
      <location href="a-1-2.el9.x86_64.rpm"/>
      <v:thing xmlns:w="x">y</v:thing>
    </package>
    </metadata>
    "#);
    insta::assert_snapshot!(open(&files, "filelists").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <filelists packages="1">
    <package pkgid="c3060a64282673610bfa7146967e5b9e129eeb6a9d6a44f090cfd3abaf031c1f"><file>/a&#x41;</file></package>
    </filelists>
    "#);
    insta::assert_snapshot!(open(&files, "other").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">
    <package pkgid="c3060a64282673610bfa7146967e5b9e129eeb6a9d6a44f090cfd3abaf031c1f" name="a" arch="x86_64">
      <version epoch="0" ver="1" rel="2.el9"/>
    </package>
    </otherdata>
    "#);
}

#[test]
fn the_entry_point_names_every_file() {
    let files = render(&kept(&[("primary", &primary(&[A, B]))]).choose(&Rpm, |_| true));
    insta::assert_snapshot!(open(&files, "repomd").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
      <revision>42</revision>
      <data type="primary">
        <checksum type="sha256">e2264c7125951248ff88dda54d31339219d5d9daedf1e8668f5fcc0c4d5ea280</checksum>
        <location href="repodata/e2264c7125951248ff88dda54d31339219d5d9daedf1e8668f5fcc0c4d5ea280-primary.xml"/>
        <timestamp>1700000000</timestamp>
        <size>677</size>
      </data>
      <data type="filelists">
        <checksum type="sha256">8135310681b8383c42149cdebdd0c10a8fe1665c2192bb52bb725983e384efb2</checksum>
        <location href="repodata/8135310681b8383c42149cdebdd0c10a8fe1665c2192bb52bb725983e384efb2-filelists.xml"/>
        <timestamp>1700000000</timestamp>
        <size>448</size>
      </data>
      <data type="other">
        <checksum type="sha256">4c8d5bd77ac001cea0683cccf541b23a77bb03b502f840d895a11997a1107042</checksum>
        <location href="repodata/4c8d5bd77ac001cea0683cccf541b23a77bb03b502f840d895a11997a1107042-other.xml"/>
        <timestamp>1700000000</timestamp>
        <size>444</size>
      </data>
    </repomd>
    "#);
    assert_eq!(files.len(), 4);
}

#[test]
fn a_location_is_the_plain_path_escaped_for_xml_alone() {
    let content = kept(&[("primary", &primary(&[A]))]);
    let mut chosen = content.choose(&Rpm, |_| true);
    let (_, package) = chosen.packages.pop_first().unwrap();
    chosen.packages.insert("P/1%2b+^~ &<>\"'\u{e9}.rpm".to_owned(), package);
    let text = open(&render(&chosen), "primary").unwrap();
    let line = text.lines().find(|line| line.contains("<location")).unwrap();
    assert_eq!(line, "  <location href=\"P/1%2b+^~ &amp;&lt;&gt;&quot;'\u{e9}.rpm\"/>");
}

#[test]
fn files_that_came_as_they_are_follow_by_type() {
    let content = kept(&[("primary", &primary(&[A]))]);
    let mut chosen = content.choose(&Rpm, |_| true);
    chosen.add_file("repodata/a-product", "<data type=\"productid\"><vendor/></data>");
    chosen.add_file("repodata/b-app", "<data type=\"appstream\"><size>1</size></data>");
    chosen.add_file("repodata/c-primary", "<data type=\"primary\"/>");
    chosen.add_file("repodata/repomd.xml.key", "");
    let repomd = open(&render(&chosen), "repomd").unwrap();
    let (_, rest) = repomd.split_once("<data type=\"other\">").unwrap();
    let (_, rest) = rest.split_once("</data>\n").unwrap();
    insta::assert_snapshot!(rest, @r#"
      <data type="appstream"><size>1</size></data>
      <data type="productid"><vendor/></data>
    </repomd>
    "#);
}

#[test]
fn content_that_contradicts_itself_is_refused() {
    let content = kept(&[("primary", &primary(&[A]))]);
    let refused = |change: &dyn Fn(&mut Chosen)| {
        let mut chosen = content.choose(&Rpm, |_| true);
        change(&mut chosen);
        matches!(chosen.render(&Rpm, &settings()), Err(FormatError::Malformed { .. }))
    };
    assert!(refused(&|chosen| chosen.announce_more = 1));
    assert!(refused(&|chosen| chosen
        .packages
        .values_mut()
        .for_each(|(_, records)| records[0] = None)));
    assert!(refused(&|chosen| chosen
        .packages
        .values_mut()
        .for_each(|(_, records)| records[0] = Some(b"x".to_vec()))));
    for root in ["", "metadata", "<metadata", "<metadata/>", "</metadata>", "< >"] {
        assert!(
            refused(&|chosen| chosen.add(
                ItemKind::Document,
                "root/primary",
                serde_json::Value::Null,
                root.as_bytes()
            )),
            "{root:?}"
        );
    }
    assert!(!refused(&|_| {}));
}
