//! Passwords, TLS and databases that are not ours: who is let in, and what is told.

use std::os::unix::fs::PermissionsExt as _;

use chantal_testkit::chantal::{Chantal, Output};
use chantal_testkit::postgres::Postgres;
use chantal_testkit::repository::Repository;
use chantal_testkit::tls::Authority;
use chantal_testkit::upstream::Upstream;

use crate::{BINARY, configure};

const CANARY: &str = "CANARY";

/// No run may show the password, wherever it came from.
#[track_caller]
fn is_silent(ran: &Output) {
    let all = [ran.stdout.as_str(), &ran.stderr].concat();
    assert!(!all.contains(CANARY), "{all}");
}

/// A role with a password and a database of its own.
fn role(server: &Postgres) -> String {
    let database = server.database();
    server.query("postgres", &format!("CREATE ROLE {database} LOGIN PASSWORD '{CANARY}'"));
    server.query("postgres", &format!("ALTER DATABASE {database} OWNER TO {database}"));
    database
}

fn password_file(chantal: &Chantal, name: &str, text: &str) {
    let path = chantal.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn passwords_come_from_the_url_the_environment_or_a_password_file() {
    let Some(server) = Postgres::start_on_loopback(None) else {
        return;
    };
    let upstream = Upstream::start(Repository::sample().build().site());
    let (role, port) = (role(&server), server.port());
    let chantal = Chantal::new(BINARY).env("DB_PASSWORD", CANARY);
    let at = |password: &str| format!("postgresql://{role}{password}@127.0.0.1:{port}/{role}");
    for (password, code) in [
        (format!(":{CANARY}"), 0),
        (":${DB_PASSWORD}".to_owned(), 0),
        (format!(":{CANARY}-wrong"), 2),
        (String::new(), 2),
    ] {
        configure(&chantal, &upstream, Some(&at(&password)), "");
        for arguments in [&["db", "status", "-vv"][..], &["init", "-vv"], &["doctor", "-vv"]] {
            let ran = chantal.run(arguments);
            is_silent(&ran);
            if arguments[0] == "init" {
                ran.expect(code);
            }
        }
        is_silent(&chantal.run(&["config", "show", "-vv"]).ok());
    }
    configure(&chantal, &upstream, Some(&at("")), "");
    password_file(
        &chantal,
        ".pgpass",
        &format!("127.0.0.1:{port}:{role}:{role}:{CANARY}\n"),
    );
    chantal.run(&["db", "status"]).ok();
    password_file(&chantal, ".pgpass", "");
    chantal.run(&["db", "status"]).expect(2);
    password_file(&chantal, "elsewhere", &format!("*:*:*:{role}:{CANARY}\n"));
    let named = chantal.path().join("elsewhere");
    let chantal = chantal.env("PGPASSFILE", named.to_str().unwrap());
    is_silent(&chantal.run(&["db", "status", "-vv"]).ok());
}

#[test]
fn a_certificate_is_checked_as_far_as_the_mode_says() {
    let (authority, other) = (Authority::new(), Authority::new());
    let Some(server) = Postgres::start_on_loopback(Some(&authority.server())) else {
        return;
    };
    let upstream = Upstream::start(Repository::sample().build().site());
    let (role, port) = (role(&server), server.port());
    let chantal = Chantal::new(BINARY);
    std::fs::write(chantal.path().join("ca.pem"), &authority.pem).unwrap();
    std::fs::write(chantal.path().join("other.pem"), &other.pem).unwrap();
    for (parameters, code) in [
        ("sslmode=verify-full&sslrootcert=ca.pem", 0),
        ("sslmode=verify-ca&sslrootcert=ca.pem", 0),
        ("sslmode=require", 0),
        ("sslmode=prefer", 0),
        ("", 0),
        // The server lets nobody in who does not encrypt: those above did.
        ("sslmode=disable", 2),
        ("sslmode=verify-full&sslrootcert=other.pem", 8),
        ("sslmode=verify-ca&sslrootcert=other.pem", 8),
        ("sslmode=verify-full", 8),
        ("sslmode=verify-full&sslrootcert=absent.pem", 2),
    ] {
        let url = format!("postgresql://{role}:{CANARY}@127.0.0.1:{port}/{role}?{parameters}");
        configure(&chantal, &upstream, Some(&url), "");
        let ran = chantal.run(&["init", "-vv"]).expect(code);
        is_silent(&ran);
        let told = match parameters {
            "sslmode=disable" => "no encryption",
            _ if code == 2 => "absent.pem",
            _ => "certificate",
        };
        assert!(code == 0 || ran.stderr.contains(told), "{parameters}: {}", ran.stderr);
    }
    let url = format!("postgresql://{role}:{CANARY}@localhost:{port}/{role}?sslmode=verify-full&sslrootcert=ca.pem");
    configure(&chantal, &upstream, Some(&url), "");
    chantal.run(&["repo", "sync", "f", "--publish"]).ok();
}

#[test]
fn a_database_that_is_newer_or_of_another_program_is_not_written() {
    let Some(server) = Postgres::start() else { return };
    let upstream = Upstream::start(Repository::sample().build().site());
    let chantal = Chantal::new(BINARY);
    let (newer, foreign) = (server.database(), server.database());
    configure(&chantal, &upstream, Some(&server.url(&newer)), "");
    chantal.run(&["init"]).ok();
    server.query(
        &newer,
        "UPDATE schema_version SET version = 999 WHERE version = (SELECT max(version) FROM schema_version)",
    );
    server.query(&foreign, "CREATE TABLE accounts (id BIGINT)");
    // Every row that was ever written counts, also in transactions that were undone.
    let writes = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) || ' ' || (SELECT count(*) FROM pg_class) \
                  FROM pg_stat_user_tables";
    for (database, code, told) in [(&newer, 2, "999"), (&foreign, 8, "another program")] {
        configure(&chantal, &upstream, Some(&server.url(database)), "");
        let before = server.query(database, writes);
        for arguments in [
            &["init"][..],
            &["repo", "sync", "f"],
            &["db", "upgrade"],
            &["repo", "list"],
        ] {
            let ran = chantal.run(arguments).expect(code);
            assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        }
        assert_eq!(server.query(database, writes), before);
    }
}
