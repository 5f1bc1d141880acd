//! What is secret is not in a backup.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Fault;

use crate::{BINARY, backup, lived, manifest, served};

/// Every byte of an archive as it is stored, and its tables as they are read.
fn everything(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut all = String::from_utf8_lossy(&bytes).into_owned();
    let mut at =
        512 + (usize::from_str_radix(std::str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap()).div_ceil(512) * 512;
    for table in manifest(path)["tables"].as_array().unwrap() {
        let size = table["bytes"].as_u64().unwrap() as usize;
        let mut text = Vec::new();
        zstd::Decoder::new(&bytes[at + 512..at + 512 + size])
            .unwrap()
            .read_to_end(&mut text)
            .unwrap();
        all.push_str(&String::from_utf8_lossy(&text));
        at += 512 + size.div_ceil(512) * 512;
    }
    all
}

#[test]
fn secrets_of_the_configuration_are_left_out_unless_they_are_asked_for() {
    let (chantal, upstream) = lived();
    let chantal = chantal.env("SECRET", "CANARY-5");
    let feed = upstream.url("/").replace("://", "://CANARY-user:CANARY-pass@");
    chantal.config(&format!(
        "include: more.yaml\nproxy: {{enabled: false, http_proxy: \"http://u:CANARY-1@127.0.0.1:1/\"}} # CANARY-3\n\
         repositories:\n  - id: f\n    type: rpm\n    feed: \"{feed}\"\n  - id: b\n    type: rpm\n    feed: \"{}\"\n    \
         auth: {{type: bearer, token: CANARY-4}}\n  - id: v\n    type: rpm\n    feed: \"{}\"\n    \
         auth: {{type: basic, username: me, password: \"${{SECRET}}\"}}\n",
        upstream.url("/"),
        upstream.url("/"),
    ));
    let more = "repositories:\n  - id: h\n    type: rpm\n    feed: http://127.0.0.1:1/\n    auth:\n      type: custom\n      headers:\n        \
                X-Key: >-\n          CANARY-6\n          CANARY-7\n  - id: e\n    type: rpm\n    feed: http://127.0.0.1:1/\n    \
                auth: {type: bearer, token: \"env:SECRET\"}\n    proxy: {enabled: false, username: u, password: CANARY-2}\n";
    std::fs::write(chantal.path().join("more.yaml"), more).unwrap();
    chantal.run(&["repo", "sync", "f"]).ok();
    let plain = backup(&chantal, "plain.tar");
    let all = everything(&plain);
    assert!(!all.contains("CANARY"), "{}", &all[all.find("CANARY").unwrap() - 200..]);
    for kept in ["env:SECRET", "${SECRET}", "more.yaml", "***"] {
        assert!(all.contains(kept), "{kept}");
    }
    assert_eq!(manifest(&plain)["secrets"], "left_out");

    let whole = chantal.path().join("whole.tar");
    let said = chantal
        .run(&["db", "backup", "--include-secrets", whole.to_str().unwrap()])
        .ok()
        .stderr;
    assert!(said.contains("warning:") && said.contains("passwords"), "{said}");
    let all = everything(&whole);
    for number in [1, 2, 3, 4, 6, 7] {
        assert!(all.contains(&format!("CANARY-{number}")), "{number}");
    }
    assert!(!all.contains("CANARY-5"), "the environment is no file");
    assert_eq!(std::fs::metadata(&whole).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(manifest(&whole)["secrets"], "included");

    let none = chantal.path().join("none.tar");
    chantal
        .run(&["db", "backup", "--no-config", none.to_str().unwrap()])
        .ok();
    assert_eq!(manifest(&none)["configuration"], serde_json::json!([]));
    // Anybody's tar unpacks it.
    let listed = std::process::Command::new("tar")
        .arg("-tf")
        .arg(&plain)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.starts_with("manifest.json\n") && listed.contains("config/0001-more.yaml"),
        "{listed}"
    );
}

/// What says something about the feed of `r`, as people and as programs ask.
const TELLING: [&[&str]; 14] = [
    &["config", "show"],
    &["config", "show", "r", "--format", "json"],
    &["config", "test", "r"],
    &["repo", "show", "r"],
    &["repo", "show", "r", "--format", "json"],
    &["repo", "list", "--format", "json"],
    &["repo", "check-updates", "r", "--format", "json"],
    &["repo", "sync", "r", "--dry-run", "--force", "--format", "json"],
    &["repo", "sync", "r", "--format", "json"],
    &["repo", "sync", "r", "--force", "--format", "json"],
    &["repo", "history", "r", "--format", "json"],
    &["cache", "list"],
    &["cache", "list", "--format", "json"],
    &["db", "verify", "--format", "json"],
];

#[test]
fn a_token_in_a_feeds_query_is_sent_and_neither_shown_nor_stored() {
    let (chantal, upstream) = (Chantal::new(BINARY), served());
    let feed = upstream.url("/").replace("://", "://us:CANARY-pass@") + "?token=CANARY-token&edition=${EDITION}";
    let chantal = chantal.env("EDITION", "CANARY-edition");
    chantal.config(&format!(
        "log: {{level: debug}}\nrepositories:\n  - id: r\n    type: rpm\n    feed: \"{feed}\"\n    \
         download: {{retry_attempts: 0}}\n"
    ));
    chantal.run(&["init"]).ok();
    let gone = upstream.log().len();
    let sample = Repository::sample();
    let lost = sample.href(sample.package("hello-chantal-doc"));
    let lost = format!("/{lost}?token=CANARY-token&edition=CANARY-edition");
    upstream.set_fault(&lost, Fault::Status(404, vec![]), 1);
    let mut told = vec![chantal.run(&["repo", "sync", "r", "--publish"]).expect(9)];
    assert!(told[0].stderr.contains("hello-chantal-doc"), "{}", told[0].stderr);
    told.extend(TELLING.iter().map(|words| chantal.run(words)));
    upstream.set_fault(
        "/repodata/repomd.xml?token=CANARY-token&edition=CANARY-edition",
        Fault::Status(403, vec![]),
        9,
    );
    told.push(chantal.run(&["repo", "sync", "r", "--format", "json"]));
    for ran in &told {
        assert!(!format!("{ran:?}").contains("CANARY"), "{ran:?}");
    }
    assert!(
        told[2].stdout.contains("token=***") && told[4].stdout.contains("token=***"),
        "{:?}",
        told[4]
    );
    let sent = upstream.log().split_off(gone);
    assert!(
        sent.iter()
            .all(|hit| hit.path.ends_with("token=CANARY-token&edition=CANARY-edition")),
        "{sent:?}"
    );

    let archive = backup(&chantal, "plain.tar");
    let kept = everything(&archive);
    assert!(kept.contains("?token=***&edition=${EDITION}"), "{kept}");
    let stored = kept_below(&chantal);
    assert!(stored.iter().any(|(path, _)| path.ends_with("chantal.db")));
    for (path, text) in stored
        .iter()
        .map(|(path, text)| (path.as_str(), text))
        .chain([("the backup", &kept)])
    {
        assert!(!text.contains("CANARY"), "{path}");
    }
}

/// Every file below the directory but the configuration.
fn kept_below(chantal: &Chantal) -> Vec<(String, String)> {
    let listed = std::process::Command::new("find")
        .arg(chantal.path())
        .args(["-type", "f"])
        .output();
    let paths = String::from_utf8(listed.unwrap().stdout).unwrap();
    let kept = paths.lines().filter(|path| !path.ends_with("config.yaml"));
    kept.map(|path| {
        (
            path.to_owned(),
            String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
        )
    })
    .collect()
}

#[test]
fn a_feed_whose_query_changes_is_another_one_and_an_unchanged_one_is_asked_conditionally() {
    let (chantal, upstream) = (Chantal::new(BINARY), served());
    let feed = upstream.url("/");
    chantal.repository("r", &format!("{feed}?edition=one"), &[]);
    chantal.run(&["init"]).ok();
    chantal.run(&["repo", "sync", "r"]).ok();
    let statuses = |chantal: &Chantal| {
        upstream.clear_log();
        chantal.run(&["repo", "sync", "r"]).ok();
        upstream.log().iter().map(|hit| hit.status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&chantal), [304]);
    chantal.repository("r", &format!("{feed}?edition=two"), &[]);
    assert_eq!(statuses(&chantal)[0], 200);
}
