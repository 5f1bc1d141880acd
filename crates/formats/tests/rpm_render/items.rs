//! Advisories, groups and modules.

use chantal_formats::RenderSettings;
use chantal_formats::rpm::Rpm;
use chantal_model::ItemKind;

use super::memory::Kept;
use super::{A, B, again, kept, open, primary, render, settings};

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
fn source_packages_are_no_packages_of_a_group() {
    let comps = "<comps><group><id>g</id><packagelist><packagereq>a</packagereq><packagereq>b</packagereq>\
                 <packagereq>c</packagereq></packagelist></group>\
                 <langpacks><match name=\"a\" install=\"b-%s\"/></langpacks></comps>";
    let published = [
        A,
        ("b", "1", "1", "src"),
        ("c", "1", "1", "nosrc"),
        ("b-de", "1", "1", "src"),
    ];
    let content = kept(&[("primary", &primary(&published)), ("group", comps)]);
    let text = open(&render(&content.choose(&Rpm, |_| true)), "comps").unwrap();
    assert_eq!(
        (text.matches("<packagereq>").count(), text.matches("<match").count()),
        (1, 0),
        "{text}"
    );
    assert!(text.contains("<packagereq>a</packagereq>"), "{text}");
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
fn defaults_say_nothing_about_streams_that_are_not_there() {
    let stream = |stream: u8, package: &str| {
        format!(
            "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: {stream}\n  artifacts:\n    rpms:\n    - \
             {package}\n...\n"
        )
    };
    let streams = stream(1, "a-0:1-2.el9.x86_64") + &stream(2, "b-0:1.0~rc1-3.noarch");
    let head = "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: m\n";
    for (data, expected) in [
        (
            "  stream: 2\n  profiles:\n    1: [common]\n    2: [common]\n  intents: {}\n",
            "  stream: 2\n  profiles:\n    2: [common]\n  intents: {}\n",
        ),
        (
            "  profiles:\n    # both\n    \"1\": [common]\n    '2':\n    - common\n    - server\n",
            "  profiles:\n    # both\n    '2':\n    - common\n    - server\n",
        ),
        (
            "  stream: 1\n  profiles: {1: [a, b], 2: [common]}\n",
            "  profiles: { 2: [common]}\n",
        ),
        ("  stream: 1\n  profiles:\n    1:\n    - common\n", ""),
        (
            "  profiles: &all\n    1: [common]\n",
            "  profiles: &all\n    1: [common]\n",
        ),
    ] {
        let modules = format!("{streams}{head}{data}...\n");
        let content = kept(&[("primary", &primary(&[A, B])), ("modules", &modules)]);
        let text = open(
            &render(&content.choose(&Rpm, |package| &*package.name == "b")),
            "modules",
        )
        .unwrap();
        assert!(text.starts_with(&format!("{head}{expected}...\n")), "{data}: {text}");
    }
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
