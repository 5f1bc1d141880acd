//! Configurations that are wrong.

use std::path::Path;

use chantal_testkit::chantal::{Chantal, Output, finish};
use chantal_testkit::corpus::names::acts;
use chantal_testkit::corpus::{Draw, settings};
use regex::Regex;

use crate::bench::{bounded, none_is, variants};

fn validate(chantal: &Chantal, bytes: &[u8]) -> Output {
    std::fs::write(chantal.config_path(), bytes).unwrap();
    finish(&mut bounded(&chantal.command(&["config", "validate"])))
}

/// What no run may do, whatever it is given.
fn misbehaved(ran: &Output, directory: &Path) -> Option<String> {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if said.contains("panicked") {
        return Some("it panicked".to_owned());
    }
    if let Some(c) = said.chars().find(|c| acts(*c)) {
        return Some(format!("{c:?} in what it says"));
    }
    let made: Vec<_> = std::fs::read_dir(directory).unwrap().flatten().collect();
    (made.len() != 1).then(|| format!("it made {made:?}"))
}

#[track_caller]
fn all_are_refused(make: settings::Make) {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let input = make(&mut Draw::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d), seed));
        let ran = validate(&chantal, &input.bytes);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let reason = if ran.code != 2 {
            Some(format!("exit {}, not 2", ran.code))
        } else if !Regex::new(input.text).unwrap().is_match(&said) {
            Some(format!("expected a text like {:?}", input.text))
        } else {
            misbehaved(&ran, chantal.path())
        };
        if let Some(reason) = reason {
            let text = String::from_utf8_lossy(&input.bytes);
            wrong.push(format!(
                "seed {seed}: {}: {reason}\n{said:.600}\n{text:.700}",
                input.what
            ));
        }
    }
    none_is(&wrong);
}

#[test]
fn unknown_keys_are_refused_at_their_place() {
    all_are_refused(settings::unknown_keys);
}

#[test]
fn values_of_another_type_are_refused_at_their_place() {
    all_are_refused(settings::wrong_types);
}

#[test]
fn patterns_that_are_none_or_too_large_are_refused() {
    all_are_refused(settings::bad_patterns);
}

#[test]
fn feeds_that_are_none_are_refused_at_their_place() {
    all_are_refused(settings::bad_feeds);
}

#[test]
fn ids_that_are_no_directory_names_are_refused_at_their_place() {
    all_are_refused(settings::bad_ids);
}

#[test]
fn what_is_there_twice_is_refused_at_its_place() {
    all_are_refused(settings::duplicates);
}

#[test]
fn what_is_no_yaml_or_never_ends_is_refused() {
    all_are_refused(settings::no_yaml);
}

#[test]
fn what_is_no_text_is_refused() {
    all_are_refused(settings::no_text);
}

#[test]
fn a_damaged_configuration_is_good_or_refused_and_nothing_else() {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    let mut wrong = Vec::new();
    for seed in 0..5 * variants() {
        let bytes = settings::mutated(&mut Draw::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d), seed));
        let ran = validate(&chantal, &bytes);
        let reason = match ran.code {
            0 | 2 => misbehaved(&ran, chantal.path()),
            code => Some(format!("exit {code}")),
        };
        if let Some(reason) = reason {
            let text = String::from_utf8_lossy(&bytes);
            wrong.push(format!("seed {seed}: {reason}\n{}\n{text}", ran.stderr));
        }
    }
    none_is(&wrong);
}
