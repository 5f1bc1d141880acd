//! Revisions, their differences, snapshots of them, and how they retire.

use super::*;

#[tokio::test]
pub(super) async fn any_sequence_of_revisions_reads_back_as_it_was_written() {
    let bench = Bench::new().await;
    let (repository, lease) = bench.repository().await;
    let mut model: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
    let mut draw = 12_345_u32;
    for number in 1..=12 {
        let keys = bench
            .catalog
            .member_keys(repository.line, RevisionNumber(number - 1), ItemKind::Package, "", 1000)
            .await
            .unwrap();
        let held: BTreeMap<String, i64> = keys.into_iter().map(|key| (key.path, key.id)).collect();
        let mut now = model[number as usize - 1].clone();
        let (mut open, mut close) = (Vec::new(), Vec::new());
        for n in 0..20 {
            draw = draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let path = format!("Packages/p{n}");
            match (draw >> 28) % 4 {
                0 if !now.contains(&path) => {
                    open.push(member(&bench.catalog, &lease, n).await);
                    now.insert(path);
                }
                1 if now.contains(&path) => {
                    close.push(held[&path]);
                    now.remove(&path);
                }
                _ => {}
            }
        }
        let made = bench
            .catalog
            .commit_revision(&lease, revision(&repository, &open, close), &mut open.into_iter())
            .await
            .unwrap();
        assert_eq!(made, RevisionNumber(number));
        model.push(now);
    }
    for (number, expected) in model.iter().enumerate().skip(1) {
        assert_eq!(
            content(&bench.catalog, repository.line, RevisionNumber(number as i64)).await,
            *expected
        );
    }
    for from in 1..model.len() {
        for to in 1..model.len() {
            let (f, t) = (RevisionNumber(from as i64), RevisionNumber(to as i64));
            let (removed, added) = bench.catalog.diff(repository.line, f, t).await.unwrap();
            let paths = |rows: Vec<PackageRow>| rows.into_iter().map(|row| row.path).collect::<BTreeSet<_>>();
            assert_eq!(paths(removed), &model[from] - &model[to], "{from} to {to}");
            assert_eq!(paths(added), &model[to] - &model[from], "{from} to {to}");
        }
    }
}

#[tokio::test]
pub(super) async fn a_diff_reads_indexes_and_never_the_whole_table() {
    let bench = Bench::new().await;
    for text in [sql::DIFF_ADDED, sql::DIFF_REMOVED] {
        let plan: Vec<(i64, i64, i64, String)> = db::query_as(format!("EXPLAIN QUERY PLAN {text}"))
            .bind(1)
            .bind(1)
            .bind(2)
            .fetch_all(&bench.catalog.reader)
            .await
            .unwrap();
        assert!(
            plan.iter().any(|row| row.3.contains("SEARCH m USING INDEX")),
            "{plan:?}"
        );
        assert!(!plan.iter().any(|row| row.3.starts_with("SCAN")), "{plan:?}");
    }
}

#[tokio::test]
pub(super) async fn a_snapshot_is_two_rows_whatever_the_size() {
    let bench = Bench::new().await;
    let (repository, lease) = bench.repository().await;
    let mut open = Vec::new();
    for n in 0..30 {
        open.push(member(&bench.catalog, &lease, n).await);
    }
    let number = bench
        .catalog
        .commit_revision(&lease, revision(&repository, &open, vec![]), &mut open.into_iter())
        .await
        .unwrap();
    let rows = |catalog: Catalog| async move {
        let mut total = 0;
        for table in ["member", "package", "record", "blob", "snapshot", "pin", "revision"] {
            let text = format!("SELECT count(*) FROM {table}");
            let (count,): (i64,) = db::query_as(text).fetch_one(&catalog.reader).await.unwrap();
            total += count;
        }
        total
    };
    let before = rows(bench.catalog.clone()).await;
    let name = "s".parse().unwrap();
    bench
        .catalog
        .create_snapshot(repository.id, &name, Some("why"), repository.line, number, 5)
        .await
        .unwrap();
    assert_eq!(rows(bench.catalog.clone()).await - before, 2);
    let found = bench.catalog.snapshot(repository.id, &name).await.unwrap().unwrap();
    assert_eq!((found.revision, found.description.as_deref()), (number, Some("why")));
    assert!(
        bench
            .catalog
            .create_snapshot(repository.id, &name, None, repository.line, number, 5)
            .await
            .is_err()
    );
    bench.catalog.delete_snapshot(found.id).await.unwrap();
    assert!(bench.catalog.snapshots(repository.id).await.unwrap().is_empty());
}

#[tokio::test]
pub(super) async fn a_snapshot_of_a_revision_that_is_not_there_is_refused() {
    let bench = Bench::new().await;
    let (repository, _lease) = bench.repository().await;
    let made = bench
        .catalog
        .create_snapshot(
            repository.id,
            &"s".parse().unwrap(),
            None,
            repository.line,
            RevisionNumber(9),
            5,
        )
        .await;
    assert!(matches!(made, Err(CatalogError::Retired { revision: 9 })));
}

/// Five revisions, each without one member of the one before.
async fn five_revisions(bench: &Bench) -> (Repository, Lease) {
    let catalog = &bench.catalog;
    let (repository, lease) = bench.repository().await;
    let mut open = vec![member(catalog, &lease, 100).await];
    for n in 1..=5 {
        open.push(member(catalog, &lease, n).await);
    }
    let mut close = Vec::new();
    for number in 1..=5_i64 {
        let new = std::mem::take(&mut open);
        let made = catalog
            .commit_revision(&lease, revision(&repository, &new, close), &mut new.into_iter())
            .await
            .unwrap();
        assert_eq!(made.0, number);
        let text = "UPDATE revision SET created_at = $1 WHERE number = $2";
        db::query(text)
            .bind(1000 * number)
            .bind(number)
            .execute(&catalog.writer)
            .await
            .unwrap();
        let text = "SELECT id FROM member WHERE removed_in > $1 ORDER BY path LIMIT 1";
        let (id,): (i64,) = db::query_as(text)
            .bind(1_000_000_i64)
            .fetch_one(&catalog.reader)
            .await
            .unwrap();
        close = vec![id];
    }
    (repository, lease)
}

#[tokio::test]
pub(super) async fn revisions_retire_by_number_and_age_and_what_only_they_held_goes() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let (repository, lease) = five_revisions(&bench).await;
    let line = repository.line;
    let keep = |keep_last, newest_since| Retention {
        keep_last,
        newest_since,
    };
    let numbers = async |retention| -> Vec<i64> {
        let rows = catalog.retirable(line, retention).await.unwrap();
        rows.iter().map(|(number, _)| number.0).collect()
    };
    assert_eq!(
        numbers(keep(0, i64::MAX)).await,
        [1, 2, 3, 4],
        "the newest stays whatever is configured"
    );
    assert_eq!(numbers(keep(3, i64::MAX)).await, [1, 2]);
    assert_eq!(numbers(keep(9, i64::MAX)).await, Vec::<i64>::new());
    assert_eq!(
        numbers(keep(0, 3000)).await,
        [1],
        "the second was the newest until then"
    );
    assert_eq!(numbers(keep(0, 3001)).await, [1, 2]);
    let two = content(catalog, line, RevisionNumber(2)).await;
    let five = content(catalog, line, RevisionNumber(5)).await;
    catalog
        .create_snapshot(repository.id, &"s".parse().unwrap(), None, line, RevisionNumber(2), 5)
        .await
        .unwrap();
    assert_eq!(
        numbers(keep(1, i64::MAX)).await,
        [1, 3, 4],
        "a snapshot keeps its revision"
    );
    let gone = catalog.retire(&lease, line, keep(1, i64::MAX), 77).await.unwrap();
    let retired: Vec<_> = gone.revisions.iter().map(|(number, at)| (number.0, *at)).collect();
    assert_eq!(retired, [(1, 1000), (3, 3000), (4, 4000)]);
    assert_eq!(gone.members, 1, "what left after the second revision is in that still");
    assert_eq!(content(catalog, line, RevisionNumber(2)).await, two);
    assert_eq!(content(catalog, line, RevisionNumber(5)).await, five);
    let held: Vec<i64> = catalog
        .revisions(line)
        .await
        .unwrap()
        .iter()
        .map(|one| one.number.0)
        .collect();
    assert_eq!(held, [2, 5]);
    let first = catalog.revision(line, RevisionNumber(1)).await.unwrap().unwrap();
    assert_eq!(first.retired_at, Some(77));
    let text = "UPDATE revision SET retired_at = 1 WHERE number = 2";
    let found = async || catalog.verify().await.unwrap().join("; ").contains("retired revisions");
    assert!(!found().await);
    db::query(text).execute(&catalog.writer).await.unwrap();
    assert!(found().await, "a retired revision that a snapshot pins is found");
}

#[tokio::test]
pub(super) async fn what_has_retired_gets_no_snapshot_and_does_not_retire_again() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let (repository, lease) = five_revisions(&bench).await;
    let all = Retention {
        keep_last: 0,
        newest_since: i64::MAX,
    };
    catalog.retire(&lease, repository.line, all, 7).await.unwrap();
    let name = "t".parse().unwrap();
    let late = catalog
        .create_snapshot(repository.id, &name, None, repository.line, RevisionNumber(3), 5)
        .await;
    assert!(matches!(late, Err(CatalogError::Retired { revision: 3 })));
    let again = catalog.retire(&lease, repository.line, all, 8).await.unwrap();
    assert_eq!(again, Retired::default());
}

#[tokio::test]
pub(super) async fn nothing_retires_while_somebody_publishes_or_a_tree_serves_it() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let (repository, lease) = five_revisions(&bench).await;
    let all = Retention {
        keep_last: 0,
        newest_since: i64::MAX,
    };
    let publisher = catalog.acquire("publish:r/latest", None).await.unwrap();
    let refused = catalog.retire(&lease, repository.line, all, 7).await;
    assert!(matches!(refused, Err(CatalogError::Busy { name, .. }) if name == "publish:r/latest"));
    let text = "INSERT INTO publication_state (path, line_id, revision, render_key, generation, status, served_from) \
        VALUES ('r/latest', $1, 3, 'k', 0, 'retired', 5)";
    db::query(text)
        .bind(repository.line)
        .execute(&catalog.writer)
        .await
        .unwrap();
    publisher.release().await.unwrap();
    let gone = catalog.retire(&lease, repository.line, all, 7).await.unwrap();
    let numbers: Vec<i64> = gone.revisions.iter().map(|(number, _)| number.0).collect();
    assert_eq!(numbers, [1, 2, 4]);
}

#[tokio::test]
pub(super) async fn what_names_something_that_is_not_there_is_refused_whole() {
    let bench = Bench::new().await;
    let (repository, lease) = bench.repository().await;
    let catalog = &bench.catalog;
    let good = member(catalog, &lease, 1).await;
    let bad: [fn(&mut NewMember); 3] = [
        |member| member.package_id = Some(77),
        |member| member.blob_id = Some(77),
        |member| member.records[1] = Some(77),
    ];
    for spoil in bad {
        let mut spoilt = member(catalog, &lease, 2).await;
        spoil(&mut spoilt);
        let open = [good.clone(), spoilt];
        let new = revision(&repository, &open, Vec::new());
        let refused = catalog.commit_revision(&lease, new, &mut open.into_iter()).await;
        // PostgreSQL says so itself, of the statement.
        let code = if catalog.is_sqlite() { 8 } else { 1 };
        assert_eq!(refused.unwrap_err().exit_code(), code);
        assert!(catalog.current(repository.line).await.unwrap().is_none());
    }
    let open = [good];
    let new = revision(&repository, &open, Vec::new());
    let made = catalog.commit_revision(&lease, new, &mut open.into_iter()).await;
    assert_eq!(made.unwrap(), RevisionNumber(1));
    assert_eq!(content(catalog, repository.line, RevisionNumber(1)).await.len(), 1);
    // Whatever else is written, the engine looks at again.
    let pin = db::query("INSERT INTO pin (snapshot_id, position, line_id, revision) VALUES (77, 0, 77, 77)");
    assert!(pin.execute(&catalog.writer).await.is_err());
}
