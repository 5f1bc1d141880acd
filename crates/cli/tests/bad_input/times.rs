//! Feeds that go back in time, that stand still, and that are ahead of it.

use chantal_testkit::corpus::times;

use crate::bench::try_all;

#[test]
fn feeds_that_go_back_are_refused_and_both_dates_are_told() {
    try_all(times::J02);
}

#[test]
fn feeds_that_stand_still_are_taken_and_told() {
    try_all(times::J05);
}

#[test]
fn feeds_of_a_day_that_has_not_come_are_refused() {
    // J08, this machine's clock at 1970, is the same to a sync. `doctor` judges it, see `judge_clock` of the engine.
    try_all(times::J07);
}
