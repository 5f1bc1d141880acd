//! Bad input of every kind that the corpus plan names: what it is answered with, and that nothing else happens.
//!
//! Inputs come from seeds, twenty per row. A failure says row, seed and input, and where the input is kept.
//! `CHANTAL_VARIANTS=500` tries more of them. Not of seeds are what has no twenty variants: a repository that somebody
//! holds, a server that speaks plain text where TLS is asked for (one of the kinds of its row), and databases that are newer
//! or read-only (L01), which `faults` and `backup` try; one that another program holds is tried here, as far as a run says
//! that it waits, and in the tests of the catalog, where waiting in vain takes no minute. No test can set the clock: one at
//! 1970 (J08) is tried as feeds of the future, and `doctor`, which finds it, is tested where it judges.

#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test that cannot go on fails; names are of one spelling"
)]

mod archives;
mod bench;
mod documents;
mod http;
mod locations;
mod metadata;
mod mirrors;
mod modules;
mod names;
mod packages;
mod rows;
mod settings;
mod store;
mod times;
mod trees;
mod trust;
