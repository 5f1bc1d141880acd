//! Verification and repair: what is damaged is found with everybody whom it concerns, and made good.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the names are the tests' own"
)]

mod bench;
mod kinds;
mod rebuild;
mod rot;
mod share;
mod trees;
