use super::*;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a BIGINT, b TEXT UNIQUE)";

fn connections(path: &Path, busy: Duration) -> Connections {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    let options = Options {
        path: path.to_owned(),
        is_read_only: false,
        begin: format!("PRAGMA journal_mode = WAL; {TABLE}"),
        patience: Patience::new(path, busy),
        busy,
    };
    Connections::new(options, 1, Duration::from_secs(60))
}

/// Reads with a connection of its own.
fn rows_of(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

fn row(a: i64, b: &str) -> Query {
    crate::db::query("INSERT INTO t (a, b) VALUES ($1, $2)").bind(a).bind(b)
}

#[tokio::test]
async fn marks_are_what_their_numbers_say_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let connections = connections(&directory.path().join("c.db"), Duration::ZERO);
    let found = Arc::new(Mutex::new(None));
    let kept = found.clone();
    let query = crate::db::query("SELECT $2, $1, $2, $3")
        .bind(1_i64)
        .bind("two")
        .bind(Option::<i64>::None);
    let take = Box::new(move |row: &Row<'_>| {
        let values = (
            row.try_get::<String>(0).unwrap(),
            row.try_get::<i64>(1).unwrap(),
            row.try_get::<String>(2).unwrap(),
            row.try_get::<Option<i64>>(3).unwrap(),
        );
        *kept.lock().unwrap() = Some(values);
        true
    });
    connections.each(query, take).await.unwrap();
    let expected = ("two".to_owned(), 1, "two".to_owned(), None);
    assert_eq!(found.lock().unwrap().take(), Some(expected));
    let few = crate::db::query("SELECT $2").bind(1_i64);
    assert!(matches!(connections.run(few).await, Err(Error::Values)));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_taken_back_also_while_a_statement_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let connections = connections(&path, Duration::ZERO);
    for is_apart in [false, true] {
        let mut open = connections.begin("BEGIN IMMEDIATE").await.unwrap();
        let insert = if is_apart { row(1, "x").apart() } else { row(1, "x") };
        if is_apart {
            // The statement goes on where it is; who asked for it is gone.
            let asked = tokio::time::timeout(Duration::ZERO, open.change(insert)).await;
            drop((asked, open));
        } else {
            open.change(insert).await.unwrap();
            drop(open);
        }
        // Waits for its turn, which comes when the connection is back.
        let mut next = connections.begin("BEGIN IMMEDIATE").await.unwrap();
        next.change(row(2, &format!("{is_apart}"))).await.unwrap();
        next.commit().await.unwrap();
    }
    assert_eq!(rows_of(&path), 2);
}

#[tokio::test]
async fn an_insertion_tells_which_rows_are_new() {
    let directory = tempfile::tempdir().unwrap();
    let connections = connections(&directory.path().join("c.db"), Duration::ZERO);
    let parts = (
        "INSERT INTO t (a, b) VALUES ",
        2,
        " ON CONFLICT (b) DO NOTHING RETURNING id",
    );
    let mut open = connections.begin("BEGIN IMMEDIATE").await.unwrap();
    let mut query = crate::db::insertion(parts);
    for (a, b) in [(1_i64, "x"), (2, "y"), (3, "x"), (4, "z")] {
        query = query.bind(a).bind(b);
    }
    assert_eq!(open.insert(query).await.unwrap(), [Some(1), Some(2), None, Some(3)]);
    open.commit().await.unwrap();
}

#[tokio::test]
async fn a_small_log_stays_a_large_one_and_that_of_a_closed_database_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    for (rows, is_closed, stays) in [(1, false, true), (1, true, false), (400, false, false)] {
        let connections = connections(&path, Duration::ZERO);
        let mut open = connections.begin("BEGIN IMMEDIATE").await.unwrap();
        for number in 0..rows {
            let text = format!("{rows} {is_closed} {number} {}", "x".repeat(2000));
            open.change(row(number, &text)).await.unwrap();
        }
        open.commit().await.unwrap();
        if is_closed {
            connections.close().await;
        }
        drop(connections);
        assert_eq!(log_bytes(&path) > 0, stays, "{rows} {is_closed}");
    }
    assert_eq!(rows_of(&path), 402);
}

#[tokio::test]
async fn whoever_waits_for_another_process_lets_other_tasks_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let connections = connections(&path, Duration::from_secs(60));
    connections.open().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // On the one thread of this test, the end of the other transaction comes only if waiting for it is elsewhere.
    let ended = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute_batch("COMMIT").unwrap();
    };
    let (begun, ()) = tokio::join!(connections.begin("BEGIN IMMEDIATE"), ended);
    begun.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn what_a_transaction_turns_off_is_on_again_whatever_becomes_of_it() {
    const OFF: &str = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE";
    const ON: &str = "PRAGMA foreign_keys = ON";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let connections = connections(&path, Duration::ZERO);
    connections.raw(ON).await.unwrap();
    let is_on = async || {
        let taken = connections.take().await.unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get::<_, bool>(0);
        taken.connection().query_row("PRAGMA foreign_keys", [], read).unwrap()
    };
    connections
        .begin_between(OFF, ON)
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    assert!(is_on().await);
    drop(connections.begin_between(OFF, ON).await.unwrap());
    assert!(is_on().await);
    let mut open = connections.begin_between(OFF, ON).await.unwrap();
    drop(tokio::time::timeout(Duration::ZERO, open.change(row(1, "x").apart())).await);
    drop(open);
    assert!(is_on().await);
    // Another process writes, so that the transaction does not begin.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(connections.begin_between(OFF, ON).await.is_err());
    assert!(is_on().await);
}
