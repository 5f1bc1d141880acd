//! Databases of earlier schemas, with rows: read, refused for writing, upgraded; and of newer ones, refused.

use std::path::Path;
use std::process::Command;

use chantal_catalog::Catalog;
use chantal_testkit::chantal::{Chantal, finish};
use chantal_testkit::needs::{need, programs};
use chantal_testkit::postgres::Postgres;
use rusqlite::Connection;

use crate::{BINARY, backup, configure, database, files_named, lived, published, share_pool, snapshots, tables};

fn latest() -> i64 {
    Catalog::migrations().last().unwrap().version
}

fn run(connection: &Connection, text: &str) {
    let done = connection.execute_batch(text);
    assert!(done.is_ok(), "{text}: {done:?}");
}

/// The first column of every row.
fn names(connection: &Connection, text: &str) -> Vec<String> {
    let mut statement = connection.prepare(text).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn columns(connection: &Connection, schema: &str, table: &str) -> Vec<String> {
    names(
        connection,
        &format!("SELECT name FROM pragma_table_info('{table}', '{schema}')"),
    )
}

/// Writes a database of an earlier schema with the rows of one of today's.
fn earlier(version: i64, from: &Path, to: &Path) {
    let connection = Connection::open(to).unwrap();
    run(&connection, "PRAGMA foreign_keys = OFF");
    run(&connection, chantal_catalog::sql::CREATE_SCHEMA_VERSION);
    for migration in Catalog::migrations().iter().filter(|one| one.version <= version) {
        run(&connection, migration.sqlite);
    }
    run(&connection, &format!("ATTACH '{}' AS today", from.display()));
    let tables = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name <> 'intent'";
    for table in names(&connection, tables) {
        let names = columns(&connection, "main", &table);
        let today = columns(&connection, "today", &table);
        assert!(
            names.iter().all(|name| today.contains(name)),
            "{table}: {names:?}, {today:?}"
        );
        let names = names.join(", ");
        let only = if table == "schema_version" {
            format!("WHERE version <= {version}")
        } else {
            String::new()
        };
        run(
            &connection,
            &format!("INSERT INTO main.{table} ({names}) SELECT {names} FROM today.{table} {only}"),
        );
    }
    connection.close().unwrap();
}

/// Puts a database of an earlier schema in the place of today's.
fn put_earlier(chantal: &Chantal, version: i64, from: &Path) {
    for file in files_named(chantal.path(), "chantal.db") {
        std::fs::remove_file(file).unwrap();
    }
    earlier(version, from, &database(chantal));
}

/// Moves the database out of the way; everything is in the file, since nobody has it open.
fn take_database(chantal: &Chantal) -> std::path::PathBuf {
    let taken = chantal.path().join("today.db");
    chantal.run(&["db", "vacuum"]).ok();
    std::fs::copy(database(chantal), &taken).unwrap();
    taken
}

#[test]
fn every_earlier_schema_is_read_refused_for_writing_and_upgraded() {
    let (chantal, _upstream) = lived();
    let (served, today) = (published(&chantal), take_database(&chantal));
    for version in 1..latest() {
        put_earlier(&chantal, version, &today);
        let before = std::fs::read(database(&chantal)).unwrap();
        for arguments in [&["repo", "sync", "f"][..], &["snapshot", "list"], &["db", "verify"]] {
            let refused = chantal.run(arguments).expect(2);
            assert!(refused.stderr.contains("`chantal db upgrade`"), "{}", refused.stderr);
        }
        for looking in ["status", "history"] {
            chantal.run(&["db", looking]).ok();
        }
        let pending = chantal.json(&["db", "upgrade", "--dry-run"]);
        let pending: Vec<i64> = pending
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["version"].as_i64().unwrap())
            .collect();
        assert_eq!(pending, (version + 1..=latest()).collect::<Vec<_>>());
        assert_eq!(chantal.json(&["db", "current"])["version"], version);
        let said = chantal.run(&["db", "upgrade"]).ok().stderr;
        let kept = files_named(chantal.path(), "chantal.db.before-upgrade-");
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(said.contains(kept[0].to_str().unwrap()), "{said}");
        let history = chantal.json(&["db", "history"]);
        assert!(
            history.as_array().unwrap().iter().all(|row| row["at"].is_string()),
            "{history}"
        );
        chantal.run(&["db", "verify"]).ok();
        assert_eq!(published(&chantal), served, "{version}");
        chantal.run(&["repo", "sync", "f"]).ok();
        // The copy is what was there, and is upgraded as well.
        std::fs::copy(&kept[0], database(&chantal)).unwrap();
        assert_eq!(chantal.json(&["db", "current"])["version"], version);
        assert!(before.starts_with(b"SQLite format 3"));
        chantal.run(&["db", "upgrade", "--no-copy"]).ok();
        assert!(
            chantal
                .run(&["db", "upgrade"])
                .ok()
                .stderr
                .contains("up to date already")
        );
    }
}

#[test]
fn an_archive_of_an_earlier_schema_is_restored_on_both_and_brought_up_to_date() {
    let server = Postgres::start();
    let (chantal, upstream) = lived();
    let (served, today) = (published(&chantal), take_database(&chantal));
    let newest = tables(&backup(&chantal, "newest.tar"));
    for version in 1..latest() {
        put_earlier(&chantal, version, &today);
        let archive = backup(&chantal, &format!("v{version}.tar"));
        let archive = archive.to_str().unwrap();
        chantal.run(&["db", "backup-verify", archive, "--pool"]).ok();
        assert_eq!(chantal.json(&["db", "backup-info", archive])["schema_version"], version);
        let report = chantal.json(&["db", "restore", archive, "--yes"]);
        assert_eq!(
            (&report["schema_version"], &report["upgraded_to"]),
            (&version.into(), &latest().into())
        );
        assert_eq!(published(&chantal), served, "{version}");
        if let Some(server) = &server {
            let on_server = Chantal::new(BINARY);
            configure(&on_server, &upstream, Some(&server.url(&server.database())));
            share_pool(&chantal, &on_server);
            on_server.run(&["db", "restore", archive]).ok();
            let there = tables(&backup(&on_server, "there.tar"));
            assert_eq!(there.keys().collect::<Vec<_>>(), newest.keys().collect::<Vec<_>>());
            for table in ["repository", "package", "pack", "record", "member", "pin"] {
                assert_eq!(there[table], newest[table], "{table} of version {version}");
            }
            assert_eq!(published(&on_server), served, "{version}");
        }
    }
}

#[test]
fn a_newer_database_is_refused_and_not_a_byte_of_it_changes() {
    let (chantal, _upstream) = lived();
    let archive = backup(&chantal, "a.tar");
    let today = take_database(&chantal);
    let text = format!("INSERT INTO schema_version VALUES ({}, 'later', 1)", latest() + 1);
    // As a program with a log leaves it, and as one without, where opening it with one would change the header.
    for mode in ["WAL", "DELETE"] {
        for file in files_named(chantal.path(), "chantal.db") {
            std::fs::remove_file(file).unwrap();
        }
        std::fs::copy(&today, database(&chantal)).unwrap();
        let connection = Connection::open(database(&chantal)).unwrap();
        run(&connection, &format!("PRAGMA journal_mode = {mode}; {text}"));
        connection.close().unwrap();
        let before = std::fs::read(database(&chantal)).unwrap();
        let archive = archive.to_str().unwrap();
        for arguments in [
            &["repo", "sync", "--all"][..],
            &["repo", "list"],
            &["publish", "repo", "f"],
            &["snapshot", "create", "f", "--name", "x"],
            &["init"],
            &["db", "init"],
            &["db", "status"],
            &["db", "upgrade"],
            &["db", "upgrade", "--dry-run"],
            &["db", "vacuum"],
            &["db", "verify"],
            &["db", "backup"],
            &["db", "cleanup"],
            &["db", "restore", archive, "--yes"],
            &["pool", "cleanup"],
        ] {
            let refused = chantal.run(arguments).expect(2);
            assert!(
                refused.stderr.contains("use that version"),
                "{arguments:?}: {}",
                refused.stderr
            );
            assert!(
                std::fs::read(database(&chantal)).unwrap() == before,
                "{mode}: {arguments:?} changed the file"
            );
        }
        assert!(files_named(chantal.path(), "chantal.db.before").is_empty());
    }
}

/// Runs a command that is killed at its n-th call of a kind; gives whether it came to its end.
fn killed_at(chantal: &Chantal, arguments: &[&str], call: &str, n: usize) -> bool {
    let plain = chantal.command(arguments);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={n}")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(chantal.path())
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(&mut command).code == 0
}

#[test]
fn an_upgrade_that_is_killed_at_any_write_begins_again() {
    let traced = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !need(
        programs(&["strace"]) && traced().is_ok_and(|output| output.status.success()),
        "tracing with strace",
    ) {
        return;
    }
    let (chantal, _upstream) = lived();
    let today = take_database(&chantal);
    let mut killed = 0;
    for call in ["pwrite64", "fdatasync,fsync", "unlink"] {
        for n in (1..).step_by(if call == "pwrite64" { 3 } else { 1 }) {
            put_earlier(&chantal, 1, &today);
            let ended = killed_at(&chantal, &["db", "upgrade"], call, n);
            let context = format!("{call} {n}");
            let version = chantal.json(&["db", "current"])["version"].as_i64().unwrap();
            assert!(version == 1 || version == latest(), "{context}: {version}");
            chantal.run(&["db", "upgrade"]).ok();
            assert_eq!(snapshots(&chantal), ["first"], "{context}");
            assert_eq!(chantal.json(&["db", "current"])["version"], latest(), "{context}");
            chantal.run(&["db", "verify"]).ok();
            if ended {
                break;
            }
            killed += 1;
            assert!(n < 500, "{context}: it never ends");
        }
    }
    println!("{killed} upgrades were killed");
    assert!(killed > 5, "only {killed} were killed");
}
