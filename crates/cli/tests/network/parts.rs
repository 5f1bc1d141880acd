use std::path::PathBuf;
use std::process::Stdio;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use chantal_testkit::upstream::{Fault, Upstream};

use crate::{chantal, feeds};

const SIZE: usize = 6 << 20;

/// A repository with one large package that nothing compresses.
fn large(seed: u32) -> Repository {
    let mut state = seed;
    let noise = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    let content: Vec<u8> = (0..SIZE).map(noise).collect();
    Repository::new().with(Rpm::new("large", "1", "1", "noarch").file("/usr/share/large", &content))
}

struct Bench {
    chantal: Chantal,
    upstream: Upstream,
    path: String,
}

fn bench() -> Bench {
    let repository = large(1);
    let upstream = Upstream::start(repository.build().site());
    Bench {
        chantal: chantal(&[&format!("feed: {}", upstream.url("/"))]),
        path: format!("/{}", repository.href(repository.package("large"))),
        upstream,
    }
}

impl Bench {
    fn temporary(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.chantal.pool().join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Breaks the transfer after 3 MiB, and forgets what was asked.
    fn break_off(&self) {
        self.upstream.set_fault(&self.path, Fault::TruncateAfter(3 << 20), 1);
        // A filtered repository goes on without the package, and says so.
        self.chantal.run(&["repo", "sync", "r"]).expect(9);
        assert_eq!(self.temporary().len(), 2, "a part and its note");
        self.upstream.clear_log();
    }

    /// The next run has the package, and leaves nothing behind; gives where it began and the answer's status.
    fn go_on(&self) -> (usize, u16) {
        self.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        assert_eq!(self.temporary(), Vec::<PathBuf>::new());
        assert_eq!(self.chantal.run(&["pool", "verify"]).code, 0);
        let hits = self.upstream.hits(&self.path);
        let last = hits.last().unwrap();
        let from = last.range.as_ref().map_or(0, |range| {
            let digits = range.trim_start_matches("bytes=").trim_end_matches('-');
            digits.parse().unwrap()
        });
        (from, last.status)
    }
}

#[test]
fn a_large_file_is_gone_on_with_by_the_next_run() {
    let bench = bench();
    bench.break_off();
    let (from, status) = bench.go_on();
    assert!((1 << 20..=3 << 20).contains(&from), "{from}");
    assert_eq!(status, 206);
    let hits = bench.upstream.hits(&bench.path);
    assert!(hits[0].if_range.is_some(), "{hits:?}");
    let published = bench
        .chantal
        .published()
        .join("r/latest")
        .join(bench.path.trim_start_matches('/'));
    let size = std::fs::metadata(published).unwrap().len();
    assert_eq!(hits[0].bytes_sent + from as u64, size);
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_as_well() {
    let bench = bench();
    bench.upstream.set_fault(&bench.path, Fault::StallAfter(3 << 20), 1);
    let mut child = bench.chantal.command(&["repo", "sync", "r"]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_noted = || {
        let found = std::fs::read_dir(bench.chantal.pool().join("tmp"));
        found.into_iter().flatten().flatten().any(|entry| {
            let is_note = entry.path().extension().is_some_and(|end| end == "note");
            // It is made empty and then written.
            is_note && entry.metadata().is_ok_and(|meta| meta.len() > 0)
        })
    };
    while !is_noted() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a part");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    bench.upstream.clear_log();
    let (from, status) = bench.go_on();
    assert!(from >= 1 << 20 && status == 206, "{from} {status}");
}

#[test]
fn a_server_that_ignores_the_range_is_asked_for_everything() {
    let bench = bench();
    bench.break_off();
    bench.upstream.set_fault(&bench.path, Fault::IgnoreRange, 1);
    let (from, status) = bench.go_on();
    assert!(from > 0 && status == 200);
}

#[test]
fn a_wrong_range_begins_anew() {
    let bench = bench();
    bench.break_off();
    bench.upstream.set_fault(&bench.path, Fault::WrongContentRange, 1);
    bench.chantal.run(&["repo", "sync", "r"]).expect(9);
    assert_eq!(bench.go_on(), (0, 200));
}

#[test]
fn an_object_that_changed_begins_anew() {
    let bench = bench();
    bench.break_off();
    // Other bytes under the same name, and metadata that promise them.
    let other = large(2);
    bench.upstream.change(|site| *site = other.build().site());
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    let hits = bench.upstream.hits(&bench.path);
    assert!(
        hits.iter().all(|hit| hit.range.is_none() && hit.status == 200),
        "{hits:?}"
    );
}

#[test]
fn a_part_that_was_damaged_on_disk_is_noticed_and_fetched_anew_in_the_same_run() {
    let bench = bench();
    bench.break_off();
    let part = bench
        .temporary()
        .into_iter()
        .find(|path| path.extension().unwrap() == "part")
        .unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[1000] ^= 0xff;
    std::fs::write(&part, bytes).unwrap();
    assert_eq!(bench.go_on(), (0, 200));
    assert_eq!(bench.upstream.hits(&bench.path)[0].status, 206);
}

#[test]
fn a_part_is_gone_on_with_at_the_feed_that_it_came_from() {
    let repository = large(1);
    let [first, second] = [(); 2].map(|()| Upstream::start(repository.build().site()));
    let path = format!("/{}", repository.href(repository.package("large")));
    let chantal = chantal(&[&feeds(&first, &second)]);
    first.set_fault(&path, Fault::Status(500, vec![]), 9);
    second.set_fault(&path, Fault::TruncateAfter(3 << 20), 1);
    chantal.run(&["repo", "sync", "r"]).expect(9);
    first.set_fault(&path, Fault::Status(500, vec![]), 0);
    first.clear_log();
    chantal.run(&["repo", "sync", "r"]).ok();
    assert!(first.hits(&path).is_empty());
    assert_eq!(second.hits(&path).last().unwrap().status, 206);
}

#[test]
fn small_files_leave_no_parts() {
    let repository = Repository::sample();
    let upstream = Upstream::start(repository.build().site());
    let path = format!("/{}", repository.href(repository.package("hello-chantal-doc")));
    upstream.set_fault(&path, Fault::TruncateAfter(100), 9);
    let chantal = chantal(&[&format!("feed: {}", upstream.url("/"))]);
    chantal.run(&["repo", "sync", "r"]).expect(9);
    assert_eq!(std::fs::read_dir(chantal.pool().join("tmp")).unwrap().count(), 0);
}
