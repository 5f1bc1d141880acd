//! Servers that misbehave.

use chantal_testkit::corpus::http;

use crate::bench::{try_all, try_apart};

#[test]
fn bodies_without_end_are_cut_off() {
    try_all(http::G01);
}

#[test]
fn bodies_that_end_early_are_refused_or_resumed() {
    try_apart(http::G02);
}

#[test]
fn headers_that_are_too_large_or_none_are_refused() {
    try_all(http::G04);
}

#[test]
fn redirects_without_end_are_refused() {
    try_all(http::G06);
}

#[test]
fn redirects_to_other_schemes_are_refused() {
    try_all(http::G07);
}

#[test]
fn a_server_that_cannot_resume_is_asked_for_everything() {
    try_apart(http::G11);
}

#[test]
fn an_encoding_that_nobody_asked_for_changes_nothing() {
    try_all(http::G15);
}

#[test]
fn pages_for_people_are_no_repository() {
    try_all(http::G16);
}

#[test]
fn every_status_is_told_apart() {
    try_apart(http::G18);
}

#[test]
fn closed_connections_are_told() {
    try_all(http::CLOSED);
}

#[test]
fn answers_that_stall_time_out() {
    // Each waits for its timeout, so they wait together.
    try_apart(http::G05);
}
