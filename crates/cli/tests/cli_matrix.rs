//! `defaults` and `matrix`, from one entry to published trees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use chantal_testkit::tree::digests;
use chantal_testkit::upstream::Upstream;
use support::{Chantal, feed};

/// Two releases below one upstream, mirrored by one entry.
fn two(lines: &str) -> (Chantal, Upstream) {
    let chantal = Chantal::new();
    for (release, packages) in [("8", [("bash", "4.4")]), ("9", [("bash", "5.1")])] {
        feed::write(&chantal.path(&format!("upstream/{release}/os")), 1, &packages);
    }
    let upstream = Upstream::serve_dir(&chantal.path("upstream"));
    chantal.configure(&format!(
        "- id: el{{releasever}}\n  type: rpm\n  feed: \"{}\"\n  matrix: {{releasever: [8, 9]}}\n{lines}\
         defaults:\n  mode: mirror\n  publish: {{auto: true}}\n  tags: [el]\n",
        upstream.url("/{releasever}/os/")
    ));
    (chantal, upstream)
}

#[test]
fn one_entry_with_a_matrix_syncs_and_publishes_each_expansion() {
    let (chantal, upstream) = two("  latest_path: \"trees/{releasever}/os\"\n");
    chantal.run(&["init"]).expect(0);
    chantal.run(&["config", "validate"]).expect(0);
    chantal.run(&["repo", "sync", "--all"]).expect(0);
    for (release, other) in [("8", "9"), ("9", "8")] {
        let mut published = digests(&chantal.path(&format!("published/trees/{release}/os"))).unwrap();
        published.remove(".lock");
        assert_eq!(
            published,
            digests(&chantal.path(&format!("upstream/{release}/os"))).unwrap()
        );
        assert_ne!(
            published,
            digests(&chantal.path(&format!("upstream/{other}/os"))).unwrap()
        );
        assert_eq!(upstream.hits(&format!("/{release}/os/repodata/repomd.xml")).len(), 1);
    }
    chantal.run(&["repo", "sync", "el9"]).expect(0);
    chantal.run(&["repo", "sync", "--tag", "el"]).expect(0);
}

#[test]
fn the_configuration_is_shown_expanded_with_its_defaults() {
    let (chantal, _upstream) = two("  auth: {type: basic, username: u, password: \"env:PASS_{releasever}\"}\n");
    let shown = chantal.run(&["config", "show", "--format", "json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let validated = chantal.run(&["config", "validate", "--format", "json"]).expect(0);
    assert_eq!(validated.json("config-validate")["repositories"], 2);
    let repositories = shown["repositories"].as_array().unwrap();
    let ids: Vec<_> = repositories.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["el8", "el9"]);
    assert_eq!(repositories[1]["mode"], "mirror");
    assert_eq!(repositories[1]["auth"]["password"], "env:PASS_9");
}
