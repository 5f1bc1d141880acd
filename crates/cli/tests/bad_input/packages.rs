//! Packages and what metadata say about them.

use chantal_testkit::corpus::packages;

use crate::bench::try_all;

#[test]
fn packages_without_a_lead_are_mirrored_as_they_are() {
    try_all(packages::F01);
}

#[test]
fn headers_with_entries_without_end_are_not_read() {
    try_all(packages::F02);
}

#[test]
fn headers_with_data_without_end_are_not_read() {
    try_all(packages::F03);
}

#[test]
fn entries_beyond_the_data_are_not_followed() {
    try_all(packages::F04);
}

#[test]
fn entries_of_other_types_are_not_read() {
    try_all(packages::F05);
}

#[test]
fn payloads_are_not_unpacked() {
    try_all(packages::F13);
}

#[test]
fn packages_of_another_size_are_left_out_or_refused() {
    try_all(packages::I04);
}

#[test]
fn packages_with_a_flipped_bit_are_left_out_or_refused() {
    try_all(packages::I05);
}

#[test]
fn packages_that_are_not_handed_out_are_left_out_or_refused() {
    try_all(packages::GONE);
}
