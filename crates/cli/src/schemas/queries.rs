//! What queries, statistics and checks say.

use serde_json::{Value, json};

use super::Entry;
use super::backups;
use super::shapes::{flag, list, nullable, number, object, one_of, text, time};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        (
            "package-list",
            "`package list`, `package search`",
            list(&listed_package()),
        ),
        ("package-deps", "`package deps`", list(&dependency())),
        ("package-required-by", "`package required-by`", list(&dependent())),
        ("pool-adopt", "`pool adopt`", adopted()),
        ("pool-cleanup", "`pool cleanup`", collected()),
        ("pool-why", "`pool why`", list(&reason())),
        ("pool-holds", "`pool holds`", list(&hold())),
        ("db-cleanup", "`db cleanup`", cleaned()),
        ("db-backup", "`db backup`", backups::made()),
        ("db-backup-list", "`db backup-list`", list(&backups::listed())),
        ("db-backup-info", "`db backup-info`", backups::info()),
        ("db-backup-verify", "`db backup-verify`", backups::checked()),
        ("db-restore", "`db restore`", backups::restored()),
        ("db-rebuild", "`db rebuild`", rebuilt()),
        ("scheduler-status", "`scheduler status`", list(&scheduler())),
        ("scheduler-list", "`scheduler list`", list(&schedule())),
        ("task-list", "`task list`, `task watch`", list(&object(&task_fields()))),
        ("task-show", "`task show`", task_detail()),
        ("task-logs", "`task logs`", list(&task_line())),
        ("doctor", "`doctor`", list(&check())),
        ("notify-test", "`notify test`", list(&told())),
        (
            "notification",
            "what webhooks and commands of `notify:` get",
            notification(),
        ),
        ("stats-packages", "`stats packages`", package_stats()),
        ("stats-dedup", "`stats dedup`", dedup()),
        ("db-stats", "`db stats`", database()),
        ("db-orphaned", "`db orphaned`", list(&orphaned())),
    ]
}

fn told() -> Value {
    object(&[
        ("kind", one_of(&["webhook", "command"])),
        ("target", text()),
        ("ok", flag()),
        ("duration_ms", number()),
        ("error", nullable(&text())),
    ])
}

fn notification() -> Value {
    let events = ["success", "partial", "failure", "busy", "recovered", "changed"];
    let kinds = [
        "ok",
        "internal",
        "usage",
        "unreachable",
        "refused",
        "malformed",
        "limit",
        "busy",
        "damaged",
        "partial",
    ];
    let result = object(&[
        ("changed", flag()),
        ("revision", nullable(&number())),
        ("snapshot", nullable(&text())),
        ("added", number()),
        ("removed", number()),
        ("upgraded", number()),
        ("fetched_bytes", number()),
        ("saved_bytes", number()),
        ("freed_bytes", number()),
    ]);
    object(&[
        ("version", number()),
        ("test", flag()),
        ("events", list(&one_of(&events))),
        ("verb", text()),
        ("repo", nullable(&text())),
        ("trigger", one_of(&["command", "schedule"])),
        ("status", one_of(&["succeeded", "partial", "failed", "busy"])),
        ("exit_code", number()),
        ("kind", one_of(&kinds)),
        ("error", nullable(&text())),
        ("hint", nullable(&text())),
        ("started", time()),
        ("finished", time()),
        ("duration_ms", number()),
        ("result", result),
        ("host", text()),
        ("program", text()),
    ])
}

fn scheduler() -> Value {
    object(&[("host", text()), ("pid", number()), ("since", time())])
}

fn schedule() -> Value {
    object(&[
        ("job", text()),
        ("cron", text()),
        ("time_zone", text()),
        ("chain", list(&one_of(&["snapshot", "publish"]))),
        ("next", time()),
        ("running", flag()),
        ("task", nullable(&number())),
        ("last", nullable(&time())),
        (
            "status",
            // `busy` is what earlier versions wrote.
            nullable(&one_of(&[
                "queued",
                "succeeded",
                "partial",
                "failed",
                "cancelled",
                "killed",
                "busy",
            ])),
        ),
        ("exit_code", nullable(&number())),
        ("error", nullable(&text())),
    ])
}

fn task_fields() -> Vec<(&'static str, Value)> {
    let states = [
        "queued",
        "running",
        "succeeded",
        "partial",
        "failed",
        "cancelled",
        "killed",
    ];
    vec![
        ("id", number()),
        ("verb", text()),
        ("subject", nullable(&text())),
        ("asked_by", one_of(&["person", "schedule"])),
        ("through_queue", flag()),
        ("state", one_of(&states)),
        ("host", nullable(&text())),
        ("pid", nullable(&number())),
        ("attempts", number()),
        ("created", time()),
        ("started", nullable(&time())),
        ("finished", nullable(&time())),
        ("step", nullable(&text())),
        ("done", number()),
        ("total", number()),
        ("cancel_requested", flag()),
        ("exit_code", nullable(&number())),
        ("error", nullable(&text())),
    ]
}

fn task_detail() -> Value {
    let mut fields = task_fields();
    // Whatever the verb reports with `--format json`.
    fields.push(("result", serde_json::json!({})));
    object(&fields)
}

fn task_line() -> Value {
    object(&[
        ("number", number()),
        ("at", time()),
        ("level", one_of(&["error", "warn", "info"])),
        ("text", text()),
    ])
}

fn collected() -> Value {
    let snapshot = object(&[("repo", text()), ("snapshot", text()), ("created", time())]);
    let mut fields = vec![("dry_run", flag()), ("snapshots", list(&snapshot))];
    let counts = [
        "freed_bytes",
        "revisions",
        "pruned_files",
        "renders",
        "unused",
        "unused_bytes",
        "orphaned",
        "orphaned_bytes",
        "spared",
        "waiting",
        "waiting_bytes",
    ];
    fields.extend(counts.map(|name| (name, number())));
    fields.extend([("next_due", nullable(&time())), ("left", list(&text()))]);
    object(&fields)
}

fn reason() -> Value {
    let words = [
        "newest",
        "snapshot",
        "published",
        "grace",
        "revision",
        "rendered",
        "hold",
        "unused",
        "unknown",
    ];
    object(&[
        ("blob", text()),
        ("keeper", one_of(&words)),
        ("repo", nullable(&text())),
        ("path", nullable(&text())),
        ("what", text()),
    ])
}

fn hold() -> Value {
    object(&[
        ("blob", text()),
        ("bytes", nullable(&number())),
        ("reason", text()),
        ("since", time()),
    ])
}

fn rebuilt() -> Value {
    let mut fields: Vec<(&str, Value)> = ["repositories", "revisions", "snapshots", "publications", "blobs"]
        .map(|name| (name, number()))
        .into();
    fields.extend([
        ("kept", nullable(&text())),
        ("problems", list(&text())),
        ("missing", list(&text())),
    ]);
    object(&fields)
}

fn cleaned() -> Value {
    object(&["packages", "records", "packs", "new_packs", "intents"].map(|name| (name, number())))
}

fn listed_package() -> Value {
    let mut fields = vec![("repo", text())];
    fields.extend(package_fields());
    object(&fields)
}

const KINDS: [&str; 7] = [
    "requires",
    "recommends",
    "suggests",
    "supplements",
    "enhances",
    "conflicts",
    "obsoletes",
];

fn dependency() -> Value {
    let atom = object(&[("requirement", text()), ("providers", list(&text()))]);
    object(&[
        ("repo", text()),
        ("package", text()),
        ("kind", one_of(&KINDS)),
        ("requirement", text()),
        (
            "status",
            one_of(&["provided", "missing", "built-in", "present", "absent"]),
        ),
        ("providers", list(&text())),
        ("atoms", list(&atom)),
    ])
}

fn dependent() -> Value {
    object(&[
        ("repo", text()),
        ("package", text()),
        ("kind", one_of(&KINDS)),
        ("requirement", text()),
        ("provided_by", list(&text())),
    ])
}

fn adopted() -> Value {
    let mut fields = vec![("directory", text()), ("dry_run", flag())];
    fields.extend(
        [
            "files",
            "bytes",
            "linked",
            "linked_bytes",
            "copied",
            "copied_bytes",
            "copied_from_elsewhere",
            "copied_of_others",
            "modes_changed",
            "already_there",
            "removed",
            "other_files",
            "foreign_files",
        ]
        .map(|name| (name, number())),
    );
    let left_out = object(&[("path", text()), ("reason", text())]);
    fields.push(("left_out", list(&left_out)));
    object(&fields)
}

fn package_stats() -> Value {
    let arch = object(&[("arch", text()), ("packages", number()), ("bytes", number())]);
    let series = object(&[
        ("name", text()),
        ("arch", text()),
        ("versions", number()),
        ("packages", number()),
        ("bytes", number()),
    ]);
    object(&[
        ("packages", number()),
        ("bytes", number()),
        ("largest", list(&listed_package())),
        ("by_arch", list(&arch)),
        ("by_series", list(&series)),
    ])
}

fn dedup() -> Value {
    let mut share = vec![("repo", text())];
    share.extend(["packages", "bytes", "own_packages", "own_bytes"].map(|name| (name, number())));
    let mut fields: Vec<(&str, Value)> = [
        "states",
        "logical_packages",
        "logical_bytes",
        "stored_packages",
        "stored_bytes",
        "saved_bytes",
        "published_trees",
        "published_packages",
        "published_bytes",
        "pool_blobs",
        "pool_bytes",
    ]
    .map(|name| (name, number()))
    .to_vec();
    fields.push(("repositories", list(&object(&share))));
    object(&fields)
}

fn database() -> Value {
    let table = object(&[("table", text()), ("rows", number())]);
    let records = object(&["part", "records", "bytes"].map(|name| (name, number())));
    object(&[
        ("file_bytes", number()),
        ("log_bytes", number()),
        ("tables", list(&table)),
        ("records", list(&records)),
    ])
}

fn orphaned() -> Value {
    object(&[
        ("kind", one_of(&["repository", "blob", "package", "record", "intent"])),
        ("name", nullable(&text())),
        ("rows", number()),
        ("bytes", number()),
        ("reason", text()),
    ])
}

fn check() -> Value {
    object(&[
        ("check", text()),
        ("status", one_of(&["ok", "warn", "fail", "skipped"])),
        ("message", text()),
        ("hint", nullable(&text())),
    ])
}

pub(super) fn package_fields() -> Vec<(&'static str, Value)> {
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

pub(super) fn package_detail() -> Value {
    let mut fields = package_fields();
    fields.extend([
        ("repositories", list(&text())),
        ("snapshots", list(&text())),
        ("older", list(&text())),
    ]);
    object(&fields)
}
