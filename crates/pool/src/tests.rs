use super::*;
use chantal_model::Landing;
use proptest::prelude::*;
use std::os::unix::fs::MetadataExt;

fn pool() -> (tempfile::TempDir, Pool) {
    let directory = tempfile::tempdir().unwrap();
    let pool = Pool::open(&directory.path().join("pool"), PoolOptions::default()).unwrap();
    (directory, pool)
}

fn sealed(pool: &Pool, bytes: &[u8]) -> Sealed {
    let mut incoming = pool.incoming(&[]);
    incoming.write(bytes).unwrap();
    incoming.seal().unwrap()
}

fn temporaries(pool: &Pool) -> usize {
    std::fs::read_dir(pool.root().join("tmp")).unwrap().count()
}

#[test]
fn a_settled_file_is_named_after_its_bytes_and_read_only() {
    let (_directory, pool) = pool();
    let settled = pool.settle(vec![sealed(&pool, b"abc")]).unwrap().remove(0);

    assert_eq!(settled.sha256, Sha256::of(b"abc"));
    assert!(!settled.was_there);
    let path = pool.path(&settled.sha256);
    assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
    assert!(pool.contains(&settled.sha256, 3) && !pool.contains(&settled.sha256, 4));
    assert_eq!(temporaries(&pool), 0);
}

#[test]
fn a_dropped_file_leaves_nothing() {
    let (_directory, pool) = pool();
    let mut begun = pool.incoming(&[]);
    assert_eq!(temporaries(&pool), 0);
    begun.write(&vec![1; 300_000]).unwrap();
    assert_eq!(temporaries(&pool), 1);
    drop(begun);
    drop(sealed(&pool, b"x"));
    let mut batch = pool.batch();
    batch.push(sealed(&pool, b"y"));
    drop(batch);
    assert_eq!(temporaries(&pool), 0);
}

#[test]
fn equal_bytes_are_one_blob_within_a_batch_and_later() {
    let (_directory, pool) = pool();
    let first = pool.settle(vec![sealed(&pool, b"a"), sealed(&pool, b"a")]).unwrap();
    let again = pool.settle(vec![sealed(&pool, b"a")]).unwrap();
    assert_eq!(
        (first[0].was_there, first[1].was_there, again[0].was_there),
        (false, true, true)
    );
    assert_eq!(pool.list().unwrap().0.len(), 1);
}

#[test]
fn a_truncated_or_altered_blob_heals_when_its_bytes_come_again() {
    let (_directory, pool) = pool();
    for damage in [&b"ab"[..], b"abX"] {
        pool.settle(vec![sealed(&pool, b"abc")]).unwrap();
        let path = pool.path(&Sha256::of(b"abc"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, damage).unwrap();
        assert!(!pool.settle(vec![sealed(&pool, b"abc")]).unwrap()[0].was_there);
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }
}

#[test]
fn a_restarted_file_forgets_what_came_before() {
    let (_directory, pool) = pool();
    let mut incoming = pool.incoming(&[Algorithm::Sha1]);
    incoming.write(&vec![1; 300_000]).unwrap();
    incoming.restart().unwrap();
    incoming.write(b"abc").unwrap();
    let sealed = incoming.seal().unwrap();
    assert_eq!((sealed.sha256, sealed.size), (Sha256::of(b"abc"), 3));
    assert_eq!(sealed.digests[0].hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    pool.settle(vec![sealed]).unwrap();
    assert_eq!(std::fs::read(pool.path(&Sha256::of(b"abc"))).unwrap(), b"abc");
}

#[test]
fn a_thousand_files_need_few_barriers() {
    let (_directory, pool) = pool();
    let mut batch = pool.batch();
    let mut settled = 0;
    for i in 0..1000_u32 {
        if batch.push(sealed(&pool, &i.to_le_bytes())) {
            settled += batch.flush().unwrap().len();
        }
    }
    assert_eq!(settled, 0, "names of the first batch are not durable before the second");
    settled += batch.finish().unwrap().len();
    assert_eq!(settled, 1000);
    assert!(pool.barriers() <= 1000 / 500 + 1, "{} barriers", pool.barriers());
}

#[test]
fn a_batch_gives_its_files_back_in_order_once_their_names_are_durable() {
    for durability in [Durability::Batch, Durability::EachFile] {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::open(directory.path(), PoolOptions { durability }).unwrap();
        let mut batch = pool.batch();
        let mut settled = Vec::new();
        for i in 0..30_u32 {
            batch.push(sealed(&pool, &(i % 25).to_le_bytes()));
            if i % 10 == 9 {
                let named: Vec<Settled> = batch.flush().unwrap();
                assert_eq!(named.len(), if i == 9 { 0 } else { 10 });
                settled.extend(named);
            }
        }
        settled.extend(batch.finish().unwrap());
        let digests: Vec<Sha256> = settled.iter().map(|one| one.sha256).collect();
        let expected: Vec<Sha256> = (0..30_u32).map(|i| Sha256::of(&(i % 25).to_le_bytes())).collect();
        assert_eq!(digests, expected);
        assert_eq!(settled.iter().filter(|one| one.was_there).count(), 5);
    }
}

#[test]
fn an_empty_batch_needs_no_barrier() {
    let (_directory, pool) = pool();
    let before = pool.barriers();
    assert!(pool.batch().finish().unwrap().is_empty());
    assert_eq!(pool.barriers(), before);
}

#[test]
fn each_file_durability_syncs_each_file() {
    let directory = tempfile::tempdir().unwrap();
    let options = PoolOptions {
        durability: Durability::EachFile,
    };
    let pool = Pool::open(directory.path(), options).unwrap();
    let files = (0..20_u32).map(|i| sealed(&pool, &i.to_le_bytes())).collect();
    pool.settle(files).unwrap();
    assert!(pool.barriers() >= 20);
}

#[test]
fn verify_finds_altered_foreign_and_writable_files() {
    let (_directory, pool) = pool();
    pool.settle(vec![
        sealed(&pool, b"good"),
        sealed(&pool, b"bad"),
        sealed(&pool, b"open"),
    ])
    .unwrap();
    let bad = pool.path(&Sha256::of(b"bad"));
    std::fs::remove_file(&bad).unwrap();
    std::fs::write(&bad, b"BAD").unwrap();
    let open = pool.path(&Sha256::of(b"open"));
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(pool.root().join("note.txt"), b"x").unwrap();

    let mut kinds: Vec<_> = pool
        .verify()
        .unwrap()
        .into_iter()
        .map(|d| (d.kind.name(), d.sha256))
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            ("altered", Some(Sha256::of(b"bad"))),
            ("foreign", None),
            ("mode", Some(Sha256::of(b"open"))),
        ]
    );
}

#[test]
fn a_second_inode_has_the_same_bytes_and_spares_old_links() {
    let (directory, pool) = pool();
    pool.settle(vec![sealed(&pool, b"abc")]).unwrap();
    let path = pool.path(&Sha256::of(b"abc"));
    let link = directory.path().join("link");
    std::fs::hard_link(&path, &link).unwrap();
    pool.second_inode(&Sha256::of(b"abc")).unwrap();
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    assert_ne!(inode(&path), inode(&link));
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&link).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn only_old_temporary_files_are_swept() {
    let (_directory, pool) = pool();
    let old = pool.root().join("tmp/old");
    let file = File::create(&old).unwrap();
    file.set_modified(SystemTime::now() - STALE * 2).unwrap();
    let mut young = pool.incoming(&[]);
    young.write(&vec![1; 300_000]).unwrap();
    assert_eq!(pool.sweep_stale().unwrap(), 1);
    assert_eq!(temporaries(&pool), 1);
    drop(young);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn however_bytes_are_cut_the_blob_is_the_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200_000), 0..6)) {
        let (_directory, pool) = pool();
        let mut incoming = pool.incoming(&[]);
        for piece in &pieces {
            incoming.write(piece).unwrap();
        }
        let settled = pool.settle(vec![incoming.seal().unwrap()]).unwrap().remove(0);
        let whole = pieces.concat();
        prop_assert_eq!(settled.sha256, Sha256::of(&whole));
        prop_assert_eq!(std::fs::read(pool.path(&settled.sha256)).unwrap(), whole);
    }
}

#[test]
fn a_pool_that_everybody_may_write_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Pool::open(directory.path(), PoolOptions::default()).err().unwrap();
    assert!(matches!(error, PoolError::Exposed { mode: 0o777, .. }), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn names_that_a_killed_run_left_become_durable_with_the_next_batch() {
    let (_directory, pool) = pool();
    pool.settle(vec![sealed(&pool, b"abc")]).unwrap();
    let before = pool.barriers();
    assert!(pool.settle(vec![sealed(&pool, b"abc")]).unwrap()[0].was_there);
    assert!(pool.barriers() > before, "a hit was reported durable without a barrier");
}

#[test]
fn an_altered_blob_gets_no_second_inode() {
    let (_directory, pool) = pool();
    pool.settle(vec![sealed(&pool, b"abc")]).unwrap();
    let path = pool.path(&Sha256::of(b"abc"));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"abX").unwrap();
    assert!(matches!(
        pool.second_inode(&Sha256::of(b"abc")),
        Err(PoolError::Altered { .. })
    ));
    assert_eq!(temporaries(&pool), 0);
}

#[test]
fn two_directories_of_one_mount_share_it_and_other_mounts_are_named() {
    let (directory, pool) = pool();
    assert_eq!(
        pool.shares_file_system(&directory.path().join("not/there/yet"))
            .unwrap(),
        None
    );
    let (_, other) = pool.shares_file_system(Path::new("/proc/self")).unwrap().unwrap();
    assert_eq!(other, Path::new("/proc"));
}

#[test]
fn a_failed_rename_leaves_no_temporary_file_and_no_blob() {
    let (_directory, pool) = pool();
    // A directory in the blob's place cannot be replaced by a file.
    let path = pool.path(&Sha256::of(b"abc"));
    std::fs::create_dir_all(path.join("x")).unwrap();
    assert!(pool.settle(vec![sealed(&pool, b"abc"), sealed(&pool, b"def")]).is_err());
    assert_eq!(temporaries(&pool), 0);
    assert_eq!(pool.list().unwrap().0, []);
}

#[test]
fn every_blob_is_reported_read_by_whatever_number_of_threads() {
    let (_directory, pool) = pool();
    pool.settle((0..40_u32).map(|i| sealed(&pool, &i.to_le_bytes())).collect())
        .unwrap();
    for threads in [0, 1, 7] {
        let bytes = AtomicU64::new(0);
        let on_blob = |size| {
            bytes.fetch_add(size, Ordering::Relaxed);
        };
        let looking = Looking {
            threads,
            reads: &|_| true,
            on_blob: &on_blob,
        };
        assert_eq!(pool.verify_survey(&pool.survey().unwrap(), &looking).unwrap(), []);
        assert_eq!(bytes.load(Ordering::Relaxed), 160, "{threads} threads");
    }
}
