//! `doctor`: each check is made to fail, and nothing else says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "faults/mounts.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod mounts;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use chantal_testkit::needs::{is_root, need, programs};
use chantal_testkit::tls::Authority;
use mounts::Mount;
use serde_json::Value;
use support::{Chantal, feed, repository};

const NAMES: [&str; 25] = [
    "configuration",
    "base-directory",
    "pool-directory",
    "temp-directory",
    "published-directory",
    "file-system",
    "hard-links",
    "exchange",
    "space",
    "inodes",
    "database",
    "schema",
    "integrity",
    "clock",
    "leases",
    "scheduler",
    "left-overs",
    "secrets",
    "keys",
    "certificates",
    "notify",
    "metrics",
    "systemd",
    "selinux",
    "weaknesses",
];

/// A repository that was synced and published.
fn healthy(more: &str) -> Chantal {
    let chantal = Chantal::new();
    feed::write(&chantal.path("feed"), 1, &[("bash", "5.1")]);
    chantal.configure(&repository("el9", &feed::url(&chantal.path("feed")), more));
    std::fs::set_permissions(chantal.path("config.yaml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "el9", "--publish"]).expect(0);
    chantal
}

fn examine(chantal: &Chantal, code: i32) -> Vec<Value> {
    let checks = chantal.run(&["doctor", "--format", "json"]).expect(code).json("doctor");
    checks.as_array().unwrap().clone()
}

/// Names of the checks with a status.
fn with<'c>(checks: &'c [Value], status: &str) -> Vec<&'c str> {
    // A disk that is rather full is not the test's.
    let is_disk = |check: &Value| check["check"] == "space" || check["check"] == "inodes";
    let found = checks
        .iter()
        .filter(|check| check["status"] == status && !(status == "warn" && is_disk(check)));
    found.map(|check| check["check"].as_str().unwrap()).collect()
}

/// Asserts that one check alone fails, and that its message and hint say what is expected.
#[track_caller]
fn fails(chantal: &Chantal, code: i32, name: &str, words: &[&str]) {
    let checks = examine(chantal, code);
    assert_eq!(with(&checks, "fail"), [name], "{checks:#?}");
    told(&checks, name, words);
}

/// Asserts that one check alone warns.
#[track_caller]
fn warns(chantal: &Chantal, name: &str, words: &[&str]) {
    let checks = examine(chantal, 0);
    assert_eq!(
        (with(&checks, "warn"), with(&checks, "fail")),
        (vec![name], vec![]),
        "{checks:#?}"
    );
    told(&checks, name, words);
}

#[track_caller]
fn told(checks: &[Value], name: &str, words: &[&str]) {
    let check = checks.iter().find(|check| check["check"] == name).unwrap();
    let text = format!("{} {}", check["message"], check["hint"]);
    for word in words {
        assert!(text.contains(word), "{name} does not say {word:?}: {text}");
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a statement on the database; `false` where there is no program for that.
fn sql(chantal: &Chantal, text: &str) -> bool {
    if !need(programs(&["python3"]), "python3") {
        return false;
    }
    let script = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let database = chantal.path("state/chantal.db");
    let ran = Command::new("python3")
        .args(["-c", script])
        .arg(database)
        .arg(text)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    true
}

#[test]
fn a_healthy_installation_passes_every_check_and_keeps_its_files() {
    let chantal = healthy("");
    let before = chantal_testkit::tree::digests(&chantal.path("published")).unwrap();
    let checks = examine(&chantal, 0);
    let names: Vec<&str> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES);
    assert_eq!(
        (with(&checks, "warn"), with(&checks, "fail")),
        (vec![], vec![]),
        "{checks:#?}"
    );
    assert_eq!(
        chantal_testkit::tree::digests(&chantal.path("published")).unwrap(),
        before
    );
    assert_eq!(std::fs::read_dir(chantal.path("state/pool/tmp")).unwrap().count(), 0);
    let table = chantal.run(&["doctor"]).expect(0);
    assert!(
        table.stdout.contains("hard-links") && table.stderr.contains("0 failed"),
        "{table:?}"
    );
}

#[test]
fn a_configuration_with_a_mistake_fails_alone() {
    let chantal = healthy("");
    let text = std::fs::read_to_string(chantal.path("config.yaml")).unwrap();
    std::fs::write(chantal.path("config.yaml"), text.replace("feed:", "fede:")).unwrap();
    let checks = examine(&chantal, 2);
    assert_eq!((with(&checks, "fail"), checks.len()), (vec!["configuration"], 1));
    told(&checks, "configuration", &["fede", "config validate"]);
    std::fs::remove_file(chantal.path("config.yaml")).unwrap();
    assert_eq!(with(&examine(&chantal, 2), "fail"), ["configuration"]);
}

#[test]
fn a_key_without_effect_is_a_warning() {
    let chantal = healthy("");
    std::fs::write(chantal.path("key.asc"), "x").unwrap();
    chantal.configure(&repository(
        "el9",
        &feed::url(&chantal.path("feed")),
        "verify: {enabled: true, key_files: [key.asc]}",
    ));
    warns(&chantal, "configuration", &["1 warning", "config validate"]);
}

#[test]
fn each_directory_must_be_there_and_closed_to_others() {
    for (path, name) in [
        ("state", "base-directory"),
        ("state/tmp", "temp-directory"),
        ("published", "published-directory"),
    ] {
        let chantal = healthy("");
        mode(&chantal.path(path), 0o777);
        let checks = examine(&chantal, 2);
        assert!(with(&checks, "fail").contains(&name), "{checks:#?}");
        told(&checks, name, &["everybody may write to", "chmod o-w"]);
        mode(&chantal.path(path), 0o755);
    }
    let chantal = healthy("");
    std::fs::remove_dir_all(chantal.path("state/tmp")).unwrap();
    fails(&chantal, 2, "temp-directory", &["state/tmp", "chantal init"]);
    std::fs::write(chantal.path("state/tmp"), b"").unwrap();
    fails(&chantal, 2, "temp-directory", &["is no directory"]);
    std::fs::remove_file(chantal.path("state/tmp")).unwrap();
    std::fs::remove_dir_all(chantal.path("state/pool")).unwrap();
    let checks = examine(&chantal, 2);
    assert!(with(&checks, "fail").contains(&"pool-directory"), "{checks:#?}");
    assert!(with(&checks, "skipped").contains(&"hard-links"), "{checks:#?}");
    assert!(!chantal.path("state/pool").exists(), "a check made what is missing");
}

#[test]
fn a_directory_of_somebody_else_is_a_warning() {
    if !need(is_root(), "root, to give a directory away") {
        return;
    }
    let chantal = healthy("");
    std::os::unix::fs::chown(chantal.path("published"), Some(65534), None).unwrap();
    warns(&chantal, "published-directory", &["belongs to user 65534"]);
}

#[test]
fn two_file_systems_are_found_before_any_sync() {
    let chantal = healthy("");
    std::fs::remove_dir_all(chantal.path("published")).unwrap();
    let Some(_mount) = Mount::tmpfs(&chantal.path("published"), "size=200m,mode=755") else {
        return;
    };
    fails(&chantal, 2, "file-system", &["two file systems", "storage.link_mode"]);
}

#[test]
fn little_space_and_few_inodes_are_found() {
    let chantal = healthy("");
    std::fs::remove_dir_all(chantal.path("state/tmp")).unwrap();
    {
        let Some(_mount) = Mount::tmpfs(&chantal.path("state/tmp"), "size=10m,mode=700") else {
            return;
        };
        fails(&chantal, 6, "space", &["bytes are free", "make room"]);
    }
    let Some(_mount) = Mount::tmpfs(&chantal.path("state/tmp"), "size=200m,nr_inodes=500,mode=700") else {
        return;
    };
    fails(&chantal, 6, "inodes", &["inodes are free"]);
}

#[test]
fn a_database_that_is_missing_or_damaged_fails() {
    let chantal = healthy("");
    // Everything goes from the log into the file.
    chantal.run(&["db", "vacuum"]).expect(0);
    let database = chantal.path("state/chantal.db");
    assert!(!chantal.path("state/chantal.db-wal").exists());
    let whole = std::fs::read(&database).unwrap();
    std::fs::write(
        &database,
        b"this is no database, and it is longer than a header of a hundred bytes. ".repeat(9),
    )
    .unwrap();
    fails(&chantal, 8, "database", &[]);
    // A page of a table or an index: its header is overwritten.
    let mut damaged = whole.clone();
    damaged[8 * 4096..8 * 4096 + 8].fill(0xff);
    std::fs::write(&database, damaged).unwrap();
    fails(&chantal, 8, "integrity", &["restore a backup"]);
    std::fs::remove_file(&database).unwrap();
    fails(&chantal, 2, "database", &["chantal init"]);
}

#[test]
fn an_older_schema_fails_and_a_newer_one_too() {
    let chantal = healthy("");
    if !sql(
        &chantal,
        "DELETE FROM schema_version WHERE version = (SELECT max(version) FROM schema_version)",
    ) {
        return;
    }
    let checks = examine(&chantal, 2);
    assert!(with(&checks, "fail").contains(&"schema"), "{checks:#?}");
    told(&checks, "schema", &["chantal db upgrade"]);
    sql(&chantal, "INSERT INTO schema_version VALUES (999, 'x', 1)");
    fails(&chantal, 2, "database", &["newer program"]);
}

#[test]
fn a_clock_behind_what_is_recorded_fails() {
    let chantal = healthy("");
    if sql(&chantal, "UPDATE revision SET created_at = 4102444800") {
        fails(
            &chantal,
            2,
            "clock",
            &["2100-01-01T00:00:00Z is recorded", "set the clock"],
        );
    }
}

#[test]
fn a_lease_of_a_dead_process_is_a_warning() {
    let chantal = healthy("");
    if sql(
        &chantal,
        "UPDATE lease SET expires_at = 4102444800, pid_start = 1 WHERE name = 'sync:el9'",
    ) {
        warns(&chantal, "leases", &["sync:el9", "gone"]);
    }
}

#[test]
fn old_files_of_killed_runs_are_a_warning() {
    for path in ["state/pool/tmp/x", "state/tmp/x", "published/el9/latest/.new-x"] {
        let chantal = healthy("");
        let file = std::fs::File::create(chantal.path(path)).unwrap();
        assert_eq!(
            with(&examine(&chantal, 0), "warn"),
            Vec::<&str>::new(),
            "a young file may be in use"
        );
        file.set_modified(SystemTime::now() - Duration::from_secs(2 * 24 * 3600))
            .unwrap();
        warns(&chantal, "left-overs", &["1 left by killed runs"]);
    }
}

#[test]
fn secrets_that_everybody_may_read_fail() {
    let chantal = healthy("");
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(&repository("el9", &url, "auth: {type: bearer, token: secret}"));
    mode(&chantal.path("config.yaml"), 0o644);
    fails(&chantal, 2, "secrets", &["config.yaml", "chmod o-rwx"]);
    mode(&chantal.path("config.yaml"), 0o640);
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());

    chantal.configure(&repository("el9", &url, "auth: {type: bearer, token: 'file:token'}"));
    fails(&chantal, 2, "secrets", &["cannot read the secret"]);
    std::fs::write(chantal.path("token"), "x").unwrap();
    mode(&chantal.path("token"), 0o604);
    fails(&chantal, 2, "secrets", &["token (mode 0604)"]);
    mode(&chantal.path("token"), 0o600);
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());
    chantal.configure(&repository(
        "el9",
        &url,
        "auth: {type: bearer, token: 'env:NOT_SET_ANYWHERE'}",
    ));
    fails(&chantal, 2, "secrets", &["NOT_SET_ANYWHERE is not set"]);
}

#[test]
fn a_certificate_that_has_expired_fails() {
    let chantal = healthy("");
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(&repository("el9", &url, "ssl: {ca_bundle: authorities.pem}"));
    let authority = Authority::new();
    std::fs::write(chantal.path("authorities.pem"), authority.server().certificate).unwrap();
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());
    let both = authority.server().certificate + &authority.server_until(2001).certificate;
    std::fs::write(chantal.path("authorities.pem"), both).unwrap();
    fails(
        &chantal,
        2,
        "certificates",
        &["authorities.pem has expired at 2001-01-01"],
    );
    std::fs::remove_file(chantal.path("authorities.pem")).unwrap();
    fails(&chantal, 2, "certificates", &["cannot read"]);
}

#[test]
fn jobs_without_a_scheduler_and_jobs_that_are_late_are_warnings() {
    let chantal = healthy("schedule: {enabled: true, cron: '0 0 1 1 *', time_zone: UTC}");
    warns(
        &chantal,
        "scheduler",
        &["1 jobs are scheduled, and no scheduler runs", "scheduler start"],
    );
    let mut scheduler = chantal
        .command(&["--config", "config.yaml", "scheduler", "start"])
        .spawn()
        .unwrap();
    let process = scheduler.id().to_string();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !chantal
        .run(&["scheduler", "status"])
        .expect(0)
        .stdout
        .contains(&process)
    {
        assert!(std::time::Instant::now() < deadline, "it never began");
    }
    // It plans everything before it ends.
    assert!(
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap()
            .success()
    );
    assert!(scheduler.wait().unwrap().success());
    if sql(&chantal, "UPDATE schedule SET next_at = 1700000000") {
        warns(&chantal, "scheduler", &["no scheduler runs", "el9 since 2023-11-14"]);
    }
}

#[test]
fn keys_that_cannot_be_read_or_that_everybody_may_read_fail() {
    let chantal = healthy("");
    let url = feed::url(&chantal.path("feed"));
    chantal.configure(&repository("el9", &url, "gpg: {key_file: secret.asc}"));
    fails(&chantal, 2, "keys", &["gpg.key_file", "cannot read", "secret.asc"]);
    std::fs::write(chantal.path("secret.asc"), "x").unwrap();
    mode(&chantal.path("secret.asc"), 0o644);
    fails(&chantal, 2, "keys", &["everybody may read", "chmod o-rwx"]);
    mode(&chantal.path("secret.asc"), 0o600);
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());
    chantal.configure(&repository("el9", &url, "verify: {enabled: true, key_files: [k.asc]}"));
    fails(&chantal, 2, "keys", &["verify.key_files", "k.asc"]);
}

#[test]
fn those_who_cannot_be_told_fail() {
    let chantal = healthy("");
    let one = repository("el9", &feed::url(&chantal.path("feed")), "");
    for (notify, word) in [
        ("{command: [/nonexistent/program]}", "/nonexistent/program"),
        ("{command: [no-such-program-anywhere]}", "no program"),
        ("{webhook: 'env:NOT_SET_ANYWHERE'}", "NOT_SET_ANYWHERE is not set"),
        ("{webhook: 'file:hook'}", "gives no URL"),
    ] {
        std::fs::write(chantal.path("hook"), "nonsense").unwrap();
        mode(&chantal.path("hook"), 0o600);
        chantal.configure(&format!("{one}notify: [{notify}]\n"));
        fails(&chantal, 2, "notify", &[word, "notify test"]);
    }
    chantal.configure(&format!("{one}notify: [{{webhook: 'https://h/secret'}}]\n"));
    mode(&chantal.path("config.yaml"), 0o644);
    fails(&chantal, 2, "secrets", &["config.yaml"]);
    chantal.configure(&format!("{one}notify: [{{command: ['true']}}]\n"));
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());
}

#[test]
fn a_file_of_metrics_that_cannot_be_written_fails() {
    let chantal = healthy("");
    let one = repository("el9", &feed::url(&chantal.path("feed")), "");
    chantal.configure(&format!("{one}metrics: {{textfile: absent/x.prom}}\n"));
    fails(&chantal, 2, "metrics", &["absent", "metrics.textfile"]);
    std::fs::create_dir(chantal.path("absent")).unwrap();
    assert_eq!(with(&examine(&chantal, 0), "fail"), Vec::<&str>::new());
}

#[test]
fn weak_options_are_warnings_by_repository() {
    let chantal = healthy("");
    for (more, word) in [
        ("ssl: {verify: false}", "certificates are not checked"),
        ("allow_weak: [sha1]", "SHA-1"),
        ("allow_weak: [future_date]", "dated in the future"),
        ("allow_rollback: true", "go back in time"),
        ("max_removed_percent: 100", "remove everything"),
    ] {
        chantal.configure(&repository("el9", "https://127.0.0.1:1/", more));
        warns(&chantal, "weaknesses", &["el9", word]);
    }
    chantal.configure(&repository("el9", "http://127.0.0.1:1/", ""));
    warns(&chantal, "weaknesses", &["plain http"]);
    chantal.configure(&repository(
        "el9",
        "http://127.0.0.1:1/",
        "auth: {type: bearer, token: 'env:HOME'}",
    ));
    warns(&chantal, "weaknesses", &["credentials are sent over plain http"]);
    let table = chantal.run(&["doctor"]).expect(0);
    let rows: Vec<&str> = table
        .stdout
        .lines()
        .filter(|line| line.starts_with("weaknesses"))
        .collect();
    assert_eq!(rows.len(), 2, "each finding has its row: {table:?}");
    assert!(rows.iter().all(|row| row.contains("use an https feed")), "{rows:?}");
    let one = repository("el9", "https://127.0.0.1:1/", "");
    for (top, word) in [
        ("scheduler: {listen: '0.0.0.0:9464'}", "0.0.0.0:9464"),
        ("notify: [{webhook: 'http://hooks.example.org'}]", "plain http"),
        (
            "notify: [{webhook: 'https://h'}]\nssl: {verify: false}",
            "certificates of webhooks",
        ),
    ] {
        chantal.configure(&format!("{one}{top}\n"));
        warns(&chantal, "weaknesses", &[word]);
    }
}

#[test]
fn failures_of_several_kinds_are_nine() {
    let chantal = healthy("");
    std::fs::write(
        chantal.path("state/chantal.db"),
        b"this is no database at all ".repeat(30),
    )
    .unwrap();
    std::fs::remove_dir_all(chantal.path("state/tmp")).unwrap();
    assert_eq!(with(&examine(&chantal, 9), "fail"), ["temp-directory", "database"]);
}
