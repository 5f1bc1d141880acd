use serde_json::json;

use super::super::testing::{Kept, Repo, list, primary};
use crate::Format;
use crate::read::{Item, Rule};
use crate::rpm::Rpm;

fn listed(kind: &str, text: &str) -> Kept {
    let mut kept = list(&Repo::new(&primary(&[])).with(kind, text).done()).unwrap();
    kept.items.retain(|item| !item.key.starts_with("root/"));
    for item in &kept.items {
        if let Some(again) = Rpm.item(item.kind, &item.record) {
            assert_eq!(
                (again.refers, again.series),
                (item.refers.clone(), item.series.clone()),
                "{}",
                item.key
            );
            assert_eq!(
                (again.needs, again.rule),
                (item.needs.clone(), item.rule),
                "{}",
                item.key
            );
        } else {
            panic!("{} is not read back", item.key);
        }
    }
    kept
}

fn keys(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.key.as_str()).collect()
}

#[test]
fn advisories_name_their_packages_by_label() {
    let first = "<update type=\"security\"><id>A-1</id><title>T &amp; t</title><severity>Low</severity>\
                 <issued date=\"2026-01-02\"/><updated date=\"2026-01-03\"/><references>\
                 <reference href=\"h\" id=\"CVE-2026-1\" type=\"cve\"/><reference id=\"7\" type=\"bugzilla\"/></references>\
                 <pkglist><collection><name>c</name><package name=\"b\" version=\"1\" release=\"2\" epoch=\"3\" \
                 arch=\"noarch\"><filename>b.rpm</filename></package><package name=\"a\" version=\"1\" release=\"2\" \
                 arch=\"noarch\"/><package name=\"a\"/></collection></pkglist></update>";
    let text = format!("<updates>\n {first}\n<update><id>A-1</id></update><update/></updates>");

    let kept = listed("updateinfo", &text);

    assert_eq!(keys(&kept.items), ["A-1", "A-1#2"]);
    let item = &kept.items[0];
    assert_eq!(item.record, first.as_bytes());
    assert_eq!(item.rule, Rule::AnyOf);
    assert_eq!(item.refers, [Box::from("a-0:1-2.noarch"), Box::from("b-3:1-2.noarch")]);
    let expected = json!({"title": "T & t", "type": "security", "severity": "Low", "issued": "2026-01-02",
        "updated": "2026-01-03", "cves": ["CVE-2026-1"]});
    assert_eq!(item.attributes, expected);
    assert_eq!(kept.items[1].rule, Rule::Always);
    assert_eq!((kept.bad.len(), kept.bad[0].reason.as_str()), (1, "it has no id"));
}

#[test]
fn groups_may_come_with_the_plain_doctype_of_old() {
    let text = "<?xml version='1.0'?><!DOCTYPE comps PUBLIC \"-//CentOS//DTD Comps info//EN\" \"comps.dtd\">\n<comps>\
                <group><id>g</id><name xml:lang='de'>Gruppe</name><name>Group</name><packagelist>\
                <packagereq type='mandatory'>a</packagereq></packagelist></group>\
                <environment><id>e</id><grouplist><groupid>g</groupid></grouplist></environment>\
                <category><id>c</id></category><group><id>g</id></group><group/>\
                <langpacks><match install=\"x-%s\" name=\"x\"/></langpacks></comps>";
    let kept = listed("group", text);
    assert_eq!(
        keys(&kept.items),
        ["group/g", "environment/e", "category/c", "group/g#2", "langpacks"]
    );
    assert_eq!(
        kept.items[0].attributes,
        json!({"id": "g", "name": "Group", "kind": "group", "packages": ["a"], "groups": []})
    );
    assert_eq!(kept.items[1].attributes["groups"], json!(["g"]));
    assert_eq!(kept.bad.len(), 1);
}

#[test]
fn groups_are_read_from_one_variant() {
    let comps = |id: &str| format!("<comps><group><id>{id}</id></group></comps>");
    let files = Repo::new(&primary(&[]))
        .with("group_gz", &comps("z"))
        .with("group", &comps("g"))
        .done();
    let kept = list(&files).unwrap();
    assert_eq!(keys(&kept.items[1..]), ["group/g"]);
}

const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: \"20\"\n  version: 9020\n  \
                       context: abc\n  arch: x86_64\n  description: >-\n    a\n     ---\n    b\n  artifacts:\n    rpms:\n    \
                       - nodejs-1:20.1-1.x86_64\n    - npm-2-3.noarch\n...\n---\ndocument: modulemd-defaults\nversion: 1\n\
                       data:\n  module: nodejs\n  stream: 20\n...\n";

#[test]
fn module_streams_are_whole_and_everything_else_stays() {
    let kept = listed("modules", MODULES);
    assert_eq!(kept.bad, []);
    assert_eq!(
        keys(&kept.items),
        ["modulemd/nodejs:20:9020:abc:x86_64", "modulemd-defaults/nodejs"]
    );
    let stream = &kept.items[0];
    assert_eq!(stream.rule, Rule::Whole);
    assert_eq!(stream.series, Some((Box::from("nodejs:20:x86_64"), 9020)));
    assert_eq!(
        stream.refers,
        [Box::from("nodejs-1:20.1-1.x86_64"), Box::from("npm-0:2-3.noarch")]
    );
    assert_eq!(kept.items[1].rule, Rule::Always);
    let (first, _) = MODULES.split_once("...\n").unwrap();
    assert_eq!(stream.record, first.as_bytes());
}

#[test]
fn documents_are_split_by_their_markers_only() {
    let text = "# comment\n%YAML 1.2\n---\ndocument: a\ndata: {module: x}\n---\n# nothing\n--- \ndocument: b\n...\n\n\
                document: c\nversion: 3\ndata: {name: z}";
    let kept = listed("modules", text);
    assert_eq!(keys(&kept.items), ["a/x:", "b/:", "c/z:"]);
    assert_eq!(
        kept.items[2].record,
        b"---\n\ndocument: c\nversion: 3\ndata: {name: z}\n"
    );
}

#[test]
fn a_document_that_is_no_yaml_costs_no_other_one() {
    let text = format!("---\n{{ [\n---\ndocument: [1\n---\nx: 1\n{MODULES}");
    let kept = listed("modules", &text);
    assert_eq!((kept.items.len(), kept.bad.len()), (2, 3));
}

#[test]
fn quoted_scalars_may_go_on_at_any_indentation_as_libyaml_lets_them() {
    for scalar in ["'it''s é\n\n  '", "\"a \\\" b \\\n\nc\"", "'x\ny'"] {
        let text = format!(
            "---\ndocument: modulemd\nversion: 2\ndata:\n  stream: é\n  name: n\n  components:\n    - rationale: {scalar}\n  \
             arch: x\n"
        );
        let kept = listed("modules", &text);
        assert_eq!(kept.bad, [], "{scalar}");
        assert_eq!(keys(&kept.items), ["modulemd/n:é:::x"]);
        assert_eq!(kept.items[0].record, text.as_bytes(), "the record stays as it came");
    }
    let open = "---\ndocument: modulemd\ndata:\n  name: 'x\ny\n";
    assert_eq!(listed("modules", open).bad.len(), 1);
}
