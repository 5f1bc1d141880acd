//! Files that another program holds.

use std::path::Path;

use super::*;

/// Another program that holds a file until it is dropped.
fn holding(path: &Path, statements: &str) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch(statements).unwrap();
    other
}

#[tokio::test]
async fn a_file_that_another_program_holds_is_busy_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    Catalog::open(&path, Access::Create).await.unwrap().close().await;
    let open = || Catalog::open_waiting(&path, Access::Write, Duration::from_millis(50));
    let no_log = "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE";
    let all = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";
    for statements in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", all, no_log] {
        let other = holding(&path, statements);
        let refused = match open().await {
            Ok(catalog) => catalog.acquire("sync:r", None).await.err().unwrap(),
            Err(refused) => refused,
        };
        assert_eq!(refused.exit_code(), 7, "{statements}: {refused:?}");
        let hint = refused.hint().unwrap_or_default();
        assert!(hint.contains("another program holds"), "{statements}: {hint}");
        drop(other);
        let catalog = open().await.unwrap();
        let lease = catalog.acquire("sync:r", None).await.unwrap();
        lease.release().await.unwrap();
        catalog.close().await;
    }
}
