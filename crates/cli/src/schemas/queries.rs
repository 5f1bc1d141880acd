//! What queries, statistics and checks say.

use serde_json::Value;

use super::Entry;
use super::shapes::{flag, list, number, object, one_of, package_fields, text};

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
    ]
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
        ("status", one_of(&["provided", "missing", "built-in"])),
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
        ]
        .map(|name| (name, number())),
    );
    let left_out = object(&[("path", text()), ("reason", text())]);
    fields.push(("left_out", list(&left_out)));
    object(&fields)
}
