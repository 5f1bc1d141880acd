//! Entry points and package lists.

use chantal_testkit::corpus::metadata;

use crate::bench::try_all;

#[test]
fn two_checksums_for_one_location_are_refused() {
    try_all(metadata::A13);
}

#[test]
fn a_count_that_is_wrong_is_refused() {
    try_all(metadata::D07);
}

#[test]
fn metadata_promised_by_a_weak_checksum_alone_are_refused() {
    try_all(metadata::I02);
}

#[test]
fn a_flipped_bit_in_metadata_is_refused() {
    try_all(metadata::I05_METADATA);
}

#[test]
fn entries_that_lack_something_are_refused() {
    try_all(metadata::MISSING);
}

#[test]
fn promises_that_are_not_kept_are_refused() {
    try_all(metadata::PROMISES);
}

#[test]
fn deltas_at_unsafe_places_are_refused() {
    try_all(metadata::DELTAS);
}

#[test]
fn packages_and_metadata_never_take_each_others_places() {
    try_all(metadata::COLLISIONS);
}
