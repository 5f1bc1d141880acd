//! Bad input of every kind that the corpus plan names: what it is answered with, and that nothing else happens.
//!
//! Inputs come from seeds, at least twenty per row. A failure says row, seed and input, and where the input is kept.
//! `CHANTAL_VARIANTS=500` tries more of them.

#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test that cannot go on fails; names are of one spelling"
)]

mod archives;
mod bench;
mod documents;
mod http;
mod metadata;
mod modules;
mod names;
mod packages;
mod settings;
mod store;
mod trees;
mod trust;
