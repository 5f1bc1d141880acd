//! Dependencies in real metadata, compared with what dnf says about the same tree.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; what was compared is told"
)]

use std::collections::BTreeSet;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::clients::Dnf;
use chantal_testkit::needs::need;
use chantal_testkit::rebody::RealMetadata;
use chantal_testkit::upstream::Upstream;
use serde_json::Value;

const PACKAGES: usize = 3000;

fn labels(rows: &Value, key: &str) -> BTreeSet<String> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row[key].as_str().unwrap().to_owned())
        .collect()
}

/// dnf's `name-epoch:version-release.arch` as we write it.
fn without_epoch_zero(label: &str) -> String {
    label.replacen("-0:", "-", 1)
}

/// `name-version-release.arch` without its version.
fn name_and_arch(label: &str) -> String {
    let (rest, arch) = label.rsplit_once('.').unwrap();
    format!("{}.{arch}", rest.rsplitn(3, '-').nth(2).unwrap())
}

#[test]
fn dnf_finds_the_same_dependents_and_providers() {
    let Some(real) = RealMetadata::appstream() else { return };
    if !need(Dnf::available(), "dnf") {
        return;
    }
    let rebodied = real.limit(PACKAGES).build();
    let upstream = Upstream::start(rebodied.tree.site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository("r", &upstream.url("/"), &[]);
    chantal
        .run(&["repo", "sync", "r", "--publish", "--progress", "none"])
        .ok();
    let work = tempfile::tempdir().unwrap();
    let web = Upstream::serve_dir(&chantal.published());
    let dnf = Dnf::new(work.path()).setting("module_platform_id=platform:el9");
    let url = web.url("/r/latest/");
    let all = ["--disable-modular-filtering", "--show-duplicates"];

    let ask = |more: &[&str]| -> BTreeSet<String> {
        let mut words = all.to_vec();
        words.extend(more);
        dnf.repoquery(&url, &words)
            .iter()
            .map(|label| without_epoch_zero(label))
            .collect()
    };
    let mut names: Vec<String> = labels(&chantal.json(&["package", "list", "r", "--limit", "100000"]), "name")
        .into_iter()
        .collect();
    names.retain(|name| name.len() % 3 == 0);
    let mut compared = 0;
    for name in names.iter().step_by(names.len() / 6) {
        let query = format!("name={name}");
        let labels_of = |rows: &Value| labels(rows, "package");
        let ours = labels_of(&chantal.json(&["package", "required-by", &query, "r"]));
        let theirs = ask(&["--whatrequires", name]);
        let own = ask(&[name]);
        let theirs: BTreeSet<String> = theirs.difference(&own).cloned().collect();
        let ours: BTreeSet<String> = ours.difference(&own).cloned().collect();
        assert_eq!(ours, theirs, "what requires {name}");
        let deps = chantal.json(&["package", "deps", &query, "r"]);
        let providers: BTreeSet<String> = deps
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row["providers"].as_array().unwrap())
            .map(|label| label.as_str().unwrap().to_owned())
            .collect();
        // dnf names the newest of each provider only.
        let theirs = ask(&["--requires", "--resolve", "--qf=%{name}.%{arch}", name]);
        assert_eq!(
            providers
                .iter()
                .map(|label| name_and_arch(label))
                .collect::<BTreeSet<_>>(),
            theirs,
            "what {name} requires"
        );
        compared += ours.len() + providers.len();
    }
    assert!(compared > 30, "only {compared} relations were compared");
    println!("{compared} relations compared");
}
