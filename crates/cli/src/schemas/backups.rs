//! What backups say.

use serde_json::Value;

use super::shapes::{flag, list, nullable, number, object, one_of, text, time};

fn database() -> Value {
    one_of(&["sqlite", "postgresql"])
}

fn secrets() -> Value {
    one_of(&["no_configuration", "left_out", "included"])
}

fn missing() -> Value {
    list(&object(&[("blob", text()), ("bytes", number())]))
}

pub(super) fn made() -> Value {
    object(&[
        ("file", text()),
        ("bytes", number()),
        ("created", time()),
        ("database", database()),
        ("schema_version", number()),
        ("rows", number()),
        ("blobs", number()),
        ("blob_bytes", number()),
        ("configuration", list(&text())),
        ("secrets", secrets()),
        ("deleted", list(&text())),
    ])
}

pub(super) fn listed() -> Value {
    object(&[
        ("file", text()),
        ("bytes", number()),
        ("created", nullable(&time())),
        ("database", nullable(&database())),
        ("schema_version", nullable(&number())),
        ("rows", nullable(&number())),
        ("secrets", nullable(&secrets())),
        ("problem", nullable(&text())),
    ])
}

pub(super) fn info() -> Value {
    let table = object(&[("table", text()), ("rows", number()), ("bytes", number())]);
    object(&[
        ("file", text()),
        ("bytes", number()),
        ("created", time()),
        ("host", text()),
        ("program_version", text()),
        ("database", database()),
        ("schema_version", number()),
        ("rows", number()),
        ("pool", text()),
        ("blobs", number()),
        ("blob_bytes", number()),
        ("secrets", secrets()),
        ("configuration", list(&text())),
        ("tables", list(&table)),
    ])
}

pub(super) fn checked() -> Value {
    object(&[
        ("file", text()),
        ("bytes", number()),
        ("created", time()),
        ("schema_version", number()),
        ("rows", number()),
        ("problems", list(&text())),
        ("blobs", number()),
        ("pool_checked", flag()),
        ("missing", missing()),
    ])
}

pub(super) fn restored() -> Value {
    let table = object(&[
        ("table", text()),
        ("backup_rows", number()),
        ("database_rows", number()),
    ]);
    object(&[
        ("file", text()),
        ("created", time()),
        ("database", text()),
        ("exists", flag()),
        ("damage", nullable(&text())),
        ("schema_version", number()),
        ("tables", list(&table)),
        ("dry_run", flag()),
        ("previous", nullable(&text())),
        ("upgraded_to", number()),
        ("blobs", number()),
        ("missing", missing()),
    ])
}
