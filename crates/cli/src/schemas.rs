//! `docs/reference/json/*.schema.json`: the contract that JSON output keeps, written down as JSON Schema.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

fn text() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn number() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

fn counts_by_word() -> Value {
    json!({"type": "object", "additionalProperties": number()})
}

fn nullable(of: &Value) -> Value {
    json!({"anyOf": [of, {"type": "null"}]})
}

/// An object that has all of these fields and no others.
fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// An object that may also lack some of its fields.
fn object_with(fields: &[(&str, Value)], optional: &[&str]) -> Value {
    let mut schema = object(fields);
    let required: Vec<&str> = fields
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !optional.contains(name))
        .collect();
    schema["required"] = json!(required);
    schema
}

fn place() -> Value {
    object(&[
        ("file", text()),
        ("line", number()),
        ("column", number()),
        ("message", text()),
        ("hint", nullable(&text())),
    ])
}

fn failure() -> Value {
    object_with(
        &[
            ("code", json!({"type": "integer", "minimum": 1, "maximum": 255})),
            ("message", text()),
            ("causes", list(&text())),
            ("hint", nullable(&text())),
            ("diagnostics", list(&place())),
        ],
        &["causes", "diagnostics"],
    )
}

fn runs(result: &Value) -> Value {
    list(&object(&[
        ("repo", text()),
        ("status", one_of(&["succeeded", "partial", "failed", "left-out"])),
        ("exit_code", number()),
        ("result", nullable(result)),
        ("error", nullable(&failure())),
    ]))
}

fn counts() -> Value {
    object(&["added", "removed", "upgraded", "downgraded", "rebuilt"].map(|name| (name, number())))
}

fn change() -> Value {
    let side = object(&[("version", text()), ("path", text())]);
    object(&[
        (
            "change",
            one_of(&["added", "removed", "upgraded", "downgraded", "rebuilt"]),
        ),
        ("name", text()),
        ("arch", text()),
        ("from", nullable(&side)),
        ("to", nullable(&side)),
    ])
}

fn sync_plan() -> Value {
    object(&[
        ("repo", text()),
        ("feed", text()),
        ("mode", one_of(&["mirror", "filtered", "hosted"])),
        ("current", nullable(&number())),
        ("unchanged", flag()),
        ("listed", number()),
        ("chosen", number()),
        ("left_out", counts_by_word()),
        ("changes", list(&change())),
        ("counts", counts()),
        ("download_files", number()),
        ("download_bytes", number()),
        ("saved_bytes", number()),
        ("warnings", list(&text())),
    ])
}

fn sync_report() -> Value {
    let failed = object(&[("package", text()), ("url", text()), ("reason", text())]);
    object(&[
        ("plan", sync_plan()),
        ("revision", nullable(&number())),
        ("recorded", flag()),
        ("fetched_bytes", number()),
        ("new_advisories", counts_by_word()),
        ("feed_timestamp", nullable(&json!({"type": "integer"}))),
        ("feed_age_seconds", nullable(&json!({"type": "integer"}))),
        ("failed", list(&failed)),
        ("snapshot", nullable(&text())),
        ("published", nullable(&publish_report())),
        ("served", nullable(&text())),
        ("duration_ms", number()),
    ])
}

fn publish_plan() -> Value {
    object(&[
        ("repo", text()),
        ("snapshot", nullable(&text())),
        ("revision", number()),
        ("path", text()),
        ("unchanged", flag()),
        ("served", nullable(&number())),
        ("packages", number()),
        ("new_files", number()),
        ("retired_files", number()),
        ("render", flag()),
        ("warnings", list(&text())),
    ])
}

fn publish_report() -> Value {
    object(&[
        ("plan", publish_plan()),
        ("linked", number()),
        ("pruned", number()),
        ("generation", nullable(&json!({"type": "integer"}))),
        ("url", nullable(&text())),
        ("duration_ms", number()),
    ])
}

fn publication() -> Value {
    object(&[
        ("repo", text()),
        ("kind", one_of(&["latest", "snapshot"])),
        ("snapshot", nullable(&text())),
        ("pinned", flag()),
        ("revision", nullable(&number())),
        ("path", text()),
        ("url", nullable(&text())),
        ("since", nullable(&time())),
    ])
}

fn repository_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("id", text()),
        ("name", text()),
        ("type", text()),
        ("mode", text()),
        ("feed", text()),
        ("enabled", flag()),
        ("tags", list(&text())),
        ("revision", nullable(&number())),
        ("packages", number()),
        ("bytes", number()),
        ("snapshots", number()),
        ("last_sync", nullable(&time())),
        ("served", nullable(&text())),
        ("configured", flag()),
    ]
}

fn repository_detail() -> Value {
    let revision = object(&[
        ("revision", number()),
        ("created", time()),
        ("mode", text()),
        ("packages", number()),
        ("bytes", number()),
        ("fingerprint", text()),
    ]);
    let mut fields = repository_fields();
    fields.extend([
        ("revisions", list(&revision)),
        ("snapshot_list", list(&snapshot())),
        ("publications", list(&publication())),
        ("unbuilt", list(&text())),
    ]);
    object(&fields)
}

fn history() -> Value {
    object(&[
        ("repo", text()),
        ("started", time()),
        ("finished", nullable(&time())),
        ("status", text()),
        ("revision", nullable(&number())),
        ("added", number()),
        ("removed", number()),
        ("upgraded", number()),
        ("fetched_bytes", number()),
        ("error", nullable(&text())),
    ])
}

fn snapshot() -> Value {
    object(&[
        ("repo", text()),
        ("name", text()),
        ("description", nullable(&text())),
        ("revision", number()),
        ("created", time()),
        ("packages", number()),
        ("bytes", number()),
        ("published", list(&text())),
    ])
}

fn diff() -> Value {
    let advisory = object(&[
        ("id", text()),
        ("type", text()),
        ("severity", text()),
        ("title", text()),
        ("cves", list(&text())),
    ]);
    object(&[
        ("repo", text()),
        ("from", text()),
        ("to", text()),
        ("from_revision", number()),
        ("to_revision", number()),
        ("counts", counts()),
        ("changes", list(&change())),
        ("new_advisories", list(&advisory)),
    ])
}

fn package_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("name", text()),
        ("version", text()),
        ("arch", text()),
        ("size", number()),
        ("sha256", json!({"type": "string", "pattern": "^[0-9a-f]{64}$"})),
        ("path", text()),
        ("summary", text()),
    ]
}

fn package_detail() -> Value {
    let mut fields = package_fields();
    fields.extend([("repositories", list(&text())), ("snapshots", list(&text()))]);
    object(&fields)
}

fn pool_stats() -> Value {
    let numbers = [
        "blobs",
        "bytes",
        "named",
        "orphaned",
        "orphaned_bytes",
        "foreign",
        "free_bytes",
        "free_inodes",
    ];
    let mut fields = vec![("path", text())];
    fields.extend(numbers.map(|name| (name, number())));
    object(&fields)
}

fn pool_problem() -> Value {
    object(&[
        ("blob", text()),
        ("kind", text()),
        ("bytes", number()),
        ("used_by", list(&text())),
    ])
}

fn feed_check() -> Value {
    object(&[
        ("repo", text()),
        ("url", text()),
        ("revision", nullable(&text())),
        ("changed", nullable(&time())),
        ("files", list(&text())),
        ("warnings", list(&text())),
    ])
}

fn cache_row() -> Value {
    object(&[
        ("repo", text()),
        ("url", text()),
        ("etag", nullable(&text())),
        ("last_modified", nullable(&text())),
        ("checked", time()),
        ("files", number()),
        ("bytes", number()),
    ])
}

fn stats() -> Value {
    let names = [
        "repositories",
        "snapshots",
        "revisions",
        "packages",
        "logical_bytes",
        "blobs",
        "blob_bytes",
    ];
    let mut fields: Vec<_> = names.map(|name| (name, number())).into();
    fields.push(("database_bytes", number()));
    object(&fields)
}

fn event() -> Value {
    let step = one_of(&[
        "metadata", "select", "download", "record", "render", "add", "switch", "prune",
    ]);
    let kind = |word: &str| ("event", json!({ "const": word }));
    json!({"anyOf": [
        object(&[kind("begin"), ("step", step.clone()), ("total", number())]),
        object(&[kind("progress"), ("step", step.clone()), ("done", number()), ("total", number())]),
        object(&[kind("end"), ("step", step), ("done", number())]),
        object(&[kind("message"), ("text", text())]),
        object(&[kind("warning"), ("text", text())]),
        object(&[("error", failure())]),
    ]})
}

/// A schema's file name without its endings, the commands that keep to it, and the schema.
type Entry = (&'static str, &'static str, Value);

fn about_repositories() -> Vec<Entry> {
    vec![
        ("repo-list", "`repo list`", list(&object(&repository_fields()))),
        ("repo-show", "`repo show`", repository_detail()),
        ("repo-sync", "`repo sync`, `mirror`", runs(&sync_report())),
        ("repo-sync-plan", "`repo sync --dry-run`", runs(&sync_plan())),
        ("repo-history", "`repo history`", list(&history())),
        ("stats-repo", "`stats REPO`", object(&repository_fields())),
        ("snapshot-list", "`snapshot list`", list(&snapshot())),
        (
            "snapshot",
            "`snapshot show`, `snapshot create`, `snapshot copy`",
            snapshot(),
        ),
        ("snapshot-diff", "`snapshot diff`", diff()),
        (
            "publish",
            "`publish repo`, `publish snapshot`, `publish switch`",
            runs(&publish_report()),
        ),
        ("publish-plan", "the same with `--dry-run`", runs(&publish_plan())),
        ("publish-list", "`publish list`", list(&publication())),
        (
            "packages",
            "`package list`, `package search`, `snapshot content`",
            list(&object(&package_fields())),
        ),
        ("package-show", "`package show`", list(&package_detail())),
    ]
}

fn about_everything_else() -> Vec<Entry> {
    let status = object(&[
        ("path", text()),
        ("version", number()),
        ("latest", number()),
        ("up_to_date", flag()),
        ("size_bytes", number()),
    ]);
    let applied = object(&[("version", number()), ("name", text()), ("at", nullable(&time()))]);
    vec![
        ("init", "`init`", object(&[("config", text()), ("made", list(&text()))])),
        (
            "config-validate",
            "`config validate`",
            object(&[("repositories", number()), ("warnings", list(&place()))]),
        ),
        ("config-test", "`config test`", runs(&feed_check())),
        ("stats", "`stats`, `db stats`", stats()),
        ("pool-stats", "`pool stats`", pool_stats()),
        (
            "pool-problems",
            "`pool verify`, `pool orphaned`, `pool missing`",
            list(&pool_problem()),
        ),
        (
            "cache-stats",
            "`cache stats`",
            object(&["feeds", "files", "bytes"].map(|name| (name, number()))),
        ),
        ("cache-list", "`cache list`", list(&cache_row())),
        ("db-status", "`db status`", status),
        ("db-current", "`db current`", object(&[("version", number())])),
        ("db-history", "`db history`", list(&applied)),
        ("db-verify", "`db verify`", list(&object(&[("problem", text())]))),
        ("error", "errors, on stderr", object(&[("error", failure())])),
        ("event", "each line of stderr with `--progress json`", event()),
    ]
}

fn files() -> Vec<(String, String)> {
    let mut index = String::from(
        "# JSON output\n\n\
         Generated (`make docs`); tests validate real output against these schemas. Fields are added in minor versions; \
         none\nis renamed or removed without a major one. `config show` prints the configuration itself, whose schema \
         is `chantal schema`.\n\nSizes are bytes, times RFC 3339 in UTC, revisions bare numbers.\n\n\
         | schema | commands |\n| --- | --- |\n",
    );
    let mut files = Vec::new();
    for (name, commands, mut schema) in about_repositories().into_iter().chain(about_everything_else()) {
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!(format!("chantal: {}", commands.replace('`', "")));
        files.push((format!("{name}.schema.json"), format!("{schema:#}\n")));
        let _ = writeln!(index, "| [{name}]({name}.schema.json) | {commands} |");
    }
    files.push(("README.md".into(), index));
    files
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/json")
}

#[test]
fn the_schemas_of_json_output_are_generated() {
    let directory = directory();
    if std::env::var_os("CHANTAL_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        for (name, text) in files() {
            std::fs::write(directory.join(name), text).unwrap();
        }
    }
    for (name, text) in files() {
        let there = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(
            there == text,
            "docs/reference/json/{name} is stale: `make docs` writes it anew"
        );
    }
}

fn problems(name: &str, value: &Value) -> Vec<String> {
    let all = about_repositories().into_iter().chain(about_everything_else());
    let schema = all.into_iter().find(|entry| entry.0 == name).unwrap().2;
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn a_failure_keeps_to_its_schema_and_a_missing_or_unknown_field_does_not() {
    let failure = crate::failure::Failure::usage("x").hint("y");
    let value = json!({ "error": failure });
    assert_eq!(problems("error", &value), Vec::<String>::new());
    let mut unknown = value.clone();
    unknown["error"]["extra"] = json!(1);
    assert_ne!(problems("error", &unknown), Vec::<String>::new());
    let mut lacking = value;
    lacking["error"].as_object_mut().unwrap().remove("message");
    assert_ne!(problems("error", &lacking), Vec::<String>::new());
}

#[test]
fn a_sync_report_keeps_to_its_schema() {
    let report = crate::commands::sync::tests::report();
    let runs = json!([{"repo": "el9", "status": "succeeded", "exit_code": 0, "result": report, "error": null}]);
    assert_eq!(problems("repo-sync", &runs), Vec::<String>::new());
    let plans = json!([{"repo": "el9", "status": "succeeded", "exit_code": 0, "result": report.plan, "error": null}]);
    assert_eq!(problems("repo-sync-plan", &plans), Vec::<String>::new());
}

/// What a column of a table is called in JSON must be there, or the table and the CSV show nothing.
#[test]
fn every_column_is_a_field_of_the_schema() {
    for (name, columns) in crate::commands::columns() {
        let schema = about_repositories()
            .into_iter()
            .chain(about_everything_else())
            .find(|entry| entry.0 == name)
            .unwrap()
            .2;
        for column in columns {
            let found = column.key.split('.').try_fold(&schema, field);
            assert!(found.is_some(), "{} is no field of {name}", column.key);
        }
    }
}

fn field<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let schema = if schema["type"] == "array" {
        &schema["items"]
    } else {
        schema
    };
    let schema = if schema["anyOf"].is_array() {
        &schema["anyOf"][0]
    } else {
        schema
    };
    schema["properties"].get(name)
}
