//! What is read from upstream, through the binary: installation trees, digests, compressions, duplicates, limits.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod tree;
mod tree_refused;
