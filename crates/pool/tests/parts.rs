//! Parts of large files outlive their run, and nothing wrong comes of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chantal_model::{Digest, Landing, Note, Promise, Sha256};
use chantal_pool::{Incoming, KEPT_PART_BYTES, Pool, PoolOptions};

const URL: &str = "https://h/r/big?token=CANARY";

fn pool() -> (tempfile::TempDir, Pool) {
    let directory = tempfile::tempdir().unwrap();
    let pool = Pool::open(&directory.path().join("pool"), PoolOptions::default()).unwrap();
    (directory, pool)
}

fn bytes() -> Vec<u8> {
    (0..3 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn promise() -> Promise {
    let bytes = bytes();
    Promise {
        size: Some(bytes.len() as u64),
        digests: vec![Sha256::of(&bytes).into()],
    }
}

fn begun(pool: &Pool, length: usize) -> Incoming {
    let mut incoming = pool.resume(&promise()).unwrap();
    incoming.set_note(Some(Note::new(URL, "\"v1\"")));
    for piece in bytes()[..length].chunks(10_000) {
        incoming.write(piece).unwrap();
    }
    incoming
}

fn temporaries(pool: &Pool) -> Vec<PathBuf> {
    let entries = fs::read_dir(pool.root().join("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn part(pool: &Pool, end: &str) -> PathBuf {
    let found = temporaries(pool);
    found.into_iter().find(|path| path.extension().unwrap() == end).unwrap()
}

#[test]
fn a_large_part_is_gone_on_with_and_becomes_the_blob() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 2 << 20));
    let mut again = pool.resume(&promise()).unwrap();
    let note = again.note().unwrap();
    assert!(note.is_of(URL) && !note.is_of("https://h/other"));
    assert_eq!(note.validator, "\"v1\"");
    let had = again.len_bytes() as usize;
    assert!(had > 1 << 20 && had <= 2 << 20, "{had}");
    again.write(&bytes()[had..]).unwrap();
    let settled = pool.settle(vec![again.seal().unwrap()]).unwrap().remove(0);
    assert_eq!(settled.sha256, Sha256::of(&bytes()));
    assert_eq!(fs::read(pool.path(&settled.sha256)).unwrap(), bytes());
    assert_eq!(temporaries(&pool), Vec::<PathBuf>::new());
}

#[test]
fn small_parts_and_parts_that_nothing_holds_together_are_not_kept() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 900_000));
    assert_eq!(temporaries(&pool), Vec::<PathBuf>::new());
    let mut unknown = pool.resume(&promise()).unwrap();
    unknown.write(&bytes()).unwrap();
    drop(unknown);
    assert_eq!(temporaries(&pool), Vec::<PathBuf>::new());
}

#[test]
fn small_files_and_weak_promises_have_no_parts() {
    let (_directory, pool) = pool();
    let small = Promise {
        size: Some(KEPT_PART_BYTES),
        ..promise()
    };
    let weak = Promise {
        digests: vec![Digest::parse(chantal_model::Algorithm::Sha1, &"ab".repeat(20)).unwrap()],
        ..promise()
    };
    for promise in [small, weak] {
        let mut incoming = pool.resume(&promise).unwrap();
        incoming.set_note(Some(Note::new(URL, "\"v1\"")));
        incoming.write(&bytes()).unwrap();
        assert_eq!(incoming.note(), None);
        drop(incoming);
        assert_eq!(temporaries(&pool), Vec::<PathBuf>::new(), "{promise:?}");
    }
}

#[test]
fn a_part_that_is_being_written_is_left_alone() {
    let (_directory, pool) = pool();
    let first = begun(&pool, 2 << 20);
    let mut second = pool.resume(&promise()).unwrap();
    assert_eq!((second.len_bytes(), second.note()), (0, None));
    second.write(&bytes()).unwrap();
    pool.settle(vec![second.seal().unwrap()]).unwrap();
    drop(first);
    assert_eq!(temporaries(&pool).len(), 2);
}

#[test]
fn starting_anew_forgets_the_part() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 2 << 20));
    let mut again = pool.resume(&promise()).unwrap();
    again.restart().unwrap();
    assert_eq!((again.len_bytes(), again.note()), (0, None));
    drop(again);
    assert_eq!(temporaries(&pool), Vec::<PathBuf>::new());
}

#[test]
fn a_note_that_was_cut_off_is_no_note() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 2 << 20));
    let note = part(&pool, "note");
    let whole = fs::read(&note).unwrap();
    for end in [0, 10, 64, whole.len() - 2] {
        fs::write(&note, &whole[..end]).unwrap();
        let again = pool.resume(&promise()).unwrap();
        assert_eq!((again.len_bytes(), again.note()), (0, None), "{end}");
    }
}

#[test]
fn a_sealed_part_is_never_written_to_again() {
    let (_directory, pool) = pool();
    let sealed = {
        let mut incoming = begun(&pool, 0);
        incoming.write(&bytes()).unwrap();
        incoming.seal().unwrap()
    };
    // Its writer is gone and its name still there: what a process finds that comes just before the rename.
    let path = part(&pool, "part");
    fs::hard_link(&path, path.with_extension("other")).unwrap();
    drop(sealed);
    fs::rename(path.with_extension("other"), &path).unwrap();
    let mut again = pool.resume(&promise()).unwrap();
    again.write(b"x").unwrap();
    drop(again);
    assert_eq!(fs::read(&path).unwrap(), bytes());
}

#[test]
fn parts_hold_no_url_and_are_nobody_elses() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 2 << 20));
    let note = part(&pool, "note");
    assert!(!fs::read_to_string(&note).unwrap().contains("CANARY"));
    for path in temporaries(&pool) {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
}

#[test]
fn parts_are_swept_after_a_week_and_other_files_after_a_day() {
    let (_directory, pool) = pool();
    drop(begun(&pool, 2 << 20));
    fs::write(pool.root().join("tmp/other"), b"x").unwrap();
    let age = |days: u64| {
        let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        for path in temporaries(&pool) {
            fs::File::open(path).unwrap().set_modified(time).unwrap();
        }
    };
    age(6);
    assert_eq!(pool.sweep_stale().unwrap(), 1);
    assert_eq!(temporaries(&pool).len(), 2);
    age(8);
    assert_eq!(pool.sweep_stale().unwrap(), 2);
}
