//! `docs/reference/json/*.schema.json`: the contract that JSON output keeps, written down as JSON Schema.

mod backups;
mod queries;
mod shapes;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use queries::{package_detail, package_fields};
use shapes::*;

/// A schema's file name without its endings, the commands that keep to it, and the schema.
type Entry = (&'static str, &'static str, Value);

fn about_repositories() -> Vec<Entry> {
    vec![
        ("repo-list", "`repo list`", list(&object(&repository_fields()))),
        ("repo-show", "`repo show`", repository_detail()),
        ("repo-sync", "`repo sync`, `mirror`", runs(&sync_report())),
        (
            "repo-sync-background",
            "`repo sync --background`",
            runs(&object(&[("task", number())])),
        ),
        ("repo-sync-plan", "`repo sync --dry-run`", runs(&sync_plan())),
        ("repo-check-updates", "`repo check-updates`", runs(&updates())),
        ("repo-sync-status", "`repo sync-status`", list(&sync_status())),
        ("repo-history", "`repo history`", list(&history())),
        ("repo-retire", "`repo retire`", runs(&retire_report())),
        ("repo-delete", "`repo delete`", delete_report()),
        ("repo-delete-plan", "`repo delete --dry-run`", delete_plan()),
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
        ("packages", "`snapshot content`", list(&object(&package_fields()))),
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
        ("stats", "`stats`", stats()),
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
        ("db-history", "`db history`, `db upgrade --dry-run`", list(&applied)),
        ("db-verify", "`db verify`", list(&object(&[("problem", text())]))),
        (
            "db-vacuum",
            "`db vacuum`",
            object(&["before_bytes", "now_bytes"].map(|name| (name, number()))),
        ),
        ("error", "errors, on stderr", object(&[("error", failure())])),
        ("log", "each line of stderr with `log: {format: json}`", log_line()),
        ("event", "each line of stderr with `--progress json`", event()),
    ]
}

fn all() -> impl Iterator<Item = Entry> {
    about_repositories()
        .into_iter()
        .chain(queries::entries())
        .chain(about_everything_else())
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
    for (name, commands, mut schema) in all() {
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
    let schema = all().find(|entry| entry.0 == name).unwrap().2;
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
        let schema = all().find(|entry| entry.0 == name).unwrap().2;
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
