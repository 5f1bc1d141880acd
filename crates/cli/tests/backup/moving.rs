//! From SQLite to PostgreSQL and back.

use chantal_testkit::chantal::Chantal;
use chantal_testkit::postgres::Postgres;

use crate::{BINARY, backup, configure, files_named, lived, manifest, published, share_pool, snapshots, tables};

#[test]
fn a_backup_of_one_database_restored_on_the_other_publishes_the_same_bytes() {
    let Some(server) = Postgres::start() else { return };
    let (on_file, upstream) = lived();
    let (served, first) = (published(&on_file), backup(&on_file, "first.tar"));
    assert!(served.iter().all(|tree| tree.len() > 8));

    let on_server = Chantal::new(BINARY);
    let name = server.database();
    configure(&on_server, &upstream, Some(&server.url(&name)));
    share_pool(&on_file, &on_server);
    on_server.run(&["db", "restore", first.to_str().unwrap()]).ok();
    let second = backup(&on_server, "second.tar");
    assert_eq!(tables(&first), tables(&second));
    assert_eq!(
        (&manifest(&first)["database"], &manifest(&second)["database"]),
        (&"sqlite".into(), &"postgresql".into())
    );
    assert_eq!(published(&on_server), served);
    on_server.run(&["db", "verify"]).ok();
    // New rows are numbered on, and a sync goes on where the other one ended.
    on_server.run(&["snapshot", "create", "f", "--name", "third"]).ok();
    on_server.run(&["repo", "sync", "--all"]).ok();
    let highest = |table: &str| {
        server
            .query(&name, &format!("SELECT max(id) FROM {table}"))
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(highest("snapshot"), 2);

    let third = backup(&on_server, "third.tar");
    let back = Chantal::new(BINARY);
    configure(&back, &upstream, None);
    share_pool(&on_file, &back);
    back.run(&["db", "restore", third.to_str().unwrap()]).ok();
    assert_eq!(tables(&third), tables(&backup(&back, "fourth.tar")));
    assert_eq!(published(&back), served);
    assert_eq!(snapshots(&back), ["first", "third"]);
    back.run(&["db", "verify"]).ok();
}

#[test]
fn what_a_server_held_is_kept_as_an_archive_that_brings_it_back() {
    let Some(server) = Postgres::start() else { return };
    let (on_file, upstream) = lived();
    let archive = backup(&on_file, "a.tar");
    let on_server = Chantal::new(BINARY);
    configure(&on_server, &upstream, Some(&server.url(&server.database())));
    share_pool(&on_file, &on_server);
    on_server.run(&["db", "restore", archive.to_str().unwrap()]).ok();
    on_server.run(&["snapshot", "create", "f", "--name", "later"]).ok();
    let asked = on_server.run(&["db", "restore", archive.to_str().unwrap()]).expect(2);
    assert!(asked.stderr.contains("must be confirmed"), "{}", asked.stderr);
    assert_eq!(snapshots(&on_server), ["first", "later"]);
    let said = on_server
        .run(&["db", "restore", archive.to_str().unwrap(), "--yes"])
        .ok()
        .stderr;
    assert_eq!(snapshots(&on_server), ["first"]);
    let kept = files_named(&on_server.path().join("backups"), "chantal-before-restore-");
    assert_eq!(kept.len(), 1);
    assert!(said.contains(kept[0].to_str().unwrap()), "{said}");
    on_server
        .run(&["db", "restore", kept[0].to_str().unwrap(), "--yes"])
        .ok();
    assert_eq!(snapshots(&on_server), ["first", "later"]);
}
