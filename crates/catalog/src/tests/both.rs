//! The tests of this crate once more, on PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chantal_testkit::postgres::Postgres;

use super::SERVER;
use crate::collect::tests as collect;
use crate::forget::tests as forget;
use crate::holder::tests as holder;
use crate::tasks::tests as tasks;

macro_rules! tests {
    ($($test:path,)*) => { &[$((stringify!($test), $test)),*] };
}

/// The tests that a catalog of either engine passes, by their paths.
const ON_BOTH: &[(&str, fn())] = tests![
    super::older_and_newer_schemas_are_neither_used_nor_written,
    super::one_lease_has_one_holder_and_a_dead_one_is_replaced,
    super::a_lease_of_another_host_ends_when_it_expires,
    super::blobs_are_found_by_every_digest,
    super::sizes_beyond_32_bits_come_back,
    super::records::records_are_stored_once_and_come_back_in_order,
    super::records::what_is_there_already_keeps_its_row_and_a_pack_of_nothing_else_is_not_kept,
    super::records::a_damaged_pack_is_found,
    super::revisions::any_sequence_of_revisions_reads_back_as_it_was_written,
    super::revisions::what_names_something_that_is_not_there_is_refused_whole,
    super::revisions::a_snapshot_is_two_rows_whatever_the_size,
    super::revisions::a_snapshot_of_a_revision_that_is_not_there_is_refused,
    super::revisions::revisions_retire_by_number_and_age_and_what_only_they_held_goes,
    super::revisions::nothing_retires_while_somebody_publishes_or_a_tree_serves_it,
    super::revisions::what_has_retired_gets_no_snapshot_and_does_not_retire_again,
    super::one_state_of_a_path_is_live_and_the_others_know_until_when_they_were,
    super::strays_keep_the_time_they_were_first_seen,
    super::a_run_that_cannot_note_what_it_saw_failed,
    super::a_run_whose_process_is_gone_was_killed,
    super::the_last_run_of_each_repository_is_one_row_each,
    super::packages_are_found_by_name_version_and_digest,
    super::feed_state_is_saved_whole_and_forgotten_whole,
    super::thousands_of_rows_go_in_at_once,
    collect::what_nothing_refers_to_waits_and_then_goes,
    collect::what_a_running_task_relies_on_is_spared,
    collect::holds_and_rendered_metadata_keep_blobs,
    collect::whom_collection_holds_off_is_not_turned_away,
    collect::unused_rows_go_and_half_dead_packs_are_packed_anew,
    forget::everything_of_a_repository_goes_but_for_what_others_may_share,
    forget::what_may_not_go_keeps_everything,
    forget::a_revision_that_somebody_else_pins_keeps_everything,
    holder::another_process_sees_who_holds_a_lease_and_how_far_it_is,
    holder::of_a_holder_elsewhere_only_its_lease_tells,
    holder::a_database_that_was_not_upgraded_knows_no_progress,
    crate::tables::tests::the_list_has_every_table_and_its_key,
    crate::restore::tests::what_is_dumped_comes_back_and_nothing_runs_any_more,
    crate::restore::tests::a_restoration_that_does_not_end_changes_nothing,
    crate::restore::tests::every_earlier_schema_is_upgraded_with_its_rows,
    crate::tally::tests::runs_are_counted_by_how_they_ended_and_the_one_before_is_told,
    crate::gauges::tests::gauges_count_what_is_there,
    crate::schedule::tests::a_due_run_is_queued_once_and_not_while_the_one_before_is_open,
    crate::schedule::tests::of_many_that_see_the_same_due_run_one_queues_it,
    tasks::a_task_is_seen_from_its_start_to_its_end_and_forgotten_later,
    tasks::tasks_that_ended_long_ago_are_forgotten_but_their_numbers_do_not_come_again,
    tasks::a_queued_task_is_claimed_once_and_again_when_its_worker_is_gone_or_silent,
    tasks::a_persons_task_whose_process_is_gone_is_marked_as_killed,
    tasks::a_waiting_task_is_cancelled_at_once_and_a_running_one_is_asked,
    tasks::leases_of_work_that_was_dropped_are_given_back,
];

/// The others, and why.
const ON_ONE: &[(&str, &str)] = &[
    (
        "the_database_is_for_its_owner_only_and_must_exist_for_reading",
        "a server's files are its own",
    ),
    ("what_is_no_database_is_damaged", "of a file that is something else"),
    ("a_large_log_goes_into_the_database", "of the log of SQLite"),
    (
        "a_small_log_stays_a_large_one_and_that_of_a_closed_database_do_not",
        "of the log of SQLite",
    ),
    (
        "a_transaction_that_is_dropped_is_taken_back_also_while_a_statement_runs",
        "of connections to SQLite",
    ),
    ("an_insertion_tells_which_rows_are_new", "of connections to SQLite"),
    (
        "what_a_transaction_turns_off_is_on_again_whatever_becomes_of_it",
        "of connections to SQLite",
    ),
    (
        "marks_are_what_their_numbers_say_in_any_order",
        "of connections to SQLite",
    ),
    (
        "whoever_waits_for_another_process_lets_other_tasks_go_on",
        "of connections to SQLite",
    ),
    (
        "whoever_comes_after_one_that_waited_in_vain_waits_shortly",
        "of connections to SQLite",
    ),
    (
        "nobody_waits_for_what_waiting_does_not_help",
        "of connections to SQLite",
    ),
    (
        "a_file_that_another_program_holds_is_busy_with_a_hint",
        "of a file of SQLite",
    ),
    (
        "a_diff_reads_indexes_and_never_the_whole_table",
        "reads the plans of SQLite",
    ),
    (
        "a_file_that_is_not_there_can_be_restored_into",
        "of a file that is missing",
    ),
    (
        "of_many_that_want_a_lease_of_postgresql_at_once_one_gets_it",
        "starts a server",
    ),
    (
        "writers_of_the_same_rows_in_other_orders_do_not_lock_each_other_out",
        "starts a server",
    ),
    ("a_server_that_went_away_is_not_taken_for_a_busy_one", "starts a server"),
];

#[test]
fn everything_of_a_catalog_holds_on_postgresql_too() {
    let Some(server) = Postgres::start() else { return };
    SERVER.set(Some(server));
    for (name, test) in ON_BOTH {
        eprintln!("{name}");
        test();
    }
    let databases = SERVER.with_borrow(|server| {
        let server = server.as_ref().expect("it was just set");
        server.query(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'",
        )
    });
    assert!(databases.parse::<usize>().unwrap() >= ON_BOTH.len(), "{databases}");
    SERVER.set(None);
}

/// Names of the tests in the source of this crate that wait for a database, each with its file.
fn written(directory: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        for at in (0..lines.len()).filter(|at| lines[*at].starts_with("#[tokio::test")) {
            let function = lines[at..].iter().find_map(|line| line.split_once("async fn "));
            let (_, rest) = function.expect("the attribute is of a function");
            let name = rest.split('(').next().unwrap().to_owned();
            let before = found.insert(name.clone(), path.display().to_string());
            assert_eq!(before, None, "two tests are called {name}");
        }
    }
}

#[test]
fn every_test_that_waits_for_a_database_runs_on_both_or_says_why_not() {
    let mut written_tests = BTreeMap::new();
    written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut written_tests);
    let both = ON_BOTH.iter().map(|(path, _)| path.rsplit("::").next().unwrap());
    let listed: Vec<&str> = both.chain(ON_ONE.iter().map(|(name, _)| *name)).collect();
    let distinct: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(distinct.len(), listed.len(), "a test is listed twice");
    let unlisted = written_tests
        .iter()
        .filter(|(name, _)| !distinct.contains(name.as_str()));
    assert_eq!(unlisted.collect::<Vec<_>>(), [], "tests that are on neither list");
    let gone = distinct.iter().filter(|name| !written_tests.contains_key(**name));
    assert_eq!(
        gone.collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "tests that are not there"
    );
    assert!(ON_ONE.iter().all(|(_, why)| !why.is_empty()));
}
