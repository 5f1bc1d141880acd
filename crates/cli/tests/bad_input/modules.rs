//! Modules in YAML.

use chantal_testkit::corpus::{Expect, Row, modules};

use crate::bench::{Bench, none_is, try_all, try_variant, variants};

/// Tries every variant of a row as a mirror, where something else may come of it.
fn try_mirrored(row: Row, expect: Expect) {
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let mut variant = row.variant(seed);
        variant.keys = vec!["mode: mirror".to_owned()];
        variant.expect = expect;
        wrong.extend(try_variant(&mut bench, row.id, seed, &variant));
    }
    none_is(&wrong);
}

#[test]
fn aliases_that_expand_are_a_limit() {
    try_all(modules::E01);
    try_mirrored(modules::E01, Expect::Refused(&[6], "exceeds"));
}

#[test]
fn deep_yaml_is_a_limit() {
    try_all(modules::E02);
    try_mirrored(modules::E02, Expect::Refused(&[6], "exceeds"));
}

#[test]
fn documents_that_hold_themselves_are_left_out_by_name() {
    try_all(modules::E03);
    try_mirrored(modules::E03, Expect::Warned("left out"));
}

#[test]
fn documents_that_are_no_modules_are_left_out_by_name() {
    try_all(modules::BROKEN);
    try_mirrored(modules::BROKEN, Expect::Warned("left out"));
}
