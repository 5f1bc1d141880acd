//! What is secret is not in a backup.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::{backup, lived, manifest};

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
        "include: more.yaml\nproxy: {{enabled: false, http_proxy: \"http://u:CANARY-1@127.0.0.1:1/\", password: CANARY-2}} # CANARY-3\n\
         repositories:\n  - id: f\n    type: rpm\n    feed: \"{feed}\"\n  - id: b\n    type: rpm\n    feed: \"{}\"\n    \
         auth: {{type: bearer, token: CANARY-4}}\n  - id: v\n    type: rpm\n    feed: \"{}\"\n    \
         auth: {{type: basic, username: me, password: \"${{SECRET}}\"}}\n",
        upstream.url("/"),
        upstream.url("/"),
    ));
    let more = "repositories:\n  - id: h\n    type: rpm\n    feed: http://127.0.0.1:1/\n    auth:\n      type: custom\n      headers:\n        \
                X-Key: |\n          CANARY-6\n          CANARY-7\n  - id: e\n    type: rpm\n    feed: http://127.0.0.1:1/\n    \
                auth: {type: bearer, token: \"env:SECRET\"}\n";
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
