//! Modules in YAML.

use chantal_testkit::corpus::modules;

use crate::bench::try_all;

#[test]
fn aliases_that_expand_are_a_limit() {
    try_all(modules::E01);
}

#[test]
fn deep_yaml_is_a_limit() {
    try_all(modules::E02);
}

#[test]
fn documents_that_hold_themselves_are_left_out_by_name() {
    try_all(modules::E03);
}

#[test]
fn documents_that_are_no_modules_are_left_out_by_name() {
    try_all(modules::BROKEN);
}
