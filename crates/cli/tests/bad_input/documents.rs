//! XML that is none, or too much.

use chantal_testkit::corpus::documents;

use crate::bench::try_all;

#[test]
fn entities_that_expand_are_refused() {
    try_all(documents::D01);
}

#[test]
fn entities_that_name_files_are_refused() {
    try_all(documents::D02);
}

#[test]
fn a_dtd_is_refused() {
    try_all(documents::D03);
}

#[test]
fn values_of_many_megabytes_are_a_limit() {
    try_all(documents::D04);
}

#[test]
fn deep_nesting_is_a_limit() {
    try_all(documents::D06);
}

#[test]
fn documents_that_are_not_well_formed_are_refused() {
    try_all(documents::D08);
}

#[test]
fn entry_points_that_are_not_well_formed_are_refused() {
    try_all(documents::D08_ENTRY);
}

#[test]
fn records_that_describe_no_package_are_left_out_by_name_or_refused() {
    try_all(documents::RECORDS);
}

#[test]
fn items_that_are_none_are_left_out_by_name() {
    try_all(documents::ITEMS);
}
