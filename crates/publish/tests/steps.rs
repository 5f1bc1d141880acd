//! Every step of publishing, interrupted after each and taken again, in both ways of switching.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod repository;

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chantal_model::Sha256;
use chantal_publish::{PublishError, Site, SiteOptions, SwitchMode};
use repository::{Bench, ENTRY, Pair, State, all_files, assert_exactly, entry_dir, path, read_as_client, tree};

const WAYS: [SwitchMode; 3] = [SwitchMode::Probe, SwitchMode::Exchange, SwitchMode::Rename];

#[test]
fn a_published_state_is_all_that_is_there() {
    for way in WAYS {
        let bench = Bench::with_switch(way);
        for number in [0, 1, 2, 1] {
            let state = State::new(number);
            bench.publish(&state, &[]);
            assert_exactly(&bench.tree(), &state);
        }
    }
}

#[test]
fn recent_states_stay_reachable_until_they_are_not_named() {
    for way in WAYS {
        let bench = Bench::with_switch(way);
        let (old, new) = (State::new(0), State::new(1));
        bench.publish(&old, &[]);
        bench.publish(&new, &[&old]);
        let there = all_files(&bench.tree());
        for path in old.paths().union(&new.paths()) {
            assert!(there.contains(path.as_str()), "{way:?} {path}");
        }
        assert_eq!(read_as_client(&bench.tree(), Pair::Checked), Some(Ok(())), "{way:?}");
        bench.publish(&new, &[]);
        assert_exactly(&bench.tree(), &new);
    }
}

#[test]
fn a_signature_goes_with_the_entry_that_it_signs() {
    for way in WAYS {
        let bench = Bench::with_switch(way);
        bench.publish(&State::new(0), &[]);
        let unsigned = State::new(1).unsigned();
        bench.publish(&unsigned, &[&State::new(0)]);
        assert!(!bench.tree().join("repodata/repomd.xml.asc").exists(), "{way:?}");
        bench.publish(&unsigned, &[]);
        assert_exactly(&bench.tree(), &unsigned);
    }
}

#[test]
fn a_run_that_stops_after_any_step_leaves_a_whole_state_and_the_next_one_finishes() {
    for way in WAYS {
        for stop in 0..5 {
            let bench = Bench::with_switch(way);
            let (old, new, newer) = (State::new(0), State::new(1), State::new(2));
            bench.publish(&old, &[]);
            let publisher = bench.publisher();
            if stop >= 1 {
                publisher.add(&new).unwrap();
            }
            if stop >= 2 {
                let stage = publisher.stage(&new, &[&old]).unwrap();
                if stop >= 3 {
                    bench.site.switch(stage).unwrap();
                }
            }
            if stop >= 4 {
                publisher.prune(&new, &[&old]).unwrap();
            }
            let served = std::fs::read(bench.tree().join(ENTRY)).unwrap();
            assert_eq!(
                served,
                if stop < 3 { old.entry } else { new.entry.clone() },
                "{way:?} {stop}"
            );
            assert_eq!(
                read_as_client(&bench.tree(), Pair::Checked),
                Some(Ok(())),
                "{way:?} {stop}"
            );
            let next = if stop % 2 == 0 { &new } else { &newer };
            bench.publish(next, &[]);
            assert_exactly(&bench.tree(), next);
        }
    }
}

#[test]
fn renames_that_were_cut_short_are_finished_by_the_next_run() {
    for (done, next) in [(0, 1), (1, 1), (2, 1), (1, 2)] {
        let bench = Bench::with_switch(SwitchMode::Rename);
        let (old, new) = (State::new(0), State::new(1));
        bench.publish(&old, &[]);
        let publisher = bench.publisher();
        publisher.add(&new).unwrap();
        drop(publisher.stage(&new, &[]).unwrap());
        // As the switch leaves it when it is killed after so many of its renames.
        let (stage, live) = (bench.tree().join(".stage-repodata"), bench.tree().join("repodata"));
        for name in new.digest_named.keys() {
            std::fs::rename(stage.join(name), live.join(name)).unwrap();
        }
        let remove: Vec<String> = old.digest_named.keys().map(|name| format!("remove {name}\n")).collect();
        let fixed = ["repomd.xml.asc", "repomd.xml"];
        let intent = format!("rename {}\nrename {}\n{}", fixed[0], fixed[1], remove.concat());
        std::fs::write(stage.join(".renaming"), intent).unwrap();
        for name in &fixed[..done] {
            std::fs::rename(stage.join(name), live.join(name)).unwrap();
        }

        if done == 2 {
            bench.site.recover(&tree(), &entry_dir()).unwrap();
        } else {
            // Staging the next state finishes them too.
            drop(publisher.stage(&State::new(2), &[]).unwrap());
        }

        assert_eq!(std::fs::read(live.join("repomd.xml")).unwrap(), new.entry, "{done}");
        assert_eq!(read_as_client(&bench.tree(), Pair::Checked), Some(Ok(())), "{done}");
        let next = State::new(next);
        bench.publish(&next, &[]);
        assert_exactly(&bench.tree(), &next);
    }
}

/// Ends the reader also where the writer fails.
struct Finished<'a>(&'a AtomicBool);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn clients_that_read_during_two_hundred_switches_find_every_named_file() {
    for way in [SwitchMode::Probe, SwitchMode::Rename] {
        const SWITCHES: u32 = 200;
        let bench = Bench::quick(way);
        let states: Vec<State> = (0..=SWITCHES).map(State::new).collect();
        bench.publish(&states[0], &[]);
        // The reader tells at which state its pass began; the grace is as long as the pass.
        let (served, began, over) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        let root = bench.tree();
        let passes = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut passes = 0;
                loop {
                    let last = over.load(Ordering::SeqCst);
                    began.store(served.load(Ordering::SeqCst), Ordering::SeqCst);
                    assert_eq!(
                        read_as_client(&root, Pair::NotChecked),
                        Some(Ok(())),
                        "{way:?} pass {passes}"
                    );
                    passes += 1;
                    if last {
                        return passes;
                    }
                }
            });
            let finished = Finished(&over);
            let mut mtime = 0;
            for number in 1..=SWITCHES {
                let oldest = began.load(Ordering::SeqCst);
                let recent: Vec<&State> = states[oldest as usize..number as usize].iter().collect();
                bench.publish(&states[number as usize], &recent);
                served.store(number, Ordering::SeqCst);
                let live = bench.site.live_entry(&tree(), &path(ENTRY)).unwrap().unwrap();
                assert_eq!(live.sha256, Sha256::of(&states[number as usize].entry));
                assert!(live.mtime > mtime, "{} after {mtime}", live.mtime);
                mtime = live.mtime;
            }
            drop(finished);
            reader.join().unwrap()
        });
        assert!(passes > 1, "{way:?}");
    }
}

#[test]
fn a_stage_that_does_not_verify_changes_nothing() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    let old = State::new(0);
    bench.publish(&old, &[]);
    let stage = bench.publisher().stage(&State::new(1), &[]).unwrap();
    let refused = stage.verify(&|directory| Err(format!("{} is wrong", directory.display())));
    assert!(matches!(&refused, Err(PublishError::Incomplete { reason }) if reason.contains("is wrong")));
    assert_eq!(refused.unwrap_err().exit_code(), 8);
    bench.publish(&old, &[]);
    assert_exactly(&bench.tree(), &old);
}

#[test]
fn entry_files_are_fresh_inodes_and_other_files_links() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    let state = State::new(0);
    bench.publish(&state, &[]);
    let inode = |path: &std::path::Path| std::fs::metadata(path).unwrap().ino();
    let blob = |bytes: &[u8]| inode(&bench.directory.path().join(Sha256::of(bytes).hex()));
    for (name, bytes) in &state.digest_named {
        assert_eq!(inode(&bench.tree().join("repodata").join(name)), blob(bytes));
    }
    let signature = state.signature.as_ref().unwrap();
    assert_ne!(inode(&bench.tree().join("repodata/repomd.xml.asc")), blob(signature));
}

#[test]
fn a_second_publisher_is_turned_away_until_the_first_is_done() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    let other = Site::open(bench.site.root(), SiteOptions::default()).unwrap();
    let lock = bench.site.lock(&tree()).unwrap();
    let busy = other.lock(&tree()).unwrap_err();
    assert!(matches!(busy, PublishError::Busy { .. }));
    assert_eq!(busy.exit_code(), 7);
    other.lock(&path("repo/other")).unwrap();
    drop(lock);
    other.lock(&tree()).unwrap();
}

#[test]
fn a_removed_tree_is_gone_and_can_come_back() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    bench.site.remove(&tree()).unwrap();
    bench.publish(&State::new(0), &[]);
    let lock = bench.site.lock(&tree()).unwrap();
    bench.site.remove(&tree()).unwrap();
    assert_eq!(all_files(bench.site.root()), std::collections::HashSet::new());
    drop(lock);
    bench.publish(&State::new(1), &[]);
    assert_exactly(&bench.tree(), &State::new(1));
}

#[test]
fn what_the_program_or_somebody_keeps_in_the_tree_is_not_pruned() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    let top = bench.site.root().join(tree().as_str());
    let empty = [".chantal/pool/tmp", ".own/empty"].map(|name| top.join(name));
    for directory in &empty {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::create_dir_all(top.join("Packages/empty")).unwrap();
    bench.site.prune(&tree(), &mut |_| true).unwrap();
    assert!(empty.iter().all(|directory| directory.is_dir()));
    assert!(!top.join("Packages/empty").exists());
}

#[test]
fn generations_stay_as_they_were_while_the_tree_goes_on() {
    let bench = Bench::with_switch(SwitchMode::Probe);
    let (old, new) = (State::new(0), State::new(1));
    bench.publish(&old, &[]);
    assert_eq!(
        bench.site.generation(&tree(), &entry_dir(), 1).unwrap().as_str(),
        "repo/gen/1"
    );
    bench
        .site
        .write_file(&path("repo/mirrorlist"), b"https://host/repo/gen/1/\n")
        .unwrap();
    bench.publish(&new, &[&old]);
    bench.site.generation(&tree(), &entry_dir(), 2).unwrap();
    // Made again after a crash it is not made from what is live now.
    bench.site.generation(&tree(), &entry_dir(), 1).unwrap();

    let generations = bench.site.root().join("repo/gen");
    for (number, state) in [("1", &old), ("2", &new)] {
        let generation = generations.join(number);
        assert_eq!(std::fs::read(generation.join(ENTRY)).unwrap(), state.entry);
        assert_eq!(read_as_client(&generation, Pair::Checked), Some(Ok(())), "{number}");
        let link = std::fs::read_link(generation.join("Packages")).unwrap();
        assert_eq!(link, std::path::Path::new("../../latest/Packages"));
    }
    assert_eq!(bench.site.prune_generations(&tree(), &|number| number == 2).unwrap(), 1);
    assert!(!generations.join("1").exists() && generations.join("2").exists());
    bench.site.remove_generations(&tree()).unwrap();
    assert!(!generations.exists() && !bench.site.root().join("repo/mirrorlist").exists());
}
