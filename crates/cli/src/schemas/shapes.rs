//! The shapes of values in JSON output, as JSON Schema.

use serde_json::{Map, Value, json};

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

pub(super) fn number() -> Value {
    json!({"type": "integer", "minimum": 0})
}

pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

pub(super) fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

pub(super) fn counts_by_word() -> Value {
    json!({"type": "object", "additionalProperties": number()})
}

pub(super) fn nullable(of: &Value) -> Value {
    json!({"anyOf": [of, {"type": "null"}]})
}

/// An object that has all of these fields and no others.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// An object that may also lack some of its fields.
pub(super) fn object_with(fields: &[(&str, Value)], optional: &[&str]) -> Value {
    let mut schema = object(fields);
    let required: Vec<&str> = fields
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !optional.contains(name))
        .collect();
    schema["required"] = json!(required);
    schema
}

pub(super) fn place() -> Value {
    object(&[
        ("file", text()),
        ("line", number()),
        ("column", number()),
        ("message", text()),
        ("hint", nullable(&text())),
    ])
}

pub(super) fn failure() -> Value {
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

pub(super) fn runs(result: &Value) -> Value {
    list(&object(&[
        ("repo", text()),
        ("status", one_of(&["succeeded", "partial", "failed", "left-out"])),
        ("exit_code", number()),
        ("result", nullable(result)),
        ("error", nullable(&failure())),
    ]))
}

pub(super) fn counts() -> Value {
    object(&["added", "removed", "upgraded", "downgraded", "rebuilt"].map(|name| (name, number())))
}

pub(super) fn change() -> Value {
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

pub(super) fn sync_plan() -> Value {
    let explained = object(&[
        ("package", text()),
        ("chosen", flag()),
        ("verdict", text()),
        ("listed", flag()),
        ("reason", text()),
    ]);
    let fields = [
        ("repo", text()),
        ("feed", text()),
        ("mode", one_of(&["mirror", "filtered", "hosted"])),
        ("current", nullable(&number())),
        ("unchanged", flag()),
        ("listed", number()),
        ("chosen", number()),
        ("retained", number()),
        ("left_out", counts_by_word()),
        ("changes", list(&change())),
        ("counts", counts()),
        ("download_files", number()),
        ("download_bytes", number()),
        ("saved_bytes", number()),
        ("warnings", list(&text())),
        ("explained", list(&explained)),
    ];
    object_with(&fields, &["explained"])
}

pub(super) fn sync_report() -> Value {
    let failed = object(&[("package", text()), ("url", text()), ("reason", text())]);
    object(&[
        ("plan", sync_plan()),
        ("revision", nullable(&number())),
        ("recorded", flag()),
        ("retired", number()),
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

pub(super) fn publish_plan() -> Value {
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

pub(super) fn publish_report() -> Value {
    object(&[
        ("plan", publish_plan()),
        ("linked", number()),
        ("pruned", number()),
        ("generation", nullable(&json!({"type": "integer"}))),
        ("url", nullable(&text())),
        ("duration_ms", number()),
    ])
}

pub(super) fn publication() -> Value {
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

pub(super) fn repository_fields() -> Vec<(&'static str, Value)> {
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
        ("last", nullable(&history())),
        ("served", nullable(&text())),
        ("configured", flag()),
    ]
}

pub(super) fn repository_detail() -> Value {
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
        ("warnings", list(&text())),
        ("unbuilt", list(&text())),
    ]);
    object(&fields)
}

pub(super) fn history() -> Value {
    object(&[
        ("repo", text()),
        ("verb", text()),
        ("started", time()),
        ("finished", nullable(&time())),
        (
            "status",
            one_of(&["running", "succeeded", "partial", "failed", "cancelled", "killed"]),
        ),
        ("exit_code", nullable(&number())),
        ("revision", nullable(&number())),
        ("added", number()),
        ("removed", number()),
        ("upgraded", number()),
        ("fetched_bytes", number()),
        ("error", nullable(&text())),
    ])
}

pub(super) fn snapshot() -> Value {
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

fn advisory() -> Value {
    object(&[
        ("id", text()),
        ("type", text()),
        ("severity", text()),
        ("title", text()),
        ("cves", list(&text())),
    ])
}

pub(super) fn updates() -> Value {
    object(&[
        ("repo", text()),
        ("feed", text()),
        ("current", nullable(&number())),
        ("unchanged", flag()),
        ("different", flag()),
        ("changed", nullable(&time())),
        ("counts", counts()),
        ("changes", list(&change())),
        ("new_advisories", counts_by_word()),
        ("advisories", list(&advisory())),
        ("download_files", number()),
        ("download_bytes", number()),
        ("fetched_bytes", number()),
        ("warnings", list(&text())),
    ])
}

pub(super) fn retire_report() -> Value {
    object(&[
        ("repo", text()),
        ("retired", list(&object(&[("revision", number()), ("created", time())]))),
        ("kept", number()),
    ])
}

pub(super) fn sync_status() -> Value {
    let holder = object(&[
        ("host", text()),
        ("pid", number()),
        ("since", time()),
        ("alive", nullable(&flag())),
    ]);
    let progress = object(&[
        ("step", text()),
        ("done", number()),
        ("total", number()),
        ("told", time()),
    ]);
    object(&[
        ("repo", text()),
        ("state", one_of(&["running", "killed", "idle", "never"])),
        ("holder", nullable(&holder)),
        ("progress", nullable(&progress)),
        ("last", nullable(&history())),
    ])
}

pub(super) fn delete_plan() -> Value {
    object(&[
        ("repo", text()),
        ("configured", flag()),
        ("revisions", number()),
        ("members", number()),
        ("runs", number()),
        ("snapshots", list(&text())),
        ("published", list(&text())),
        ("obstacles", list(&object(&[("reason", text()), ("hint", text())]))),
    ])
}

pub(super) fn delete_report() -> Value {
    object(&[
        ("plan", delete_plan()),
        ("taken_down", list(&text())),
        ("left", list(&text())),
    ])
}

pub(super) fn diff() -> Value {
    object(&[
        ("repo", text()),
        ("from", text()),
        ("to", text()),
        ("from_revision", number()),
        ("to_revision", number()),
        ("counts", counts()),
        ("changes", list(&change())),
        ("new_advisories", list(&advisory())),
    ])
}

pub(super) fn pool_stats() -> Value {
    let numbers = [
        "blobs",
        "bytes",
        "named",
        "orphaned",
        "orphaned_bytes",
        "unused",
        "unused_bytes",
        "foreign",
        "free_bytes",
        "free_inodes",
    ];
    let mut fields = vec![("path", text())];
    fields.extend(numbers.map(|name| (name, number())));
    object(&fields)
}

pub(super) fn pool_problem() -> Value {
    object(&[
        ("blob", text()),
        ("kind", text()),
        ("bytes", number()),
        ("used_by", list(&text())),
        ("published", list(&text())),
        ("path", nullable(&text())),
        ("repaired", nullable(&flag())),
        ("outcome", nullable(&text())),
    ])
}

pub(super) fn feed_check() -> Value {
    object(&[
        ("repo", text()),
        ("url", text()),
        ("revision", nullable(&text())),
        ("changed", nullable(&time())),
        ("files", list(&text())),
        ("warnings", list(&text())),
    ])
}

pub(super) fn cache_row() -> Value {
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

pub(super) fn stats() -> Value {
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

pub(super) fn event() -> Value {
    let step = one_of(&[
        "metadata", "select", "download", "record", "render", "add", "switch", "prune", "adopt",
    ]);
    let kind = |word: &str| ("event", json!({ "const": word }));
    let of_repo = |fields: &[(&str, Value)]| {
        let mut fields = fields.to_vec();
        fields.push(("repo", text()));
        object_with(&fields, &["repo"])
    };
    json!({"anyOf": [
        of_repo(&[kind("begin"), ("step", step.clone()), ("total", number())]),
        of_repo(&[kind("progress"), ("step", step.clone()), ("done", number()), ("total", number())]),
        of_repo(&[kind("end"), ("step", step), ("done", number())]),
        of_repo(&[kind("message"), ("text", text())]),
        object(&[kind("warning"), ("text", text())]),
        object(&[
            kind("log"),
            ("level", one_of(&["error", "warn", "info", "debug", "trace"])),
            ("target", text()),
            ("text", text()),
            ("fields", json!({"type": "object"})),
        ]),
        object(&[("error", failure())]),
    ]})
}

/// A line of the log; what else it has depends on what it is about.
pub(super) fn log_line() -> Value {
    let mut schema = object_with(
        &[
            ("timestamp", time()),
            ("level", one_of(&["error", "warn", "info", "debug", "trace"])),
            ("target", text()),
            ("message", text()),
            ("repo.id", text()),
            ("verb", text()),
            ("duration_ms", number()),
            ("exit_code", number()),
            ("causes", list(&text())),
            ("hint", nullable(&text())),
        ],
        &["repo.id", "verb", "duration_ms", "exit_code", "causes", "hint"],
    );
    schema["additionalProperties"] = json!(true);
    schema
}
