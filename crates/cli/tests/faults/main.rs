//! Full disks, damaged stores, signals and failing system calls: what is recorded and served stays whole, the exit code
//! tells what happened, and once the cause is gone the next run finishes without repair.

#![allow(
    clippy::print_stdout,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "what a fault did is told; names are of one spelling"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod damage;
mod delete;
mod disk;
mod injection;
mod mounts;
mod signals;
