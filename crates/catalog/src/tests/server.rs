//! What only a server does.

use super::*;

#[tokio::test]
async fn of_many_that_want_a_lease_of_postgresql_at_once_one_gets_it() {
    let Some(server) = Postgres::start() else { return };
    let location = Location::Server(Server {
        url: server.url(&server.database()),
        shown: String::new(),
        files: Vec::new(),
        connections: 20,
    });
    let catalog = Catalog::open_at(&location, Access::Create).await.unwrap();
    let tries = (0..16).map(|_| {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.acquire("sync:r", None).await })
    });
    let mut held = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(lease) => held.push(lease),
            Err(error) => assert_eq!(error.exit_code(), 7, "{error}"),
        }
    }
    assert_eq!(held.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_rows_in_other_orders_do_not_lock_each_other_out() {
    let Some(server) = Postgres::start() else { return };
    let location = Location::Server(Server {
        url: server.url(&server.database()),
        shown: String::new(),
        files: Vec::new(),
        connections: 20,
    });
    let catalog = Catalog::open_at(&location, Access::Create).await.unwrap();
    let bodies: Vec<(Sha256, Vec<u8>)> = (0..2000_u32)
        .map(|n| (Sha256::of(&n.to_le_bytes()), n.to_le_bytes().to_vec()))
        .collect();
    let writers = (0..6_usize).map(|number| {
        let (catalog, mut bodies) = (catalog.clone(), bodies.clone());
        tokio::spawn(async move {
            if number % 2 == 1 {
                bodies.reverse();
            }
            bodies.rotate_left(number * 300);
            let lease = catalog.acquire(&format!("sync:{number}"), None).await?;
            let blobs: Vec<NewBlob> = bodies
                .iter()
                .map(|(sha256, _)| NewBlob {
                    sha256: *sha256,
                    size: 4,
                    digests: Vec::new(),
                })
                .collect();
            for chunk in blobs.chunks(700) {
                catalog.add_blobs(&lease, chunk).await?;
            }
            let ids = catalog.add_records(&lease, 0, &bodies).await?;
            let read = RecordReader::new(&catalog).read(&ids).await?;
            assert!(read.iter().zip(&bodies).all(|(read, (_, body))| read == body));
            Ok::<_, CatalogError>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(catalog.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_went_away_is_not_taken_for_a_busy_one() {
    let Some(mut server) = Postgres::start_on_loopback(None) else {
        return;
    };
    let database = server.database();
    server.query("postgres", "ALTER ROLE postgres PASSWORD 'p'");
    let at = Server {
        url: format!("postgresql://postgres:p@127.0.0.1:{}/{database}", server.port()),
        shown: String::new(),
        files: Vec::new(),
        connections: 2,
    };
    let catalog = Catalog::connect_waiting(&at, Access::Create, Duration::from_secs(1))
        .await
        .unwrap();
    server.stop();
    for _ in 0..3 {
        let gone = catalog.acquire("sync:r", None).await.err().unwrap();
        assert_eq!(gone.exit_code(), 8, "{gone:?}");
        let hint = gone.hint().unwrap();
        assert!(hint.contains("is the server running"), "{gone:?}: {hint}");
    }
    server.start_again();
    assert!(catalog.acquire("sync:r", None).await.is_ok());
}
