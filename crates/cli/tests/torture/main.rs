//! Faults of every kind, with one oracle: what is recorded is there, what is served is one state and whole, what was
//! acknowledged stays, and the next run finishes without repair.
//!
//! `make torture` sets the numbers; by default they are those of the quick column of docs/reliability.md.

#![allow(
    clippy::print_stdout,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "what was done is told; names are of one spelling"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod build;
mod cuts;
mod disk;
mod errors;
mod facts;
mod kills;
mod numbers;
mod points;
mod schedules;
mod trace;
mod verbs;
