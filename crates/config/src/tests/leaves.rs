use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

/// What a key needs beside it, and a value other than its default: below the top level or a repository, as JSON. What
/// surrounds a key may give it a value too, where it cannot be left out. Keys that need nothing are not listed.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("database.url", "{}", r#""sqlite:///x.db""#),
    (
        "database.pool_size",
        r#"{"database": {"url": "postgresql://h/d"}}"#,
        "6",
    ),
    (
        "database.max_overflow",
        r#"{"database": {"url": "postgresql://h/d"}}"#,
        "11",
    ),
    ("proxy.http_proxy", "{}", r#""http://p:1/""#),
    ("proxy.https_proxy", "{}", r#""http://p:1/""#),
    (
        "proxy.no_proxy",
        r#"{"proxy": {"http_proxy": "http://p:1/"}}"#,
        r#""x.example.org""#,
    ),
    (
        "proxy.username",
        r#"{"proxy": {"http_proxy": "http://p:1/"}}"#,
        r#""u""#,
    ),
    (
        "proxy.password",
        r#"{"proxy": {"http_proxy": "http://p:1/", "username": "u"}}"#,
        r#""env:P""#,
    ),
    (
        "ssl.client_cert",
        r#"{"ssl": {"client_cert": "/a", "client_key": "/k"}}"#,
        r#""/b""#,
    ),
    (
        "ssl.client_key",
        r#"{"ssl": {"client_cert": "/a", "client_key": "/k"}}"#,
        r#""/l""#,
    ),
    ("download.timeout", "{}", r#""7s""#),
    ("download.idle_timeout", "{}", r#""7s""#),
    ("publish.base_url", "{}", r#""http://x/""#),
    ("publish.metadata_grace", "{}", r#""7h""#),
    ("publish.package_grace", "{}", r#""7h""#),
    ("defaults", "{}", r#"{"mode": "mirror"}"#),
    ("id", "{}", r#""other""#),
    ("type", "{}", r#""apk""#),
    ("feed", "{}", r#""http://other/""#),
    (
        "feeds",
        r#"{"feed": null, "feeds": ["http://a/"]}"#,
        r#"["http://a/", "http://b/"]"#,
    ),
    (
        "mirrorlist",
        r#"{"feed": null, "mirrorlist": "http://a/"}"#,
        r#""http://b/""#,
    ),
    (
        "metalink",
        r#"{"feed": null, "metalink": "http://a/"}"#,
        r#""http://b/""#,
    ),
    (
        "matrix",
        r#"{"id": "r{v}", "feed": "http://h/{v}/", "matrix": {"v": ["1"]}}"#,
        r#"{"v": ["2"]}"#,
    ),
    ("mode", "{}", r#""mirror""#),
    (
        "auth.cert_file",
        r#"{"auth": {"type": "client_cert", "cert_file": "/a", "key_file": "/k"}}"#,
        r#""/b""#,
    ),
    (
        "auth.key_file",
        r#"{"auth": {"type": "client_cert", "cert_file": "/a", "key_file": "/k"}}"#,
        r#""/l""#,
    ),
    (
        "auth.cert_dir",
        r#"{"auth": {"type": "client_cert", "cert_dir": "/a"}}"#,
        r#""/b""#,
    ),
    (
        "auth.username",
        r#"{"auth": {"type": "basic", "username": "u", "password": "p"}}"#,
        r#""v""#,
    ),
    (
        "auth.password",
        r#"{"auth": {"type": "basic", "username": "u", "password": "env:P"}}"#,
        r#""env:Q""#,
    ),
    (
        "auth.token",
        r#"{"auth": {"type": "bearer", "token": "env:P"}}"#,
        r#""env:Q""#,
    ),
    (
        "auth.headers",
        r#"{"auth": {"type": "custom", "headers": {"X-A": "env:P"}}}"#,
        r#"{"X-B": "env:P"}"#,
    ),
    ("latest_path", "{}", r#""a/b""#),
    ("snapshots_path", "{}", r#""a/b""#),
    ("scheduler.lease_seconds", "{}", "61"),
    ("metrics.textfile", "{}", r#""/x.prom""#),
    ("retention.policy", "{}", r#""keep-all""#),
    (
        "retention.keep_count",
        r#"{"retention": {"policy": "keep-last-n", "keep_count": 2}}"#,
        "3",
    ),
    (
        "retention.deleted_packages",
        r#"{"retention": {"policy": "keep-all", "deleted_packages": "keep"}}"#,
        r#""remove""#,
    ),
    ("filters.rpm.epochs.include", "{}", "[1]"),
    ("filters.rpm.epochs.exclude", "{}", "[1]"),
    ("filters.metadata.build_time.newer_than", "{}", r#""2024-01-01""#),
    ("filters.metadata.build_time.older_than", "{}", r#""2024-01-01""#),
    ("on_package_error", "{}", r#""fail""#),
    ("max_age", "{}", r#""3d""#),
    ("schedule.cron", r#"{"schedule": {"enabled": true}}"#, r#""1 1 * * *""#),
    ("schedule.create_snapshot", r#"{"schedule": {"enabled": true}}"#, "true"),
    (
        "schedule.snapshot_name_template",
        r#"{"schedule": {"enabled": true, "create_snapshot": true}}"#,
        r#""x-{date}""#,
    ),
    (
        "schedule.time_zone",
        r#"{"schedule": {"enabled": true}}"#,
        r#""Asia/Tokyo""#,
    ),
    ("schedule.jitter_seconds", r#"{"schedule": {"enabled": true}}"#, "7"),
    (
        "schedule.blackout",
        r#"{"schedule": {"enabled": true}}"#,
        r#"["01:00-02:00"]"#,
    ),
    ("schedule.chain", r#"{"schedule": {"enabled": true}}"#, r#"["publish"]"#),
    ("scheduler.cleanup", "{}", r#""1 1 * * *""#),
    ("scheduler.listen", "{}", r#""127.0.0.1:1""#),
    (
        "notify[].on",
        r#"{"notify": [{"webhook": "http://h/"}]}"#,
        r#"["success"]"#,
    ),
    (
        "notify[].repositories",
        r#"{"notify": [{"webhook": "http://h/"}]}"#,
        r#"["r"]"#,
    ),
    (
        "notify[].webhook",
        r#"{"notify": [{"webhook": "http://h/"}]}"#,
        r#""http://other/""#,
    ),
    (
        "notify[].headers",
        r#"{"notify": [{"webhook": "http://h/"}]}"#,
        r#"{"X-A": "env:P"}"#,
    ),
    ("notify[].command", r#"{"notify": [{"command": ["/a"]}]}"#, r#"["/b"]"#),
    (
        "notify[].timeout",
        r#"{"notify": [{"webhook": "http://h/"}]}"#,
        r#""7s""#,
    ),
];

/// Keys of which a value is refused where it stands alone, and how.
const REFUSED: &[(&str, &str, &str)] = &[
    ("auth.type", r#""basic""#, "needs username and password"),
    ("download.backend", r#""aria2c""#, "aria2c"),
    ("download.verify_checksum", "false", "cannot be switched off"),
];

/// Keys that something else proves.
const ELSEWHERE: &[(&str, &str)] = &[(
    "include",
    "needs files: `inherit`, `yaml` and the tests of `config validate` have them",
)];

/// A value other than the default, for a key that takes any of its kind.
fn another(leaf: &reference::Leaf) -> Value {
    let word = leaf.kind.split('`').skip(1).step_by(2);
    let mut word = word.filter(|word| leaf.default.as_ref().is_none_or(|default| default != word));
    match leaf.kind.as_str() {
        "boolean" => json!(leaf.default != Some(json!(true))),
        "text" => json!("/x/y"),
        "list of text" => json!(["x"]),
        kind if kind.starts_with("integer") => json!(7),
        kind if kind.starts_with("list of `") => json!([word.next().unwrap()]),
        kind if kind.starts_with('`') => json!(word.next().unwrap()),
        kind => panic!("{}: {kind} needs a line in SETTINGS", leaf.key),
    }
}

fn set(at: &mut Value, key: &str, value: Value) {
    let mut at = at;
    for step in key.replace("[]", ".0").split('.') {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    *at = value;
}

/// What a configuration comes to. Secrets are there as what they refer to.
fn comes_to(file: &Value) -> Result<String, String> {
    let loaded = load_str(&file.to_string()).map_err(|error| error.to_string())?;
    let config = loaded.config;
    let mut text = format!("{config:?} {}", config.to_value());
    // What it shows of a server is its URL.
    let _ = write!(text, " {:?}", config.database.server().map(|server| server.connections));
    Ok(text)
}

/// The configuration around a key, and the same with the key set to a value.
fn pair(key: &str, surroundings: &str, value: Value) -> (Value, Value) {
    let mut file = json!({ "repositories": [{ "id": "r", "type": "rpm", "feed": "http://h/" }] });
    let own = key.strip_prefix("repositories[].");
    let level = if own.is_some() {
        &mut file["repositories"][0]
    } else {
        &mut file
    };
    let surroundings: Value = serde_json::from_str(surroundings).unwrap();
    for (name, value) in surroundings.as_object().unwrap() {
        level[name] = value.clone();
    }
    let before = file.clone();
    let level = if own.is_some() {
        &mut file["repositories"][0]
    } else {
        &mut file
    };
    set(level, own.unwrap_or(key), value);
    (before, file)
}

/// Why a key may be dead.
fn dead(leaf: &reference::Leaf) -> Option<String> {
    let key = leaf.key.as_str();
    let short = key.strip_prefix("repositories[].").unwrap_or(key);
    if let Some((_, value, told)) = REFUSED.iter().find(|(refused, ..)| *refused == short) {
        let (_, file) = pair(key, "{}", serde_json::from_str(value).unwrap());
        return match comes_to(&file) {
            Err(error) if error.contains(told) => None,
            other => Some(format!("{key} is not refused: {other:?}")),
        };
    }
    let listed = SETTINGS.iter().find(|(listed, ..)| *listed == short);
    let (surroundings, value) = match listed {
        Some((_, surroundings, value)) => (*surroundings, serde_json::from_str(value).unwrap()),
        None => ("{}", another(leaf)),
    };
    let (before, after) = pair(key, surroundings, value);
    match (comes_to(&before), comes_to(&after)) {
        (Ok(before), Ok(after)) if before != after => None,
        (Ok(_), Ok(_)) => Some(format!("{key}: nothing follows from {after}")),
        (before, after) => Some(format!(
            "{key}: {} and {}",
            before.err().unwrap_or_default(),
            after.err().unwrap_or_default()
        )),
    }
}

#[test]
fn every_leaf_of_the_schema_changes_something_or_is_on_the_list_of_what_is_not_built() {
    let leaves = reference::leaves(&json_schema());
    assert!(leaves.len() > 120, "{}", leaves.len());
    let built = |leaf: &&reference::Leaf| !reference::is_unbuilt(&leaf.key) && !reference::is_moot(&leaf.key);
    let elsewhere = |leaf: &&reference::Leaf| ELSEWHERE.iter().any(|(key, _)| *key == leaf.key);
    let built: Vec<_> = leaves.iter().filter(built).filter(|leaf| !elsewhere(leaf)).collect();
    assert!(built.len() > 120, "{}", built.len());
    let found: Vec<String> = built.into_iter().filter_map(dead).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_line_about_a_key_is_about_one_that_there_is() {
    let leaves = reference::leaves(&json_schema());
    let keys: Vec<&str> = leaves.iter().map(|leaf| leaf.key.as_str()).collect();
    let lists = SETTINGS
        .iter()
        .map(|(key, ..)| *key)
        .chain(REFUSED.iter().map(|(key, ..)| *key));
    for key in lists.chain(ELSEWHERE.iter().map(|(key, _)| *key)) {
        let own = format!("repositories[].{key}");
        assert!(keys.contains(&key) || keys.contains(&&*own), "{key}");
    }
}

#[test]
fn a_key_from_which_nothing_follows_is_found() {
    let leaves = reference::leaves(&json_schema());
    let moot: Vec<_> = leaves.iter().filter(|leaf| reference::is_moot(&leaf.key)).collect();
    assert!(moot.len() > 3, "{}", moot.len());
    for leaf in moot {
        let found = dead(leaf);
        assert!(
            found.is_some_and(|told| told.contains("nothing follows")),
            "{}",
            leaf.key
        );
    }
}
