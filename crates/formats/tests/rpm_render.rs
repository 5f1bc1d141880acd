//! Generated metadata of RPM repositories: what is in it, and that the reader finds the same again.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod memory;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;

use chantal_formats::rpm::Rpm;
use chantal_formats::{FormatError, OpenLimits, RenderSettings, decode};
use chantal_model::{Algorithm, Compression, ItemKind, Sha256};
use memory::{Chosen, Files, Kept, Upstream};
use proptest::prelude::*;

fn settings() -> RenderSettings {
    RenderSettings {
        compression: Compression::None,
        checksum: Algorithm::Sha256,
        revision: "42".to_owned(),
        timestamp: 1_700_000_000,
    }
}

/// `name version release arch`, each with epoch 0.
type Nvra<'a> = (&'a str, &'a str, &'a str, &'a str);

fn package((name, version, release, arch): Nvra<'_>) -> String {
    let pkgid = Sha256::of(format!("{name}-{version}-{release}.{arch}").as_bytes());
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{arch}</arch>\n  <version epoch=\"0\" \
         ver=\"{version}\" rel=\"{release}\"/>\n  <checksum type=\"sha256\" pkgid=\"YES\">{pkgid}</checksum>\n  \
         <summary>R&amp;D</summary>\n  <location href=\"{name}-{version}-{release}.{arch}.rpm\"/>\n</package>"
    )
}

fn primary(packages: &[Nvra<'_>]) -> String {
    let packages: Vec<String> = packages.iter().map(|nvra| package(*nvra)).collect();
    format!("<metadata>\n{}\n</metadata>", packages.join("\n"))
}

fn kept(documents: &[(&str, &str)]) -> Kept {
    let documents: Vec<(&str, &[u8])> = documents.iter().map(|(kind, text)| (*kind, text.as_bytes())).collect();
    let kept = Kept::list(&Rpm, &Upstream::of(&documents)).unwrap();
    assert_eq!(kept.bad, []);
    kept
}

fn open(files: &Files, name: &str) -> Option<String> {
    let (_, bytes) = files.iter().find(|(path, _)| path.contains(name))?;
    let mut text = String::new();
    decode(Box::new(bytes.as_slice()), OpenLimits::unpromised())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    Some(text)
}

fn render(chosen: &Chosen) -> Files {
    chosen.render(&Rpm, &settings()).unwrap()
}

/// Reads generated metadata as any other, its promises checked.
fn again(files: &Files) -> Kept {
    let (upstream, missing) = memory::fetch(&Rpm, files).unwrap();
    assert_eq!(missing, [""; 0]);
    let kept = Kept::list(&Rpm, &upstream).unwrap();
    assert_eq!(kept.bad, []);
    kept
}

const A: Nvra<'_> = ("a", "1", "2.el9", "x86_64");
const B: Nvra<'_> = ("b", "1.0~rc1", "3", "noarch");

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

const UPDATEINFO: &str = "<updates><update type=\"security\" vendor:x=\"1\">
    <id>A-1</id>
    <references><reference type=\"cve\" id=\"CVE-1\"/></references>
    <pkglist>
      <collection short=\"both\">
        <name>both</name>
        <package name=\"b\" version=\"1.0~rc1\" release=\"3\" epoch=\"0\" arch=\"noarch\"><filename>b.rpm</filename></package>
        <package name=\"a\" version=\"1\" release=\"2.el9\" arch=\"x86_64\">
          <filename>a.rpm</filename>
        </package>
        <package name=\"a\" version=\"1\" release=\"2.el9\" epoch=\"1\" arch=\"x86_64\"/>
      </collection>
      <collection short=\"gone\">
        <package name=\"b\" version=\"1.0~rc1\" release=\"3\" arch=\"noarch\"/>
      </collection>
      <!-- <package name=\"b\"/> -->
    </pkglist>
  </update><update><id>only-b</id><pkglist><collection><package name=\"b\" version=\"1.0~rc1\" release=\"3\"
  arch=\"noarch\"/></collection></pkglist></update><update><id>no-packages</id><pkglist><collection/></pkglist></update></updates>";

#[test]
fn an_advisory_lists_what_is_published() {
    let content = kept(&[("primary", &primary(&[A, B])), ("updateinfo", UPDATEINFO)]);
    let files = render(&content.choose(&Rpm, |package| &*package.name == "a"));
    insta::assert_snapshot!(open(&files, "updateinfo").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <updates>
      <update type="security" vendor:x="1">
        <id>A-1</id>
        <references><reference type="cve" id="CVE-1"/></references>
        <pkglist>
          <collection short="both">
            <name>both</name>
            <package name="a" version="1" release="2.el9" arch="x86_64">
              <filename>a.rpm</filename>
            </package>
          </collection>
          <!-- <package name="b"/> -->
        </pkglist>
      </update>
      <update><id>no-packages</id><pkglist><collection/></pkglist></update>
    </updates>
    "#);
    assert!(open(&files, "repomd").unwrap().contains("<data type=\"updateinfo\">"));
}

const COMPS: &str = "<comps>
  <group>
    <id>both</id>
    <packagelist>
      <packagereq type=\"mandatory\">a</packagereq>
      <packagereq type=\"conditional\" requires=\"a\">b</packagereq>
      <packagereq>a</packagereq>
    </packagelist>
  </group>
  <group><id>only-b</id><packagelist><packagereq>b</packagereq></packagelist></group>
  <group><id>empty</id><packagelist/></group>
  <environment>
    <id>env</id>
    <grouplist>
      <groupid>both</groupid>
      <groupid>only-b</groupid>
      <groupid>elsewhere</groupid>
    </grouplist>
    <optionlist>
      <groupid default=\"true\">only-b</groupid>
    </optionlist>
  </environment>
  <environment><id>gone</id><grouplist><groupid>only-b</groupid></grouplist></environment>
  <category><id>cat</id><grouplist><groupid>only-b</groupid><groupid>both</groupid></grouplist></category>
  <langpacks>
    <match name=\"a\" install=\"a-%s\"/>
    <match name=\"b\" install=\"b-%s-x\"/>
    <match name=\"a\" install=\"a\"/>
    <match name=\"a\"/>
  </langpacks>
</comps>";

#[test]
fn groups_and_what_refers_to_them_are_there_together() {
    let published = [A, B, ("b-de-x", "1", "1", "noarch"), ("b--x", "1", "1", "noarch")];
    let content = kept(&[("primary", &primary(&published)), ("group", COMPS)]);
    let files = render(&content.choose(&Rpm, |package| &*package.name != "b"));
    insta::assert_snapshot!(open(&files, "comps").unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <comps>
      <group>
        <id>both</id>
        <packagelist>
          <packagereq type="mandatory">a</packagereq>
          <packagereq>a</packagereq>
        </packagelist>
      </group>
      <group><id>empty</id><packagelist/></group>
      <category><id>cat</id><grouplist><groupid>both</groupid></grouplist></category>
      <environment>
        <id>env</id>
        <grouplist>
          <groupid>both</groupid>
          <groupid>elsewhere</groupid>
        </grouplist>
        <optionlist>
        </optionlist>
      </environment>
      <langpacks>
        <match name="b" install="b-%s-x"/>
        <match name="a" install="a"/>
        <match name="a"/>
      </langpacks>
    </comps>
    "#);
    assert!(open(&files, "repomd").unwrap().contains("<data type=\"group\">"));
}

#[test]
fn a_group_defined_twice_is_gone_only_if_both_are() {
    let comps = "<comps><group><id>g</id><packagelist><packagereq>b</packagereq></packagelist></group>\
                 <group><id>g</id><packagelist><packagereq>a</packagereq></packagelist></group>\
                 <environment><id>e</id><grouplist><groupid>g</groupid></grouplist></environment></comps>";
    let content = kept(&[("primary", &primary(&[A, B])), ("group", comps)]);
    let text = open(&render(&content.choose(&Rpm, |package| &*package.name == "a")), "comps").unwrap();
    assert_eq!(
        (text.matches("<group>").count(), text.matches("<groupid>g").count()),
        (1, 1)
    );
}

const MODULES: &str = "---
document: modulemd
version: 2
data:
  name: m
  stream: 1
  description: >-
    An artifact is no
    artifacts:
      rpms:
      - a-0:1-2.el9.x86_64
  license: {module: [MIT]}
  artifacts:
    rpms:
    # one line each
    - a-0:1-2.el9.x86_64
    - \"b-1.0~rc1-3.noarch\"
    - b-0:1.0~rc1-3.src # sources
    rpm-map: {}
  profiles:
    default:
      rpms:
      - b
...
---
  data:
    name: m
    stream: 2
    artifacts:
      rpms:
        - b-0:1.0~rc1-3.noarch
  document: modulemd
  version: 2
...
---
document: modulemd
version: 2
data: {name: flow, stream: x, artifacts: {rpms: [a-0:1-2.el9.x86_64, b-0:1.0~rc1-3.noarch]}}
...
---
document: modulemd
version: 2
data:
  name: line
  stream: x
  artifacts:
    rpms: [b-0:1-1.src, \"b-0:1.0~rc1-3.noarch\", a-0:1-2.el9.x86_64, 'b-0:1-1.noarch' ]
...
---
document: modulemd-defaults
version: 1
data:
  module: m
  stream: 2
  profiles:
    2: [default]
...
---
document: modulemd-defaults
version: 1
data:
  module: flow
  stream: x
...
---
document: modulemd-defaults
version: 1
data:
  module: elsewhere
  stream: x
...
---
document: modulemd-obsoletes
version: 1
data:
  module: elsewhere
  stream: x
...
";

#[test]
fn streams_list_what_is_published() {
    let content = kept(&[("primary", &primary(&[A, B])), ("modules", MODULES)]);
    let files = render(&content.choose(&Rpm, |package| &*package.name == "a"));
    insta::assert_snapshot!(open(&files, "modules").unwrap(), @r#"
    ---
    document: modulemd-defaults
    version: 1
    data:
      module: flow
      stream: x
    ...
    ---
    document: modulemd-defaults
    version: 1
    data:
      module: m
      profiles:
        2: [default]
    ...
    ---
    document: modulemd
    version: 2
    data: {name: flow, stream: x, artifacts: {rpms: [a-0:1-2.el9.x86_64, b-0:1.0~rc1-3.noarch]}}
    ...
    ---
    document: modulemd
    version: 2
    data:
      name: line
      stream: x
      artifacts:
        rpms: [ a-0:1-2.el9.x86_64]
    ...
    ---
    document: modulemd
    version: 2
    data:
      name: m
      stream: 1
      description: >-
        An artifact is no
        artifacts:
          rpms:
          - a-0:1-2.el9.x86_64
      license: {module: [MIT]}
      artifacts:
        rpms:
        # one line each
        - a-0:1-2.el9.x86_64
        rpm-map: {}
      profiles:
        default:
          rpms:
          - b
    ...
    "#);
    assert!(open(&files, "repomd").unwrap().contains("<data type=\"modules\">"));
}

#[test]
fn a_stream_without_artifacts_stays_with_what_is_about_it() {
    let modules = "---\ndocument: modulemd\nversion: 2\ndata: {name: m, stream: s}\n...\n---\ndocument: \
                   modulemd-defaults\nversion: 1\ndata:\n  module: m\n  stream: s\n...\n";
    let content = kept(&[("primary", &primary(&[A])), ("modules", modules)]);
    let found = again(&render(&content.choose(&Rpm, |_| false)));
    let records =
        |kept: &Kept| -> Vec<Vec<u8>> { kept.of_kind(ItemKind::Module).map(|item| item.record.clone()).collect() };
    let mut wanted = records(&content);
    wanted.reverse();
    assert_eq!(records(&found), wanted);
}

#[test]
fn what_has_no_items_left_is_not_written() {
    let documents = [
        ("primary", &*primary(&[A, B])),
        (
            "updateinfo",
            "<updates><update><id>x</id><pkglist><collection><package name=\"b\" version=\"1.0~rc1\" \
                        release=\"3\" arch=\"noarch\"/></collection></pkglist></update></updates>",
        ),
        (
            "group",
            "<comps><group><id>g</id><packagelist><packagereq>b</packagereq></packagelist></group></comps>",
        ),
        (
            "modules",
            "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: s\n  artifacts:\n    rpms:\n    \
                     - b-0:1.0~rc1-3.noarch\n",
        ),
    ];
    let content = kept(&documents);
    assert_eq!(render(&content.choose(&Rpm, |_| true)).len(), 7);
    assert_eq!(render(&content.choose(&Rpm, |package| &*package.name == "a")).len(), 4);
    let nothing = render(&content.choose(&Rpm, |_| false));
    assert_eq!(nothing.len(), 4);
    assert_eq!(again(&nothing).packages.len(), 0);
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
fn every_compression_and_checksum_reads_back() {
    let documents = [
        ("primary", &*primary(&[A, B])),
        ("updateinfo", UPDATEINFO),
        ("group", COMPS),
        ("modules", MODULES),
    ];
    let chosen = kept(&documents).choose(&Rpm, |_| true);
    for compression in ["none", "gzip", "zstd", "xz", "bzip2"] {
        for checksum in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
            let settings = RenderSettings {
                compression: compression.parse().unwrap(),
                checksum: checksum.parse().unwrap(),
                ..settings()
            };
            let files = chosen.render(&Rpm, &settings).unwrap();
            assert_eq!(
                files,
                chosen.render(&Rpm, &settings).unwrap(),
                "{compression} {checksum}"
            );
            assert_eq!(again(&files).packages.len(), 2, "{compression} {checksum}");
            let repomd = String::from_utf8(files["repodata/repomd.xml"].clone()).unwrap();
            let open_checksums = repomd.matches(&format!("<open-checksum type=\"{checksum}\">")).count();
            assert_eq!(
                open_checksums,
                if compression == "none" { 0 } else { 6 },
                "{compression} {checksum}"
            );
            let suffix = settings.compression.suffix();
            assert_eq!(
                files.keys().filter(|path| path.ends_with(suffix)).count(),
                6 + usize::from(suffix.is_empty())
            );
        }
    }
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

/// What each item refers to, of what is published; items of which nothing is left are not there.
fn expected(content: &Kept, kind: ItemKind, published: &BTreeSet<&str>) -> Vec<(String, Vec<String>)> {
    let mut expected: Vec<(String, Vec<String>)> = content
        .of_kind(kind)
        .filter_map(|item| {
            let left: Vec<String> = item
                .refers
                .iter()
                .filter(|label| published.contains(&***label))
                .map(ToString::to_string)
                .collect();
            (item.refers.is_empty() || !left.is_empty()).then(|| (item.key.clone(), left))
        })
        .collect();
    expected.sort();
    expected
}

proptest! {
    #[test]
    fn any_choice_reads_back_as_what_was_chosen(
        listed in proptest::collection::vec(proptest::collection::btree_set(0..6_usize, 0..5), 0..6),
        chosen in proptest::collection::btree_set(0..6_usize, 0..6),
    ) {
        let names: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
        let packages: Vec<Nvra<'_>> = names.iter().map(|name| (&**name, "1", "1", "noarch")).collect();
        let (mut advisories, mut groups, mut modules) = (String::new(), String::new(), String::new());
        for (at, list) in listed.iter().enumerate() {
            write!(advisories, "<update><id>u{at}</id><pkglist><collection>")?;
            write!(groups, "<group><id>g{at}</id><packagelist>")?;
            write!(modules, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m{at}\n  stream: s\n  artifacts:\n    rpms:\n")?;
            for number in list {
                write!(advisories, "\n<package name=\"p{number}\" version=\"1\" release=\"1\" arch=\"noarch\"/>")?;
                write!(groups, "\n<packagereq>p{number}</packagereq>")?;
                writeln!(modules, "    - p{number}-0:1-1.noarch")?;
            }
            advisories.push_str("\n</collection></pkglist></update>\n");
            groups.push_str("\n</packagelist></group>\n");
        }
        let content = kept(&[
            ("primary", &primary(&packages)),
            ("updateinfo", &format!("<updates>{advisories}</updates>")),
            ("group", &format!("<comps>{groups}</comps>")),
            ("modules", &modules),
        ]);
        let published: BTreeSet<String> = chosen.iter().map(|number| format!("p{number}-0:1-1.noarch")).collect();
        let published: BTreeSet<&str> = published.iter().map(String::as_str).collect();
        let found = again(&render(&content.choose(&Rpm, |package| published.contains(&*package.label))));

        prop_assert_eq!(found.labels(), published.clone());
        for kind in [ItemKind::Advisory, ItemKind::Module] {
            let wanted = expected(&content, kind, &published);
            prop_assert_eq!(expected(&found, kind, &published), wanted.clone());
            let all: usize = found.of_kind(kind).map(|item| item.refers.len()).sum();
            prop_assert_eq!(all, wanted.iter().map(|(_, labels)| labels.len()).sum::<usize>(), "nothing else is listed");
        }
        let wanted: Vec<usize> = listed
            .iter()
            .map(|list| (list.len(), list.intersection(&chosen).count()))
            .filter(|(all, left)| *all == 0 || *left > 0)
            .map(|(_, left)| left)
            .collect();
        let groups: Vec<usize> = found
            .of_kind(ItemKind::Group)
            .map(|item| item.attributes["packages"].as_array().map_or(0, Vec::len))
            .collect();
        prop_assert_eq!(groups, wanted);
    }
}
