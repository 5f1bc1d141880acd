//! Records and the packs that they are in.

use std::collections::HashMap;

use super::*;

#[tokio::test]
pub(super) async fn records_are_stored_once_and_come_back_in_order() {
    let bench = Bench::new().await;
    let (_, lease) = bench.repository().await;
    let record = |n: u32| {
        let body = n.to_string().repeat((n % 50) as usize).into_bytes();
        (Sha256::of(&body), body)
    };
    let many: Vec<_> = (0..700).map(record).collect();
    assert!(!bench.catalog.has_records().await.unwrap());
    let ids = bench.catalog.add_records(&lease, 0, &many).await.unwrap();
    assert!(bench.catalog.has_records().await.unwrap());
    let again: Vec<_> = (600..800).map(record).collect();
    let more = bench.catalog.add_records(&lease, 1, &again).await.unwrap();
    assert_eq!(ids[600..700], more[..100]);
    let order: Vec<i64> = ids.iter().rev().copied().collect();
    let bodies = RecordReader::new(&bench.catalog).read(&order).await.unwrap();
    assert_eq!(
        bodies,
        many.iter().rev().map(|(_, body)| body.clone()).collect::<Vec<_>>()
    );
    assert_eq!(bench.catalog.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
pub(super) async fn what_is_there_already_keeps_its_row_and_a_pack_of_nothing_else_is_not_kept() {
    let bench = Bench::new().await;
    let (_, lease) = bench.repository().await;
    let record = |n: u32| (Sha256::of(&n.to_le_bytes()), n.to_le_bytes().to_vec());
    let old: Vec<_> = (0..20).map(record).collect();
    let ids = bench.catalog.add_records(&lease, 0, &old).await.unwrap();
    let pack = |numbers: std::ops::Range<u32>| {
        let records: Vec<_> = numbers.map(record).collect();
        Pack::of(records.iter().map(|(digest, record)| (*digest, &**record))).unwrap()
    };
    let mut writer = RecordWriter::new(&bench.catalog, &lease);
    assert!(!writer.knew_some());
    let mut rows = HashMap::new();
    let mut settle = |settled: RecordRows| {
        for (digest, _) in (0..50).map(record) {
            rows.extend(settled.of(&digest).ok().map(|row| (digest, row)));
        }
    };
    // One that others made in vain, one that is half new, two with the same records.
    for numbers in [0..20, 10..30, 30..40, 30..40] {
        settle(writer.add(0, &[pack(numbers)]).await.unwrap());
    }
    settle(writer.finish().await.unwrap());
    assert_eq!(rows.len(), 40);
    for ((digest, _), id) in old.iter().zip(&ids) {
        assert_eq!(rows[digest], *id);
    }
    let (packs,): (i64,) = db::query_as("SELECT count(*) FROM pack")
        .fetch_one(&bench.catalog.reader)
        .await
        .unwrap();
    assert_eq!(packs, 3);
    let wanted: Vec<_> = (0..40).map(record).collect();
    let order: Vec<i64> = wanted.iter().map(|(digest, _)| rows[digest]).collect();
    let read = RecordReader::new(&bench.catalog).read(&order).await.unwrap();
    assert_eq!(read, wanted.into_iter().map(|(_, record)| record).collect::<Vec<_>>());
    assert_eq!(bench.catalog.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
pub(super) async fn a_damaged_pack_is_found() {
    let bench = Bench::new().await;
    let (_, lease) = bench.repository().await;
    let body = b"x".to_vec();
    let ids = bench
        .catalog
        .add_records(&lease, 0, &[(Sha256::of(&body), body)])
        .await
        .unwrap();
    db::query("UPDATE pack SET body = $1")
        .bind(vec![0, 0x11, 0x22, 0x33])
        .execute(&bench.catalog.writer)
        .await
        .unwrap();
    assert_eq!(bench.catalog.verify().await.unwrap().len(), 1);
    assert_eq!(
        RecordReader::new(&bench.catalog)
            .read(&ids)
            .await
            .unwrap_err()
            .exit_code(),
        8
    );
}
